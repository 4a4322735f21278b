"""Worker processes that run one trial at a time. They end with the process that started them, however it ends."""

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

from bertspec.errors import BertspecError
from bertspec.results import Point, TrialRecord
from bertspec.study import Session

if TYPE_CHECKING:
    from bertspec.device import Device

__all__ = ["Job", "Progress", "WorkerDied", "WorkerPool", "default_size"]

_JOIN_S = 5.0
"""Seconds that a worker has to end before it is killed."""


@dataclass(frozen=True, slots=True)
class Job:
    """A trial for a worker."""

    number: int
    parameters: Mapping[str, Any]
    contender: str | None
    metric: str
    may_stop: bool = False
    """Whether its evaluations during training are reported, and may stop it."""
    confirms: int | None = None
    """The fresh seed of a confirmation run: on the whole training split, scored on the evaluation split."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A trial was evaluated during training; its worker waits for the answer."""

    job: Job
    point: Point


@dataclass(frozen=True, slots=True)
class WorkerDied:
    """A worker process ended, and its trial with it."""

    job: Job
    reason: str


@dataclass(slots=True)
class _Worker:
    process: Any
    pipe: connection.Connection
    job: Job | None = None


@dataclass(slots=True)
class WorkerPool:
    """Up to ``size`` worker processes; a dead one is replaced when the next trial starts."""

    session: Session
    size: int
    _workers: list[_Worker] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for worker in self._workers:
            worker.pipe.close()
            if worker.job is not None:
                worker.process.terminate()
        for worker in self._workers:
            worker.process.join(_JOIN_S)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()

    @property
    def busy(self) -> int:
        """The number of workers that have a trial."""
        return sum(worker.job is not None for worker in self._workers)

    def start(self, job: Job) -> None:
        """Give a trial to an idle worker; fewer than ``size`` may be busy."""
        worker = next((worker for worker in self._workers if worker.job is None), None) or self._spawn()
        worker.job = job
        with contextlib.suppress(OSError):  # the worker died while it was idle; events reports it
            worker.pipe.send(job)

    def answer(self, job: Job, reason: str | None) -> None:
        """Answer the worker of a trial: the reason to stop it, or ``None`` to go on."""
        for worker in self._workers:
            if worker.job == job:
                with contextlib.suppress(OSError):  # as above
                    worker.pipe.send(reason)

    def events(self) -> Iterator[TrialRecord | Progress | WorkerDied]:
        """Wait until something happens, and yield what did.

        Raises:
            BertspecError: a trial ended with an error that every other would have, too.
            RuntimeError: a bug, with the worker's own traceback.
        """
        listening = {worker.pipe: worker for worker in self._workers if worker.job is not None}
        for pipe in connection.wait(list(listening)):
            worker = listening[pipe]  # type: ignore[index]
            job = worker.job
            assert job is not None  # noqa: S101 - only busy workers were listened to
            try:
                message = worker.pipe.recv()
            except (EOFError, OSError):
                self._workers.remove(worker)
                worker.process.join(_JOIN_S)
                yield WorkerDied(job, _reason(worker.process.exitcode))
                continue
            if isinstance(message, Exception):
                raise message
            if isinstance(message, Point):
                yield Progress(job, message)
                continue
            worker.job = None
            yield message

    def _spawn(self) -> _Worker:
        context = multiprocessing.get_context("spawn")  # a fork would share torch's threads and their locks
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, self.session), daemon=True)
        process.start()
        theirs.close()
        worker = _Worker(process, ours)
        self._workers.append(worker)
        return worker


def default_size(chosen: Device) -> int:
    """The number of workers that the cores allow; one on an accelerator, which they would share."""
    from bertspec import device

    return max(1, device.cores() // chosen.threads) if chosen.kind == "cpu" else 1


def _reason(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"its worker process was killed by {signal.Signals(-exit_code).name}"
    return f"its worker process ended with status {exit_code}"


def _work(pipe: connection.Connection, session: Session) -> None:
    """Run trial after trial until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started us
    _end_with_parent()
    logging.basicConfig(format="%(message)s")
    while True:
        try:
            job: Job = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            outcome: TrialRecord | Exception = _trial(job, session, pipe)
        except Exception as error:  # noqa: BLE001 - the process that started us raises it again
            outcome = _picklable(error)
        pipe.send(outcome)


def _trial(job: Job, session: Session, pipe: connection.Connection) -> TrialRecord:
    from bertspec.sweeps import trial

    def on_progress(point: Point) -> str | None:
        pipe.send(point)
        reason: str | None = pipe.recv()
        return reason

    return trial.run(
        job.number,
        job.parameters,
        session,
        metric=job.metric,
        contender=job.contender,
        on_progress=on_progress if job.may_stop else None,
        confirms=job.confirms,
    )


def _picklable(error: Exception) -> Exception:
    """Our own errors as they are; those of libraries may hold objects that cannot be pickled."""
    if isinstance(error, BertspecError):
        return error
    for kind in (OSError, MemoryError):
        if isinstance(error, kind):
            return kind(str(error))
    return RuntimeError(f"a worker failed: {type(error).__name__}: {error}\n{traceback.format_exc()}")


def _end_with_parent() -> None:
    """End this process when its parent is gone, even in the middle of training: a killed parent sends no message."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101 - a spawned process has one

    def wait() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
