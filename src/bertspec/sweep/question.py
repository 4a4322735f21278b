"""What a sweep asks, all of it checked before anything is trained; the same question has the same hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bertspec import study
from bertspec.errors import InvalidSpec
from bertspec.spec import StudySpec, SweepSpec
from bertspec.study import Workbench
from bertspec.sweep.search import Proposal, Search
from bertspec.sweep.trial import study_of

if TYPE_CHECKING:
    from bertspec.device import Device
    from bertspec.engine import Material

__all__ = ["Question", "ask", "planned"]

_ASKED = {"method", "metric", "parameters", "early_terminate"}
"""What of a sweep file changes its trials; what it is called, and what agents run, does not."""


@dataclass(frozen=True, slots=True)
class Question:
    """A sweep that can be run."""

    spec: SweepSpec
    search: Search
    planned: int
    sha256: str
    device: Device
    """Where its first trial computes."""

    def parameters(self, proposal: Proposal) -> Mapping[str, Any]:
        """A trial's parameters, with what is the sweep's own."""
        tuning = self.spec.tuning
        return {**proposal.parameters, "seeds": tuning.seeds, "tuning_share": tuning.tuning_share}


def planned(spec: SweepSpec, trials_each: int | None = None) -> int:
    """How many trials a sweep is to have.

    Raises:
        InvalidSpec: nobody said.
    """
    try:
        return spec.planned(trials_each)
    except ValueError as endless:
        raise InvalidSpec(
            str(endless), allowed="run_cap: N in the file, or --trials N", where=f"sweep {spec.name}"
        ) from endless


def ask(spec: SweepSpec, bench: Workbench, *, seed: int = 0, trials_each: int | None = None) -> Question:
    """Check every trial that can be known, and look for all that it reads.

    Raises:
        BertspecError: a trial has values that do not go together, or reads what cannot be had.
    """
    count, search = planned(spec, trials_each), Search(spec, seed)
    known = min(count, max(1, len(spec.contenders))) if spec.method == "bayes" else count
    studies = [_study(search.proposal(number), spec, bench) for number in range(known)]
    named = list(_named(search, bench)) if spec.method == "bayes" else []
    contents = _contents([*studies, *named], bench)
    _check_optimizers([*studies, *named])
    from bertspec import device

    chosen = device.choose(bench.device, studies[0].recipe)
    asked = {
        "sweep": spec.model_dump(mode="json", include=_ASKED, exclude_defaults=True),
        "seed": seed,
        "planned": count,
        "studies": [each.model_dump(mode="json", exclude_defaults=True) for each in (*studies, *named)],
        "contents": contents,
        "environment": chosen.environment().model_dump(mode="json", exclude={"device_name"}),
        "engine": study.engine_hash(_package()),
    }
    sha256 = hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()
    return Question(spec, search, count, sha256, chosen)


def _study(proposal: Proposal, spec: SweepSpec, bench: Workbench) -> StudySpec:
    tuning = spec.tuning
    return study_of(proposal.parameters, bench, seeds=tuning.seeds, tuning_share=tuning.tuning_share)


def _named(search: Search, bench: Workbench) -> Iterator[StudySpec]:
    """What every listed name stands for, where it is not known yet which trials there will be."""
    first = search.proposal(0)
    for word in ("encoder", "recipe", "optimizer"):
        for choice in search.spec.searched[word].choices or () if word in search.spec.searched else ():
            yield _study(replace(first, parameters={**first.parameters, word: choice}), search.spec, bench)


def _contents(studies: list[StudySpec], bench: Workbench) -> list[list[str]]:
    """The hashes of all weights, tokenizers and rows; each is looked for once."""
    found: dict[str, Material] = {}
    for each in studies:
        key = f"{each.encoder.model_dump_json()} {each.task.model_dump_json()}"
        if key not in found:
            found[key] = study.gather(each, bench.places)
    origins = [material.provenance for material in found.values()]
    return sorted([one.encoder.sha256, one.tokenizer.sha256, one.data.sha256] for one in origins)


def _check_optimizers(studies: list[StudySpec]) -> None:
    from bertspec import optimizers

    for each in studies:
        optimizers.check(each.recipe.optimizer)


def _package() -> Any:
    from pathlib import Path

    import bertspec

    return Path(bertspec.__file__).parent
