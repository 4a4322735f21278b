"""One HTML page that holds everything and asks nobody for anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from bertspec.report import plots
from bertspec.report.charts import environment
from bertspec.report.studies import pareto, studies
from bertspec.report.sweeps import ranks as open_ranks
from bertspec.report.sweeps import steps
from bertspec.report.sweeps import views as sweep_views
from bertspec.results import ScenarioRecord, SessionRecord
from bertspec.sources.locations import Locations
from bertspec.store import Store
from bertspec.store.sweeps import sweeps

__all__ = ["html"]


def html(session: SessionRecord, store: Store, places: Locations) -> str:
    """The page of a session. Whatever data sets, names and errors hold is shown as text; nothing in it may run.

    Args:
        session: what was shown.
        store: where its runs are; those that are gone are left out.
        places: where the texts of the hardest rows are; those that are gone are left out, too.
    """
    views = studies(session, store, places)
    verdicts = Counter(claim.verdict for scenario in session.scenarios for claim in scenario.claims)
    outcomes = Counter(scenario.outcome for scenario in session.scenarios)
    template = environment().get_template("page.html.j2")
    return template.render(
        session=session,
        features=_by_feature(session.scenarios),
        not_run=_reasons(session.scenarios),
        verdicts=verdicts,
        outcomes=outcomes,
        studies=views,
        pareto=pareto(views),
        sweeps=sweep_views(sweeps(store.root)),
        ranks=open_ranks,
        steps=steps,
        claim_plot=plots.claim_plot,
        told=_told,
    )


def _told(scenario: ScenarioRecord) -> bool:
    """Whether its last claim tells why a scenario failed, so that the message would say the same once more."""
    if not scenario.claims or scenario.outcome != "failed":
        return False
    last = scenario.claims[-1]
    return last.verdict != "PASS" and f"{last.verdict}: {last.claim}" in (scenario.reason or "")


class _Feature(NamedTuple):
    path: str
    name: str
    description: str
    rules: dict[str | None, list[ScenarioRecord]]


def _by_feature(scenarios: Iterable[ScenarioRecord]) -> list[_Feature]:
    """Every feature with its scenarios, rule by rule, in the order of the file."""
    found: dict[str, _Feature] = {}
    for scenario in sorted(scenarios, key=lambda scenario: (scenario.path, scenario.line)):
        new = _Feature(scenario.path, scenario.feature, scenario.description, {})
        found.setdefault(scenario.path, new).rules.setdefault(scenario.rule, []).append(scenario)
    return list(found.values())


def _reasons(scenarios: Iterable[ScenarioRecord]) -> dict[str, list[str]]:
    """Each reason for which scenarios were not run, and their titles."""
    found: dict[str, list[str]] = {}
    for scenario in scenarios:
        if scenario.outcome == "not run":
            found.setdefault(scenario.reason or "", []).append(scenario.title)
    return found
