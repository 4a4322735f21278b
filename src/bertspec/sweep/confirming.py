"""Confirm several contenders at once, in processes; the store has the runs then, and who asks finds them there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bertspec.study import Workbench
from bertspec.sweep.crew import Crew, Order, room
from bertspec.sweep.rivals import Rival

__all__ = ["Counted", "ahead"]

Counted = Callable[[int, int], None]
"""Hears how many runs of the confirmation there are, and how many there are to be."""

_FEW = 4
"""Runs that are not worth the seconds in which workers start."""


def ahead(
    rivals: Sequence[Rival], count: int, bench: Workbench, *, processes: int | None, told: Counted | None
) -> bool:
    """Train what the store has not of the contenders' first runs, in several processes at once; tell whether it did.

    What fails here, or costs a worker its life, is left to who asks for the run, and tells the error.

    Args:
        rivals: the contenders that have a study.
        count: how many runs each is to have.
        bench: where they are run; each process gets a copy.
        processes: runs at a time; none takes as many as the cores allow, and 1 leaves all to who asks.
        told: hears of the progress.

    Raises:
        BertspecError: what would end every run; finished ones are kept.
        KeyboardInterrupt: as above.
    """
    orders = [order for rival in rivals for order in _orders(rival, count)]
    total = count * len(rivals)
    size = min(processes or _room(rivals), len(orders))
    if size < 2 or len(orders) <= _FEW:
        return False
    waiting = list(orders)
    with Crew(bench, size) as crew:
        while waiting or crew.busy:
            while waiting and crew.busy < size:
                crew.start(waiting.pop(0))
            for _ in crew.events():
                if told is not None:
                    told(total - len(waiting) - crew.busy, total)
    return True


def _orders(rival: Rival, count: int) -> list[Order]:
    study, best = rival.study, rival.best
    if study is None or best is None:
        return []
    metric = study.spec.task.metrics[0]
    return [Order(best.number, best.parameters, rival.name, metric, confirms=seed) for seed in study.missing(count)]


def _room(rivals: Sequence[Rival]) -> int:
    return min((room(rival.study.device) for rival in rivals if rival.study is not None), default=1)
