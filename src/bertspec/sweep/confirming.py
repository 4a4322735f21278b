"""Confirm several contenders at once, in processes; the store has the runs then, and who asks finds them there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bertspec.study import Session
from bertspec.sweep.contenders import Contender
from bertspec.sweep.worker_pool import Job, WorkerPool, room

__all__ = ["Counted", "ahead"]

Counted = Callable[[int, int], None]
"""Hears how many runs of the confirmation there are, and how many there are to be."""

_FEW = 4
"""Runs that are not worth the seconds in which workers start."""


def ahead(
    contenders: Sequence[Contender], count: int, session: Session, *, processes: int | None, told: Counted | None
) -> bool:
    """Train what the store has not of the contenders' first runs, in several processes at once; tell whether it did.

    What fails here, or costs a worker its life, is left to who asks for the run, and tells the error.

    Args:
        contenders: the contenders that have a study.
        count: how many runs each is to have.
        session: where they are run; each process gets a copy.
        processes: runs at a time; none takes as many as the cores allow, and 1 leaves all to who asks.
        told: hears of the progress.

    Raises:
        BertspecError: what would end every run; finished ones are kept.
        KeyboardInterrupt: as above.
    """
    orders = [order for contender in contenders for order in _orders(contender, count)]
    total = count * len(contenders)
    size = min(processes or _room(contenders), len(orders))
    if size < 2 or len(orders) <= _FEW:
        return False
    waiting = list(orders)
    with WorkerPool(session, size) as pool:
        while waiting or pool.busy:
            while waiting and pool.busy < size:
                pool.start(waiting.pop(0))
            for _ in pool.events():
                if told is not None:
                    told(total - len(waiting) - pool.busy, total)
    return True


def _orders(contender: Contender, count: int) -> list[Job]:
    study, best = contender.study, contender.best
    if study is None or best is None:
        return []
    metric = study.config.task.metrics[0]
    return [Job(best.number, best.parameters, contender.name, metric, confirms=seed) for seed in study.missing(count)]


def _room(contenders: Sequence[Contender]) -> int:
    return min((room(contender.study.device) for contender in contenders if contender.study is not None), default=1)
