"""The report as a reader sees it, in headless Chromium; not run where there is none."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bertspec import report, study
from bertspec.catalog import Catalog
from bertspec.config import StudyConfig
from bertspec.results import (
    ClaimRecord,
    ComparisonRecord,
    ContenderRecord,
    ScenarioRecord,
    SessionRecord,
    StepLine,
    SweepRecord,
    TrialRecord,
)
from bertspec.sources import Sources
from bertspec.store import Store, sessions
from bertspec.study import Session
from bertspec.tracking import SilentTracker

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
HOSTILE = "<script>document.title = 'stolen'</script><img src=x onerror=\"document.title = 'stolen'\">"
WIDTHS = (400, 1400)

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="not run: there is no Chromium on this machine")


@pytest.fixture(scope="module")
def page_file(study_config: StudyConfig, nowhere: Sources, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a session with one claim of each verdict, and with texts that try to run."""
    tmp_path = tmp_path_factory.mktemp("page")
    session = Session(Catalog.beside(tmp_path), nowhere, Store(tmp_path / "store"), SilentTracker())
    labels, data = (f"bad {HOSTILE}", "good"), tmp_path / "reviews.csv"
    with data.open("w", newline="") as file:
        rows = [(f"{HOSTILE} row {number}", labels[number % 2]) for number in range(120)]
        csv.writer(file).writerows([("review", "verdict"), *rows])
    hostile = {"dataset": str(data), "generated": None, "text": "review", "label": "verdict", "labels": labels}
    splits = {"train_split": "train[:64]", "evaluation_split": "train[64:]", "name": f"reviews {HOSTILE}"}
    task = study_config.task.model_copy(update={**hostile, **splits})
    trained = study.run(study_config.model_copy(update={"task": task}), session)
    claims = tuple(
        ClaimRecord(
            claim=f"accuracy is at least 0.9 {HOSTILE}",
            subject=trained.config.title,
            verdict=verdict,
            value=0.9,
            bound=0.9,
            interval=(0.85, 0.95),
            values=(0.88, 0.9, 0.92),
            runs=tuple(run.fingerprint for run in trained.runs),
        )
        for verdict in ("PASS", "FAIL", "UNDECIDED")
    )
    step = StepLine(keyword="Given", text=f"a step {HOSTILE}", table=((HOSTILE, "a" * 300),), line=4)
    scenario = ScenarioRecord(
        node="x",
        path="features/x.feature",
        line=3,
        feature=f"Learning {HOSTILE}",
        title=f"It learns {HOSTILE} {'long' * 80}",
        steps=(step,),
        outcome="failed",
        reason=HOSTILE,
        claims=claims,
    )
    left_out = scenario.model_copy(update={"outcome": "not run", "claims": (), "line": 9})
    shown = SessionRecord(
        session="a" * 32, started="2026", finished="2026", command=f"pytest {HOSTILE}", scenarios=(scenario, left_out)
    )
    kept = sessions.read(sessions.write(shown, tmp_path / "sessions"))
    kept_sweep(session.store.root / "sweeps")
    file = tmp_path / "report.html"
    file.write_text(report.html(kept, session.store, session.sources), "utf-8")
    return file


def kept_sweep(folder: Path) -> None:
    """The record of a sweep with ten contenders, whose names and reasons try to run."""
    now, names = "2026-01-01T00:00:00+00:00", [f"{number} {HOSTILE}" for number in range(10)]
    trials = tuple(
        TrialRecord(
            number=number,
            parameters={"learning_rate": 10.0 ** -(1 + number % 4), "schedule": f"{number % 3} {HOSTILE}"},
            contender=names[number % 10],
            state="failed" if number == 7 else "finished",
            reason=HOSTILE if number == 7 else None,
            score=None if number == 7 else 0.5 + number / 100,
            finished=now,
        )
        for number in range(40)
    )
    contenders = tuple(
        ContenderRecord(
            name=name,
            trials=4,
            tokens=1_000_000,
            best=0,
            values=(0.8, 0.9),
            mean=0.85,
            interval=(0.7, 1.0),
            ranks=(1, 10),
            curve=((1e-4, 0.5), (1e-3, 0.8), (1e-2, 0.7)),
        )
        for name in names
    )
    compared = ComparisonRecord(
        parameter=f"optimizer {HOSTILE}",
        contenders=contenders,
        ties=((names[0], names[1]),),
        unfair=(HOSTILE,),
        tolerance=0.02,
    )
    sweep = SweepRecord(
        name=HOSTILE,
        sha256="0" * 64,
        metric="accuracy",
        goal="maximize",
        method="random",
        planned=40,
        trials=trials,
        comparison=compared,
        began=now,
    )
    folder.mkdir(parents=True)
    (folder / "x.json").write_text(sweep.model_dump_json(), "utf-8")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A headless browser."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="not run: playwright is not installed")
    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_is_whole_quiet_and_readable(chromium: Any, page_file: Path, width: int, scheme: str) -> None:
    page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    errors: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(page_file.as_uri())
    shown = [each.get_attribute("data-verdict") for each in page.query_selector_all("[data-verdict]")]
    assert shown == _kept(page_file) == ["PASS", "FAIL", "UNDECIDED"]
    assert page.title().startswith("bertspec report")
    assert page.inner_text("main").count("<script>") >= 6
    assert page.locator(".row-text").first.text_content().startswith(f"{HOSTILE} row ")
    assert errors == []
    assert [url for url in requests if not url.startswith("data:")] == [page_file.as_uri()]
    for details in page.query_selector_all("details"):
        details.evaluate("each => each.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(_UNREADABLE) == []
    ink, paper = (page.evaluate(f"getComputedStyle(document.body).{part}") for part in ("color", "backgroundColor"))
    assert (_brightness(ink) < _brightness(paper)) is (scheme == "light")
    assert abs(_brightness(ink) - _brightness(paper)) > 150
    page.close()


_UNREADABLE = """[...document.querySelectorAll('svg text')].filter(each => {
    const [word, plot] = [each.getBoundingClientRect(), each.ownerSVGElement.getBoundingClientRect()];
    const height = parseFloat(getComputedStyle(each).fontSize) * each.getScreenCTM().a;
    return height < 9 || word.left < plot.left || word.right > plot.right || word.bottom > plot.bottom + 2;
}).map(each => each.textContent)"""
"""The words in plots that are drawn less than nine pixels high, or that their plot cuts off."""


def _kept(page_file: Path) -> list[str]:
    """The verdicts in the record of the session, as it lies on disk."""
    record = sessions.latest(page_file.parent / "sessions")
    assert record is not None
    return [claim.verdict for scenario in sessions.read(record).scenarios for claim in scenario.claims]


def _brightness(colour: str) -> float:
    """Of ``rgb(r, g, b)``, from 0 to 255."""
    return sum(float(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3]) / 3
