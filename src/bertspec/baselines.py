"""The scores of a release, and whether a later build still reaches them.

A baseline holds the scores of every study that a session claimed a quality of, the peak memory if an accelerator
counted it, and the ratios of speeds that were measured in turns. It is one JSON file in the folder ``baselines``
beside the features, to be committed with the release. Later runs of the same studies are compared with it; their seeds
may differ. Holm's correction covers the whole comparison, so that a build that is no worse is called a regression at
most 5 % of the time, however many studies there are.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import field_validator

from bertspec import claims, metrics
from bertspec.catalog import Catalog
from bertspec.config import RunConfig
from bertspec.errors import InvalidConfig, StoreError
from bertspec.files import read_regular, write_atomic
from bertspec.records import FrozenRecord, layout_of, validate
from bertspec.results import ClaimRecord, Compared, SessionRecord
from bertspec.statistics import FEWEST_COMPARED, holm, relative_change
from bertspec.store import Store, StoredRun

__all__ = [
    "MEMORY_MARGIN",
    "SPEED_MARGIN",
    "Baseline",
    "BaselineStudy",
    "BaselineTiming",
    "compare",
    "path_of",
    "read",
    "refusal",
    "studies_of",
    "timings_of",
    "write",
]

LAYOUT = 2
"""The layout of a baseline. It is raised when a field changes."""
_READ = (1, LAYOUT)
"""The layouts that can be read: baselines of layout 1 have no recipes."""
MEMORY_MARGIN = 0.05
"""The relative growth of a peak that is still allowed."""
SPEED_MARGIN = 0.10
"""The relative fall of a ratio of speeds that is still allowed: the same code varies as much on a shared machine."""

_TWO_SIDED_95, _ONE_SIDED_95 = 1.96, 1.645
_MIB = 2**20
_LARGEST = 64 * _MIB
"""Bytes of a file; a thousand studies take 1 MiB."""
_RENAMED = {
    re.compile(r"(not: )?examples a second it trains on, as a ratio,?$"): "training speed ratio",
    re.compile(r"(not: )?examples a second it evaluates, as a ratio,?$"): "evaluation speed ratio",
    re.compile(r"(not: )?(p\d+) latency of one text of (\d+) tokens, as a ratio,?$"): r"\2 latency ratio at \3 tokens",
    re.compile(r"(not: )?texts of (\d+) tokens a second, as a ratio,?$"): r"throughput ratio at \2 tokens",
}
"""Former names of timed quantities, which saved baselines may have."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_CHANGES = 3
"""Settings of a recipe that a message names."""


class BaselineStudy(FrozenRecord):
    """The scores of one study in its main metric."""

    key: str
    """Names of encoder and task, and a hash of the recipe: they must be the same for two studies to be compared.
    Weights, rows and code may differ; the comparison shows whether that made the score worse."""
    title: str
    recipe: dict[str, Any] | None = None
    """What the hash covers: every setting that is not the default. None in a baseline of layout 1."""
    metric: str
    seeds: tuple[int, ...]
    scores: tuple[float, ...]
    """One score per seed."""
    runs: tuple[str, ...]
    """The fingerprints of the runs."""
    spread: float
    """The assumed seed spread of this study."""
    spread_source: str
    accelerator: str | None = None
    """The name of the GPU on which all of its runs were trained; None for a CPU, or for several machines."""
    peaks: tuple[int, ...] = ()
    """Peak memory of each seed in bytes, if an accelerator counted it for each run alone."""


class BaselineTiming(FrozenRecord):
    """How many times as fast one encoder is as another, measured in turns: one ratio per round."""

    key: str
    title: str
    quantity: str
    ratios: tuple[float, ...]
    machine: str

    @field_validator("key", "quantity")
    @classmethod
    def _rename(cls, text: str) -> str:
        for former, current in _RENAMED.items():
            text = former.sub(current, text)
        return text


Baselined = BaselineStudy | BaselineTiming


class Baseline(FrozenRecord):
    """The scores and timings of a session, under a name."""

    layout: int = LAYOUT
    name: str
    made: datetime.date
    session: str
    versions: dict[str, str]
    studies: tuple[BaselineStudy, ...]
    timings: tuple[BaselineTiming, ...] = ()


def path_of(name: str, root: Path) -> Path:
    """The file of a baseline.

    Raises:
        InvalidConfig: the name has other characters than letters, digits, dots and hyphens, or is too long.
    """
    if not _NAME.fullmatch(name):
        raise InvalidConfig(
            "a baseline's name is a word", given=name, allowed="up to 100 letters, digits, dots, hyphens"
        )
    return root / "baselines" / f"{name}.json"


def studies_of(session: SessionRecord, store: Store, catalog: Catalog) -> tuple[BaselineStudy, ...]:
    """The studies that a session claimed a quality of; sabotage and timings are left out.

    Raises:
        InvalidConfig: a calibration record cannot be read.
    """
    studies: dict[str, dict[str, StoredRun]] = {}
    for name in dict.fromkeys(_runs_of(session)):
        run = store.get(name)
        if run is not None and run.config.task.sabotage is None:
            studies.setdefault(_key(run.config), {})[name] = run
    return tuple(_study(key, list(runs.values()), catalog) for key, runs in studies.items())


def timings_of(session: SessionRecord) -> tuple[BaselineTiming, ...]:
    """The ratios that a session measured in turns."""
    timings = [
        _timing(scenario.title, claim, session.machine)
        for scenario in session.scenarios
        for claim in scenario.claims
        if claim.rule == "ratio" and claim.values
    ]
    return tuple({one.key: one for one in timings}.values())


def _timing(scenario: str, claim: ClaimRecord, machine: str) -> BaselineTiming:
    """The ratios of a claim. Ratios of times are inverted to ratios of speeds, so that more is always better."""
    short = claim.direction == "at most"
    return BaselineTiming(
        key=f"{scenario}: {claim.quantity}",
        title=claim.subject,
        quantity=("inverse of the " if short else "") + claim.quantity,
        ratios=tuple(1 / ratio for ratio in claim.values) if short else claim.values,
        machine=machine,
    )


def write(baseline: Baseline, file: Path) -> None:
    """Write a baseline, whole or not at all.

    Raises:
        OSError: the folder cannot be written.
    """
    write_atomic(file, baseline.model_dump_json(indent=1) + "\n")


def read(file: Path) -> Baseline:
    """Read a baseline.

    Raises:
        StoreError: the file is missing, damaged or of another version.
    """
    try:
        text = read_regular(file, limit=_LARGEST)
    except FileNotFoundError as refusal:
        known = ", ".join(sorted(other.stem for other in file.parent.glob("*.json"))) or "no baseline yet"
        raise StoreError(
            "there is no such baseline", given=file.stem, allowed=f"{known} (bertspec baseline save NAME)", where=file
        ) from refusal
    except OSError as refusal:
        raise StoreError(f"the baseline cannot be read: {refusal.strerror}", where=file) from refusal
    layout = layout_of(text)
    if layout not in (*_READ, None):
        raise StoreError(
            "the baseline has another layout; save it again",
            given=f"layout {layout}",
            allowed=f"layout {LAYOUT}: bertspec baseline save {file.stem}",
            where=file,
        )
    return validate(Baseline, text, where=file, problem="the baseline is damaged", error=StoreError)


def _runs_of(session: SessionRecord) -> Iterable[str]:
    for scenario in session.scenarios:
        for claim in scenario.claims:
            if claim.promise and claim.rule != "ratio":
                yield from claim.runs


def _recipe(config: RunConfig) -> dict[str, Any]:
    return config.recipe.model_dump(mode="json", exclude={"threads", "precision"}, exclude_defaults=True)


def _key(config: RunConfig) -> str:
    digest = hashlib.sha256(json.dumps(_recipe(config), sort_keys=True).encode()).hexdigest()[:8]
    return f"{config.encoder.name} {config.task.name} {digest}"


def _study(key: str, runs: list[StoredRun], catalog: Catalog) -> BaselineStudy:
    runs = sorted(runs, key=lambda run: run.config.seed)
    config, metric = runs[0].config, runs[0].config.task.metrics[0]
    spread = claims.spread_of_run(runs[0], metric, catalog)
    devices = {(run.result.facts.environment.device, run.result.facts.environment.device_name) for run in runs}
    [(device, name)] = devices if len(devices) == 1 else [("cpu", "")]
    accelerator = name if device == "cuda" else None
    return BaselineStudy(
        key=key,
        title=f"{config.encoder.name} · {config.task.name} · {config.recipe.optimizer.word}",
        recipe=_recipe(config),
        metric=metric,
        seeds=tuple(run.config.seed for run in runs),
        scores=tuple(run.result.facts.counted(metric) for run in runs),
        runs=tuple(run.fingerprint for run in runs),
        spread=spread.std_upper,
        spread_source=spread.source,
        accelerator=accelerator,
        peaks=tuple(run.result.facts.peak_memory_bytes for run in runs) if accelerator else (),
    )


@dataclass(frozen=True, slots=True)
class _Test:
    """The test of whether one quantity became worse."""

    result: Compared
    """The result, unless the correction over all tests finds a regression."""
    p_value: float | None = None
    """The p-value of the hypothesis that it is no worse; None if that cannot be tested."""


def compare(before: Sequence[Baselined], after: Sequence[Baselined], *, level: float = 0.05) -> tuple[Compared, ...]:
    """Whether studies became worse in quality or memory, or encoders slower beside one another.

    Quality: a one-sided normal test of the means over seeds, by the larger seed spread of the two sides. Memory: only
    if both sides ran on the same named accelerator, which counts the tensors of one run alone. Speed: only ratios that
    were measured in turns, on the same machine. Memory and speed by Welch's t-test beyond a margin.

    What the baseline has and the session has not is MISSING: a study that was not run, or under another recipe, by
    another metric, or on too few seeds.

    Args:
        before: the baseline.
        after: the same quantities now; what the baseline does not have is left out.
        level: how often a build that is no worse may be called a regression, over all quantities together.
    """
    now = {(type(each), each.key): each for each in after}
    known = {(type(old), old.key) for old in before}
    others = [each for name, each in now.items() if name not in known]
    tests = [test for old in before for test in _tests(old, now.get((type(old), old.key)), others)]
    worse = iter(holm([test.p_value for test in tests if test.p_value is not None], level=level).tolist())
    return tuple(
        test.result.model_copy(update={"outcome": "FAIL"}) if test.p_value is not None and next(worse) else test.result
        for test in tests
    )


def refusal(compared: Sequence[Compared], *, allow_missing: bool = False) -> str | None:
    """Why a session does not pass a comparison with a baseline, in words; None if it passes.

    Args:
        compared: the result of :func:`compare`.
        allow_missing: whether the baseline may have what the session has not.
    """
    counts = Counter(each.outcome for each in compared)
    if counts["FAIL"]:
        return f"{counts['FAIL']} of {len(compared)} quantities of the baseline became worse"
    if allow_missing:
        return None
    if counts["MISSING"]:
        return (
            f"{counts['MISSING']} of {len(compared)} quantities of the baseline are missing from this session; "
            "--allow-missing accepts that"
        )
    return None if counts["PASS"] else "nothing of the baseline could be compared; --allow-missing accepts that"


def _tests(old: Baselined, new: Baselined | None, others: Sequence[Baselined]) -> Iterator[_Test]:
    if isinstance(old, BaselineStudy) and isinstance(new, BaselineStudy):
        yield _quality(old, new)
        if old.accelerator is not None:
            yield _memory(old, new)
    elif isinstance(old, BaselineTiming) and isinstance(new, BaselineTiming):
        yield _speed(old, new)
    else:
        quantity, then = (old.metric, _mean(old.scores)) if isinstance(old, BaselineStudy) else _ratio_of(old)
        reason = _why_missing(old, others)
        yield _Test(Compared(outcome="MISSING", title=old.title, quantity=quantity, then=then, reason=reason))


def _why_missing(old: Baselined, others: Sequence[Baselined]) -> str:
    """Why the session has no such study or timing.

    Args:
        old: the study or the timing of the baseline.
        others: what the session has and the baseline has not.
    """
    if isinstance(old, BaselineTiming):
        return "it was not measured in this session"
    recipes = [
        each.recipe for each in others if isinstance(each, BaselineStudy) and _names(each.key) == _names(old.key)
    ]
    if not recipes:
        return "it was not run in this session"
    changes = min((_changes(old.recipe, recipe) for recipe in recipes), key=len)
    more = f" and {len(changes) - _CHANGES} more" if len(changes) > _CHANGES else ""
    what = f": {', '.join(changes[:_CHANGES])}{more}" if changes else ""
    return f"it was run under another recipe{what}"


def _names(key: str) -> str:
    """The encoder and the task of a study's key, without the hash of the recipe."""
    return key.rpartition(" ")[0]


def _changes(old: dict[str, Any] | None, new: dict[str, Any] | None) -> list[str]:
    """The settings in which two recipes differ, such as ``steps 60 → 25``; empty where one is not known."""
    if old is None or new is None:
        return []
    then, now = _flat(old), _flat(new)
    names = [name for name in dict.fromkeys((*then, *now)) if then.get(name) != now.get(name)]
    return [f"{name} {then.get(name, 'default')} → {now.get(name, 'default')}" for name in names]


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat


def _quality(old: BaselineStudy, new: BaselineStudy) -> _Test:
    from scipy import stats  # late: it takes a second

    then, now = _mean(old.scores), _mean(new.scores)
    known = Compared(outcome="UNDECIDED", title=old.title, quantity=old.metric, then=then, now=now)
    if old.metric != new.metric:
        missing = {"outcome": "MISSING", "now": None, "reason": f"measured by {old.metric} then, by {new.metric} now"}
        return _Test(known.model_copy(update=missing))
    if set(old.runs) == set(new.runs):
        same = {"outcome": "PASS", "reason": "the same runs as then: nothing has changed that could change them"}
        return _Test(known.model_copy(update=same))
    if few := _too_few("seeds", len(old.scores), len(new.scores)):
        return _Test(known.model_copy(update=few))
    worse = -1.0 if metrics.find(new.metric).better == "higher" else 1.0
    error = max(old.spread, new.spread) * math.sqrt(1 / len(old.scores) + 1 / len(new.scores))
    tested = {
        "outcome": "PASS",
        "interval": (now - then - _TWO_SIDED_95 * error, now - then + _TWO_SIDED_95 * error),
        "detectable_drop": 2 * _ONE_SIDED_95 * error,
        "reason": f"seed spread: {new.spread_source}",
    }
    return _Test(known.model_copy(update=tested), float(stats.norm.sf(worse * (now - then) / error)))


def _memory(old: BaselineStudy, new: BaselineStudy) -> _Test:
    then, now = _mean(old.peaks) / _MIB, _mean(new.peaks) / _MIB if new.peaks else None
    known = Compared(outcome="UNDECIDED", title=new.title, quantity="peak memory, MiB", then=then, now=now)
    if old.accelerator != new.accelerator:
        reason = f"measured on {old.accelerator} then, on {new.accelerator or 'a CPU'} now"
        return _Test(known.model_copy(update={"reason": reason}))
    if few := _too_few("seeds", len(old.peaks), len(new.peaks)):
        return _Test(known.model_copy(update=few))
    return _beyond_margin(known, old.peaks, new.peaks, MEMORY_MARGIN)


def _speed(old: BaselineTiming, new: BaselineTiming) -> _Test:
    quantity, then = _ratio_of(old)
    known = Compared(outcome="UNDECIDED", title=new.title, quantity=quantity, then=then, now=_ratio_of(new)[1])
    if old.machine != new.machine:
        reason = f"measured on {old.machine} then, on {new.machine} now"
        return _Test(known.model_copy(update={"reason": reason}))
    if few := _too_few("rounds", len(old.ratios), len(new.ratios)):
        return _Test(known.model_copy(update=few))
    return _beyond_margin(known, old.ratios, new.ratios, -SPEED_MARGIN)


def _beyond_margin(known: Compared, then: Sequence[float], now: Sequence[float], margin: float) -> _Test:
    p_value, (low, high) = relative_change(then, now, beyond=margin)
    scale = known.then or 0.0
    tested = {
        "outcome": "PASS",
        "interval": (scale * low, scale * high),
        "reason": f"worse means beyond {margin:+.0%}",
    }
    return _Test(known.model_copy(update=tested), p_value)


def _ratio_of(timing: BaselineTiming) -> tuple[str, float]:
    return timing.quantity, float(np.exp(np.log(timing.ratios).mean()))


def _too_few(unit: str, then: int, now: int) -> dict[str, str] | None:
    """The outcome of a quantity with too few values: MISSING where the session lacks them, else UNDECIDED."""
    if min(then, now) >= FEWEST_COMPARED:
        return None
    outcome: Literal["MISSING", "UNDECIDED"] = "MISSING" if now < FEWEST_COMPARED <= then else "UNDECIDED"
    reason = f"{then} {unit} then, {now} now; at least {FEWEST_COMPARED} a side are needed"
    return {"outcome": outcome, "reason": reason}


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
