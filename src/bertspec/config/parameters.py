"""The parameters of a sweep: W&B's distributions, and what each of them takes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from bertspec.records import FiniteRecord, refuse

__all__ = ["DISTRIBUTIONS", "Distribution", "ParameterConfig", "close"]

Distribution = Literal[
    "constant",
    "categorical",
    "categorical_w_probabilities",
    "int_uniform",
    "uniform",
    "q_uniform",
    "log_uniform",
    "log_uniform_values",
    "q_log_uniform",
    "q_log_uniform_values",
    "inv_log_uniform",
    "inv_log_uniform_values",
    "normal",
    "q_normal",
    "log_normal",
    "q_log_normal",
    "beta",
    "q_beta",
]
DISTRIBUTIONS: tuple[str, ...] = get_args(Distribution)

_LARGEST_EXPONENT = 100
"""Beyond it somebody meant the value itself."""

Number = int | float
Value = bool | int | float | str | None | list[Any] | dict[str, Any]


def _takes(distribution: str) -> tuple[set[str], set[str]]:
    """What a distribution needs, and what it may have besides."""
    needed = {
        "constant": {"value"},
        "categorical": {"values"},
        "categorical_w_probabilities": {"values", "probabilities"},
    }
    q = {"q"} if distribution.startswith("q_") else set()
    if distribution in needed:
        return needed[distribution], set()
    if "uniform" in distribution:
        return {"min", "max"}, q
    return set(), q | ({"a", "b"} if "beta" in distribution else {"mu", "sigma"})


class ParameterConfig(FiniteRecord):
    """One parameter: a constant, a list, a range, a distribution, or a group of nested ones."""

    value: Value = None
    """The one value of a constant."""
    values: Annotated[tuple[Any, ...], Field(min_length=1)] | None = None
    """All that it may be."""
    probabilities: tuple[NonNegativeFloat, ...] | None = None
    """How likely each of them is, for random search."""
    distribution: Distribution | None = None
    """How it is drawn; none is taken from the other fields, as W&B does."""
    min: Number | None = None
    max: Number | None = None
    """The ends of a range, both included; of ``log_uniform`` and its kin, their natural logarithms."""
    mu: float = 0.0
    sigma: PositiveFloat = 1.0
    """The mean and the standard deviation of a normal distribution, or of the logarithm."""
    q: PositiveFloat = 1.0
    """The step to which a drawn value is rounded."""
    a: PositiveFloat = 1.0
    b: PositiveFloat = 1.0
    """The two shapes of a beta distribution."""
    parameters: Annotated[dict[str, ParameterConfig], Field(min_length=1)] | None = None
    """A group of parameters below this name."""

    @property
    def kind(self) -> str:
        """The distribution, or ``nested``."""
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
    def choices(self) -> tuple[Any, ...] | None:
        """All its values in their order; none where they cannot be counted."""
        if self.kind == "int_uniform":
            return tuple(range(int(self.min or 0), int(self.max or 0) + 1))
        return (self.value,) if self.kind == "constant" else self.values

    def leaves(self, name: str) -> Iterator[tuple[str, ParameterConfig]]:
        """Itself, or the parameters nested in it, by their joined names."""
        if self.parameters is None:
            yield name, self
            return
        for below, parameter in self.parameters.items():
            yield from parameter.leaves(f"{name}.{below}")

    @model_validator(mode="before")
    @classmethod
    def _a_mapping_of_known_fields(cls, given: Any) -> Any:
        if isinstance(given, ParameterConfig):
            return given
        if not isinstance(given, dict):
            refuse("a parameter is a mapping", (), given=given, allowed="value:, values:, or min: and max:")
        for key in given:
            if key not in cls.model_fields:
                meant = close(str(key), cls.model_fields)
                refuse(f"a parameter has no such field{meant}", (key,), given=key, allowed=cls.model_fields)
        named = given.get("distribution")
        if named is not None and named not in DISTRIBUTIONS:
            refuse(
                f"unknown distribution{close(str(named), DISTRIBUTIONS)}",
                ("distribution",),
                given=named,
                allowed=DISTRIBUTIONS,
            )
        return given

    @model_validator(mode="after")
    def _fields_fit(self) -> Self:
        given = self.model_fields_set - {"distribution"}
        if self.kind == "nested":
            if self.model_fields_set != {"parameters"}:
                refuse("a group of parameters has nothing but them", (), given=sorted(self.model_fields_set))
            return self
        needed, possible = _takes(self.kind)
        if needed - given:
            refuse(
                f"{'a parameter' if not given else self.kind} lacks {' and '.join(sorted(needed - given))}",
                (),
                given=sorted(given) or None,
                allowed=f"{', '.join(sorted(needed | possible))}" if given else "value:, values:, or min: and max:",
            )
        if given - needed - possible:
            refuse(
                f"{self.kind} does not go with {' and '.join(sorted(given - needed - possible))}",
                (min(given - needed - possible),),
                allowed=", ".join(sorted(needed | possible)),
            )
        self._check_numbers()
        return self

    def _check_numbers(self) -> None:
        if self.min is not None and self.max is not None:
            self._check_ends(self.min, self.max)
        values, probabilities = self.values or (), self.probabilities
        if any(_same(one, two) for at, one in enumerate(values) for two in values[:at]):
            refuse("a value stands twice", ("values",), given=list(values))
        if probabilities is not None and len(probabilities) != len(values):
            refuse(
                "there is not one probability for each value",
                ("probabilities",),
                given=f"{len(values)} values, {len(probabilities)} probabilities",
            )
        if probabilities is not None and abs(sum(probabilities) - 1) > 1e-6:
            refuse("the probabilities do not add up to 1", ("probabilities",), given=sum(probabilities))

    def _check_ends(self, low: Number, high: Number) -> None:
        ends = f"min {low}, max {high}"
        if low >= high:
            refuse("min is not below max", ("min",), given=ends)
        if self.kind == "int_uniform" and not (isinstance(low, int) and isinstance(high, int)):
            refuse("int_uniform has whole numbers for its ends", ("min",), given=ends)
        if self.kind.endswith("_values") and low <= 0:
            refuse(f"the range of {self.kind} begins above zero", ("min",), given=low)
        if self.kind in ("log_uniform", "q_log_uniform", "inv_log_uniform") and max(-low, high) > _LARGEST_EXPONENT:
            refuse(
                f"the ends of {self.kind} are exponents of e",
                ("max",),
                given=ends,
                allowed=f"{self.kind}_values, whose ends are the values themselves",
            )


def _same(one: Any, two: Any) -> bool:
    """Whether they are the same choice: 1 and 1.0 are, 1 and true are not."""
    return bool(one == two) and isinstance(one, bool) == isinstance(two, bool)


def close(word: str, known: Iterable[str]) -> str:
    """The end of a message: the known word that was perhaps meant."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f": did you mean {found[0]}?" if found else ""
