"""A sweep: W&B's own schema, as far as it can be kept here as well as there."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PrivateAttr, model_validator

from bertspec.config.training import MOST_SEEDS, Seed, check_seeds
from bertspec.documents import Document, Keys
from bertspec.errors import InvalidConfig
from bertspec.records import FiniteRecord, Setting, did_you_mean, refuse, validate

__all__ = [
    "DISTRIBUTIONS",
    "MOST_TRIALS",
    "OWN",
    "HyperbandConfig",
    "MetricConfig",
    "ParameterConfig",
    "SweepConfig",
    "TuningConfig",
]

Method = Literal["grid", "random", "bayes"]
MOST_TRIALS = 10_000
"""The most trials of a sweep that runs here."""

Iterations = Annotated[int, Field(gt=0, le=1_000_000_000)]
Number = int | float
Value = bool | int | float | str | None | list[Any] | dict[str, Any]

_TAIL = 1e-4
"""Unbounded distributions are cut here: values beyond would be drawn once in ten thousand trials."""
_DIGITS = 12
"""Significant digits of a drawn value; the last bits of a power would make equal trials look different."""
_MOST_COUNTED = 10_000
"""Whole numbers of a longer range are drawn without listing them."""
_LARGEST_EXPONENT = 100
"""Above it, the value itself was meant, not its logarithm."""
_LARGEST = 2**62
"""The largest end of a range; beyond, differences of two ends are no longer exact, or no numbers at all."""


@dataclass(frozen=True, slots=True)
class Base:
    """What is drawn before it is exponentiated and rounded."""

    quantile: Callable[[ParameterConfig, float], float]
    cdf: Callable[[ParameterConfig, float], float]


@dataclass(frozen=True, slots=True)
class Distribution:
    """One row of the table of distributions."""

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    base: Base | None = None
    """``None`` for a list of values, one of which is picked."""
    log: bool = False
    """Whether the base gives the natural logarithm of the value."""
    ends: Literal["plain", "whole", "values", "exponents", "negated exponents"] = "plain"
    """What ``min`` and ``max`` are to the base: its ends, whole numbers, values whose logarithms are its ends, or
    exponents, which ``inv_log_uniform`` negates."""


def _uniform_quantile(parameter: ParameterConfig, share: float) -> float:
    low, high = parameter.base_ends
    return low + (high - low) * share


def _uniform_cdf(parameter: ParameterConfig, value: float) -> float:
    low, high = parameter.base_ends
    return (value - low) / (high - low)


def _normal_quantile(parameter: ParameterConfig, share: float) -> float:
    return NormalDist(parameter.mu, parameter.sigma).inv_cdf(min(1 - _TAIL, max(_TAIL, share)))


def _normal_cdf(parameter: ParameterConfig, value: float) -> float:
    return NormalDist(parameter.mu, parameter.sigma).cdf(value)


def _beta_quantile(parameter: ParameterConfig, share: float) -> float:
    from scipy import special

    return float(special.betaincinv(parameter.a, parameter.b, min(1 - _TAIL, max(_TAIL, share))))


def _beta_cdf(parameter: ParameterConfig, value: float) -> float:
    from scipy import special

    return float(special.betainc(parameter.a, parameter.b, min(1.0, max(0.0, value))))


_UNIFORM, _NORMAL, _BETA = (
    Base(_uniform_quantile, _uniform_cdf),
    Base(_normal_quantile, _normal_cdf),
    Base(_beta_quantile, _beta_cdf),
)
_RANGE = ("min", "max")
_TABLE: dict[str, Distribution] = {
    "constant": Distribution(required=("value",)),
    "categorical": Distribution(required=("values",)),
    "categorical_w_probabilities": Distribution(required=("values", "probabilities")),
    "int_uniform": Distribution(_RANGE, ends="whole"),
    "uniform": Distribution(_RANGE, base=_UNIFORM),
    "q_uniform": Distribution(_RANGE, ("q",), _UNIFORM),
    "log_uniform": Distribution(_RANGE, base=_UNIFORM, log=True, ends="exponents"),
    "log_uniform_values": Distribution(_RANGE, base=_UNIFORM, log=True, ends="values"),
    "q_log_uniform": Distribution(_RANGE, ("q",), _UNIFORM, log=True, ends="exponents"),
    "q_log_uniform_values": Distribution(_RANGE, ("q",), _UNIFORM, log=True, ends="values"),
    # W&B's inverse log uniform X has log(1/X) uniform between the ends; of the *_values forms, the ends are those of X.
    "inv_log_uniform": Distribution(_RANGE, base=_UNIFORM, log=True, ends="negated exponents"),
    "inv_log_uniform_values": Distribution(_RANGE, base=_UNIFORM, log=True, ends="values"),
    "normal": Distribution(optional=("mu", "sigma"), base=_NORMAL),
    "q_normal": Distribution(optional=("mu", "q", "sigma"), base=_NORMAL),
    "log_normal": Distribution(optional=("mu", "sigma"), base=_NORMAL, log=True),
    "q_log_normal": Distribution(optional=("mu", "q", "sigma"), base=_NORMAL, log=True),
    "beta": Distribution(optional=("a", "b"), base=_BETA),
    "q_beta": Distribution(optional=("a", "b", "q"), base=_BETA),
}
"""W&B's distributions."""
DISTRIBUTIONS: tuple[str, ...] = tuple(_TABLE)


class ParameterConfig(FiniteRecord):
    """One parameter: a constant, a list, a range, a distribution, or a group of nested parameters."""

    value: Value = None
    """The value of a constant."""
    values: Annotated[tuple[Any, ...], Field(min_length=1)] | None = None
    """All values that it may have."""
    probabilities: tuple[NonNegativeFloat, ...] | None = None
    """The probability of each of them, for random search."""
    distribution: str | None = None
    """How it is drawn; ``None`` infers it from the other fields, as W&B does."""
    min: Number | None = None
    max: Number | None = None
    """The ends of a range, both included; of ``log_uniform`` and its variants, their natural logarithms."""
    mu: float = 0.0
    sigma: PositiveFloat = 1.0
    """The mean and the standard deviation of a normal distribution, or of the logarithm."""
    q: PositiveFloat = 1.0
    """Drawn values are rounded to multiples of it."""
    a: PositiveFloat = 1.0
    b: PositiveFloat = 1.0
    """The two shape parameters of a beta distribution."""
    parameters: Annotated[dict[str, ParameterConfig], Field(min_length=1)] | None = None
    """A group of parameters below this name."""

    @property
    def kind(self) -> str:
        """The name of the distribution, or ``nested``."""
        if self.parameters is not None:
            return "nested"
        if self.distribution is not None:
            return self.distribution
        if "value" in self.model_fields_set:
            return "constant"
        if self.values is not None:
            return "categorical" if self.probabilities is None else "categorical_w_probabilities"
        whole = isinstance(self.min, int) and isinstance(self.max, int)
        return "int_uniform" if whole else "uniform"

    @property
    def several(self) -> bool:
        """Whether it is one of several listed values."""
        return self.values is not None and len(self.values) > 1

    @property
    def choices(self) -> Sequence[Any] | None:
        """All its values in their order; ``None`` where they cannot be counted."""
        if self.kind == "int_uniform":
            whole = range(int(self.min or 0), int(self.max or 0) + 1)
            return whole if len(whole) > _MOST_COUNTED else tuple(whole)
        return (self.value,) if self.kind == "constant" else self.values

    @property
    def varies(self) -> bool:
        """Whether two trials may differ in it."""
        return self.choices is None or len(self.choices) > 1

    @property
    def exponents(self) -> bool:
        """Whether the ends of its range are exponents of e."""
        return self.kind in _TABLE and "exponents" in _TABLE[self.kind].ends

    @property
    def base_ends(self) -> tuple[float, float]:
        """The ends of the uniform distribution that a range is drawn from."""
        low, high, ends = float(self.min or 0), float(self.max or 0), _TABLE[self.kind].ends
        if ends == "values":
            return math.log(low), math.log(high)
        return (-high, -low) if ends == "negated exponents" else (low, high)

    def quantile(self, share: float) -> Any:
        """The value below which a share of the distribution lies.

        Args:
            share: from 0 to 1.
        """
        if self.choices is not None:
            return self.choices[self._index(share)]
        row = _TABLE[self.kind]
        assert row.base is not None  # noqa: S101 - all others have choices
        drawn = row.base.quantile(self, share)
        if row.log:
            drawn = _exp(drawn)
        if "q" in row.optional and math.isfinite(drawn / self.q):
            drawn = round(drawn / self.q) * self.q
        return float(f"{drawn:.{_DIGITS}g}")

    def share_below(self, value: Any) -> float:
        """The share of the distribution below a drawn value; for a listed value, the middle of its own share."""
        if self.choices is not None:
            at = self.choices.index(value)
            if len(self.choices) > _MOST_COUNTED and self.probabilities is None:
                return (at + 0.5) / len(self.choices)
            weights = self._weights
            return sum(weights[:at]) + weights[at] / 2
        row, drawn = _TABLE[self.kind], float(value)
        assert row.base is not None  # noqa: S101 - all others have choices
        if row.log:
            drawn = math.log(max(drawn, 1e-300))
        return min(1.0, max(0.0, row.base.cdf(self, drawn)))

    def leaves(self, name: str) -> Iterator[tuple[str, ParameterConfig]]:
        """Itself, or the parameters nested in it, by their names joined with dots."""
        if self.parameters is None:
            yield name, self
            return
        for below, parameter in self.parameters.items():
            yield from parameter.leaves(f"{name}.{below}")

    @property
    def _weights(self) -> tuple[float, ...]:
        count = len(self.choices or ())
        return self.probabilities or (1 / count,) * count

    def _index(self, share: float) -> int:
        count = len(self.choices or ())
        if count > _MOST_COUNTED and self.probabilities is None:
            return min(int(share * count), count - 1)
        passed = 0.0
        for at, weight in enumerate(self._weights):
            passed += weight
            if share < passed:
                return at
        return max(at for at, weight in enumerate(self._weights) if weight > 0)

    @model_validator(mode="before")
    @classmethod
    def _a_mapping_of_known_fields(cls, given: Any) -> Any:
        if isinstance(given, ParameterConfig):
            return given
        if not isinstance(given, dict):
            refuse("a parameter must be a mapping", (), given=given, allowed="value:, values:, or min: and max:")
        for key in given:
            if key not in cls.model_fields:
                meant = did_you_mean(str(key), cls.model_fields)
                refuse(f"a parameter has no such field{meant}", (key,), given=key, allowed=cls.model_fields)
        named = given.get("distribution")
        if named is not None and named not in DISTRIBUTIONS:
            meant = did_you_mean(str(named), DISTRIBUTIONS)
            refuse(f"unknown distribution{meant}", ("distribution",), given=named, allowed=DISTRIBUTIONS)
        return given

    @model_validator(mode="after")
    def _fields_fit(self) -> Self:
        given = self.model_fields_set - {"distribution"}
        if self.kind == "nested":
            if self.model_fields_set != {"parameters"}:
                refuse("a group of parameters has no other fields", (), given=sorted(self.model_fields_set))
            return self
        required, optional = set(_TABLE[self.kind].required), set(_TABLE[self.kind].optional)
        allowed = ", ".join(sorted(required | optional))
        if required - given:
            refuse(
                f"{'a parameter' if not given else self.kind} lacks {' and '.join(sorted(required - given))}",
                (),
                given=sorted(given) or None,
                allowed=allowed if given else "value:, values:, or min: and max:",
            )
        extra = sorted(given - required - optional)
        if extra:
            refuse(f"{self.kind} does not go with {' and '.join(extra)}", (extra[0],), allowed=allowed)
        if self.min is not None and self.max is not None:
            self._check_ends(self.min, self.max)
        if self.values is not None:
            self._check_values(self.values)
        return self

    def _check_values(self, values: tuple[Any, ...]) -> None:
        twice = [value for value, times in Counter(map(_key, values)).items() if times > 1]
        if twice:
            refuse("a value is listed twice", ("values",), given=list(values))
        if self.probabilities is None:
            return
        if len(self.probabilities) != len(values):
            counts = f"{len(values)} values, {len(self.probabilities)} probabilities"
            refuse("there must be one probability for each value", ("probabilities",), given=counts)
        if abs(sum(self.probabilities) - 1) > 1e-6:
            refuse("the probabilities do not add up to 1", ("probabilities",), given=sum(self.probabilities))

    def _check_ends(self, low: Number, high: Number) -> None:
        given, ends = f"min {low}, max {high}", _TABLE[self.kind].ends
        if max(abs(low), abs(high)) > _LARGEST:
            refuse("the range is too wide", ("max",), given=given, allowed=f"ends from {-_LARGEST} to {_LARGEST}")
        if low >= high:
            refuse("min is not below max", ("min",), given=given)
        if ends == "whole" and not (isinstance(low, int) and isinstance(high, int)):
            refuse("int_uniform needs whole numbers as its ends", ("min",), given=given)
        if ends == "values" and low <= 0:
            refuse(f"min must be above zero for {self.kind}", ("min",), given=low)
        if "exponents" in ends and (max(-low, high) > _LARGEST_EXPONENT or 0 < low < high <= 1):
            refuse(
                f"the ends of {self.kind} are exponents of e",
                ("max",),
                given=given,
                allowed=f"{self.kind}_values, whose ends are the values themselves",
            )


_LAUNCH = "W&B Launch starts jobs on machines of its own; bertspec sweep starts processes on this one"
_UNSUPPORTED = {
    "apiVersion": "there is one version of the schema",
    "kind": "a sweep file is always a sweep",
    "job": _LAUNCH,
    "image_uri": _LAUNCH,
    "launch": _LAUNCH,
    "imports": "no code of a sweep file is ever imported",
    "scheduler": "no code of a sweep file is ever imported; method: bayes is Optuna's search here",
    "metrics": "one metric decides which trial is best; the others are recorded with every run",
}
"""W&B's undocumented keys, with the reason why each is refused: ignoring a key silently would mislead."""


class MetricConfig(FiniteRecord):
    """What decides which trial is best."""

    name: str
    """A metric of the task, or ``loss``; measured on the tuning split."""
    goal: Literal["minimize", "maximize"] = "minimize"
    """W&B's default; a goal that makes the metric worse is refused."""
    target: float | None = None
    """No further trial starts once one has reached it."""

    @model_validator(mode="before")
    @classmethod
    def _impute_is_fixed(cls, given: Any) -> Any:
        for key in ("impute", "impute_while_running"):
            if isinstance(given, Mapping) and key in given:
                refuse(f"metric {key} is not supported: a failed trial counts as the worst", (key,))
        return given


class HyperbandConfig(FiniteRecord):
    """Early stopping by W&B's rule: at each bracket, only the best 1/eta of the trials so far go on.

    An iteration is one evaluation during training, as the recipe's ``evaluate_every`` schedules them.
    """

    type: Literal["hyperband"]
    min_iter: Iterations | None = None
    """The first bracket; the others are its multiples by powers of eta."""
    max_iter: Iterations | None = None
    """The brackets are this number divided by powers of eta, ``s`` of them."""
    s: Annotated[int, Field(gt=0, le=100)] | None = None
    """The number of brackets, with ``max_iter``."""
    eta: Annotated[float, Field(ge=1.01, le=1000)] = 3
    strict: bool = False
    """Whether a trial is judged by its value at the bracket alone, and not by its best so far."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.min_iter is None) == (self.max_iter is None):
            refuse("hyperband needs either min_iter, or max_iter with s", ())
        if (self.max_iter is None) != (self.s is None):
            refuse("max_iter and s go together: s is the number of brackets below max_iter", ())
        if not self.brackets(1_000_000):
            refuse("hyperband has no bracket: max_iter divided by eta is less than one iteration", ("max_iter",))
        return self

    def brackets(self, iterations: int) -> tuple[int, ...]:
        """The iterations, counted from 1 up to ``iterations``, after which a trial may be stopped."""
        if self.min_iter is not None:
            brackets, bracket = [], float(self.min_iter)
            while bracket <= iterations:
                brackets.append(int(bracket))
                bracket *= self.eta
        else:
            brackets = [int((self.max_iter or 0) / self.eta**power) for power in range(1, (self.s or 0) + 1)]
        return tuple(sorted({bracket for bracket in brackets if 1 <= bracket <= iterations}))


class ControllerConfig(FiniteRecord):
    """The process that proposes the trials of a registered sweep."""

    type: Literal["cloud"]
    """W&B's own. A local controller would be a process that you had to keep running."""


class TuningConfig(FiniteRecord):
    """The sweep's settings beyond W&B's schema. Each is a parameter with a ``value``, so that W&B agents see it."""

    seeds: Annotated[tuple[Seed, ...], Field(min_length=1, max_length=MOST_SEEDS)] = (201, 202)
    """The seeds of every trial; its score is the mean over them."""
    tuning_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """The share of the training rows on which trials are scored, and not trained."""
    confirmation_seeds: Annotated[tuple[Seed, ...], Field(min_length=1, max_length=MOST_SEEDS)] = (1, 2, 3, 4, 5)
    """The seeds on which the best trials are run again, scored on the evaluation split; none may be a tuning seed.

    Five are run first, and up to ten where contenders are still tied; with fewer than five, nothing is ranked.
    """
    compare: str | None = None
    """The parameter whose values are compared with equal budgets."""
    target: float | None = None
    """The score to which the contenders' steps are counted."""

    @model_validator(mode="after")
    def _seeds_apart(self) -> Self:
        for name, seeds in (("seeds", self.seeds), ("confirmation_seeds", self.confirmation_seeds)):
            check_seeds(name, seeds)
        both = sorted(set(self.seeds) & set(self.confirmation_seeds))
        if both:
            refuse(
                "tuning seeds are among the confirmation seeds, which must be fresh",
                ("confirmation_seeds" if "confirmation_seeds" in self.model_fields_set else "seeds",),
                given=both,
                allowed="two lists with no seed in common",
            )
        return self


OWN = tuple(TuningConfig.model_fields)
"""The parameters that configure the sweep, not its trials."""


class SweepConfig(FiniteRecord):
    """A sweep as its file describes it."""

    method: Method
    """How trials are chosen."""
    parameters: Annotated[dict[str, ParameterConfig], Field(min_length=1)]
    """The parameters of a trial, and those of :data:`OWN`."""
    name: str | None = None
    """The sweep's name; ``None`` takes the name of its file."""
    description: str | None = None
    project: str | None = None
    """W&B's project."""
    entity: str | None = None
    """W&B's user or team."""
    program: str | None = None
    """What W&B agents run; bertspec never executes it."""
    command: tuple[str, ...] | None = None
    """The words with which W&B agents run it; bertspec never executes them."""
    metric: MetricConfig | None = None
    """What decides which trial is best; ``None`` takes the task's main metric."""
    early_terminate: HyperbandConfig | None = None
    run_cap: Annotated[int, Field(gt=0, le=MOST_TRIALS)] | None = None
    """The number of trials, over all contenders; up to 10,000."""
    controller: ControllerConfig | None = None
    _document: Document | None = PrivateAttr(default=None)

    def read_from(self, document: Document) -> Self:
        """The same sweep, whose messages name the lines of a document."""
        copy = self.model_copy()
        copy._document = document  # noqa: SLF001 - of its own class
        return copy

    def keys_of(self, name: str) -> Keys:
        """The keys that lead to a searched parameter: a dot may be in its name, or separate nested names."""
        if name in self.parameters:
            return ("parameters", name)
        top, _, below = name.partition(".")
        return ("parameters", top, "parameters", below)

    def where(self, keys: Keys) -> str:
        """The name of the sweep, or the line of these keys where it was read from a document."""
        return f"sweep {self.name}" if self._document is None else self._document.where(keys)

    @property
    def tuning(self) -> TuningConfig:
        """The sweep's settings beyond W&B's schema."""
        given = {name: self.parameters[name].value for name in OWN if name in self.parameters}
        if given.get("compare") is None and "optimizer" in self.parameters and self.parameters["optimizer"].several:
            given["compare"] = "optimizer"
        return validate(TuningConfig, given, where=lambda keys: keys)

    @property
    def searched(self) -> dict[str, ParameterConfig]:
        """The parameters of a trial, constants included; names of nested parameters are joined with dots."""
        return {
            name: leaf
            for top, parameter in self.parameters.items()
            if top not in OWN
            for name, leaf in parameter.leaves(top)
        }

    @property
    def contenders(self) -> tuple[Setting, ...]:
        """The values of the parameter that is compared, in their order; empty where nothing is."""
        compared = self.tuning.compare
        return self.searched[compared].values or () if compared is not None else ()

    @property
    def grid_size(self) -> int | None:
        """The number of trials in the whole grid; ``None`` where a parameter is drawn from a range."""
        sizes = [None if each.choices is None else len(each.choices) for each in self.searched.values()]
        return None if None in sizes else math.prod(size for size in sizes if size is not None)

    def planned(self, trials_each: int | None = None) -> int:
        """The number of trials that the sweep is to have; a grid may have more than can be run here.

        Args:
            trials_each: for each contender, instead of the file's ``run_cap``.

        Raises:
            ValueError: neither gives a number, and the method has no end of its own.
        """
        asked = self.run_cap if trials_each is None else trials_each * max(1, len(self.contenders))
        if self.method == "grid":
            assert self.grid_size is not None  # noqa: S101 - checked below
            return min(self.grid_size, asked or self.grid_size)
        if asked is None:
            raise ValueError(f"method {self.method} never ends without a number of trials")
        return asked

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, given: Any) -> Any:
        if isinstance(given, SweepConfig):
            return given
        if not isinstance(given, Mapping):
            refuse("a sweep must be a mapping of keys", (), given=type(given).__name__)
        for key in given:
            if key in _UNSUPPORTED:
                refuse(f"the key {key} is not supported: {_UNSUPPORTED[key]}", (key,))
            if key not in cls.model_fields:
                meant = did_you_mean(str(key), cls.model_fields)
                refuse(f"unknown key{meant}", (key,), given=key, allowed=cls.model_fields)
        if given.get("method") == "custom":
            refuse("method custom is not supported: " + _UNSUPPORTED["scheduler"], ("method",))
        if isinstance(given.get("controller"), Mapping) and given["controller"].get("type") == "local":
            refuse(
                "a local controller is not supported: bertspec sweep runs a sweep here without one",
                ("controller", "type"),
            )
        return given

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self._check_own()
        self._check_compared()
        for name, parameter in self.searched.items():
            if self.method == "grid" and parameter.choices is None:
                refuse(
                    f"a grid over the range of {name} would never end",
                    ("parameters", *name.split(".")),
                    given=parameter.kind,
                    allowed="values: a list, or method: random",
                )
        if self.contenders and self.run_cap is not None and self.planned() % len(self.contenders):
            refuse(
                f"{len(self.contenders)} contenders cannot share this number of trials equally",
                ("run_cap",),
                given=self.run_cap,
                allowed=f"a multiple of {len(self.contenders)}",
            )
        return self

    def _check_own(self) -> None:
        for name in OWN:
            if name in self.parameters and self.parameters[name].kind != "constant":
                refuse(f"{name} configures the sweep and is not searched", ("parameters", name), allowed="value: VALUE")
        try:
            _ = self.tuning
        except InvalidConfig as refusal:
            keys = refusal.where if isinstance(refusal.where, tuple) else ()
            refuse(refusal.problem, ("parameters", *keys), given=refusal.given, allowed=refusal.allowed)

    def _check_compared(self) -> None:
        compared = self.tuning.compare
        if compared is None:
            return
        if compared not in self.searched or not self.searched[compared].several:
            several = [name for name, parameter in self.searched.items() if parameter.several]
            refuse(
                "compare names no parameter that has several values",
                ("parameters", "compare"),
                given=compared,
                allowed=", ".join(several) or "a parameter with several values, and this sweep has none",
            )
        if self.searched[compared].probabilities is not None:
            refuse(
                "contenders take turns and are not drawn",
                ("parameters", compared, "probabilities"),
                allowed="values alone",
            )
        if self.metric is not None and self.metric.target is not None:
            refuse(
                "a metric's target ends a sweep at its first good trial, which leaves contenders unequal budgets",
                ("metric", "target"),
                allowed="the parameter target, to which steps are counted",
            )


def _key(value: Any) -> Hashable:
    """What two values have in common that are the same choice: 1 and 1.0 are, 1 and true are not."""
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return isinstance(value, bool), value


def _exp(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf
