from __future__ import annotations

import datetime
import json
import os
import uuid
from pathlib import Path

import numpy as np
import pytest

from bertspec import baselines
from bertspec.baselines import Baseline, BaselineStudy, BaselineTiming, compare, timings_of
from bertspec.errors import InvalidConfig, StoreError
from bertspec.results import ClaimRecord, Compared, ScenarioRecord, SessionRecord

EMPTY = Baseline(name="x", made=datetime.date(2026, 1, 1), session="s", versions={}, studies=())


def test_a_baseline_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    baselines.write(EMPTY, tmp_path / "x.json")
    assert baselines.read(tmp_path / "x.json") == EMPTY


def test_a_baseline_of_another_layout_is_to_be_saved_again(tmp_path: Path) -> None:
    text = EMPTY.model_dump_json(indent=1).replace(f'"layout": {baselines.LAYOUT}', '"layout": 7')
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(StoreError, match="another layout; save it again; given: 'layout 7'.*bertspec baseline save x"):
        baselines.read(tmp_path / "x.json")
    assert (tmp_path / "x.json").read_text() == text


def test_a_damaged_baseline_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"layout": 1, "name": "x"}')
    with pytest.raises(StoreError, match="the baseline is damaged: made is missing"):
        baselines.read(tmp_path / "x.json")


SPREAD = 0.01


def scored(
    key: str, scores: list[float], spread: float = SPREAD, *, gpu: str | None = None, peaks: tuple[int, ...] = ()
) -> BaselineStudy:
    seeds = tuple(range(1, len(scores) + 1))
    return BaselineStudy(
        key=key,
        title=f"study {key}",
        metric="accuracy",
        seeds=seeds,
        scores=tuple(scores),
        runs=tuple(f"{uuid.uuid4().hex} of seed {seed}" for seed in seeds),
        spread=spread,
        spread_source="known",
        accelerator=gpu,
        peaks=peaks,
    )


def timed(ratios: tuple[float, ...], machine: str = "mine") -> BaselineTiming:
    return BaselineTiming(key="k", title="a against b", quantity="examples a second", ratios=ratios, machine=machine)


def test_an_equal_build_passes_and_says_what_it_would_have_found() -> None:
    [found] = compare([scored("a", [0.9] * 5)], [scored("a", [0.9] * 5)])
    assert (found.outcome, found.then, found.now) == ("PASS", pytest.approx(0.9), pytest.approx(0.9))
    assert found.interval == pytest.approx((-1.96 * SPREAD * np.sqrt(2 / 5), 1.96 * SPREAD * np.sqrt(2 / 5)))
    assert found.detectable_drop == pytest.approx(3.29 * SPREAD * np.sqrt(2 / 5))


def test_the_same_runs_are_no_new_measurement() -> None:
    [found] = compare([one := scored("a", [0.9] * 3)], [one])
    assert (found.outcome, found.interval, found.detectable_drop) == ("PASS", None, None)
    assert str(found.reason).startswith("the same runs as then")


def test_a_drop_that_seeds_do_not_explain_fails() -> None:
    [found] = compare([scored("a", [0.9] * 5)], [scored("a", [0.87] * 5)])
    assert found.outcome == "FAIL"


def test_a_rise_is_no_regression() -> None:
    [found] = compare([scored("a", [0.9] * 5)], [scored("a", [0.99] * 5)])
    assert found.outcome == "PASS"


def test_an_error_rate_that_rises_is_a_regression() -> None:
    then, up, down = (scored("a", [rate] * 5).model_copy(update={"metric": "error_rate"}) for rate in (0.1, 0.13, 0.07))
    assert [compare([then], [now])[0].outcome for now in (up, down)] == ["FAIL", "PASS"]


def test_fewer_than_five_seeds_now_are_missing() -> None:
    [found] = compare([scored("a", [0.9] * 5)], [scored("a", [0.1] * 3)])
    assert found.outcome == "MISSING"
    assert "5 seeds then, 3 now; at least 5 a side" in str(found.reason)


def test_fewer_than_five_seeds_then_are_undecided() -> None:
    [found] = compare([scored("a", [0.9] * 3)], [scored("a", [0.1] * 5)])
    assert found.outcome == "UNDECIDED"
    assert "3 seeds then, 5 now; at least 5 a side" in str(found.reason)


def test_a_study_that_was_not_run_is_named() -> None:
    [found] = compare([scored("a", [0.9] * 5)], [])
    assert (found.outcome, found.now, found.reason) == ("MISSING", None, "it was not run in this session")


def recipe(**settings: object) -> dict[str, object]:
    return {"steps": 60, "batch_size": 16, "optimizer": {"algorithm": "adamw", "learning_rate": 0.001}} | settings


@pytest.mark.parametrize(
    ("then", "now", "changes"),
    [
        (recipe(), recipe(steps=25), ": steps 60 → 25"),
        (recipe(), recipe(clip_norm=1.0), ": clip_norm default → 1.0"),
        (recipe(), recipe(optimizer={"algorithm": "sgd"}), ": optimizer.algorithm adamw → sgd, "),
        (recipe(), recipe(a=1, b=2, c=3, d=4), ": a default → 1, b default → 2, c default → 3 and 1 more"),
        (None, recipe(), ""),
    ],
)
def test_a_study_under_another_recipe_is_missing_and_the_change_is_named(
    then: dict[str, object] | None, now: dict[str, object], changes: str
) -> None:
    old = scored("bert task 11111111", [0.94] * 5).model_copy(update={"recipe": then})
    new = scored("bert task 22222222", [0.68] * 5).model_copy(update={"recipe": now})
    [found] = compare([old], [new])
    assert (found.outcome, found.now) == ("MISSING", None)
    assert str(found.reason).startswith(f"it was run under another recipe{changes}")


def test_of_several_recipes_the_most_similar_one_is_named() -> None:
    old = scored("bert task 1", [0.94] * 5).model_copy(update={"recipe": recipe()})
    others = [
        scored("bert task 2", [0.9] * 5).model_copy(update={"recipe": recipe(steps=9, batch_size=1)}),
        scored("bert task 3", [0.9] * 5).model_copy(update={"recipe": recipe(batch_size=8)}),
        scored("bert other 4", [0.9] * 5).model_copy(update={"recipe": recipe()}),
    ]
    [found] = compare([old], others)
    assert found.reason == "it was run under another recipe: batch_size 16 → 8"


def test_a_recipe_that_the_baseline_has_as_well_is_not_the_other_one() -> None:
    one, two = scored("bert task 1", [0.94] * 5), scored("bert task 2", [0.94] * 5)
    assert compare([one, two], [two])[0].reason == "it was not run in this session"


def test_a_study_by_another_metric_is_missing() -> None:
    then, now = scored("a", [0.9] * 5), scored("a", [0.9] * 5).model_copy(update={"metric": "f1"})
    [found] = compare([then], [now])
    assert (found.outcome, found.now) == ("MISSING", None)
    assert found.reason == "measured by accuracy then, by f1 now"


def compared(*outcomes: str) -> list[Compared]:
    return [Compared.model_validate({"outcome": each, "title": "t", "quantity": "q"}) for each in outcomes]


@pytest.mark.parametrize(
    ("outcomes", "reason"),
    [
        (("PASS", "PASS"), None),
        (("PASS", "UNDECIDED"), None),
        (("PASS", "FAIL", "MISSING"), "1 of 3 quantities of the baseline became worse"),
        (("PASS", "MISSING"), "1 of 2 quantities of the baseline are missing from this session; --allow-missing"),
        (("UNDECIDED", "UNDECIDED"), "nothing of the baseline could be compared; --allow-missing"),
        ((), "nothing of the baseline could be compared"),
    ],
)
def test_a_comparison_passes_only_if_something_was_compared_and_nothing_is_worse_or_missing(
    outcomes: tuple[str, ...], reason: str | None
) -> None:
    found = baselines.refusal(compared(*outcomes))
    assert found is None if reason is None else str(found).startswith(reason)


@pytest.mark.parametrize(("outcomes", "passes"), [(("MISSING",), True), ((), True), (("MISSING", "FAIL"), False)])
def test_what_is_missing_may_be_allowed_and_what_is_worse_never(outcomes: tuple[str, ...], *, passes: bool) -> None:
    assert (baselines.refusal(compared(*outcomes), allow_missing=True) is None) is passes


def test_a_baseline_of_the_first_layout_is_still_read(tmp_path: Path) -> None:
    study = scored("a", [0.9] * 5).model_dump(exclude={"recipe"})
    former = EMPTY.model_copy(update={"layout": 1}).model_dump(mode="json") | {"studies": [study]}
    (tmp_path / "x.json").write_text(json.dumps(former))
    assert baselines.read(tmp_path / "x.json").studies[0].recipe is None


@pytest.mark.parametrize("name", ["a" * 101, "../x", "", "a b", "\x1b"])
def test_a_name_that_could_not_be_a_file_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="a baseline's name is a word"):
        baselines.path_of(name, tmp_path)


def test_a_pipe_is_no_baseline(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.json")
    with pytest.raises(StoreError, match="the baseline cannot be read: it is no regular file"):
        baselines.read(tmp_path / "x.json")


def test_a_study_that_the_baseline_does_not_know_is_left_out() -> None:
    assert compare([], [scored("a", [0.9] * 5)]) == ()


def test_the_wider_spread_of_the_two_counts() -> None:
    [found] = compare([scored("a", [0.9] * 5, 0.1)], [scored("a", [0.87] * 5)])
    assert found.outcome == "PASS"


def test_a_build_that_is_no_worse_is_rarely_called_a_regression() -> None:
    rng, wrong = np.random.default_rng(0), 0
    for _ in range(2000):
        before, after = (
            [scored(str(n), rng.normal(0.9, SPREAD, 5).tolist()) for n in range(12)] for _ in ("then", "now")
        )
        wrong += any(found.outcome == "FAIL" for found in compare(before, after))
    assert wrong / 2000 == pytest.approx(0.05, abs=0.012)


def test_one_bad_study_among_twelve_is_found() -> None:
    rng, caught = np.random.default_rng(0), 0
    for _ in range(500):
        before, after = (
            [scored(str(n), rng.normal(0.9, SPREAD, 5).tolist()) for n in range(12)] for _ in ("then", "now")
        )
        after[3] = scored("3", rng.normal(0.9 - 4 * SPREAD, SPREAD, 5).tolist())
        caught += compare(before, after)[3].outcome == "FAIL"
    assert caught / 500 > 0.99


def test_memory_is_compared_on_the_same_accelerator() -> None:
    before = [scored("a", [0.9] * 5, gpu="H100", peaks=(1000, 1004, 998, 1001, 1000))]
    same, more = ((1002, 1003, 999, 1000, 1001), (1103, 1100, 1101, 1099, 1102))
    verdicts = [
        compare(before, [scored("a", [0.9] * 5, gpu="H100", peaks=peaks)])[1] for peaks in (same, more, (1100,) * 5)
    ]
    assert [(found.quantity, found.outcome) for found in verdicts] == [
        ("peak memory, MiB", "PASS"),
        ("peak memory, MiB", "FAIL"),
        ("peak memory, MiB", "FAIL"),
    ]


def test_memory_on_another_accelerator_is_undecided() -> None:
    before = [scored("a", [0.9] * 5, gpu="H100", peaks=(1000,) * 5)]
    found = compare(before, [scored("a", [0.9] * 5)])[1]
    assert (found.outcome, found.reason) == ("UNDECIDED", "measured on H100 then, on a CPU now")


def test_memory_that_no_accelerator_counted_is_no_question() -> None:
    assert len(compare([scored("a", [0.9] * 5)], [scored("a", [0.9] * 5)])) == 1


@pytest.mark.parametrize(
    ("now", "outcome"),
    [
        ((1.6, 1.55, 1.62, 1.58, 1.6), "PASS"),
        ((1.2, 1.21, 1.19, 1.2, 1.22), "FAIL"),
        ((1.5, 1.52, 1.49, 1.5, 1.51), "PASS"),
    ],
)
def test_a_ratio_of_speeds_may_fall_by_a_tenth(now: tuple[float, ...], outcome: str) -> None:
    [found] = compare([timed((1.6, 1.58, 1.61, 1.6, 1.59))], [timed(now)])
    assert (found.outcome, found.then) == (outcome, pytest.approx(1.596, abs=1e-3))


def test_a_time_that_is_claimed_to_be_short_is_kept_as_a_speed() -> None:
    more = ClaimRecord(
        claim="throughput ratio at 64 tokens is at least 2",
        quantity="throughput ratio at 64 tokens",
        subject="a against b",
        verdict="PASS",
        value=2.5,
        bound=2,
        rule="ratio",
        values=(2.5, 3.0),
    )
    quantity = "p95 latency ratio at 64 tokens"
    short = {
        "claim": f"{quantity} is at most 0.8",
        "quantity": quantity,
        "direction": "at most",
        "values": (0.5, 0.4),
    }
    claims = (more.model_copy(update=short), more)
    scenario = ScenarioRecord(node="n", path="p", line=1, feature="f", title="t", outcome="passed", claims=claims)
    found = timings_of(SessionRecord(session="s", started="", finished="", command="", scenarios=(scenario,)))
    assert [(one.quantity, one.ratios) for one in found] == [
        ("inverse of the p95 latency ratio at 64 tokens", (2.0, 2.5)),
        ("throughput ratio at 64 tokens", (2.5, 3.0)),
    ]


@pytest.mark.parametrize(
    ("former", "current"),
    [
        ("examples a second it trains on, as a ratio", "training speed ratio"),
        ("examples a second it evaluates, as a ratio", "evaluation speed ratio"),
        ("p95 latency of one text of 64 tokens, as a ratio", "p95 latency ratio at 64 tokens"),
        ("texts of 64 tokens a second, as a ratio", "throughput ratio at 64 tokens"),
    ],
)
def test_a_saved_timing_under_a_former_name_is_still_compared(former: str, current: str) -> None:
    old = BaselineTiming(key=f"t: {former},", title="a", quantity=former, ratios=(1.6,) * 5, machine="mine")
    new = BaselineTiming(key=f"t: {current}", title="a", quantity=current, ratios=(1.6,) * 5, machine="mine")
    assert old == new
    denied = BaselineTiming(
        key=f"t: not: {former},", title="a", quantity=f"inverse of the not: {former}", ratios=(1.6,) * 5, machine="mine"
    )
    assert (denied.key, denied.quantity) == (new.key, f"inverse of the {current}")


def test_ratios_of_another_machine_are_undecided_and_those_of_few_rounds_missing() -> None:
    before = [timed((1.6,) * 5)]
    assert compare(before, [timed((1.6,) * 5, "another")])[0].reason == "measured on mine then, on another now"
    [few] = compare(before, [timed((1.6,) * 3)])
    assert few.outcome == "MISSING"
    assert str(few.reason).startswith("5 rounds then, 3 now")
    assert compare(before, [])[0].reason == "it was not measured in this session"


def test_the_correction_covers_quality_and_speed_together() -> None:
    drop = 0.9 - 1.8 * SPREAD * np.sqrt(2 / 5)
    assert compare([scored("a", [0.9] * 5)], [scored("a", [drop] * 5)])[0].outcome == "FAIL"
    both = [scored("a", [0.9] * 5), timed((1.0, 1.01, 0.99, 1.0, 1.0))]
    assert compare(both, [scored("a", [drop] * 5), both[1]])[0].outcome == "PASS"
