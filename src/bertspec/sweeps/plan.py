"""The plan of a sweep, checked completely before anything is trained; the same plan has the same hash.

Which trial comes next is the next point of the grid, a random draw, or what the finished trials suggest. Where
something is compared, its contenders take turns: trial i belongs to contender i modulo their number, and the j-th trial
of each is drawn alike. So budgets are equal, and in a random search the contenders differ in nothing else.
"""

from __future__ import annotations

import hashlib
import json
import random
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from bertspec import study
from bertspec.config import MOST_TRIALS, MetricConfig, ParameterConfig, StudyConfig, SweepConfig
from bertspec.documents import Keys
from bertspec.errors import BertspecError, InvalidConfig
from bertspec.results import TrialRecord
from bertspec.study import Session
from bertspec.sweeps.files import succeeds

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from bertspec.device import Device
    from bertspec.engine import RunInputs

__all__ = ["Proposal", "Search", "SweepPlan", "build_plan", "study_of", "trial_count"]

_STARTUP_TRIALS = 4
"""Random trials before the estimator takes over; Optuna's default of ten is more than a small sweep has."""
_HASHED = {"method", "metric", "parameters", "early_terminate"}
"""The keys of a sweep file that change its trials; its name, and what agents run, do not."""


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """A sweep that can be run."""

    config: SweepConfig
    metric: MetricConfig
    search: Search
    planned: int
    """The number of trials."""
    sha256: str
    device: Device
    """The device of its first trial."""

    @property
    def name(self) -> str:
        """The name of the sweep."""
        return self.config.name or "sweep"

    def parameters(self, proposal: Proposal) -> Mapping[str, Any]:
        """A trial's parameters, with the sweep's own that it is checked by."""
        tuning = self.config.tuning
        own = {name: getattr(tuning, name) for name in ("seeds", "confirmation_seeds", "tuning_share")}
        return {**proposal.parameters, **own}


def trial_count(config: SweepConfig, trials_each: int | None = None) -> int:
    """The number of trials that a sweep is to have.

    Raises:
        InvalidConfig: neither the file nor ``trials_each`` gives a number, or the number is above 10,000.
    """
    try:
        count = config.planned(trials_each)
    except ValueError as endless:
        raise InvalidConfig(
            str(endless), allowed="run_cap: N in the file, or --trials N", where=f"sweep {config.name}"
        ) from endless
    if count > MOST_TRIALS:
        raise InvalidConfig(
            "the sweep has too many trials",
            given=f"{count:,}",
            allowed=f"up to {MOST_TRIALS:,}: run_cap: N in the file, or --trials N",
            where=f"sweep {config.name}",
        )
    return count


def build_plan(config: SweepConfig, session: Session, *, seed: int = 0, trials_each: int | None = None) -> SweepPlan:
    """Plan a sweep: check every trial that is known beforehand, and locate everything that it reads.

    Args:
        config: the sweep, as :mod:`bertspec.sweeps.files` reads it, with its metric.
        session: its catalog and sources.
        seed: of the search.
        trials_each: trials of each contender, instead of the file's ``run_cap``.

    Raises:
        BertspecError: a trial's values do not go together, or something that it reads cannot be had.
    """
    assert config.metric is not None  # noqa: S101 - the reader fills it in
    count, search = trial_count(config, trials_each), Search(config, seed)
    adaptive = config.method == "bayes"  # only the first trial of each contender is known beforehand
    known = min(count, max(1, len(config.contenders))) if adaptive else count
    studies = [study_of(search.proposal(number), config, session) for number in range(known)]
    studies += _named_studies(search, session) if adaptive else []
    contents = _content_hashes(studies, session)
    _check_optimizers(studies)
    from bertspec import device

    chosen = device.choose(session.device, studies[0].recipe)
    environment = chosen.environment()
    content = {
        "sweep": config.model_dump(mode="json", include=_HASHED, exclude_defaults=True),
        "seed": seed,
        "planned": count,
        "studies": [each.model_dump(mode="json", exclude_defaults=True) for each in studies],
        "contents": contents,
        "environment": [*study.machine(environment), environment.python, environment.versions],
        "engine": study.engine_hash(),
    }
    sha256 = hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
    return SweepPlan(config, config.metric, search, count, sha256, chosen)


def study_of(proposal: Proposal, config: SweepConfig, session: Session) -> StudyConfig:
    """The study of a trial.

    Raises:
        InvalidConfig: its values do not go together; the message names their lines.
    """
    tuning = config.tuning
    try:
        return session.catalog.plan(**proposal.parameters, seeds=tuning.seeds, tuning_share=tuning.tuning_share)
    except BertspecError as refusal:
        mixed = _mixed(proposal, config, session)
        lines = dict.fromkeys(config.where(keys) for keys in mixed.values())
        raise InvalidConfig(
            refusal.problem,
            given=", ".join(f"{name} {proposal.parameters[name]}" for name in mixed),
            allowed=refusal.allowed,
            where=f"{' and '.join(lines)}, trial {proposal.number}",
        ) from refusal


def _mixed(proposal: Proposal, config: SweepConfig, session: Session) -> dict[str, Keys]:
    """The parameters whose values do not go together, each with the keys of its value.

    With another value of any one of them, the trial could be planned.
    """

    def plan(parameters: Mapping[str, Any]) -> StudyConfig:
        return session.catalog.plan(**parameters)

    varied = {name: parameter for name, parameter in config.searched.items() if parameter.varies}
    at_fault = {
        name
        for name, parameter in varied.items()
        for other in _ends(parameter)
        if other != proposal.parameters[name] and succeeds(plan, {**proposal.parameters, name: other})
    }
    keys = {}
    for name in [name for name in varied if name in at_fault] or varied:
        values, value = varied[name].values or (), proposal.parameters[name]
        keys[name] = (*config.keys_of(name), *(("values", values.index(value)) if value in values else ()))
    return keys


def _ends(parameter: ParameterConfig) -> tuple[Any, Any]:
    """The first and the last value that a parameter may have."""
    choices = parameter.choices
    return (parameter.quantile(0.0), parameter.quantile(1.0)) if choices is None else (choices[0], choices[-1])


def _named_studies(search: Search, session: Session) -> Iterator[StudyConfig]:
    """A study for every listed encoder, recipe and optimizer: what the names stand for is part of the plan."""
    first, searched = search.proposal(0), search.config.searched
    for word in ("encoder", "recipe", "optimizer"):
        for choice in searched[word].choices or () if word in searched else ():
            yield study_of(replace(first, parameters={**first.parameters, word: choice}), search.config, session)


def _content_hashes(studies: list[StudyConfig], session: Session) -> list[list[str]]:
    """The hashes of all weights, tokenizers and rows; each source is located once."""
    inputs: dict[str, RunInputs] = {}
    for each in studies:
        key = f"{each.encoder.model_dump_json()} {each.task.model_dump_json()}"
        if key not in inputs:
            inputs[key] = study.gather(each, session.sources)
    origins = [each.provenance for each in inputs.values()]
    return sorted([one.encoder.sha256, one.tokenizer.sha256, one.data.sha256] for one in origins)


def _check_optimizers(studies: list[StudyConfig]) -> None:
    from bertspec import optimizers

    for each in studies:
        optimizers.check(each.recipe.optimizer)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A trial to run."""

    number: int
    parameters: Mapping[str, Any]
    """By name, nested names joined with dots; without the parameters that configure the sweep."""
    contender: str | None


@dataclass(frozen=True, slots=True)
class Search:
    """The trials of a sweep, by number."""

    config: SweepConfig
    seed: int = 0
    """The seed of the search, not of the training."""

    def proposal(self, number: int, done: Sequence[TrialRecord] = ()) -> Proposal:
        """The trial of a number, from 0.

        The same number gives the same trial; with method ``bayes``, only for the same finished trials.

        Args:
            number: below the number of trials planned.
            done: the trials that are over, in any order; only ``bayes`` uses them.

        Raises:
            InvalidConfig: bayes needs a library that is not installed.
        """
        compared, contenders = self.config.tuning.compare, self.config.contenders
        parameters = dict(self._drawn(number, done))
        if compared is not None:
            parameters[compared] = contenders[number % len(contenders)]
        ordered = {name: parameters[name] for name in self.config.searched}
        return Proposal(number, ordered, None if compared is None else str(parameters[compared]))

    def _drawn(self, number: int, done: Sequence[TrialRecord]) -> Mapping[str, Any]:
        """All parameters except the compared one, which takes turns."""
        compared, contenders = self.config.tuning.compare, self.config.contenders
        turn = number // max(1, len(contenders))
        free = {name: parameter for name, parameter in self.config.searched.items() if name != compared}
        if self.config.method == "grid":
            return _grid_point(free, turn)
        if self.config.method == "random":
            return {name: parameter.quantile(self._share(name, turn)) for name, parameter in free.items()}
        contender = contenders[number % len(contenders)] if contenders else None
        own = [trial for trial in done if compared is None or trial.parameters.get(compared) == contender]
        assert self.config.metric is not None  # noqa: S101 - the reader fills it in
        return _suggested(free, own, goal=self.config.metric.goal, seed=f"{self.seed} {turn}")

    def _share(self, name: str, turn: int) -> float:
        """A number from 0 to 1 for each parameter by its name, so that adding a parameter changes no other."""
        return random.Random(f"{self.seed} {turn} {name}").random()  # noqa: S311 - reproducible, not secret


def _grid_point(parameters: Mapping[str, ParameterConfig], number: int) -> dict[str, Any]:
    """The point of a grid by its number, from 0; the last parameter varies first."""
    point: dict[str, Any] = {}
    for name, parameter in reversed(list(parameters.items())):
        choices = parameter.choices or ()
        number, at = divmod(number, len(choices))
        point[name] = choices[at]
    return {name: point[name] for name in parameters}


def _suggested(
    parameters: Mapping[str, ParameterConfig],
    done: Sequence[TrialRecord],
    *,
    goal: Literal["maximize", "minimize"],
    seed: str,
) -> dict[str, Any]:
    """Suggest values by Optuna's tree-structured Parzen estimator (Bergstra et al., 2011).

    The estimator searches the quantiles of each distribution, so it can search all of W&B's. Failed trials count as
    the worst, stopped ones as the score they had reached. The same trials and seed give the same values.

    Args:
        parameters: the parameters to search.
        done: the trials that are over.
        goal: which direction is better.
        seed: any text.

    Raises:
        InvalidConfig: Optuna is not installed.
    """
    optuna = _optuna()
    searched = {name: parameter for name, parameter in parameters.items() if parameter.varies}
    space = {name: _optuna_distribution(optuna, parameter) for name, parameter in searched.items()}
    sampler = optuna.samplers.TPESampler(seed=zlib.crc32(seed.encode()), n_startup_trials=_STARTUP_TRIALS)
    study = optuna.create_study(direction=goal, sampler=sampler)
    for trial in sorted(done, key=lambda trial: trial.number):
        study.add_trial(_as_optuna_trial(optuna, trial, searched, space))
    suggested = study.ask(space).params
    return {
        name: _from_optuna(parameter, suggested[name]) if name in searched else (parameter.choices or (None,))[0]
        for name, parameter in parameters.items()
    }


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as missing:
        raise InvalidConfig(
            "method bayes needs Optuna, which is not installed",
            allowed="pip install 'bertspec[bayes]', or method: random",
        ) from missing
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _optuna_distribution(optuna: Any, parameter: ParameterConfig) -> Any:
    if parameter.values is not None:
        return optuna.distributions.CategoricalDistribution(tuple(range(len(parameter.values))))
    return optuna.distributions.FloatDistribution(0.0, 1.0)


def _from_optuna(parameter: ParameterConfig, suggested: Any) -> Any:
    return parameter.values[suggested] if parameter.values is not None else parameter.quantile(suggested)


def _to_optuna(parameter: ParameterConfig, value: Any) -> Any:
    return parameter.values.index(value) if parameter.values is not None else parameter.share_below(value)


def _as_optuna_trial(
    optuna: Any, trial: TrialRecord, searched: Mapping[str, ParameterConfig], space: Mapping[str, Any]
) -> FrozenTrial:
    states = optuna.trial.TrialState
    complete = trial.state == "finished" and trial.score is not None
    converted: FrozenTrial = optuna.trial.create_trial(
        state=states.COMPLETE if complete else states.PRUNED,
        value=trial.score if complete else None,
        params={name: _to_optuna(parameter, trial.parameters[name]) for name, parameter in searched.items()},
        distributions=dict(space),
        intermediate_values={point.step: point.value for point in trial.points},
    )
    return converted
