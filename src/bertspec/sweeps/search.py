"""Which trial comes next: the next point of the grid, a random draw, or what the finished trials suggest.

Where something is compared, its contenders take turns: trial i belongs to contender i modulo their number, and the
j-th trial of each is drawn alike. So budgets are equal, and in a random search the contenders differ in nothing else.
"""

from __future__ import annotations

import itertools
import random
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bertspec.config import ParameterConfig, SweepConfig
from bertspec.errors import InvalidConfig
from bertspec.results import TrialRecord

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

__all__ = ["Proposal", "Search"]

_STARTUP_TRIALS = 4
"""Random trials before the estimator takes over; Optuna's default of ten is more than a small sweep has."""


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
            grid = itertools.product(*(parameter.choices or () for parameter in free.values()))
            return dict(zip(free, next(itertools.islice(grid, turn, None)), strict=True))
        if self.config.method == "random":
            return {name: parameter.quantile(self._share(name, turn)) for name, parameter in free.items()}
        contender = contenders[number % len(contenders)] if contenders else None
        own = [trial for trial in done if compared is None or trial.parameters.get(compared) == contender]
        assert self.config.metric is not None  # noqa: S101 - the reader fills it in
        return _suggested(free, own, goal=self.config.metric.goal, seed=f"{self.seed} {turn}")

    def _share(self, name: str, turn: int) -> float:
        """A number from 0 to 1 for each parameter by its name, so that adding a parameter changes no other."""
        return random.Random(f"{self.seed} {turn} {name}").random()  # noqa: S311 - reproducible, not secret


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
