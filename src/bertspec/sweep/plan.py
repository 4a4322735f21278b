"""What a sweep asks, all of it checked before anything is trained; the same question has the same hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bertspec import study
from bertspec.config import StudyConfig, SweepConfig
from bertspec.errors import InvalidConfig
from bertspec.study import Session
from bertspec.sweep.search import Proposal, Search
from bertspec.sweep.trial import study_of

if TYPE_CHECKING:
    from bertspec.device import Device
    from bertspec.engine import RunInputs

__all__ = ["SweepPlan", "ask", "planned"]

_ASKED = {"method", "metric", "parameters", "early_terminate"}
"""What of a sweep file changes its trials; what it is called, and what agents run, does not."""


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """A sweep that can be run."""

    config: SweepConfig
    search: Search
    planned: int
    sha256: str
    device: Device
    """Where its first trial computes."""

    def parameters(self, proposal: Proposal) -> Mapping[str, Any]:
        """A trial's parameters, with what is the sweep's own."""
        tuning = self.config.tuning
        return {**proposal.parameters, "seeds": tuning.seeds, "tuning_share": tuning.tuning_share}


def planned(config: SweepConfig, trials_each: int | None = None) -> int:
    """How many trials a sweep is to have.

    Raises:
        InvalidConfig: nobody said.
    """
    try:
        return config.planned(trials_each)
    except ValueError as endless:
        raise InvalidConfig(
            str(endless), allowed="run_cap: N in the file, or --trials N", where=f"sweep {config.name}"
        ) from endless


def ask(config: SweepConfig, session: Session, *, seed: int = 0, trials_each: int | None = None) -> SweepPlan:
    """Check every trial that can be known, and look for all that it reads.

    Raises:
        BertspecError: a trial has values that do not go together, or reads what cannot be had.
    """
    count, search = planned(config, trials_each), Search(config, seed)
    known = min(count, max(1, len(config.contenders))) if config.method == "bayes" else count
    studies = [_study(search.proposal(number), config, session) for number in range(known)]
    named = list(_named(search, session)) if config.method == "bayes" else []
    contents = _contents([*studies, *named], session)
    _check_optimizers([*studies, *named])
    from bertspec import device

    chosen = device.choose(session.device, studies[0].recipe)
    asked = {
        "sweep": config.model_dump(mode="json", include=_ASKED, exclude_defaults=True),
        "seed": seed,
        "planned": count,
        "studies": [each.model_dump(mode="json", exclude_defaults=True) for each in (*studies, *named)],
        "contents": contents,
        "environment": chosen.environment().model_dump(mode="json", exclude={"device_name"}),
        "engine": study.engine_hash(_package()),
    }
    sha256 = hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()
    return SweepPlan(config, search, count, sha256, chosen)


def _study(proposal: Proposal, config: SweepConfig, session: Session) -> StudyConfig:
    tuning = config.tuning
    return study_of(proposal.parameters, session, seeds=tuning.seeds, tuning_share=tuning.tuning_share)


def _named(search: Search, session: Session) -> Iterator[StudyConfig]:
    """What every listed name stands for, where it is not known yet which trials there will be."""
    first = search.proposal(0)
    for word in ("encoder", "recipe", "optimizer"):
        for choice in search.config.searched[word].choices or () if word in search.config.searched else ():
            yield _study(replace(first, parameters={**first.parameters, word: choice}), search.config, session)


def _contents(studies: list[StudyConfig], session: Session) -> list[list[str]]:
    """The hashes of all weights, tokenizers and rows; each is looked for once."""
    found: dict[str, RunInputs] = {}
    for each in studies:
        key = f"{each.encoder.model_dump_json()} {each.task.model_dump_json()}"
        if key not in found:
            found[key] = study.gather(each, session.locations)
    origins = [inputs.provenance for inputs in found.values()]
    return sorted([one.encoder.sha256, one.tokenizer.sha256, one.data.sha256] for one in origins)


def _check_optimizers(studies: list[StudyConfig]) -> None:
    from bertspec import optimizers

    for each in studies:
        optimizers.check(each.recipe.optimizer)


def _package() -> Any:
    from pathlib import Path

    import bertspec

    return Path(bertspec.__file__).parent
