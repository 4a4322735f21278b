"""A session: everything that a study needs besides its config."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from bertspec.catalog import Catalog
from bertspec.sources import Sources
from bertspec.store import Store, project_root
from bertspec.tracking import Tracker, WandbTracker, combine

__all__ = ["Session"]


@dataclass(frozen=True, slots=True)
class Session:
    """The catalog, the sources, the store and the tracker that studies share."""

    catalog: Catalog
    sources: Sources
    store: Store
    tracker: Tracker
    device: Literal["auto", "cpu", "cuda"] = "auto"
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Marks the runs that this session trains; its processes share it."""
    fresh: bool = False
    """Whether to train again what the store has from other sessions."""
    checkpoint_every: int | None = None
    """Steps between the checkpoints from which an interrupted run resumes; ``None`` saves no checkpoints."""
    keep_models: bool = False
    """Whether to keep the fine-tuned encoders in the store, beside their runs."""

    @classmethod
    def open(
        cls,
        store: str | Path | None = None,
        *,
        root: Path | None = None,
        progress: Tracker | None = None,
        **fields: Any,
    ) -> Self:
        """The session of a folder: its configs and lock file, the store, the hub or a mirror, and W&B.

        Args:
            store: the folder of finished runs; see :meth:`bertspec.store.Store.locate`.
            root: the folder whose ``configs/`` and ``bertspec.lock`` count; ``None`` takes the nearest folder, from the
                current one upward, that has a store.
            progress: a second tracker beside W&B, such as a progress bar.
            fields: further fields of the session: ``device``, ``fresh``, ``keep_models``, ``checkpoint_every``, ``id``.

        Raises:
            StoreError: the store is a file.
            SourceError: ``BERTSPEC_MIRROR`` names something that is not a folder.
            InvalidConfig: the lock file is damaged.
        """
        root = root or project_root()
        kept, sources = Store.locate(store, root=root), Sources.from_environment(root)
        models = kept.model if fields.get("keep_models") else None
        wandb = WandbTracker(kept.tracking, runs=kept.folder, models=models, sources=sources)
        tracker = wandb if progress is None else combine(wandb, progress)
        return cls(Catalog.beside(root), sources, kept, tracker, **fields)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.tracker.close()
