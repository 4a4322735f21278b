"""A sweep: W&B's own schema, as far as it can be kept here as well as there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from bertspec.config.parameters import ParameterConfig, close
from bertspec.errors import InvalidConfig
from bertspec.records import FiniteRecord, Setting, refuse, validate

__all__ = ["OWN", "HyperbandConfig", "MetricConfig", "SweepConfig", "TuningConfig"]

Method = Literal["grid", "random", "bayes"]
Seed = Annotated[int, Field(ge=0, lt=2**32)]

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
"""What W&B has beyond its documented schema, and why it is refused here: a key that is ignored would lie."""


class MetricConfig(FiniteRecord):
    """What the best trial is best at."""

    name: str
    """A metric of the task, or ``loss``; measured on the tuning split."""
    goal: Literal["minimize", "maximize"] = "minimize"
    """W&B's default; a goal that makes the metric worse is refused."""
    target: float | None = None
    """No trial is begun once one has reached it."""

    @model_validator(mode="before")
    @classmethod
    def _impute_is_fixed(cls, given: Any) -> Any:
        for key in ("impute", "impute_while_running"):
            if isinstance(given, Mapping) and key in given:
                refuse(f"metric {key} is not supported: a failed trial counts as the worst", (key,))
        return given


class HyperbandConfig(FiniteRecord):
    """Early stopping by W&B's rule: at each bracket, only the best 1/eta of what it has seen goes on.

    An iteration is one evaluation on the way, which the recipe's ``evaluate_every`` asks for.
    """

    type: Literal["hyperband"]
    min_iter: PositiveInt | None = None
    """The first bracket; the others follow at its multiples by powers of eta."""
    max_iter: PositiveInt | None = None
    """The brackets lie at this number divided by powers of eta, ``s`` of them."""
    s: PositiveInt | None = None
    """How many brackets, where ``max_iter`` is given."""
    eta: Annotated[float, Field(gt=1)] = 3
    strict: bool = False
    """Whether a trial is judged by its value at the bracket alone, and not by its best so far."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.min_iter is None) == (self.max_iter is None):
            refuse("hyperband has either min_iter, or max_iter with s", ())
        if (self.max_iter is None) != (self.s is None):
            refuse("s counts the brackets below max_iter, and max_iter needs it", ())
        if not self.brackets(1_000_000):
            refuse("hyperband has no bracket: max_iter divided by eta is less than one iteration", ("max_iter",))
        return self

    def brackets(self, iterations: int) -> tuple[int, ...]:
        """The iterations, from 1, after which a trial may be stopped; none beyond ``iterations``."""
        found: list[int] = []
        if self.min_iter is not None:
            place = float(self.min_iter)
            while place <= iterations:
                found.append(int(place))
                place *= self.eta
        else:
            assert self.max_iter is not None  # noqa: S101 - checked above
            assert self.s is not None  # noqa: S101
            found = [int(self.max_iter / self.eta**power) for power in range(1, self.s + 1)]
        return tuple(sorted({place for place in found if 1 <= place <= iterations}))


class ControllerConfig(FiniteRecord):
    """Who proposes the trials of a registered sweep."""

    type: Literal["cloud"]
    """W&B. A local controller is a process that somebody would have to keep alive."""


class TuningConfig(FiniteRecord):
    """What a sweep says besides the schema. It stands among the parameters, as a ``value``, so that agents see it."""

    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (201, 202)
    """The seeds of every trial; their scores are put together before anything is chosen."""
    tuning_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """The share of the training rows that trials are scored on, and do not train on."""
    confirmation_seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (1, 2, 3, 4, 5)
    """The seeds on which the best trials are run again, scored on the evaluation split; no trial may have them.

    Five are run at first, and ten where contenders are tied and there are so many; fewer than five rank nobody.
    """
    compare: str | None = None
    """The parameter whose values are compared with equal budgets."""
    target: float | None = None
    """The score that the contenders' steps are counted to."""

    @model_validator(mode="after")
    def _seeds_apart(self) -> Self:
        for name, seeds in (("seeds", self.seeds), ("confirmation_seeds", self.confirmation_seeds)):
            if len(set(seeds)) < len(seeds):
                refuse(f"{name}: a seed stands twice; a seed counts once", (name,), given=list(seeds))
        both = sorted(set(self.seeds) & set(self.confirmation_seeds))
        if both:
            refuse(
                "seeds of tuning are among those of the confirmation, which must be fresh",
                ("confirmation_seeds" if "confirmation_seeds" in self.model_fields_set else "seeds",),
                given=both,
                allowed="two lists with no seed in common",
            )
        return self


OWN = tuple(TuningConfig.model_fields)
"""The parameters that are the sweep's, and of no trial."""


class SweepConfig(FiniteRecord):
    """A sweep as its file describes it."""

    method: Method
    """How trials are chosen."""
    parameters: Annotated[dict[str, ParameterConfig], Field(min_length=1)]
    """What a trial is made of."""
    name: str | None = None
    """What the sweep is called; none takes the name of its file."""
    description: str | None = None
    project: str | None = None
    """W&B's project."""
    entity: str | None = None
    """W&B's user or team."""
    program: str | None = None
    """What W&B agents run; nothing here ever executes it."""
    command: tuple[str, ...] | None = None
    """The words with which W&B agents run it; nothing here ever executes them."""
    metric: MetricConfig | None = None
    """What is best; none takes the task's main metric."""
    early_terminate: HyperbandConfig | None = None
    run_cap: PositiveInt | None = None
    """The number of trials, over all contenders."""
    controller: ControllerConfig | None = None

    @property
    def tuning(self) -> TuningConfig:
        """What the sweep says besides W&B's schema."""
        given = {name: self.parameters[name].value for name in OWN if name in self.parameters}
        if given.get("compare") is None and self.parameters.get("optimizer", _NOTHING).several:
            given["compare"] = "optimizer"
        return validate(TuningConfig, given, where=lambda keys: keys)

    @property
    def searched(self) -> dict[str, ParameterConfig]:
        """What a trial is made of, constants included; the names of nested parameters are joined by dots."""
        return {
            name: leaf
            for top, parameter in self.parameters.items()
            if top not in OWN
            for name, leaf in parameter.leaves(top)
        }

    @property
    def contenders(self) -> tuple[Setting, ...]:
        """The values of the parameter that is compared, in their order; none where nothing is."""
        compared = self.tuning.compare
        return self.searched[compared].values or () if compared is not None else ()

    @property
    def grid_size(self) -> int | None:
        """How many trials the whole grid has; none where a parameter is drawn from a range."""
        size = 1
        for parameter in self.searched.values():
            if parameter.choices is None:
                return None
            size *= len(parameter.choices)
        return size

    def planned(self, trials_each: int | None = None) -> int:
        """How many trials the sweep is to have.

        Args:
            trials_each: for each contender, instead of the file's ``run_cap``.

        Raises:
            ValueError: nobody said how many.
        """
        asked = self.run_cap if trials_each is None else trials_each * max(1, len(self.contenders))
        if self.method == "grid":
            assert self.grid_size is not None  # noqa: S101 - checked below
            return min(self.grid_size, asked or self.grid_size)
        if asked is None:
            raise ValueError(f"method {self.method} goes on for ever without a number of trials")
        return asked

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, given: Any) -> Any:
        if isinstance(given, SweepConfig):
            return given
        if not isinstance(given, Mapping):
            refuse("a sweep is a mapping of keys", (), given=type(given).__name__)
        for key in given:
            if key in _UNSUPPORTED:
                refuse(f"the key {key} is not supported: {_UNSUPPORTED[key]}", (key,))
            if key not in cls.model_fields:
                refuse(f"unknown key{close(str(key), cls.model_fields)}", (key,), given=key, allowed=cls.model_fields)
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
        for name, parameter in self.searched.items():
            if self.method == "grid" and parameter.choices is None:
                refuse(
                    f"a grid has no end over the range of {name}",
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
                refuse(f"{name} is the sweep's own, and not searched", ("parameters", name), allowed="value: one value")
        compared = _of_own(self)
        if compared is None:
            return
        if compared not in self.searched or not self.searched[compared].several:
            refuse(
                "compare names no parameter that has several values",
                ("parameters", "compare"),
                given=compared,
                allowed=", ".join(name for name, parameter in self.searched.items() if parameter.several)
                or "none here",
            )
        if self.searched[compared].probabilities is not None:
            refuse(
                "what is compared takes turns, and is not drawn",
                ("parameters", compared, "probabilities"),
                allowed="values alone",
            )
        if self.metric is not None and self.metric.target is not None:
            refuse(
                "a metric's target ends a sweep at its first good trial, and leaves the contenders unequal budgets",
                ("metric", "target"),
                allowed="the parameter target, to which steps are counted",
            )


def _of_own(config: SweepConfig) -> str | None:
    """The compared parameter; a complaint about the sweep's own parameters names the keys in the sweep."""
    try:
        return config.tuning.compare
    except InvalidConfig as refusal:
        keys = refusal.where if isinstance(refusal.where, tuple) else ()
        refuse(refusal.problem, ("parameters", *keys), given=refusal.given, allowed=refusal.allowed)


_NOTHING = ParameterConfig(value=None)
