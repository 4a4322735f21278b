from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bertspec import engine, study
from bertspec.errors import BertspecError, DeviceError, InvalidSpec, UnknownName
from bertspec.result import RunObserver, RunResult
from bertspec.spec import RunSpec, StudySpec
from bertspec.store import Store
from bertspec.study import Workbench


class Diary:
    """A tracker that keeps what it hears of every run."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def settle(self) -> None:
        self.lines.append("settled")

    def observe(self, spec: RunSpec, *, fingerprint: str) -> RunObserver:
        self.lines.append(f"seed {spec.seed} opens {len(fingerprint)}")
        return self

    def started(self, total_steps: int) -> None:
        self.lines.append(f"{total_steps} steps")

    def stepped(self, step: int, loss: float, learning_rate: float) -> None:
        return

    def evaluated(self, step: int, score: float) -> None:
        return

    def finished(self, result: RunResult) -> None:
        self.lines.append(f"seed {result.facts.seed} ends")

    def failed(self, error: BaseException) -> None:
        self.lines.append(type(error).__name__)

    def close(self) -> None:
        return


def test_a_study_is_trained_once_and_then_comes_from_the_store(study_spec: StudySpec, bench: Workbench) -> None:
    first, second = study.run(study_spec, bench), study.run(study_spec, bench)
    assert (first.trained, first.origin) == (2, "2 trained")
    assert (second.trained, second.origin) == (0, "2 from the store")
    assert first.scores("accuracy") == second.scores("accuracy")


def test_only_what_is_missing_is_trained(study_spec: StudySpec, bench: Workbench) -> None:
    study.run(study_spec, bench)
    more = study.run(study_spec.model_copy(update={"seeds": (1, 2, 3)}), bench)
    assert more.origin == "1 trained and 2 from the store"


def test_a_fresh_session_trains_again_but_once(study_spec: StudySpec, bench: Workbench) -> None:
    study.run(study_spec, bench)
    fresh = dataclasses.replace(bench, session="another", fresh=True)
    assert study.run(study_spec, fresh).trained == 2
    assert study.run(study_spec, fresh).trained == 0


@pytest.mark.parametrize("year", ["1970", "2999"])
def test_a_fresh_session_does_not_go_by_the_clock(study_spec: StudySpec, bench: Workbench, year: str) -> None:
    for run in study.run(study_spec, bench).runs:
        facts = run.result.facts.model_copy(update={"finished": f"{year}-01-01T00:00:00+00:00"})
        bench.store.put(dataclasses.replace(run, result=dataclasses.replace(run.result, facts=facts)))
    assert study.run(study_spec, bench).trained == 0
    assert study.run(study_spec, dataclasses.replace(bench, session="another", fresh=True)).trained == 2


def test_every_run_is_told_to_the_tracker(study_spec: StudySpec, bench: Workbench) -> None:
    diary = Diary()
    study.run(study_spec, dataclasses.replace(bench, tracker=diary))
    trained = ["seed 1 opens 64", "8 steps", "seed 1 ends", "seed 2 opens 64", "8 steps", "seed 2 ends"]
    assert diary.lines == ["settled", *trained]


def test_a_failed_run_is_told_and_the_finished_ones_are_kept(
    study_spec: StudySpec, bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    diary, honest = Diary(), engine.run

    def fails_on_seed_two(spec: RunSpec, *parts: object, **options: object) -> RunResult:
        if spec.seed == 2:
            raise DeviceError("the memory is too small")
        return honest(spec, *parts, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "run", fails_on_seed_two)
    with pytest.raises(DeviceError):
        study.run(study_spec, dataclasses.replace(bench, tracker=diary))
    assert bench.store.count() == 1
    assert diary.lines[-1] == "DeviceError"


def test_a_result_is_stored_before_it_is_told(study_spec: StudySpec, bench: Workbench) -> None:
    counts: list[int] = []

    class Counter(Diary):
        def finished(self, result: RunResult) -> None:
            counts.append(bench.store.count())

    study.run(study_spec, dataclasses.replace(bench, tracker=Counter()))
    assert counts == [1, 2]


def test_the_scores_are_those_of_the_runs(study_spec: StudySpec, bench: Workbench) -> None:
    done = study.run(study_spec, bench)
    for metric in ("accuracy", "f1"):
        assert list(done.scores(metric)) == pytest.approx([run.result.facts.scores[metric] for run in done.runs])


@pytest.mark.parametrize(("metric", "error"), [("acuracy", UnknownName), ("pearson", InvalidSpec)])
def test_a_score_that_the_task_cannot_have_is_refused(
    study_spec: StudySpec, bench: Workbench, metric: str, error: type[BertspecError]
) -> None:
    with pytest.raises(error):
        study.run(study_spec, bench).scores(metric)


def test_a_study_begins_with_the_runs_of_its_first_look(study_spec: StudySpec, bench: Workbench) -> None:
    begun = study.begin(study_spec.model_copy(update={"seeds": (1, 2, 3, 4)}), bench)
    assert (len(begun.runs), begun.origin) == (3, "3 trained")
    begun.extend(4)
    begun.extend(2)
    assert [run.spec.seed for run in begun.runs] == [1, 2, 3, 4]


def test_words_become_a_study(bench: Workbench) -> None:
    plan = bench.plan({"encoder": "bert-tiny", "task": "bundled/sentiment", "optimizer": "sgd", "steps": 3, "seeds": 7})
    assert (plan.seeds, plan.recipe.steps, plan.recipe.optimizer.algorithm) == ((7,), 3, "sgd")


@pytest.mark.parametrize("asked", [{"encoder": "bert-tiny"}, {"encoder": "a", "task": "b", "colour": "red"}])
def test_words_that_describe_no_study_are_refused(bench: Workbench, asked: dict[str, str]) -> None:
    with pytest.raises(InvalidSpec, match="not described by these fields; given: .*; allowed: encoder, task"):
        bench.plan(asked)


def test_token_ids_are_cached_beside_the_runs(study_spec: StudySpec, bench: Workbench) -> None:
    study.run(study_spec, bench)
    assert len(list(bench.store.token_cache.glob("[!.]*"))) == 2


class PowerCut(BaseException):
    """What stops a run, as a kill would."""


def test_an_interrupted_run_goes_on_from_its_checkpoint(
    study_spec: StudySpec, bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = study.run(study_spec, dataclasses.replace(bench, store=Store(tmp_path / "other")))
    careful, save = dataclasses.replace(bench, checkpoint_every=3), engine.Snapshots.save

    def cut(self: engine.Snapshots, step: int, state: dict[str, Any]) -> bool:
        save(self, step, state)
        raise PowerCut

    monkeypatch.setattr(engine.Snapshots, "save", cut)
    with pytest.raises(PowerCut):
        study.run(study_spec, careful)
    resumed = study.run(study_spec, bench)
    assert [run.result.facts.resumed_at for run in resumed.runs] == [(3,), ()]
    for one, two in zip(resumed.runs, whole.runs, strict=True):
        assert np.array_equal(one.result.outcomes.outputs, two.result.outcomes.outputs)
    assert not list((bench.store.root / "unfinished").iterdir())


def test_models_are_kept_where_they_are_asked_for(study_spec: StudySpec, bench: Workbench) -> None:
    study.run(study_spec, bench)
    keeping = dataclasses.replace(bench, keep_models=True)
    assert study.run(study_spec, keeping).trained == 2
    made = study.run(study_spec, keeping)
    assert made.trained == 0
    assert all(bench.store.intact_model(run.fingerprint) for run in made.runs)
