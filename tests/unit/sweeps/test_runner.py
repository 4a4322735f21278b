"""The runner in one process, with trials that train nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from bertspec.config import SweepConfig
from bertspec.errors import InvalidConfig, SourceError, UnknownName
from bertspec.results import Point, SweepRecord, TrialRecord
from bertspec.study import Session
from bertspec.sweeps import runner, trial
from bertspec.sweeps.worker_pool import Job, WorkerDied

from .conftest import GOOD, Read


@dataclasses.dataclass
class Trials:
    """Records the trials instead of training them, and gives them their scores."""

    run: list[int] = dataclasses.field(default_factory=list)
    parameters: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    scores: dict[int, float] = dataclasses.field(default_factory=dict)
    errors: dict[int, BaseException] = dataclasses.field(default_factory=dict)

    def __call__(self, number: int, parameters: Any, session: Session, **rest: Any) -> TrialRecord:
        if number in self.errors:
            raise self.errors.pop(number)
        self.run.append(number)
        self.parameters.append(dict(parameters))
        value = self.scores.get(number, 0.5)
        why = rest["on_progress"](Point(step=1, value=value)) if rest["on_progress"] else None
        return TrialRecord(
            number=number,
            parameters=trial.settings_of(parameters),
            contender=rest["contender"],
            state="stopped" if why else "finished",
            reason=why,
            score=value,
            points=(Point(step=1, value=value),) if rest["on_progress"] else (),
            finished="2026-01-01T00:00:00+00:00",
        )


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> Trials:
    trials = Trials()
    monkeypatch.setattr(trial, "run", trials)
    return trials


def swept(config: SweepConfig, session: Session, **how: Any) -> SweepRecord:
    return runner.run(config, session, processes=1, **how)


def test_every_trial_is_run_once_and_written_down(read: Read, session: Session, trials: Trials) -> None:
    progress: list[int] = []
    record = swept(read(), session, on_progress=lambda record: progress.append(len(record.trials)))
    assert trials.run == [0, 1, 2, 3, 4, 5]
    assert progress == [0, 1, 2, 3, 4, 5, 6]
    assert [each.contender for each in record.trials] == ["adam", "adamw", "sgd"] * 2
    assert (record.planned, record.metric, record.goal) == (6, "accuracy", "maximize")
    assert record.finished is not None
    (file,) = (session.store.root / "sweeps").iterdir()
    assert SweepRecord.model_validate_json(file.read_text("utf-8")) == record


def test_a_trial_is_given_the_seeds_and_the_share_of_tuning(read: Read, session: Session, trials: Trials) -> None:
    swept(read(old="  steps: {value: 4}", new="  seeds: {value: [9]}\n  tuning_share: {value: 0.5}"), session)
    assert trials.parameters[0]["seeds"] == (9,)
    assert trials.parameters[0]["tuning_share"] == 0.5


def test_the_same_sweep_is_not_run_again(read: Read, session: Session, trials: Trials) -> None:
    first = swept(read(), session)
    assert swept(read(GOOD.replace("method", "name: mine\ndescription: again\nmethod")), session) == first
    assert trials.run == [0, 1, 2, 3, 4, 5]


@pytest.mark.usefixtures("trials")
@pytest.mark.parametrize("method", ["random", "bayes"])
def test_what_a_name_stands_for_is_part_of_the_plan(read: Read, session: Session, tmp_path: Path, method: str) -> None:
    recipe = tmp_path / "configs" / "recipes" / "mine.yaml"
    recipe.parent.mkdir(parents=True)
    text = (Path("configs") / "recipes" / "from-scratch.yaml").read_text("utf-8")
    asked = GOOD.replace("random", method).replace("  steps", "  recipe: {values: [from-scratch, mine]}\n  steps")
    hashes = set()
    for clip_norm in ("1.0", "2.0"):
        recipe.write_text(text.replace("clip_norm: 1.0", f"clip_norm: {clip_norm}"), "utf-8")
        hashes.add(swept(read(asked), session).sha256)
    assert len(hashes) == 2


def test_a_fresh_sweep_runs_every_trial_again(read: Read, session: Session, trials: Trials) -> None:
    swept(read(), session)
    trials.scores = dict.fromkeys(range(6), 0.75)
    record = swept(read(), dataclasses.replace(session, fresh=True))
    assert trials.run == [0, 1, 2, 3, 4, 5] * 2
    assert {each.score for each in record.trials} == {0.75}
    assert swept(read(), session) == record


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 1},
        {"trials_each": 1},
        {"old": "max: 10", "new": "max: 9"},
        {"old": "value: 4", "new": "value: 5"},
    ],
)
def test_another_plan_is_another_sweep(read: Read, session: Session, trials: Trials, other: dict[str, Any]) -> None:
    text = {name: other[name] for name in ("old", "new") if name in other}
    first = swept(read(), session)
    second = swept(read(**text), session, **{name: value for name, value in other.items() if name not in text})
    assert first.sha256 != second.sha256
    assert len(trials.run) == first.planned + second.planned


def test_an_interrupted_sweep_goes_on_where_it_was(read: Read, session: Session, trials: Trials) -> None:
    trials.errors[3] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        swept(read(), session)
    record = swept(read(), session)
    assert trials.run == [0, 1, 2, 3, 4, 5]
    assert [each.number for each in record.trials] == [0, 1, 2, 3, 4, 5]


def test_what_would_end_every_trial_ends_the_sweep_and_keeps_the_finished_ones(
    read: Read, session: Session, trials: Trials
) -> None:
    trials.errors[2] = SourceError("the disk that held the data is gone")
    with pytest.raises(SourceError):
        swept(read(), session)
    swept(read(), session)
    assert trials.run == [0, 1, 2, 3, 4, 5]


def test_a_damaged_record_is_started_anew(read: Read, session: Session, trials: Trials) -> None:
    swept(read(), session)
    (file,) = (session.store.root / "sweeps").iterdir()
    file.write_text("{", "utf-8")
    assert len(swept(read(), session).trials) == 6
    assert trials.run == [0, 1, 2, 3, 4, 5] * 2


@pytest.mark.usefixtures("trials")
def test_a_number_of_trials_is_for_each_contender(read: Read, session: Session) -> None:
    assert len(swept(read(), session, trials_each=1).trials) == 3


def test_random_search_without_an_end_is_refused(read: Read, session: Session) -> None:
    with pytest.raises(InvalidConfig, match="never ends without a number of trials; allowed: run_cap: N in the file"):
        swept(read(old="run_cap: 6\n", new=""), session)


def test_no_trial_begins_once_the_target_is_reached(read: Read, session: Session, trials: Trials) -> None:
    alone = GOOD.replace("values: [adam, adamw, sgd]", "value: adamw")
    trials.scores = {1: 0.7, 2: 0.95}
    record = swept(read(alone, old="goal: maximize", new="goal: maximize\n  target: 0.9"), session)
    assert trials.run == [0, 1, 2]
    assert record.finished is not None


def test_hopeless_trials_are_stopped_and_that_survives_an_interruption(
    read: Read, session: Session, trials: Trials
) -> None:
    text = GOOD.replace("values: [adam, adamw, sgd]", "value: adamw").replace(
        "steps: {value: 4}", "evaluate_every: {value: 1}"
    )
    config = read(text, old="run_cap: 6", new="run_cap: 6\nearly_terminate: {type: hyperband, min_iter: 1, eta: 2}")
    trials.scores = {0: 0.7, 1: 0.8, 2: 0.1, 3: 0.05, 4: 0.9, 5: 0.0}
    trials.errors[3] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        swept(config, session)
    record = swept(config, session)
    assert [each.state for each in record.trials] == [
        "finished", "finished", "stopped", "stopped", "finished", "stopped",
    ]  # fmt: skip


def test_settings_that_an_optimizer_lacks_are_reported_before_anything_is_run(
    read: Read, session: Session, trials: Trials
) -> None:
    nested = "  settings: {parameters: {momentum: {value: 0.9}}}\n  steps: {value: 4}"
    with pytest.raises(
        InvalidConfig,
        match="adam has no such setting; given: 'momentum'; allowed: beta1, beta2, epsilon; .*optimizer adam",
    ):
        swept(read(old="  steps: {value: 4}", new=nested), session)
    assert trials.run == []


def test_data_that_cannot_be_had_are_reported_before_anything_is_run(
    read: Read, session: Session, trials: Trials
) -> None:
    with pytest.raises((SourceError, UnknownName)):
        swept(read(old="bundled/sentiment", new="sst2-sentences"), session)
    assert trials.run == []


class Deaths:
    """A pool whose workers die, a given number of times for each trial."""

    def __init__(self, deaths: dict[int, int]) -> None:
        self.deaths, self.jobs = dict(deaths), list[Job]()
        self.started: list[int] = []

    def __call__(self, session: Session, size: int) -> Deaths:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def busy(self) -> int:
        return len(self.jobs)

    def start(self, job: Job) -> None:
        self.jobs.append(job)
        self.started.append(job.number)

    def events(self) -> Iterator[TrialRecord | WorkerDied]:
        job = self.jobs.pop(0)
        if self.deaths.get(job.number, 0) > 0:
            self.deaths[job.number] -= 1
            yield WorkerDied(job, "its worker process was killed by SIGKILL")
            return
        yield Trials()(job.number, job.parameters, None, contender=job.contender, on_progress=None)  # type: ignore[arg-type]


def test_a_trial_whose_worker_dies_is_tried_once_more(
    read: Read, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = Deaths({1: 1, 3: 2})
    monkeypatch.setattr(runner, "WorkerPool", pool)
    record = runner.run(read(), session, processes=2)
    assert {number: pool.started.count(number) for number in range(6)} == {0: 1, 1: 2, 2: 1, 3: 2, 4: 1, 5: 1}
    assert [each.state for each in record.trials] == ["finished"] * 3 + ["failed"] + ["finished"] * 2
    assert record.trials[3].reason == "its worker process was killed by SIGKILL, 2 times"
    assert record.trials[3].parameters["optimizer"] == "adam"
    assert "seeds" not in record.trials[3].parameters


def test_a_command_is_never_executed(read: Read, session: Session, trials: Trials, tmp_path: Any) -> None:
    mark = tmp_path / "executed"
    swept(read(old="method: random", new=f"method: random\nprogram: {mark}.py\ncommand: [touch, {mark}]"), session)
    assert len(trials.run) == 6
    assert not mark.exists()
