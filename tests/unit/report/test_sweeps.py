"""Sweeps on the page and in Markdown, and the coordinates of their marks."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from bertspec.report import html, markdown
from bertspec.report.sweeps import best_so_far, ranks, scatter, steps, views
from bertspec.results import ComparisonRecord, ContenderRecord, SessionRecord, SweepRecord, TrialRecord
from bertspec.sources import Sources
from bertspec.store import Store
from bertspec.store.sweeps import sweeps

NOWHERE = Sources(mirror=None, endpoint=None)
HOSTILE = '<img src=x onerror="alert(1)">|[x](javascript:y)'
WHEN = "2026-01-01T00:00:00+00:00"


def trial(number: int, contender: str, rate: float, score: float | None, **fields: Any) -> TrialRecord:
    return TrialRecord(
        number=number,
        parameters={"optimizer": contender, "learning_rate": rate, "loss": "auto", **fields},
        contender=contender,
        state="failed" if score is None else "finished",
        reason="diverged on every seed" if score is None else None,
        score=score,
        seeds=(201,),
        finished=WHEN,
    )


TRIALS = (
    trial(0, "adamw", 1e-4, 0.6),
    trial(1, "sgd", 1e-4, 0.5),
    trial(2, "adamw", 1e-3, 0.9),
    trial(3, "sgd", 1e-3, 0.55),
    trial(4, "adamw", 1e-2, 0.8),
    trial(5, "sgd", 1e-2, None),
)


def contender(name: str, **fields: Any) -> ContenderRecord:
    values = {"trials": 3, "tokens": 120_000, "best": 2, "tuned": 0.9, "values": (0.89, 0.91), "mean": 0.9}
    values |= {"interval": (0.88, 0.92), "ranks": (1, 1), "sensitivity": 0.5, "curve": ((1e-4, 0.6), (1e-3, 0.9))}
    return ContenderRecord.model_validate({"name": name, **values, **fields})


def compared(*contenders: ContenderRecord, **fields: Any) -> ComparisonRecord:
    return ComparisonRecord.model_validate(
        {"parameter": "optimizer", "contenders": contenders, "tolerance": 0.02, **fields}
    )


@pytest.fixture
def swept() -> SweepRecord:
    """Two optimizers, three trials each."""
    return SweepRecord(
        name="small",
        sha256="0" * 64,
        metric="accuracy",
        goal="maximize",
        method="grid",
        planned=6,
        trials=TRIALS,
        comparison=compared(contender("adamw"), contender("sgd", mean=0.5, values=(0.5,), ranks=(2, 2))),
        began=WHEN,
        finished=WHEN,
    )


def page(session: SessionRecord, sweep: SweepRecord, folder: Path) -> str:
    (folder / "sweeps").mkdir(parents=True, exist_ok=True)
    (folder / "sweeps" / "x.json").write_text(sweep.model_dump_json(), "utf-8")
    return html(session, Store(folder), NOWHERE)


def test_a_sweep_is_drawn_with_its_ranking_its_curves_and_its_trials(
    hostile: SessionRecord, swept: SweepRecord, tmp_path: Path
) -> None:
    text = page(hostile, swept, tmp_path)
    assert [text.count(f"<h4>{title}</h4>") for title in ("Ranking", "Best so far")] == [1, 1]
    assert "<h4>accuracy against learning_rate</h4>" in text
    assert "<h4>Sensitivity to the learning rate</h4>" in text
    assert re.findall(r'data-contender="(\w+)"', text) == ["adamw", "sgd"]
    assert "6 of 6 trials" in text
    assert "trial 5, sgd: diverged on every seed" in text
    assert "0.50 decades" in text


def test_a_store_without_sweeps_has_no_such_section(hostile: SessionRecord, tmp_path: Path) -> None:
    assert 'id="sweeps"' not in html(hostile, Store(tmp_path), NOWHERE)


def test_the_reason_of_an_unfair_comparison_is_shown(
    hostile: SessionRecord, swept: SweepRecord, tmp_path: Path
) -> None:
    unfair = swept.model_copy(update={"comparison": compared(contender("adamw"), unfair=("sgd had 2 trials",))})
    assert "no claim is judged by it: sgd had 2 trials." in page(hostile, unfair, tmp_path)
    assert "not a fair comparison, so no claim is judged by it: sgd had 2 trials" in markdown(hostile, [unfair])


class Tags(HTMLParser):
    """The names of the tags that a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.names.add(tag)


def test_names_in_a_sweep_never_become_markup(hostile: SessionRecord, swept: SweepRecord, tmp_path: Path) -> None:
    trials = tuple(
        each.model_copy(
            update={"contender": HOSTILE, "reason": HOSTILE, "parameters": {HOSTILE: each.number, "b": HOSTILE}}
        )
        for each in TRIALS
    )
    named = compared(contender(HOSTILE), contender("b"), parameter=HOSTILE, ties=((HOSTILE, "b"),), unfair=(HOSTILE,))
    text = page(hostile, swept.model_copy(update={"name": HOSTILE, "trials": trials, "comparison": named}), tmp_path)
    tags = Tags()
    tags.feed(text)
    assert not {"img", "script"} & tags.names
    text = markdown(hostile, [swept.model_copy(update={"name": HOSTILE, "comparison": named})])
    assert "<img" not in text
    assert "](javascript" not in text


def test_a_contender_that_was_never_confirmed_has_no_rank(
    hostile: SessionRecord, swept: SweepRecord, tmp_path: Path
) -> None:
    lost = contender(
        "sgd", best=None, tuned=None, values=(), mean=None, interval=None, ranks=None, curve=(), sensitivity=None
    )
    sweep = swept.model_copy(update={"comparison": compared(contender("adamw"), lost)})
    assert 'data-contender="sgd"><td class="n"></td>' in page(hostile, sweep, tmp_path)
    assert "|  | sgd | 3 |  |  |  |  |" in markdown(hostile, [sweep])


def test_the_markdown_of_a_sweep_is_a_short_table(hostile: SessionRecord, swept: SweepRecord) -> None:
    text = markdown(hostile, [swept])
    assert "#### Sweep small: accuracy, 6 of 6 trials, grid" in text
    assert "| 1 | adamw | 3 | 0.900 | 0.900 | 0.880 to 0.920 | 0.500 |" in text


def test_a_sweep_that_compares_nothing_shows_its_best_trial(hostile: SessionRecord, swept: SweepRecord) -> None:
    assert "- best: trial 2, 0.900" in markdown(hostile, [swept.model_copy(update={"comparison": None})])


def test_a_damaged_record_is_left_out(tmp_path: Path, swept: SweepRecord) -> None:
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "a.json").write_text("{", "utf-8")
    (tmp_path / "sweeps" / ".draft-b.json").write_text(swept.model_dump_json(), "utf-8")
    assert sweeps(tmp_path) == ()


def test_rates_lie_on_a_logarithmic_axis() -> None:
    drawn = scatter("learning_rate", TRIALS, {"adamw": 0, "sgd": 1})
    assert drawn is not None
    left, middle, right = (drawn.marks[number].x for number in (0, 2, 4))
    assert middle - left == pytest.approx(right - middle)
    assert [text for _, text in drawn.ticks] == ["0.0001", "0.001", "0.01"]


def test_a_trial_without_a_score_lies_at_the_bottom() -> None:
    drawn = scatter("learning_rate", TRIALS, {"adamw": 0, "sgd": 1})
    assert drawn is not None
    assert [mark.lost for mark in drawn.marks] == [False] * 5 + [True]
    assert drawn.marks[5].y == max(mark.y for mark in drawn.marks)


def test_words_stand_side_by_side_and_a_constant_is_not_drawn() -> None:
    trials = [
        each.model_copy(update={"parameters": {"schedule": word, "x": 1}})
        for each, word in zip(TRIALS, "aabbcc", strict=True)
    ]
    drawn = scatter("schedule", trials, {"adamw": 0, "sgd": 1})
    assert drawn is not None
    assert [text for _, text in drawn.ticks] == ["a", "b", "c"]
    assert scatter("x", trials, {"adamw": 0, "sgd": 1}) is None


def test_the_best_so_far_never_falls() -> None:
    drawn = best_so_far(TRIALS, {"adamw": 0, "sgd": 1}, lower=False)
    assert drawn is not None
    heights = [float(point.split(",")[1]) for point in drawn.lines[0].points.split()]
    assert len(heights) == 3
    assert heights[0] > heights[1] == heights[2]


def test_steps_and_ranks_are_short() -> None:
    assert steps(contender("a")) == ""
    assert steps(contender("a", steps_to=(100, 150, 200, None, 125))) == "150, never on 1"
    assert steps(contender("a", steps_to=(100, None, None))) == "never on 2 of 3 seeds"
    assert (ranks(contender("a", ranks=(1, 3))), ranks(contender("a"))) == ("1–3", "1")


def test_a_ninth_contender_is_drawn_hollow(hostile: SessionRecord, swept: SweepRecord, tmp_path: Path) -> None:
    trials = tuple(trial(number, f"o{number}", 10.0**-number, 0.5 + number / 100) for number in range(9))
    text = page(hostile, swept.model_copy(update={"trials": trials, "comparison": None}), tmp_path)
    assert '<circle class="mark s0 hollow"' in text
    assert len(views((swept,))[0].names) == 2


def test_ties_are_named_and_where_they_are_most_what_is_apart_is_named(swept: SweepRecord) -> None:
    names = [f"o{number}" for number in range(7)]
    ties = [(one, other) for position, one in enumerate(names[:6]) for other in names[position + 1 : 6]]
    some = compared(*(contender(name) for name in names), ties=[*ties, ("o0", "o6")])
    (view,) = views((swept.model_copy(update={"comparison": some}),))
    assert [view.tied(name) for name in ("o0", "o1", "o6")] == ["all", "all but o6", "o0"]
    assert views((swept.model_copy(update={"comparison": None}),))[0].tied("adamw") == ""
