"""Bayesian search by Optuna's tree-structured Parzen estimator (Bergstra et al., 2011)."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from bertspec.config import ParameterConfig
from bertspec.errors import InvalidConfig
from bertspec.results import TrialRecord
from bertspec.sweep import distributions

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

__all__ = ["suggested"]

_AT_RANDOM = 4
"""Trials before the estimator has anything to go by; Optuna's own ten are more than a small sweep has."""


def suggested(
    parameters: Mapping[str, ParameterConfig],
    done: Sequence[TrialRecord],
    *,
    goal: Literal["maximize", "minimize"],
    seed: str,
) -> dict[str, Any]:
    """The values that the trials so far suggest: the same for the same trials and seed, in whatever process.

    The estimator searches the quantiles of each distribution, so that every distribution of W&B's is one for it, too.
    Failed trials count as the worst, and stopped ones as what they had reached.

    Args:
        parameters: what is searched.
        done: the trials that are over.
        goal: whether more is better.
        seed: any word.

    Raises:
        InvalidConfig: Optuna is not installed.
    """
    optuna = _optuna()
    searched = {name: parameter for name, parameter in parameters.items() if len(parameter.choices or (0, 0)) > 1}
    space = {name: _distribution(optuna, parameter) for name, parameter in searched.items()}
    sampler = optuna.samplers.TPESampler(seed=zlib.crc32(seed.encode()), n_startup_trials=_AT_RANDOM)
    study = optuna.create_study(direction=goal, sampler=sampler)
    for trial in sorted(done, key=lambda trial: trial.number):
        study.add_trial(_replayed(optuna, trial, searched, space))
    found = study.ask(space).params
    drawn = {name: _value(parameter, found[name]) for name, parameter in searched.items()}
    alone = {name: (p.choices or (None,))[0] for name, p in parameters.items() if name not in drawn}
    return {**alone, **drawn}


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


def _distribution(optuna: Any, parameter: ParameterConfig) -> Any:
    if parameter.values is not None:
        return optuna.distributions.CategoricalDistribution(tuple(range(len(parameter.values))))
    return optuna.distributions.FloatDistribution(0.0, 1.0)


def _value(parameter: ParameterConfig, found: Any) -> Any:
    return parameter.values[found] if parameter.values is not None else distributions.quantile(parameter, found)


def _replayed(
    optuna: Any, trial: TrialRecord, searched: Mapping[str, ParameterConfig], space: Mapping[str, Any]
) -> FrozenTrial:
    states = optuna.trial.TrialState
    over = trial.state == "finished" and trial.score is not None
    replayed: FrozenTrial = optuna.trial.create_trial(
        state=states.COMPLETE if over else states.PRUNED,
        value=trial.score if over else None,
        params={name: _found(parameter, trial.parameters[name]) for name, parameter in searched.items()},
        distributions=dict(space),
        intermediate_values={point.step: point.value for point in trial.points},
    )
    return replayed


def _found(parameter: ParameterConfig, value: Any) -> Any:
    if parameter.values is not None:
        return parameter.values.index(value)
    return distributions.share_of(parameter, value)
