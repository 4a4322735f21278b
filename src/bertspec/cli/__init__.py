# PYTHON_ARGCOMPLETE_OK: shells that complete every Python command look for these words.
"""The command line; ``parser.COMMANDS`` has its commands, a module each.

The exit status says how it went:

===  ==============================================================================================
  0  done
  1  the answer is no: ``doctor`` found that the main job cannot run, ``sync`` left something behind, a trial failed
  2  bad usage or bad input: an unknown name, a value that is not allowed, rows that do not fit
  3  something outside failed: a source that does not answer, a disk that is full, a missing device
  4  training diverged
 70  a bug of ours
130  interrupted
===  ==============================================================================================

A reader that has seen enough, as with ``| head``, is no failure.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import traceback
from collections.abc import Sequence

from bertspec.errors import (
    BertspecError,
    DataError,
    DeviceError,
    Diverged,
    InvalidConfig,
    SourceError,
    StoreError,
    UnknownName,
)

__all__ = ["main"]

_EXIT = {
    InvalidConfig: 2,
    UnknownName: 2,
    DataError: 2,
    SourceError: 3,
    StoreError: 3,
    DeviceError: 3,
    Diverged: 4,
    OSError: 3,
    MemoryError: 3,
}
_INTERRUPTED = 130
_BUG = 70
"""What sysexits.h calls EX_SOFTWARE."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit status."""
    arguments = argparse.Namespace(verbose=0)
    _open_what_is_closed()
    try:
        return _run(argv, arguments)
    except KeyboardInterrupt:
        _say(f"interrupted{_kept(arguments)}")
        return _INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
        return 0
    except Exception as error:  # noqa: BLE001 - the last one that could tell it
        return _told(error, verbose=arguments.verbose)


def _open_what_is_closed() -> None:
    """A caller may start us without a stream (``>&-``): Python then has none, and nothing is read or heard."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - to the end


def _run(argv: Sequence[str] | None, arguments: argparse.Namespace) -> int:
    from bertspec.cli.parser import build, parse

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that lacks a letter shows a question mark
    parser = build()
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        argcomplete.autocomplete(parser)
    parse(parser, argv, arguments)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s" if arguments.verbose else "%(message)s")
    logging.getLogger("bertspec").setLevel((logging.WARNING, logging.INFO, logging.DEBUG)[min(arguments.verbose, 2)])
    status: int = arguments.execute(arguments)
    sys.stdout.flush()
    return status


def _told(error: Exception, *, verbose: int) -> int:
    """Tell a user's mistake in one message, and how to see more of what is none."""
    from bertspec.tracking.connection import without_secrets

    status = next((status for kind, status in _EXIT.items() if isinstance(error, kind)), _BUG)
    status = 3 if type(error).__name__ == "OutOfMemoryError" else status  # torch's; it is not imported for that
    if verbose > 1 or os.environ.get("BERTSPEC_DEBUG"):
        _say(without_secrets("".join(traceback.format_exception(error)).rstrip()))
    what = "" if isinstance(error, BertspecError) else f"{type(error).__name__}: "
    _say(f"error: {'unexpected ' if status == _BUG else ''}{what}{without_secrets(error)}")
    if status == _BUG:
        _say("This is a bug of bertspec. The same command with -vv, or with BERTSPEC_DEBUG=1, shows where.")
    return status


def _kept(arguments: argparse.Namespace) -> str:
    """What an interruption did not lose."""
    if not hasattr(arguments, "store"):
        return ""
    from bertspec.store import Store

    kept = Store.locate(arguments.store)
    count = kept.count()
    return f"; {count} {'run is' if count == 1 else 'runs are'} kept in {kept.root}"


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
