"""Scores of predictions against references, as functions over arrays.

:mod:`bertspec.metrics.modules` offers the same functions as ``evaluate`` metrics. scipy takes a second
to import, so the first correlation imports it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bertspec.config import TaskConfig
from bertspec.errors import InvalidConfig, UnknownName

__all__ = ["METRICS", "Metric", "check", "check_bound", "check_lead", "find", "register", "score"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Metric:
    """A score of predictions."""

    name: str
    title: str
    """The name in reports."""
    function: Callable[[Array, Array], float]
    """(references, predictions), both of shape (examples,) → the score as means count it: 0 where it is not defined."""
    binary: bool = False
    """Whether it needs a positive class, number 1 of two."""
    lowest: float = 0.0
    """The lowest possible score."""
    highest: float = 1.0
    """The highest possible score."""
    better: Literal["higher", "lower"] = "higher"
    """Which scores are better."""
    varied: bool = False
    """Whether it is defined only where both the references and the predictions differ among themselves."""

    def promised_by(self, direction: Literal["at least", "at most", "between"]) -> bool:
        """Whether a claim in this direction promises quality; a claim in the other direction denies it."""
        return direction != ("at most" if self.better == "higher" else "at least")


def _accuracy(references: Array, predictions: Array) -> float:
    return float((references == predictions).mean())


def _error_rate(references: Array, predictions: Array) -> float:
    return float((references != predictions).mean())


def _f1(references: Array, predictions: Array) -> float:
    labels, true, predicted, hits = _counts(references, predictions)
    return float(_f1_of(true, predicted, hits)[labels == 1].sum())  # 0 if no row has or gets class 1


def _macro_f1(references: Array, predictions: Array) -> float:
    _, true, predicted, hits = _counts(references, predictions)
    return float(_f1_of(true, predicted, hits).mean())


def _matthews(references: Array, predictions: Array) -> float:
    """For any number of classes (Gorodkin, 2004); 0 where one side has one class only."""
    _, true, predicted, hits = _counts(references, predictions)
    rows = true.sum()
    product = (rows**2 - predicted @ predicted) * (rows**2 - true @ true)
    return 0.0 if product == 0 else float((hits.sum() * rows - true @ predicted) / np.sqrt(product))


def _f1_of(true: Array, predicted: Array, hits: Array) -> Array:
    return 2 * hits / (true + predicted)


def _counts(references: Array, predictions: Array) -> tuple[Array, Array, Array, Array]:
    """The classes that a row has or gets; and for each the rows that have it, that get it, and that do both."""
    labels, codes = np.unique(np.concatenate((references, predictions)), return_inverse=True)
    true, predicted = np.split(codes, 2)
    counted = (np.bincount(each, minlength=len(labels)) for each in (true, predicted, true[true == predicted]))
    have, get, both = (each.astype(np.float64) for each in counted)
    return labels, have, get, both


def _pearson(references: Array, predictions: Array) -> float:
    from scipy import stats

    return _correlation(references, predictions, lambda a, b: stats.pearsonr(a, b).statistic)


def _spearman(references: Array, predictions: Array) -> float:
    from scipy import stats

    return _correlation(references, predictions, lambda a, b: float(np.asarray(stats.spearmanr(a, b).statistic)))


def _correlation(references: Array, predictions: Array, function: Callable[[Array, Array], float]) -> float:
    """Compute a correlation. That of a constant is not defined: it counts as 0, and the run as collapsed."""
    return 0.0 if _constant(references, predictions) else float(function(references, predictions))


def _constant(references: Array, predictions: Array) -> bool:
    return bool(np.ptp(references) == 0 or np.ptp(predictions) == 0)


_METRICS = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "accuracy", _accuracy),
        Metric("error_rate", "error rate", _error_rate, better="lower"),
        Metric("f1", "F1", _f1, binary=True),
        Metric("macro_f1", "macro F1", _macro_f1),
        Metric("matthews", "Matthews correlation", _matthews, lowest=-1.0),
        Metric("pearson", "Pearson correlation", _pearson, lowest=-1.0, varied=True),
        Metric("spearman", "Spearman correlation", _spearman, lowest=-1.0, varied=True),
    )
}
METRICS: Mapping[str, Metric] = MappingProxyType(_METRICS)
"""Every metric by its name."""


def register(metric: Metric) -> None:
    """Add a metric, for this process: a task head names those that fit it.

    Raises:
        ValueError: the name belongs to another metric.
    """
    if _METRICS.setdefault(metric.name, metric) != metric:
        raise ValueError(f"the metric {metric.name!r} exists already")


def find(name: str, *, where: object = None) -> Metric:
    """Look up a metric by its name or title.

    Raises:
        UnknownName: no metric has that name.
    """
    for metric in METRICS.values():
        if name in (metric.name, metric.title):
            return metric
    raise UnknownName("metric", name, METRICS, where=where)


def check(task: TaskConfig) -> None:
    """Refuse a task whose metrics cannot score its head.

    Raises:
        UnknownName: no metric has such a name.
        InvalidConfig: a metric needs another kind of head, or exactly two labels.
    """
    where, head = f"task {task.name!r}", task.task_head
    fitting = [name for name in head.metrics if not find(name).binary or head.width == 2]
    for name in task.metrics:
        metric = find(name, where=where)
        if metric.name not in head.metrics:
            problem, given = f"the metric does not fit a {task.head} head", name
        elif metric.name not in fitting:
            problem, given = "the metric needs exactly two labels", f"{name} with {head.width} labels"
        else:
            continue
        raise InvalidConfig(problem, given=given, allowed=", ".join(fitting), where=where)


def check_bound(name: str, bound: float) -> None:
    """Refuse a bound outside the metric's range, such as an accuracy of 90 instead of 0.9.

    Raises:
        UnknownName: no metric has that name.
        InvalidConfig: the metric can never have that value.
    """
    metric = find(name)
    if not metric.lowest <= bound <= metric.highest:
        raise InvalidConfig(
            f"{metric.title} can never be {bound:g}", given=bound, allowed=f"{metric.lowest:g} to {metric.highest:g}"
        )


def check_lead(name: str, lead: float) -> None:
    """Refuse a difference of two scores that is wider than the metric's range.

    Raises:
        UnknownName: no metric has that name.
        InvalidConfig: two scores can never differ by so much.
    """
    metric = find(name)
    width = metric.highest - metric.lowest
    if not -width <= lead <= width:
        problem = f"two scores in {metric.title} can never differ by {lead:g}"
        raise InvalidConfig(problem, given=lead, allowed=f"{-width:g} to {width:g}")


def score(name: str, references: Array, predictions: Array) -> float:
    """Compute one score; both arrays have shape (examples,).

    Returns:
        NaN where the score is not defined, such as the correlation of a constant; ``Metric.function`` returns 0 there.

    Raises:
        UnknownName: no metric has that name.
    """
    metric = find(name)
    undefined = metric.varied and _constant(references, predictions)
    return math.nan if undefined else metric.function(references, predictions)
