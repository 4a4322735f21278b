"""Then: claims, each with its number, and checks of what a run left behind."""

from __future__ import annotations

from pathlib import Path

from pytest_bdd import parsers

from bertspec import claims as judging
from bertspec.claims import sweeps as rankings
from bertspec.inference.records import Percentile, Turns
from bertspec.statistics import Claim, Rule
from bertspec.store import StoredRun
from bertspec.study import Session, Study, Timing
from bertspec.study.timing import Act
from bertspec.sweeps.comparison import Comparison
from bertspec.tracking import find_run, sampled_steps

from .arguments import number
from .arguments import rule as a_rule
from .scene import (
    Claims,
    Pair,
    Refusal,
    expect_at_record,
    expect_contrast,
    expect_mean,
    expect_nothing,
    expect_ranking,
    expect_ratio,
    then_claims,
)


@then_claims(parsers.parse("its {metric} is at least {bound:g}"), expect_mean("at least"))
def its_metric_is_at_least(metric: str, bound: float, study: Study, claims: Claims) -> None:
    """The mean over the seeds, on the evaluation split, after the last step; seeds are added while it is open."""
    verdict = judging.judge(study, Claim(metric, "at least", bound))
    claims.settle(verdict, subject=study.config.title, study=study)


@then_claims(parsers.parse("its {metric} is at most {bound:g}"), expect_mean("at most"))
def its_metric_is_at_most(metric: str, bound: float, study: Study, claims: Claims) -> None:
    """The same from the other side, for a metric that must stay low."""
    verdict = judging.judge(study, Claim(metric, "at most", bound))
    claims.settle(verdict, subject=study.config.title, study=study)


@then_claims(parsers.parse("its {metric} is between {low:g} and {high:g}"), expect_mean("between"))
def its_metric_is_between(metric: str, low: float, high: float, study: Study, claims: Claims) -> None:
    """Both bounds at once."""
    verdict = judging.judge(study, Claim(metric, "between", low, high))
    claims.settle(verdict, subject=study.config.title, study=study)


@then_claims(parsers.parse("it is at its calibrated {metric}"), expect_at_record)
def it_is_at_its_calibrated_metric(metric: str, study: Study, claims: Claims) -> None:
    """At most two spreads worse than the mean of its reference runs, by its calibration record."""
    verdict = judging.judge(study, judging.at_its_record(study, metric))
    claims.settle(verdict, subject=study.config.title, study=study)


@then_claims(parsers.parse("no seed collapses"), expect_nothing)
def no_seed_collapses(study: Study, claims: Claims) -> None:
    """No run predicts one class only, or is no better than the majority class."""
    claims.settle(judging.judge_collapse(study), subject=study.config.title, study=study)


@then_claims(parsers.parse("a claim that no seed collapses does not pass"), expect_nothing)
def the_claim_of_no_collapse_does_not_pass(study: Study, claims: Claims) -> None:
    """For sabotage: the collapsed seeds are counted, and the claim fails."""
    claims.settle(judging.judge_collapse(study).refused("collapse"), subject=study.config.title, study=study)


@then_claims(
    parsers.parse("a claim that its {metric} is at least {bound:g} does not pass"), expect_mean("at least", denied=True)
)
def the_claim_does_not_pass(metric: str, bound: float, study: Study, claims: Claims) -> None:
    """For sabotage: the claim is refused, whatever rule decides."""
    refusal = judging.judge(study, Claim(metric, "at least", bound)).refused()
    claims.settle(refusal, subject=study.config.title, study=study)


@then_claims(
    parsers.parse("a claim that its {metric} is at least {bound:g} does not pass, by its {rule}"),
    expect_mean("at least", denied=True),
    converters={"rule": a_rule},
)
def the_claim_does_not_pass_by(metric: str, bound: float, rule: Rule, study: Study, claims: Claims) -> None:
    """The same, by the rule that is meant for it: mean, collapse, ceiling or contamination."""
    refusal = judging.judge(study, Claim(metric, "at least", bound)).refused(rule)
    claims.settle(refusal, subject=study.config.title, study=study)


@then_claims(
    parsers.parse('the {metric} of "{first}" exceeds that of "{second}" by at least {bound:g}'), expect_contrast
)
def one_exceeds_the_other(
    metric: str, first: str, second: str, bound: float, compared: dict[str, Study], claims: Claims
) -> None:
    """The difference of the means over the seeds."""
    study, claim = compared[first], Claim(metric, "at least", bound)
    verdict = judging.judge_contrast(study, compared[second], claim)
    claims.settle(verdict, subject=f"{first} against {second}", study=study, other=compared[second])


@then_claims(
    parsers.parse('the {metric} of "{first}" is at least {factor:g} times that of "{second}"'), expect_contrast
)
def one_is_at_least_times_the_other(
    metric: str, first: str, second: str, factor: float, compared: dict[str, Study], claims: Claims
) -> None:
    """The ratio of the means over the seeds."""
    study, claim = compared[first], Claim(metric, "at least", factor)
    verdict = judging.judge_contrast(study, compared[second], claim, multiple=True)
    claims.settle(verdict, subject=f"{first} against {second}", study=study, other=compared[second])


@then_claims(
    parsers.re(
        r'"(?P<first>.+)" (?P<act>trains on|evaluates) at least (?P<bound>[\d.]+) times as many '
        r'examples a second as "(?P<second>.+)"'
    ),
    expect_ratio,
    converters={"bound": number},
)
def one_is_faster(act: Act, first: str, second: str, bound: float, timing: Timing, claims: Claims) -> None:
    """The median of the rounds' ratios."""
    verdict = judging.judge_speed(timing, act, bound)
    claims.settle(verdict, subject=f"{first} against {second}", origin=f"{len(timing.rounds)} rounds")


@then_claims(
    parsers.re(
        r'"(?P<first>.+)" answers one text of (?P<length>\d+) tokens in at most (?P<bound>[\d.]+) times the time of '
        r'"(?P<second>.+)", at the (?P<percentile>50|95|99)th percentile'
    ),
    expect_ratio,
    converters={"length": int, "bound": number, "percentile": int},
)
def one_answers_sooner(
    first: str, second: str, length: int, percentile: Percentile, bound: float, turns: Turns, claims: Claims
) -> None:
    """The median of the rounds' ratios; in each round, the percentile of its calls."""
    verdict = judging.judge_latency(turns.pair(first, second, length), percentile, bound)
    claims.settle(verdict, subject=f"{first} against {second}", origin=f"{turns.grid.rounds} rounds")


@then_claims(
    parsers.re(
        r'"(?P<first>.+)" answers at least (?P<bound>[\d.]+) times as many texts of (?P<length>\d+) tokens '
        r'a second as "(?P<second>.+)"'
    ),
    expect_ratio,
    converters={"length": int, "bound": number},
)
def one_answers_more(first: str, second: str, length: int, bound: float, turns: Turns, claims: Claims) -> None:
    """The median of the rounds' ratios of texts a second, in batches of 32."""
    verdict = judging.judge_rate(turns.pair(first, second, length), bound)
    claims.settle(verdict, subject=f"{first} against {second}", origin=f"{turns.grid.rounds} rounds")


@then_claims(parsers.parse('"{name}" is among the best'), expect_ranking(rankings.check_best))
def it_is_among_the_best(name: str, comparison: Comparison, claims: Claims) -> None:
    """No other contender leads by more than one point; seeds are added while it is open."""
    verdict = rankings.judge_best(comparison, name)
    claims.settle(verdict, subject=comparison.title, study=comparison.confirmed(name))


@then_claims(parsers.parse('"{name}" is within {tolerance:g} of the best'), expect_ranking(rankings.check_best))
def it_is_near_the_best(name: str, tolerance: float, comparison: Comparison, claims: Claims) -> None:
    """No other contender leads by more than the tolerance."""
    verdict = rankings.judge_best(comparison, name, tolerance)
    claims.settle(verdict, subject=comparison.title, study=comparison.confirmed(name))


@then_claims(
    parsers.parse('a claim that "{name}" is within {tolerance:g} of the best does not pass'),
    expect_ranking(rankings.check_best),
)
def the_claim_of_a_rank_does_not_pass(name: str, tolerance: float, comparison: Comparison, claims: Claims) -> None:
    """The ranking can tell: a contender that is behind is not among the best."""
    refusal = rankings.judge_best(comparison, name, tolerance).refused()
    claims.settle(refusal, subject=comparison.title, study=comparison.confirmed(name))


@then_claims(
    parsers.parse('"{first}" needs at most {factor:g} times the steps of "{second}" to reach {target:g}'),
    expect_ranking(rankings.check_steps),
)
def it_needs_at_most_the_steps(
    first: str, second: str, factor: float, target: float, comparison: Comparison, claims: Claims
) -> None:
    """Seed by seed, at the steps of the recipe's evaluate_every; one that never reaches it needs infinitely many."""
    verdict = rankings.judge_steps(comparison, first, second, factor, target)
    pair = comparison.confirmed(first), comparison.confirmed(second)
    claims.settle(verdict, subject=f"{comparison.title}: {first} against {second}", study=pair[0], other=pair[1])


@then_claims(
    parsers.re(
        r'"(?P<name>.+)" stays within (?P<tolerance>[\d.]+) of its best over at least (?P<decades>[\d.]+) decades? '
        r"of the learning rate"
    ),
    expect_ranking(rankings.check_sensitivity),
    converters={"tolerance": number, "decades": number},
)
def it_stays_near_its_best(name: str, tolerance: float, decades: float, comparison: Comparison, claims: Claims) -> None:
    """The width of the learning rates around its best trial, on the tuning split."""
    verdict = rankings.judge_sensitivity(comparison, name, decades, tolerance)
    claims.settle(verdict, subject=f"{comparison.title}: {name}", origin=comparison.tuning(name))


@then_claims(parsers.parse('it is refused before training: "{words}"'), expect_nothing)
def it_is_refused(words: str, refusal: Refusal) -> None:
    """The error message holds these words, and nothing is trained."""
    assert refusal.error is not None, "nothing was refused"
    assert words in str(refusal.error), f"the message is: {refusal.error}"
    assert refusal.trained == 0, f"{refusal.trained} runs were trained before the refusal"


@then_claims(parsers.parse("every run is in the store with its provenance"), expect_nothing)
def every_run_is_stored(study: Study, bertspec_session: Session) -> None:
    """The store returns what was measured, and the origin of model and data."""
    kept = [bertspec_session.store.get(run.fingerprint) for run in study.runs]
    assert all(run is not None for run in kept), "a run is missing from the store"
    assert all(len(run.result.facts.provenance.data.sha256) == 64 for run in kept if run)


@then_claims(parsers.parse("every run can be read back from its W&B record"), expect_nothing)
def every_run_is_tracked(study: Study, bertspec_session: Session) -> None:
    """The offline record has the group, the sampled loss curve and the scores of each run."""
    problems = [_tracking_problem(run, bertspec_session.store.tracking) for run in study.runs]
    assert not any(problems), "; ".join(problem for problem in problems if problem)


@then_claims(
    parsers.parse("its outputs and its loss curve are those of a run without a break, bit for bit"), expect_nothing
)
def the_break_changed_nothing(pair: Pair) -> None:
    """Weights, optimizer, schedule, order of the rows and random numbers are all restored."""
    difference = pair.difference()
    assert difference is None, difference


def _tracking_problem(run: StoredRun, directory: Path) -> str | None:
    """What the offline W&B record of a run lacks or has wrong; None if it agrees with the store."""
    record, facts = find_run(directory, run.fingerprint), run.result.facts
    if record is None:
        return f"seed {run.config.seed} has no record below {directory}"
    sampled = [run.result.curve.loss[step - 1] for step in sampled_steps(facts.steps)]
    agrees = {
        "loss curve": record.curve("training/loss") == sampled,
        "seed": record.config.get("seed") == run.config.seed,
        "group": run.config.task.name in record.group,
        "scores": all(record.summary.get(f"evaluation/{name}") == value for name, value in facts.scores.items()),
        "end": record.exit_code == 0,
    }
    wrong = [name for name, right in agrees.items() if not right]
    return f"seed {run.config.seed}: the record's {', '.join(wrong)} differ" if wrong else None
