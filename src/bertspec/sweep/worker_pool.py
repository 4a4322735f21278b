"""Worker processes, each with one trial at a time. They end with the process that started them, however it ends."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing import connection
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from bertspec import errors
from bertspec.results import Point, TrialRecord
from bertspec.study import Session

if TYPE_CHECKING:
    from bertspec.device import Device

__all__ = ["Job", "Reached", "WorkerDied", "WorkerPool", "room"]

_PATIENCE_S = 5.0
"""For a worker that was asked to end."""


@dataclass(frozen=True, slots=True)
class Job:
    """A trial for a worker."""

    number: int
    parameters: Mapping[str, Any]
    contender: str | None
    metric: str
    judged: bool = False
    """Whether its evaluations on the way are told, and may stop it."""
    confirms: int | None = None
    """The fresh seed on which it confirms a choice: on the whole training split, scored on the evaluation split."""


@dataclass(frozen=True, slots=True)
class Reached:
    """A trial evaluated on the way; its worker waits for the answer."""

    order: Job
    point: Point


@dataclass(frozen=True, slots=True)
class WorkerDied:
    """A worker is gone, and its trial with it."""

    order: Job
    why: str


@dataclass(slots=True)
class _Worker:
    process: Any
    pipe: connection.Connection
    order: Job | None = None


@dataclass(slots=True)
class WorkerPool:
    """So many workers; a dead one is replaced when the next trial comes."""

    session: Session
    size: int
    _workers: list[_Worker] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for worker in self._workers:
            worker.pipe.close()
            if worker.order is not None:
                worker.process.terminate()
        for worker in self._workers:
            worker.process.join(_PATIENCE_S)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()

    @property
    def busy(self) -> int:
        """How many have a trial."""
        return sum(worker.order is not None for worker in self._workers)

    def start(self, order: Job) -> None:
        """Give a trial to a worker that has none; there must be room for it."""
        worker = next((worker for worker in self._workers if worker.order is None), None) or self._hired()
        worker.order = order
        with contextlib.suppress(OSError):  # it died while it had nothing to do; its end is heard in events
            worker.pipe.send(order)

    def answer(self, order: Job, stop: str | None) -> None:
        """Tell the worker of a trial whether to stop, and why."""
        for worker in self._workers:
            if worker.order == order:
                with contextlib.suppress(OSError):  # as above
                    worker.pipe.send(stop)

    def events(self) -> Iterator[TrialRecord | Reached | WorkerDied]:
        """What happened, once something has.

        Raises:
            BertspecError: what ended a trial, and would end every other.
            RuntimeError: a bug, with the worker's own traceback.
        """
        heard = {worker.pipe: worker for worker in self._workers if worker.order is not None}
        for pipe in connection.wait(list(heard)):
            worker = heard[pipe]  # type: ignore[index]
            order = worker.order
            assert order is not None  # noqa: S101 - only those were listened to
            try:
                said = worker.pipe.recv()
            except (EOFError, OSError):
                self._workers.remove(worker)
                worker.process.join(_PATIENCE_S)
                yield WorkerDied(order, _how(worker.process.exitcode))
                continue
            if isinstance(said, _Trouble):
                said.raise_again()
            if isinstance(said, Point):
                yield Reached(order, said)
                continue
            worker.order = None
            yield said

    def _hired(self) -> _Worker:
        context = multiprocessing.get_context("spawn")  # a fork would share torch's threads and their locks
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, self.session), daemon=True)
        process.start()
        theirs.close()
        worker = _Worker(process, ours)
        self._workers.append(worker)
        return worker


def room(chosen: Device) -> int:
    """As many workers as the cores have room for; one where they would share an accelerator."""
    from bertspec import device

    return max(1, device.cores() // chosen.threads) if chosen.kind == "cpu" else 1


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        return f"its worker process was killed by {signal.Signals(-code).name}"
    return f"its worker process ended with status {code}"


@dataclass(frozen=True, slots=True)
class _Trouble:
    """An error of a worker, in words: what an exception holds may not travel."""

    kind: str
    message: str
    trace: str

    @classmethod
    def of(cls, error: Exception) -> _Trouble:
        outside = next((kind for kind in (OSError, MemoryError) if isinstance(error, kind)), type(error))
        return cls(outside.__name__, str(error), traceback.format_exc())

    def raise_again(self) -> None:
        kind = getattr(errors, self.kind, None) or {"OSError": OSError, "MemoryError": MemoryError}.get(self.kind)
        if kind is None:
            raise RuntimeError(f"a worker failed: {self.kind}: {self.message}\n{self.trace}")
        error: Exception = kind.__new__(kind)
        Exception.__init__(error, self.message)  # past an initialiser that would put the message together once more
        raise error


def _work(pipe: connection.Connection, session: Session) -> None:
    """The life of a worker: trial after trial, until nobody has one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started us
    _end_with_parent()
    logging.basicConfig(format="%(message)s")
    while True:
        try:
            order: Job = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            said: Any = _trial(order, session, pipe)
        except Exception as error:  # noqa: BLE001 - the process that started us raises it again
            said = _Trouble.of(error)
        pipe.send(said)


def _trial(order: Job, session: Session, pipe: connection.Connection) -> TrialRecord:
    from bertspec.sweep import trial

    def told(point: Point) -> str | None:
        pipe.send(point)
        answer: str | None = pipe.recv()
        return answer

    return trial.run(
        order.number,
        order.parameters,
        session,
        metric=order.metric,
        contender=order.contender,
        told=told if order.judged else None,
        confirms=order.confirms,
    )


def _end_with_parent() -> None:
    """Killed, a parent cannot tell its workers; the end of its pipe does, even in the midst of training."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101 - a spawned process has one

    def wait() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
