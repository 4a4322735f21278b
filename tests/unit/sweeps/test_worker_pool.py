from __future__ import annotations

import threading
from multiprocessing import Pipe

from bertspec.errors import BertspecError, InvalidConfig, UnknownName
from bertspec.sweeps.worker_pool import _picklable


def sent(error: Exception) -> Exception:
    """The error as the parent of a worker receives it."""
    ours, theirs = Pipe()
    with ours, theirs:
        theirs.send(_picklable(error))
        received = ours.recv()
    assert isinstance(received, Exception)
    return received


def test_an_error_of_bertspec_keeps_its_type_and_its_parts() -> None:
    given = InvalidConfig("steps: too few", given=[0], allowed="a number above 0", where="mine.yaml, line 3")
    received = sent(given)
    assert type(received) is InvalidConfig
    assert str(received) == str(given)
    assert (received.problem, received.given, received.allowed, received.where) == (
        "steps: too few", [0], "a number above 0", "mine.yaml, line 3",
    )  # fmt: skip


def test_an_error_with_an_initializer_of_its_own_arrives_as_it_was() -> None:
    given = UnknownName("task", "nothing", ["few", "many"])
    received = sent(given)
    assert isinstance(received, BertspecError)
    assert (type(received), str(received)) == (UnknownName, str(given))


def test_an_error_of_a_library_that_cannot_be_pickled_arrives_as_its_kind() -> None:
    class Disconnected(OSError):
        def __init__(self) -> None:
            super().__init__("the server is gone")
            self.lock = threading.Lock()

    received = sent(Disconnected())
    assert (type(received), str(received)) == (OSError, "the server is gone")


def test_a_bug_arrives_with_the_traceback_of_the_worker() -> None:
    try:
        _ = {"epochs": 1}["steps"]
    except KeyError as bug:
        received = sent(bug)
    assert type(received) is RuntimeError
    assert str(received).startswith("a worker failed: KeyError: 'steps'\nTraceback")
    assert "test_worker_pool.py" in str(received)
