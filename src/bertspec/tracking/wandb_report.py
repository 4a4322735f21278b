"""A session as a W&B Report: its claims as text and its runs as charts, by W&B's own library."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from bertspec.errors import SourceError
from bertspec.tracking.connection import service_api, without_secrets
from bertspec.tracking.wandb_runs import PROJECT

__all__ = ["publish"]


def publish(title: str, text: str, *, fingerprints: Sequence[str], metrics: Sequence[str]) -> str:
    """Write a W&B Report into the project of the runs.

    Args:
        title: its heading.
        text: Markdown, escaped.
        fingerprints: the runs to chart, grouped by study; runs that were never logged online are left out.
        metrics: the scores to chart.

    Returns:
        Its address for a browser.

    Raises:
        Unreachable: the service does not answer.
        SourceError: there is no key, the service refuses, or wandb-workspaces is not installed.
    """
    try:
        from wandb_workspaces import expr
        from wandb_workspaces.reports import v2
    except ImportError as missing:
        raise SourceError(
            "W&B Reports need the package wandb-workspaces", allowed="pip install 'bertspec[wandb-report]'"
        ) from missing
    reports: Any = v2  # it exports by star
    entity = service_api().default_entity
    project = os.environ.get("WANDB_PROJECT", PROJECT)
    chosen = [expr.Config("fingerprint").isin(list(fingerprints))]
    runs = reports.Runset(entity=entity, project=project, name="by study", filters=chosen, groupby=["group"])
    loss = reports.LinePlot(title="Training loss", x="training/step", y=["training/loss"])
    scores = [reports.BarPlot(title=name, metrics=[f"evaluation/{name}"]) for name in metrics]
    blocks = [reports.MarkdownBlock(text=text), reports.PanelGrid(runsets=[runs], panels=[loss, *scores])]
    report = reports.Report(entity=entity, project=project, title=title, blocks=blocks, width="fluid")
    try:
        report.save()
    except Exception as refusal:  # noqa: BLE001 - the client raises errors of many types
        raise SourceError(f"W&B refuses the report: {without_secrets(refusal)}") from None
    return str(report.url)
