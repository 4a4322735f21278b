"""Then: claims, each with its number."""

from __future__ import annotations

from pytest_bdd import parsers, then

from bertspec import claims as judging
from bertspec.inference.records import Percentile, Turns
from bertspec.statistics import Claim, Rule
from bertspec.study import Session, Study, Timing
from bertspec.study.timing import Act

from . import tracking
from .arguments import rule as a_rule
from .interruption import Pair
from .scene import Claims, Refusal


@then(parsers.parse("its {metric} is at least {bound:g}"))
def its_metric_is_at_least(metric: str, bound: float, study: Study, claims: Claims) -> None:
    """The mean over the seeds, on the evaluation split, after the last step; seeds are added while it is open."""
    verdict = judging.judge(study, Claim(metric, "at least", bound))
    claims.settle(verdict, subject=study.config.title, study=study)


@then(parsers.parse("its {metric} is at most {bound:g}"))
def its_metric_is_at_most(metric: str, bound: float, study: Study, claims: Claims) -> None:
    """The same from the other side: for what must not be learned."""
    verdict = judging.judge(study, Claim(metric, "at most", bound))
    claims.settle(verdict, subject=study.config.title, study=study)


@then(parsers.parse("its {metric} is between {low:g} and {high:g}"))
def its_metric_is_between(metric: str, low: float, high: float, study: Study, claims: Claims) -> None:
    """Both bounds at once."""
    verdict = judging.judge(study, Claim(metric, "between", low, high))
    claims.settle(verdict, subject=study.config.title, study=study)


@then(parsers.parse("it is at its calibrated {metric}"))
def it_is_at_its_calibrated_metric(metric: str, study: Study, claims: Claims) -> None:
    """No more than two spreads below the mean of its reference runs, as its calibration record has them."""
    verdict = judging.judge(study, judging.at_its_record(study, metric))
    claims.settle(verdict, subject=study.config.title, study=study)


@then("no seed collapses")
def no_seed_collapses(study: Study, claims: Claims) -> None:
    """No run predicts one class only, or does no better than the majority class."""
    claims.settle(judging.judge_collapse(study), subject=study.config.title, study=study)


@then("a claim that no seed collapses does not pass")
def the_claim_of_no_collapse_does_not_pass(study: Study, claims: Claims) -> None:
    """Sabotage is seen seed by seed."""
    claims.settle(judging.judge_collapse(study).refused("collapse"), subject=study.config.title, study=study)


@then(parsers.parse("a claim that its {metric} is at least {bound:g} does not pass"))
def the_claim_does_not_pass(metric: str, bound: float, study: Study, claims: Claims) -> None:
    """The verdict has detectable_drop: it refuses what sabotage has made untrue."""
    refusal = judging.judge(study, Claim(metric, "at least", bound)).refused()
    claims.settle(refusal, subject=study.config.title, study=study)


@then(
    parsers.parse("a claim that its {metric} is at least {bound:g} does not pass, by its {rule}"),
    converters={"rule": a_rule},
)
def the_claim_does_not_pass_by(metric: str, bound: float, rule: Rule, study: Study, claims: Claims) -> None:
    """The same, by the rule that is meant for it: mean, collapse, ceiling or contamination."""
    refusal = judging.judge(study, Claim(metric, "at least", bound)).refused(rule)
    claims.settle(refusal, subject=study.config.title, study=study)


@then(parsers.parse('the {metric} of "{first}" exceeds that of "{second}" by at least {bound:g}'))
def one_exceeds_the_other(
    metric: str, first: str, second: str, bound: float, compared: dict[str, Study], claims: Claims
) -> None:
    """The difference of the means over the seeds."""
    study, claim = compared[first], Claim(metric, "at least", bound)
    verdict = judging.judge_contrast(study, compared[second], claim)
    claims.settle(verdict, subject=f"{first} against {second}", study=study, other=compared[second])


@then(parsers.parse('the {metric} of "{first}" is at least {factor:g} times that of "{second}"'))
def one_is_at_least_times_the_other(
    metric: str, first: str, second: str, factor: float, compared: dict[str, Study], claims: Claims
) -> None:
    """The ratio of the means over the seeds."""
    study, claim = compared[first], Claim(metric, "at least", factor)
    verdict = judging.judge_contrast(study, compared[second], claim, multiple=True)
    claims.settle(verdict, subject=f"{first} against {second}", study=study, other=compared[second])


@then(
    parsers.re(
        r'"(?P<first>.+)" (?P<act>trains on|evaluates) at least (?P<bound>[\d.]+) times as many '
        r'examples a second as "(?P<second>.+)"'
    ),
    converters={"bound": float},
)
def one_is_faster(act: Act, first: str, second: str, bound: float, timing: Timing, claims: Claims) -> None:
    """The median of the rounds' ratios."""
    claims.settle(timing.judge(act, bound), subject=f"{first} against {second}", origin=f"{len(timing.rounds)} rounds")


@then(
    parsers.re(
        r'"(?P<first>.+)" answers one text of (?P<length>\d+) tokens in at most (?P<bound>[\d.]+) times the time of '
        r'"(?P<second>.+)", at the (?P<percentile>50|95|99)th percentile'
    ),
    converters={"length": int, "bound": float, "percentile": int},
)
def one_answers_sooner(
    first: str, second: str, length: int, percentile: Percentile, bound: float, turns: Turns, claims: Claims
) -> None:
    """The median of the rounds' ratios; in each round, the percentile of its calls."""
    verdict = turns.pair(first, second, length).judge_latency(percentile, bound)
    claims.settle(verdict, subject=f"{first} against {second}", origin=f"{turns.grid.rounds} rounds")


@then(
    parsers.re(
        r'"(?P<first>.+)" answers at least (?P<bound>[\d.]+) times as many texts of (?P<length>\d+) tokens '
        r'a second as "(?P<second>.+)"'
    ),
    converters={"length": int, "bound": float},
)
def one_answers_more(first: str, second: str, length: int, bound: float, turns: Turns, claims: Claims) -> None:
    """The same for texts a second, in batches of 32."""
    verdict = turns.pair(first, second, length).judge_rate(bound)
    claims.settle(verdict, subject=f"{first} against {second}", origin=f"{turns.grid.rounds} rounds")


@then(parsers.parse('it is refused before training: "{words}"'))
def it_is_refused(words: str, refusal: Refusal) -> None:
    """One clear message, and nothing trained."""
    assert refusal.error is not None, "nothing was refused"
    assert words in str(refusal.error), f"the message is: {refusal.error}"
    assert refusal.trained == 0, f"{refusal.trained} runs were trained before the refusal"


@then("every run is in the store with its provenance")
def every_run_is_stored(study: Study, bertspec_session: Session) -> None:
    """The store gives back what was measured, and where model and data came from."""
    kept = [bertspec_session.store.get(run.fingerprint) for run in study.runs]
    assert all(run is not None for run in kept), "a run is missing from the store"
    assert all(len(run.result.facts.provenance.data.sha256) == 64 for run in kept if run)


@then("every run can be read back from its W&B record")
def every_run_is_tracked(study: Study, bertspec_session: Session) -> None:
    """The offline record holds the group, the sampled loss curve and the scores of each run."""
    problems = [tracking.difference(run, bertspec_session.store.tracking) for run in study.runs]
    assert not any(problems), "; ".join(problem for problem in problems if problem)


@then("its outputs and its loss curve are those of a run without a break, bit for bit")
def the_break_changed_nothing(pair: Pair) -> None:
    """Weights, optimizer, schedule, order of the rows and random numbers were all taken up again."""
    difference = pair.difference()
    assert difference is None, difference
