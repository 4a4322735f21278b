"""Made-up trials, and a confirmation that trains one layer of width 16."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from textwrap import dedent
from typing import Any, ClassVar

import pytest

from bertspec.catalog import Catalog
from bertspec.claims import sweeps as judging
from bertspec.config import SweepConfig
from bertspec.errors import InvalidConfig, UnknownName
from bertspec.results import SweepRecord, TrialRecord
from bertspec.sources import Sources
from bertspec.store import Store
from bertspec.store.sweeps import SweepFile
from bertspec.study import Session
from bertspec.study import study as studies
from bertspec.sweeps import comparison, files
from bertspec.sweeps.comparison import budget_differences
from bertspec.sweeps.worker_pool import Job, Progress, WorkerDied, WorkerPool
from bertspec.tracking import SilentTracker

ENCODER = """\
    family: bert
    recipe: from-scratch
    architecture: {hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 32,
      max_position_embeddings: 66}
"""
TASK = """\
    dataset: bundled/sentiment
    text: text
    head: classification
    labels: [negative, positive]
    metrics: [accuracy]
    generated: {train_rows: 96, evaluation_rows: 40, label_noise: 0.05}
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """A session whose store the tests of this module share: the same runs are trained once."""
    folder = tmp_path_factory.mktemp("sweeps")
    for kind, text in (("encoders/micro", ENCODER), ("tasks/few", TASK)):
        file = folder / "configs" / f"{kind}.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(dedent(text), "utf-8")
    return Session(
        catalog=Catalog.beside(folder),
        sources=Sources(mirror=None, endpoint=None),
        store=Store(folder / "store"),
        tracker=SilentTracker(),
    )


def config_of(session: Session, *, seeds: Sequence[int] = (1, 2, 3, 4, 5), compare: bool = True) -> SweepConfig:
    optimizer = {"values": ["adamw", "sgd"]} if compare else {"value": "adamw"}
    parameters = {
        "encoder": {"value": "micro"},
        "task": {"value": "few"},
        "steps": {"value": 4},
        "threads": {"value": 1},
        "evaluate_every": {"value": 2},
        "optimizer": optimizer,
        "learning_rate_factor": {"values": [0.1, 1, 10]},
        "confirmation_seeds": {"value": list(seeds)},
    }
    return files.parse({"method": "grid", "parameters": parameters}, session, name="small", where="this test")


def trial(number: int, contender: str, factor: float, score: float | None, *, tokens: int = 1000) -> TrialRecord:
    parameters = {
        "encoder": "micro",
        "task": "few",
        "steps": 4,
        "threads": 1,
        "evaluate_every": 2,
        "optimizer": contender,
        "learning_rate_factor": factor,
    }
    return TrialRecord(
        number=number,
        parameters=parameters,
        contender=contender,
        state="failed" if score is None else "finished",
        seeds=(201, 202),
        scores=() if score is None else (score - 0.01, score + 0.01),
        score=score,
        tokens=tokens,
        finished="2026-01-01T00:00:00+00:00",
    )


def swept(*trials: TrialRecord) -> SweepRecord:
    return SweepRecord(
        name="small",
        sha256="0" * 64,
        metric="accuracy",
        goal="maximize",
        method="grid",
        planned=6,
        trials=trials,
        began="2026-01-01T00:00:00+00:00",
    )


def add_to(progress: list[tuple[int, int]]) -> Callable[[int, int], None]:
    return lambda done, total: progress.append((done, total))


SIX = (
    trial(0, "adamw", 0.1, 0.6),
    trial(1, "sgd", 0.1, 0.4),
    trial(2, "adamw", 1, 0.9),
    trial(3, "sgd", 1, 0.5),
    trial(4, "adamw", 10, 0.9),
    trial(5, "sgd", 10, None),
)


def test_the_best_trial_of_each_is_run_again_on_fresh_seeds_and_scored_on_the_evaluation_split(
    session: Session,
) -> None:
    record = comparison.compare(config_of(session), swept(*SIX), session, processes=1)
    adamw = next(each for each in record.contenders if each.name == "adamw")
    assert (adamw.best, adamw.tuned, adamw.trials, adamw.tokens) == (2, 0.9, 3, 3000)
    assert (adamw.seeds, len(adamw.values), len(adamw.runs)) == ((1, 2, 3, 4, 5), 5, 5)
    runs = [session.store.get(name) for name in adamw.runs]
    assert all(run is not None and run.config.task.tuning_share is None for run in runs)
    assert adamw.mean == pytest.approx(sum(adamw.values) / 5)
    assert record.unfair == ()
    assert record.parameter == "optimizer"


def test_the_record_of_the_sweep_keeps_the_comparison(session: Session) -> None:
    record = comparison.compare(config_of(session), swept(*SIX), session, processes=1)
    kept = SweepFile(session.store.root, "small", "0" * 64).read()
    assert kept is not None
    assert kept.comparison == record


def test_the_sensitivity_is_of_the_learning_rates_themselves(session: Session) -> None:
    record = comparison.begin(config_of(session), swept(*SIX), session, processes=1).record()
    adamw = next(each for each in record.contenders if each.name == "adamw")
    assert adamw.curve == ((1e-4, 0.6), (1e-3, 0.9), (1e-2, 0.9))
    assert adamw.sensitivity == pytest.approx(1 + 0.02 / 0.3)
    sgd = next(each for each in record.contenders if each.name == "sgd")
    assert len(sgd.curve) == 2
    assert sgd.sensitivity == pytest.approx(0.2)


def test_of_a_claim_that_stays_open_ten_seeds_are_run_where_the_sweep_has_them(session: Session) -> None:
    compared = comparison.begin(config_of(session, seeds=range(1, 11)), swept(*SIX), session, processes=1)
    assert compared.seeds == 5
    verdict = judging.judge_best(compared, "adamw", 1e-9)
    assert (len(verdict.values), compared.seeds) == (10, 10)
    assert not verdict.passed
    assert {len(each.values) for each in compared.record().contenders} == {10}


def test_a_wide_tolerance_passes_unless_its_own_runs_learned_nothing(session: Session) -> None:
    compared = comparison.begin(config_of(session), swept(*SIX), session, processes=1)
    verdict = judging.judge_best(compared, "adamw", 0.9)
    collapsed = next(each for each in compared.record().contenders if each.name == "adamw").collapsed
    assert (verdict.outcome, verdict.rule) == (("FAIL", "collapse") if collapsed else ("PASS", "best"))


def test_in_processes_the_confirmation_comes_to_the_same(session: Session, tmp_path: Path) -> None:
    progress: list[tuple[int, int]] = []
    other = dataclasses.replace(session, store=Store(tmp_path))
    with pytest.MonkeyPatch.context() as here:
        here.setattr(studies, "_train", lambda *_: pytest.fail("it was trained here, and not in a process of its own"))
        compared = comparison.begin(config_of(session), swept(*SIX), other, processes=2, on_progress=add_to(progress))
    assert compared.record() == comparison.begin(config_of(session), swept(*SIX), session, processes=1).record()
    assert (progress[0][1], progress[-1]) == (10, (10, 10))
    assert {contender.study.origin for contender in compared.contenders.values() if contender.study} == {"5 trained"}


def test_what_no_process_could_run_is_run_here(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Doomed(WorkerPool):
        """Workers that die of whatever they are given."""

        jobs: ClassVar[list[Job]] = []

        @property
        def busy(self) -> int:
            return len(self.jobs)

        def start(self, job: Job) -> None:
            self.jobs.append(job)

        def events(self) -> Iterator[TrialRecord | Progress | WorkerDied]:
            yield WorkerDied(self.jobs.pop(), "it was killed")

    monkeypatch.setattr(comparison, "WorkerPool", Doomed)
    other = dataclasses.replace(session, store=Store(tmp_path))
    compared = comparison.begin(config_of(session), swept(*SIX), other, processes=2)
    assert {len(contender.study.trained) for contender in compared.contenders.values() if contender.study} == {5}


def test_of_trials_that_were_stopped_early_no_sensitivity_is_claimed(session: Session) -> None:
    stopped = (*SIX[:4], SIX[4].model_copy(update={"state": "stopped", "score": 0.7}), SIX[5])
    compared = comparison.begin(config_of(session), swept(*stopped), session)
    verdict = judging.judge_sensitivity(compared, "adamw", 0.1, 0.05)
    assert verdict.outcome == "UNDECIDED"
    assert "1 of its trials were stopped early" in str(verdict)
    adamw = next(each for each in compared.record().contenders if each.name == "adamw")
    assert adamw.sensitivity == pytest.approx(0.02 / 0.3)  # of what was finished


def test_where_the_sweep_has_fewer_seeds_all_of_them_are_run(session: Session) -> None:
    progress: list[tuple[int, int]] = []
    compared = comparison.begin(config_of(session, seeds=(1, 2)), swept(*SIX), session, on_progress=add_to(progress))
    assert (compared.seeds, progress[-1]) == (2, (4, 4))


def test_unequal_budgets_let_no_claim_pass_and_say_why(session: Session) -> None:
    dear = [trial(n, each.contender or "", 1, 0.9, tokens=2000 if n % 2 else 1000) for n, each in enumerate(SIX)]
    compared = comparison.begin(config_of(session), swept(*dear), session)
    assert compared.record().unfair == ("adamw was tuned on 3,000 tokens, sgd on 6,000",)
    claims = [
        judging.judge_best(compared, "adamw", 0.9),
        judging.judge_steps(compared, "adamw", "sgd", 2.0, 0.0),
        judging.judge_sensitivity(compared, "adamw", 0.1, 0.5),
    ]
    for verdict in claims:
        assert verdict.outcome == "UNDECIDED"
        assert "not fair: adamw was tuned on 3,000 tokens, sgd on 6,000" in str(verdict)


def test_the_steps_to_a_target_are_those_of_an_evaluation(session: Session) -> None:
    compared = comparison.begin(config_of(session), swept(*SIX), session, processes=1)
    verdict = judging.judge_steps(compared, "adamw", "sgd", 1.0, 0.0)
    assert (verdict.outcome, verdict.values) == ("PASS", (1.0,) * 5)
    never = judging.judge_steps(compared, "adamw", "sgd", 1.0, 1.0)
    assert never.outcome == "FAIL"


def test_an_unknown_contender_is_refused_before_anything_is_judged(session: Session) -> None:
    compared = comparison.begin(config_of(session), swept(*SIX), session, processes=1)
    with pytest.raises(UnknownName, match="unknown optimizer"):
        judging.judge_best(compared, "adam")


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        (lambda config: judging.check_best(config, "adam"), "unknown optimizer"),
        (lambda config: judging.check_best(config, "adamw", -1.0), "the tolerance"),
        (lambda config: judging.check_best(config, "adamw", 5.0), "below 1, the whole accuracy"),
        (lambda config: judging.check_steps(config, "sgd", "sgd", 2.0, 0.8), "compared with itself"),
        (lambda config: judging.check_steps(config, "adamw", "sgd", 0.0, 0.8), "factor of steps is not a positive"),
        (lambda config: judging.check_steps(config, "adamw", "sgd", 2.0, 85.0), "accuracy can never be 85"),
        (lambda config: judging.check_sensitivity(config, "adamw", 0.0, 0.02), "0 decades"),
        (lambda config: judging.check_sensitivity(config, "adamw", 1.0, 5.0), "the tolerance"),
    ],
)
def test_a_claim_that_says_nothing_is_refused(
    claim: Callable[[SweepConfig], None], said: str, session: Session
) -> None:
    with pytest.raises((InvalidConfig, UnknownName), match=said):
        claim(config_of(session))


def test_a_sweep_that_compares_nothing_is_not_ranked(session: Session) -> None:
    with pytest.raises(InvalidConfig, match="compares nothing"):
        comparison.compare(config_of(session, compare=False), swept(*SIX), session)


def tuned(*tokens: int, **fields: Any) -> list[TrialRecord]:
    values = {"parameters": {}, "state": "finished", "score": 0.5, "finished": "2026-01-01T00:00:00+00:00", **fields}
    return [TrialRecord(number=number, tokens=each, **values) for number, each in enumerate(tokens)]


def test_equal_trials_of_nearly_equal_tokens_are_fair() -> None:
    assert budget_differences({"adam": tuned(1000, 1000), "sgd": tuned(1005, 1000)}, planned=4) == ()


def test_one_trial_more_is_reported_with_the_figures() -> None:
    assert budget_differences({"adam": tuned(1000, 1000), "sgd": tuned(2000)}, planned=3) == (
        "adam had 2 trials, sgd had 1",
    )


def test_more_tokens_are_reported_with_the_figures() -> None:
    assert budget_differences({"adam": tuned(1000, 1000), "marthe": tuned(2000, 2100)}, planned=4) == (
        "adam was tuned on 2,000 tokens, marthe on 4,100",
    )


def test_a_trial_that_diverged_or_failed_or_was_stopped_counts_as_a_whole_one() -> None:
    lost = [*tuned(1000), *tuned(10, diverged=1), *tuned(0, state="failed"), *tuned(300, state="stopped")]
    assert budget_differences({"adam": tuned(1000, 1000, 1000, 1000), "sgd": lost}, planned=8) == ()


def test_a_contender_without_a_whole_trial_leaves_nothing_to_compare() -> None:
    differences = budget_differences({"adam": tuned(1000), "sgd": tuned(0, state="failed")}, planned=2)
    assert differences == ("sgd: each of its 1 trials failed, was stopped or diverged on some seed",)


def test_a_sweep_that_is_not_over_is_not_fair() -> None:
    assert budget_differences({"adam": tuned(1000), "sgd": tuned(1000)}, planned=8) == (
        "the sweep is not over: 2 of 8 trials",
    )
