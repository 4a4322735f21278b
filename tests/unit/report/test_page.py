from __future__ import annotations

import dataclasses
import re
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bertspec import study
from bertspec.config import StudyConfig
from bertspec.report import html
from bertspec.results import ClaimRecord, Compared, SessionRecord, StepLine
from bertspec.sources import Sources, tables
from bertspec.store import Store
from bertspec.study import Session

from .conftest import ESCAPED

NOWHERE = Sources(None, None)


class Reader(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.verdicts: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "data-verdict":
                self.verdicts.append(str(value))
            if name in ("href", "src"):
                self.links.append(str(value))
            if name.startswith("on"):
                self.handlers.append(name)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_hostile_text_stays_text(hostile: SessionRecord, tmp_path: Path) -> None:
    page = html(hostile, Store(tmp_path), NOWHERE)
    reader = Reader(page)
    assert "script" not in reader.tags
    assert reader.handlers == []
    assert reader.text.count("<script>alert(1)</script>") >= 12


def test_no_request_leaves_the_page(hostile: SessionRecord, tmp_path: Path) -> None:
    page = html(hostile, Store(tmp_path), NOWHERE)
    assert all(link.startswith(("#", "data:")) for link in Reader(page).links)
    assert "default-src 'none'" in page


def test_the_verdicts_are_those_of_the_session(hostile: SessionRecord, tmp_path: Path) -> None:
    page = html(hostile, Store(tmp_path), NOWHERE)
    assert Reader(page).verdicts == ["FAIL"]
    assert re.search(r'data-count="FAIL">1<', page)
    assert re.search(r'data-count="not run">1<', page)


def test_a_claim_is_drawn_with_its_seeds_its_interval_and_its_bound(hostile: SessionRecord, tmp_path: Path) -> None:
    page = html(hostile, Store(tmp_path), NOWHERE)
    assert page.count('<circle class="seed"') == 3
    assert 'aria-label="measured 0.500, interval 0.400 to 0.600, bound 0.900"' in page


def test_the_reason_of_a_failure_is_shown_once(hostile: SessionRecord, tmp_path: Path) -> None:
    scenario = hostile.scenarios[0]
    pages = []
    for claims, reason in ((1, "the message of the claim"), (0, "RuntimeError: a bug")):
        step = StepLine(keyword="Then", text="it holds", line=5, outcome="failed", claims=claims)
        failed = scenario.model_copy(update={"reason": reason, "steps": (*scenario.steps, step)})
        pages.append(html(hostile.model_copy(update={"scenarios": (failed,)}), Store(tmp_path), NOWHERE))
    assert "the message of the claim" not in pages[0]
    assert "RuntimeError: a bug" in pages[1]


def test_a_claim_without_an_interval_is_listed_but_not_drawn(hostile: SessionRecord, tmp_path: Path) -> None:
    scenario = hostile.scenarios[0]
    bare = ClaimRecord(claim="no seed collapses", subject="x", verdict="PASS", value=0, bound=0, rule="collapse")
    shown = hostile.model_copy(update={"scenarios": (scenario.model_copy(update={"claims": (bare,)}),)})
    page = html(shown, Store(tmp_path), NOWHERE)
    assert "no seed collapses" in page
    assert 'claim-plot"' not in page.split("</style>")[1]


@pytest.fixture
def studied(hostile: SessionRecord, study_config: StudyConfig, session: Session) -> tuple[SessionRecord, Any]:
    """A session with a claim about two runs in the store."""
    trained = study.run(study_config, session)
    scenario = hostile.scenarios[0]
    claim = scenario.claims[0].model_copy(update={"runs": tuple(run.fingerprint for run in trained.runs)})
    shown = hostile.model_copy(update={"scenarios": (scenario.model_copy(update={"claims": (claim,)}),)})
    return shown, session.store


def test_a_study_is_shown_with_its_curve_its_confusions_and_its_origins(studied: tuple[SessionRecord, Any]) -> None:
    shown, store = studied
    page = html(shown, store, NOWHERE)
    runs = list(store.runs())
    assert all(run.fingerprint[:12] in page for run in runs)
    assert "<polyline" in page
    assert "Confusion matrix" in page
    assert runs[0].result.facts.provenance.data.sha256[:16] in page


def test_the_study_that_another_was_compared_with_is_shown(studied: tuple[SessionRecord, Any]) -> None:
    shown, store = studied
    [claim] = shown.scenarios[0].claims
    apart = claim.model_copy(update={"runs": claim.runs[:1], "others": claim.runs[1:]})
    scenario = shown.scenarios[0].model_copy(update={"claims": (apart,)})
    page = html(shown.model_copy(update={"scenarios": (scenario,)}), store, NOWHERE)
    assert all(run.fingerprint[:12] in page for run in store.runs())


def test_the_hardest_rows_are_shown_with_their_text(studied: tuple[SessionRecord, Any]) -> None:
    shown, store = studied
    page, runs = Reader(html(shown, store, NOWHERE)).text, list(store.runs())
    wrong = sum(run.result.outcomes.predictions != run.result.outcomes.references for run in runs)
    splits = tables.load(runs[0].config.task, NOWHERE)
    assert splits.evaluation[runs[0].config.task.text][int(np.argmax(wrong))] in page


def test_a_regression_shows_the_rows_that_were_furthest_off(
    hostile: SessionRecord, study_config: StudyConfig, session: Session
) -> None:
    update = {"head": "regression", "labels": (), "metrics": ("pearson",)}
    trained = study.run(study_config.model_copy(update={"task": study_config.task.model_copy(update=update)}), session)
    claim = hostile.scenarios[0].claims[0].model_copy(update={"runs": tuple(run.fingerprint for run in trained.runs)})
    scenario = hostile.scenarios[0].model_copy(update={"claims": (claim,)})
    page = Reader(html(hostile.model_copy(update={"scenarios": (scenario,)}), session.store, NOWHERE)).text
    outcomes = [run.result.outcomes for run in trained.runs]
    off = np.mean([np.abs(one.predictions - one.references) for one in outcomes], axis=0)
    assert f"by {off.max():.2f}" in page
    assert str(trained.inputs.splits.evaluation[trained.config.task.text][int(off.argmax())]) in page


def test_rows_that_have_changed_since_are_not_shown(studied: tuple[SessionRecord, Any]) -> None:
    shown, store = studied
    for run in store.runs():
        provenance = run.result.facts.provenance
        other = provenance.model_copy(update={"data": provenance.data.model_copy(update={"sha256": "0" * 64})})
        facts = run.result.facts.model_copy(update={"provenance": other})
        store.put(dataclasses.replace(run, result=dataclasses.replace(run.result, facts=facts)))
    assert "text not available" in html(shown, store, NOWHERE)


def test_a_run_that_is_shown_in_wandb_is_linked(studied: tuple[SessionRecord, Any]) -> None:
    shown, store = studied
    one, two = store.runs()
    (store.tracking / "links").mkdir(parents=True)
    for run, url in ((one, "https://wandb.example/x/runs/1"), (two, "javascript:alert(1)")):
        (store.tracking / "links" / f"{run.fingerprint[:16]}.url").write_text(url)
    links = Reader(html(shown, store, NOWHERE)).links
    assert "https://wandb.example/x/runs/1" in links
    assert not any(link.startswith("javascript") for link in links)


def test_a_comparison_with_a_baseline_is_shown(hostile: SessionRecord, tmp_path: Path) -> None:
    worse = Compared(
        outcome="FAIL",
        title="bert <i>",
        quantity="accuracy",
        then=0.9,
        now=0.8,
        interval=(-0.12, -0.08),
        reason="spread",
    )
    missing = Compared(outcome="MISSING", title="albert", quantity="accuracy", then=0.9, reason="it was not run")
    shown = hostile.model_copy(update={"against": "1.0 of 2026-01-31", "compared": (worse, missing)})
    page = html(shown, Store(tmp_path), NOWHERE)
    assert re.findall(r'data-compared="(\w+)"', page) == ["FAIL", "MISSING"]
    assert "Against 1.0 of 2026-01-31" in page
    assert "-0.120 to -0.080" in page
    assert "i" not in Reader(page).tags


def test_runs_that_are_gone_are_left_out(studied: tuple[SessionRecord, Any], tmp_path: Path) -> None:
    assert "Confusion matrix" not in html(studied[0], Store(tmp_path / "empty"), NOWHERE)


def test_a_thousand_scenarios_are_drawn_in_five_seconds_and_twenty_megabytes(
    hostile: SessionRecord, tmp_path: Path
) -> None:
    one = hostile.scenarios[0]
    many = tuple(one.model_copy(update={"line": n, "path": f"features/{n % 20}.feature"}) for n in range(1000))
    began = time.perf_counter()
    page = html(hostile.model_copy(update={"scenarios": many}), Store(tmp_path), NOWHERE)
    assert time.perf_counter() - began < 5
    assert len(page.encode()) < 20e6


def test_text_that_a_browser_could_act_on_is_shown_escaped(acting: SessionRecord, tmp_path: Path) -> None:
    page = html(acting, Store(tmp_path), NOWHERE)
    assert all(letter.isprintable() for letter in page.replace("\n", ""))
    assert Reader(page).text.count(ESCAPED) >= 8
