from __future__ import annotations

import re
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from bertspec import study
from bertspec.evidence import ClaimEvidence, SessionEvidence
from bertspec.report import html
from bertspec.spec import StudySpec
from bertspec.store import Store
from bertspec.study import Workbench


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


def test_hostile_text_stays_text(hostile: SessionEvidence, tmp_path: Path) -> None:
    page = html(hostile, Store(tmp_path))
    reader = Reader(page)
    assert "script" not in reader.tags
    assert reader.handlers == []
    assert reader.text.count("<script>alert(1)</script>") >= 12


def test_no_request_leaves_the_page(hostile: SessionEvidence, tmp_path: Path) -> None:
    page = html(hostile, Store(tmp_path))
    assert all(link.startswith(("#", "data:")) for link in Reader(page).links)
    assert "default-src 'none'" in page


def test_the_verdicts_are_those_of_the_session(hostile: SessionEvidence, tmp_path: Path) -> None:
    page = html(hostile, Store(tmp_path))
    assert Reader(page).verdicts == ["FAIL"]
    assert re.search(r'data-count="FAIL">1<', page)
    assert re.search(r'data-count="not run">1<', page)


def test_a_claim_is_drawn_with_its_seeds_its_interval_and_its_bound(hostile: SessionEvidence, tmp_path: Path) -> None:
    page = html(hostile, Store(tmp_path))
    assert page.count('<circle class="seed"') == 3
    assert 'aria-label="measured 0.500, interval 0.400 to 0.600, bound 0.900"' in page


def test_a_claim_without_an_interval_is_told_and_not_drawn(hostile: SessionEvidence, tmp_path: Path) -> None:
    scenario = hostile.scenarios[0]
    bare = ClaimEvidence(claim="no seed collapses", subject="x", verdict="PASS", value=0, bound=0, rule="collapse")
    session = hostile.model_copy(update={"scenarios": (scenario.model_copy(update={"claims": (bare,)}),)})
    page = html(session, Store(tmp_path))
    assert "no seed collapses" in page
    assert 'claim-plot"' not in page.split("</style>")[1]


@pytest.fixture
def studied(hostile: SessionEvidence, study_spec: StudySpec, bench: Workbench) -> tuple[SessionEvidence, Any]:
    """A session that claims something of two runs in the store."""
    made = study.run(study_spec, bench)
    scenario = hostile.scenarios[0]
    claim = scenario.claims[0].model_copy(update={"runs": tuple(run.fingerprint for run in made.runs)})
    session = hostile.model_copy(update={"scenarios": (scenario.model_copy(update={"claims": (claim,)}),)})
    return session, bench.store


def test_a_study_is_shown_with_its_curve_its_confusions_and_its_origins(studied: tuple[SessionEvidence, Any]) -> None:
    session, store = studied
    page = html(session, store)
    runs = list(store.runs())
    assert all(run.fingerprint[:12] in page for run in runs)
    assert "<polyline" in page
    assert "Confusion matrix" in page
    assert runs[0].result.facts.provenance.data.sha256[:16] in page


def test_runs_that_are_gone_are_left_out(studied: tuple[SessionEvidence, Any], tmp_path: Path) -> None:
    assert "Confusion matrix" not in html(studied[0], Store(tmp_path / "empty"))


def test_a_thousand_scenarios_are_drawn_in_five_seconds_and_twenty_megabytes(
    hostile: SessionEvidence, tmp_path: Path
) -> None:
    one = hostile.scenarios[0]
    many = tuple(one.model_copy(update={"line": n, "path": f"features/{n % 20}.feature"}) for n in range(1000))
    began = time.perf_counter()
    page = html(hostile.model_copy(update={"scenarios": many}), Store(tmp_path))
    assert time.perf_counter() - began < 5
    assert len(page.encode()) < 20e6
