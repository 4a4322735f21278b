"""The charts of the report as SVG files of their own, by the same templates as the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from bertspec.report import plots, sweep_plots

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["environment", "svg"]


def environment() -> Environment:
    """The templates of the report. They escape every value: names and texts of a data set never become markup."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader("bertspec.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals.update(width=plots.WIDTH, height=plots.HEIGHT, series=sweep_plots.SERIES)
    return templates


def svg(chart: Literal["curve", "pareto", "chart", "ranking"], drawn: object, label: str) -> str:
    """One chart as an SVG file that carries its own style.

    Args:
        chart: the macro of ``charts.html.j2`` that draws it.
        drawn: its points, as :mod:`bertspec.report.plots` and :mod:`bertspec.report.sweep_plots` compute them.
        label: what the chart shows, for screen readers.
    """
    template = environment().get_template("charts.html.j2")
    macro = getattr(template.make_module({"alone": True}), chart)
    return str(macro(drawn, label)).strip() + "\n"
