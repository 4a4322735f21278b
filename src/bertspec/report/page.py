"""The HTML page of a session: one file without scripts that needs no network."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bertspec import metrics
from bertspec.config import RecipeConfig, StudyConfig
from bertspec.heads import HardRow
from bertspec.report import plots
from bertspec.report.plots import Chart, ParetoPlot, Point, curve_plot, pareto_plot
from bertspec.report.sweeps import ranks, steps, views
from bertspec.results import ScenarioRecord, SessionRecord
from bertspec.sources import Sources, tables
from bertspec.store import Store, StoredRun
from bertspec.store.sweeps import sweeps
from bertspec.tracking import link

__all__ = ["html"]

_HARDEST = 5


def html(session: SessionRecord, store: Store, sources: Sources) -> str:
    """The page of a session. Data, names and errors are shown as text; none of it can run.

    Args:
        session: the record of the session.
        store: holds its runs; a run that is gone is left out.
        sources: where the texts of the hardest rows are; texts that are gone are left out.
    """
    studies = _studies(session, store, sources)
    return (
        plots.templates()
        .get_template("page.html.j2")
        .render(
            session=session,
            features=_by_feature(session.scenarios),
            not_run=_reasons(session.scenarios),
            verdicts=Counter(claim.verdict for scenario in session.scenarios for claim in scenario.claims),
            outcomes=Counter(scenario.outcome for scenario in session.scenarios),
            studies=studies,
            pareto=_pareto(studies),
            sweeps=views(sweeps(store.root)),
            ranks=ranks,
            steps=steps,
            claim_plot=plots.claim_plot,
            explained=_explained,
        )
    )


class _Feature(NamedTuple):
    path: str
    name: str
    description: str
    rules: dict[str | None, list[ScenarioRecord]]


@dataclass(frozen=True, slots=True)
class _StudyView:
    title: str
    runs: tuple[StoredRun, ...]
    curve: Chart | None
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    """References down, predictions across, summed over the seeds; empty where there are no classes."""
    hardest: tuple[tuple[HardRow, tuple[str, ...]], ...]
    """The hardest rows with their texts: one text, or a pair; empty where the rows are not available any more."""
    promised: bool
    """Whether a claim says that it is good; sabotage is not claimed to be."""
    links: Mapping[str, str]
    """Fingerprint → the page of the run in W&B, where it has one."""

    @property
    def recipe(self) -> str:
        """The settings that distinguish it from other studies of the same encoder, task and optimizer."""
        recipe = self.runs[0].config.recipe
        parts = [
            f"learning rate {recipe.optimizer.learning_rate:g}",
            _length(recipe),
            f"batches of {recipe.batch_size}",
        ]
        parts += [f"up to {recipe.max_length} tokens", *["encoder frozen"] * recipe.frozen_encoder]
        return ", ".join(parts)

    @property
    def metrics(self) -> tuple[tuple[str, float], ...]:
        """The mean of each metric; NaN if no seed has a score that is defined."""
        facts = [run.result.facts for run in self.runs]
        defined = {name: not all(math.isnan(each.scores[name]) for each in facts) for name in facts[0].scores}
        return tuple(
            (name, float(np.mean([each.counted(name) for each in facts])) if known else math.nan)
            for name, known in defined.items()
        )

    @property
    def train_s(self) -> float:
        """The median over the seeds, in seconds."""
        return float(np.median([run.result.facts.timings.train_s for run in self.runs]))


def _by_feature(scenarios: Iterable[ScenarioRecord]) -> list[_Feature]:
    """Every feature with its scenarios, rule by rule, in the order of the file."""
    features: dict[str, _Feature] = {}
    for scenario in sorted(scenarios, key=lambda scenario: (scenario.path, scenario.line)):
        new = _Feature(scenario.path, scenario.feature, scenario.description, {})
        features.setdefault(scenario.path, new).rules.setdefault(scenario.rule, []).append(scenario)
    return list(features.values())


def _reasons(scenarios: Iterable[ScenarioRecord]) -> dict[str, list[str]]:
    """Reason → the titles of the scenarios that were not run for it."""
    reasons: dict[str, list[str]] = {}
    for scenario in scenarios:
        if scenario.outcome == "not run":
            reasons.setdefault(scenario.reason or "", []).append(scenario.title)
    return reasons


def _explained(scenario: ScenarioRecord) -> bool:
    """Whether the last claim already says why the scenario failed, so that its message would repeat it."""
    failed = any(step.outcome == "failed" and step.claims for step in scenario.steps)
    return failed and bool(scenario.claims) and scenario.claims[-1].verdict != "PASS"


def _studies(session: SessionRecord, store: Store, sources: Sources) -> tuple[_StudyView, ...]:
    """Every study whose runs the store still has, in the order of its first claim."""
    claims = [claim for scenario in session.scenarios for claim in scenario.claims]
    studies: dict[str, list[StoredRun]] = {}
    for run in store.readable(dict.fromkeys(name for claim in claims for name in (*claim.runs, *claim.others))):
        studies.setdefault(run.config.model_dump_json(exclude={"seed"}), []).append(run)
    promised = {name for claim in claims if claim.promise for name in claim.runs}
    ordered = (tuple(sorted(runs, key=lambda run: run.config.seed)) for runs in studies.values())
    return tuple(_study(runs, store, sources, promised) for runs in ordered)


def _study(runs: tuple[StoredRun, ...], store: Store, sources: Sources, promised: Container[str]) -> _StudyView:
    config, head = runs[0].config, runs[0].config.task.task_head
    predictions = np.array([run.result.outcomes.predictions for run in runs])
    references = runs[0].result.outcomes.references
    texts = tables.texts(config.task, sources, sha256=runs[0].result.facts.provenance.data.sha256)
    links = {run.fingerprint: link(store.tracking, run.fingerprint) for run in runs}
    hardest = head.hardest(references, predictions, most=_HARDEST)
    return _StudyView(
        title=StudyConfig(encoder=config.encoder, task=config.task, recipe=config.recipe, seeds=(config.seed,)).title,
        runs=runs,
        curve=curve_plot([run.result.curve.loss for run in runs]),
        labels=head.class_names,
        confusion=head.confusion(references, predictions),
        hardest=tuple((each, texts[each.row] if texts else ()) for each in hardest),
        promised=any(run.fingerprint in promised for run in runs),
        links={name: url for name, url in links.items() if url is not None},
    )


def _pareto(studies: Iterable[_StudyView]) -> dict[str, ParetoPlot]:
    """For each task and its main metric, quality against cost of the studies that a claim promises to be good."""
    points: dict[tuple[str, str], list[Point]] = {}
    for study in studies:
        if study.promised:
            config, (metric, mean) = study.runs[0].config, study.metrics[0]
            seeds = [run.result.facts.counted(metric) for run in study.runs]
            name = f"{config.encoder.name} · {config.recipe.optimizer.word} · {_length(config.recipe)}"
            points.setdefault((config.task.name, metric), []).append(
                Point(name, study.train_s, mean, min(seeds), max(seeds))
            )
    drawn = {
        f"{task}: {metric}": pareto_plot(each, less_is_better=metrics.find(metric).better == "lower")
        for (task, metric), each in points.items()
    }
    return {title: plot for title, plot in drawn.items() if plot is not None}


def _length(recipe: RecipeConfig) -> str:
    return f"{recipe.steps} steps" if recipe.steps is not None else f"{recipe.epochs:g} epochs"
