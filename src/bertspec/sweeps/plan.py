"""The plan of a sweep, checked completely before anything is trained; the same plan has the same hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bertspec import study
from bertspec.config import MetricConfig, StudyConfig, SweepConfig
from bertspec.errors import InvalidConfig
from bertspec.study import Session
from bertspec.sweeps.search import Proposal, Search

if TYPE_CHECKING:
    from bertspec.device import Device
    from bertspec.engine import RunInputs

__all__ = ["SweepPlan", "build_plan", "trial_count"]

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
        """A trial's parameters, with the sweep's own that it needs."""
        tuning = self.config.tuning
        return {**proposal.parameters, "seeds": tuning.seeds, "tuning_share": tuning.tuning_share}


def trial_count(config: SweepConfig, trials_each: int | None = None) -> int:
    """The number of trials that a sweep is to have.

    Raises:
        InvalidConfig: neither the file nor ``trials_each`` gives a number.
    """
    try:
        return config.planned(trials_each)
    except ValueError as endless:
        raise InvalidConfig(
            str(endless), allowed="run_cap: N in the file, or --trials N", where=f"sweep {config.name}"
        ) from endless


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
    studies = [_study(search.proposal(number), config, session) for number in range(known)]
    studies += _named_studies(search, session) if adaptive else []
    contents = _content_hashes(studies, session)
    _check_optimizers(studies)
    from bertspec import device

    chosen = device.choose(session.device, studies[0].recipe)
    content = {
        "sweep": config.model_dump(mode="json", include=_HASHED, exclude_defaults=True),
        "seed": seed,
        "planned": count,
        "studies": [each.model_dump(mode="json", exclude_defaults=True) for each in studies],
        "contents": contents,
        "environment": chosen.environment().model_dump(mode="json", exclude={"device_name"}),
        "engine": study.engine_hash(),
    }
    sha256 = hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
    return SweepPlan(config, config.metric, search, count, sha256, chosen)


def _study(proposal: Proposal, config: SweepConfig, session: Session) -> StudyConfig:
    tuning = config.tuning
    return session.catalog.plan(**proposal.parameters, seeds=tuning.seeds, tuning_share=tuning.tuning_share)


def _named_studies(search: Search, session: Session) -> Iterator[StudyConfig]:
    """A study for every listed encoder, recipe and optimizer: what the names stand for is part of the plan."""
    first, searched = search.proposal(0), search.config.searched
    for word in ("encoder", "recipe", "optimizer"):
        for choice in searched[word].choices or () if word in searched else ():
            yield _study(replace(first, parameters={**first.parameters, word: choice}), search.config, session)


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
