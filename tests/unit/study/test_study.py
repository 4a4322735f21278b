from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bertspec import engine, study
from bertspec.config import RunConfig, StudyConfig
from bertspec.errors import BertspecError, DeviceError, InvalidConfig, StoreError, UnknownName
from bertspec.results import RunObserver, RunResult, Stop
from bertspec.store import Store
from bertspec.study import Session


class Diary:
    """A tracker that keeps what it hears of every run."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def settle(self) -> None:
        self.lines.append("settled")

    def observe(self, config: RunConfig, *, fingerprint: str) -> RunObserver:
        self.lines.append(f"seed {config.seed} opens {len(fingerprint)}")
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


def test_a_study_is_trained_once_and_then_comes_from_the_store(study_config: StudyConfig, session: Session) -> None:
    first, second = study.run(study_config, session), study.run(study_config, session)
    assert (len(first.trained), first.origin) == (2, "2 trained")
    assert (len(second.trained), second.origin) == (0, "2 from the store")
    assert first.scores("accuracy") == second.scores("accuracy")


def test_only_what_is_missing_is_trained(study_config: StudyConfig, session: Session) -> None:
    study.run(study_config, session)
    more = study.run(study_config.model_copy(update={"seeds": (1, 2, 3)}), session)
    assert more.origin == "1 trained and 2 from the store"


def test_a_fresh_session_trains_again_but_once(study_config: StudyConfig, session: Session) -> None:
    study.run(study_config, session)
    fresh = dataclasses.replace(session, id="another", fresh=True)
    assert len(study.run(study_config, fresh).trained) == 2
    assert len(study.run(study_config, fresh).trained) == 0


@pytest.mark.parametrize("year", ["1970", "2999"])
def test_a_fresh_session_does_not_go_by_the_clock(study_config: StudyConfig, session: Session, year: str) -> None:
    for run in study.run(study_config, session).runs:
        facts = run.result.facts.model_copy(update={"finished": f"{year}-01-01T00:00:00+00:00"})
        session.store.put(dataclasses.replace(run, result=dataclasses.replace(run.result, facts=facts)))
    assert len(study.run(study_config, session).trained) == 0
    assert len(study.run(study_config, dataclasses.replace(session, id="another", fresh=True)).trained) == 2


def test_every_run_is_told_to_the_tracker(study_config: StudyConfig, session: Session) -> None:
    diary = Diary()
    study.run(study_config, dataclasses.replace(session, tracker=diary))
    trained = ["seed 1 opens 64", "8 steps", "seed 1 ends", "seed 2 opens 64", "8 steps", "seed 2 ends"]
    assert diary.lines == ["settled", *trained]


def test_a_failed_run_is_told_and_the_finished_ones_are_kept(
    study_config: StudyConfig, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    diary, honest = Diary(), engine.run

    def fails_on_seed_two(config: RunConfig, *parts: object, **options: object) -> RunResult:
        if config.seed == 2:
            raise DeviceError("the memory is too small")
        return honest(config, *parts, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "run", fails_on_seed_two)
    with pytest.raises(DeviceError):
        study.run(study_config, dataclasses.replace(session, tracker=diary))
    assert session.store.count() == 1
    assert diary.lines[-1] == "DeviceError"


def test_a_result_is_stored_before_it_is_told(study_config: StudyConfig, session: Session) -> None:
    counts: list[int] = []

    class Counter(Diary):
        def finished(self, result: RunResult) -> None:
            counts.append(session.store.count())

    study.run(study_config, dataclasses.replace(session, tracker=Counter()))
    assert counts == [1, 2]


def test_the_scores_are_those_of_the_runs(study_config: StudyConfig, session: Session) -> None:
    done = study.run(study_config, session)
    for metric in ("accuracy", "f1"):
        assert list(done.scores(metric)) == pytest.approx([run.result.facts.scores[metric] for run in done.runs])


@pytest.mark.parametrize(("metric", "error"), [("acuracy", UnknownName), ("pearson", InvalidConfig)])
def test_a_score_that_the_task_cannot_have_is_refused(
    study_config: StudyConfig, session: Session, metric: str, error: type[BertspecError]
) -> None:
    with pytest.raises(error):
        study.run(study_config, session).scores(metric)


def test_a_study_runs_the_seeds_that_it_is_asked_for(study_config: StudyConfig, session: Session) -> None:
    prepared = study.prepare(study_config.model_copy(update={"seeds": (1, 2, 3, 4)}), session)
    assert prepared.runs == []
    prepared.extend(3)
    assert (len(prepared.runs), prepared.origin) == (3, "3 trained")
    prepared.extend(4)
    prepared.extend(2)
    assert [run.config.seed for run in prepared.runs] == [1, 2, 3, 4]


def test_token_ids_are_cached_beside_the_runs(study_config: StudyConfig, session: Session) -> None:
    study.run(study_config, session)
    assert len(list(session.store.token_cache.glob("[!.]*"))) == 2


class PowerCut(BaseException):
    """What stops a run, as a kill would."""


def test_an_interrupted_run_goes_on_from_its_checkpoint(
    study_config: StudyConfig, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = study.run(study_config, dataclasses.replace(session, store=Store(tmp_path / "other")))
    careful, save = dataclasses.replace(session, checkpoint_every=3), engine.Checkpoints.save

    def cut(self: engine.Checkpoints, step: int, state: dict[str, Any]) -> bool:
        save(self, step, state)
        raise PowerCut

    monkeypatch.setattr(engine.Checkpoints, "save", cut)
    with pytest.raises(PowerCut):
        study.run(study_config, careful)
    resumed = study.run(study_config, session)
    assert [run.result.facts.resumed_at for run in resumed.runs] == [(3,), ()]
    for one, two in zip(resumed.runs, whole.runs, strict=True):
        assert np.array_equal(one.result.outcomes.outputs, two.result.outcomes.outputs)
    assert not list((session.store.root / "unfinished").iterdir())


def test_models_are_kept_where_they_are_asked_for(study_config: StudyConfig, session: Session) -> None:
    study.run(study_config, session)
    keeping = dataclasses.replace(session, keep_models=True)
    assert len(study.run(study_config, keeping).trained) == 2
    made = study.run(study_config, keeping)
    assert len(made.trained) == 0
    assert all(session.store.intact_model(run.fingerprint) for run in made.runs)


class Impatient(Diary):
    """Ends every run at its first evaluation."""

    def evaluated(self, step: int, score: float) -> Stop | None:
        return Stop("seen enough")


@pytest.mark.parametrize("keep_models", [False, True])
def test_a_stopped_run_ends_its_study_and_is_not_stored(
    study_config: StudyConfig, session: Session, keep_models: bool
) -> None:
    looking = study_config.model_copy(update={"recipe": study_config.recipe.model_copy(update={"evaluate_every": 2})})
    changes: dict[str, Any] = {"tracker": Impatient(), "keep_models": keep_models}
    made = study.run(looking, dataclasses.replace(session, **changes))
    assert [(run.result.facts.seed, run.result.facts.stopped) for run in made.runs] == [(1, "seen enough")]
    assert (session.store.count(), list(session.store.models.glob("*"))) == (0, [])
    assert [run.result.facts.stopped for run in study.run(looking, session).runs] == [None, None]


def test_a_model_that_was_kept_is_found(study_config: StudyConfig, session: Session) -> None:
    keeping = dataclasses.replace(session, keep_models=True)
    made = study.run(study_config, keeping).runs[0]
    before = (session.store.models / made.fingerprint).stat().st_mtime_ns
    assert study.model_of(made, session).stat().st_mtime_ns == before


def test_a_model_that_was_not_kept_is_made_again_with_the_same_bits(
    study_config: StudyConfig, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    made = study.run(study_config, session).runs[1]
    assert session.store.model(made.fingerprint) is None
    assert study.model_of(made, session).is_dir()
    again = session.store.get(made.fingerprint)
    assert again is not None
    assert np.array_equal(again.result.outcomes.outputs, made.result.outcomes.outputs)
    assert "was not kept; retraining it" in caplog.text


def test_making_a_model_again_does_not_make_its_run_the_latest(study_config: StudyConfig, session: Session) -> None:
    made = study.run(study_config, session).runs[0]
    facts = made.result.facts.model_copy(update={"finished": "2026-01-01T00:00:00+00:00"})
    old = dataclasses.replace(made, result=dataclasses.replace(made.result, facts=facts))
    session.store.put(old)
    study.model_of(old, session)
    again = session.store.get(made.fingerprint)
    assert again is not None
    assert again.result.facts.finished == "2026-01-01T00:00:00+00:00"


def test_a_damaged_model_is_made_again(study_config: StudyConfig, session: Session) -> None:
    made = study.run(study_config, dataclasses.replace(session, keep_models=True)).runs[0]
    (session.store.models / made.fingerprint / "model.safetensors").write_bytes(b"")
    assert (study.model_of(made, session) / "model.safetensors").stat().st_size > 1000


def test_a_model_that_would_be_another_one_is_refused_with_what_changed(
    study_config: StudyConfig, session: Session
) -> None:
    made = study.run(study_config, session).runs[0]
    facts = made.result.facts
    versions = facts.environment.versions | {"torch": "2.0.0"}
    older = facts.model_copy(update={"environment": facts.environment.model_copy(update={"versions": versions})})
    stranger = dataclasses.replace(made, fingerprint="0" * 64, result=dataclasses.replace(made.result, facts=older))
    with pytest.raises(
        StoreError, match=r"another one; given: 'torch 2\.0\.0 → .*; allowed: a run that was trained with --keep-models"
    ):
        study.model_of(stranger, session)


def test_an_edited_engine_is_named(study_config: StudyConfig, session: Session) -> None:
    made = study.run(study_config, session).runs[0]
    with pytest.raises(StoreError, match="given: 'another version of the engine'"):
        study.model_of(dataclasses.replace(made, fingerprint="0" * 64), session)
