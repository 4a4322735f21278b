# PYTHON_ARGCOMPLETE_OK: shells that complete every Python command look for these words.
"""The command line: every command parses its arguments, calls ``bertspec.api`` and shows the result.

The commands are the modules of ``cli.commands``. The exit status:

===  ======================================================================================================
  0  done
  1  the answer is no: ``doctor`` sees that the main job cannot run, a run did not ``sync``, a trial failed
  2  bad usage or bad input: an unknown name, a value that is not allowed, rows that do not fit
  3  something outside failed: a source that does not answer, a full disk, a missing device
  4  training diverged
 70  a bug of bertspec
130  interrupted
===  ======================================================================================================

Closing the pipe early, as in ``bertspec list runs | head``, is not an error.
"""

from __future__ import annotations

import argparse
import functools
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from bertspec.errors import (
    BertspecError,
    DataError,
    DeviceError,
    Diverged,
    FormerName,
    InvalidConfig,
    SourceError,
    StoreError,
    UnknownName,
)
from bertspec.printing import printable

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
_LINES = "\n\t"
"""Characters of tracebacks that stay."""
_INTERRUPTED = 130
_BUG = 70
"""EX_SOFTWARE of sysexits.h."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    arguments = argparse.Namespace(verbose=0)
    _open_closed_streams()
    try:
        return _run(argv, arguments)
    except KeyboardInterrupt:
        _write(f"interrupted{_kept_runs(arguments)}")
        return _INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at exit
        return 0
    except Exception as error:  # noqa: BLE001 - the user gets a message, whatever failed
        return _report(error, verbose=arguments.verbose)


def _open_closed_streams() -> None:
    """Replace streams that the caller closed (``>&-``), which Python sets to None."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - open until exit


def _run(argv: Sequence[str] | None, arguments: argparse.Namespace) -> int:
    from bertspec.cli.commands import build_parser, parse

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a character that the terminal cannot encode becomes a question mark
    parser = build_parser()
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        argcomplete.autocomplete(parser)
    parse(parser, argv, arguments)
    handler = logging.StreamHandler()
    handler.setFormatter(
        _EscapingFormatter("%(levelname)s %(name)s: %(message)s" if arguments.verbose else "%(message)s")
    )
    logging.basicConfig(handlers=[handler])
    logging.getLogger("bertspec").setLevel((logging.WARNING, logging.INFO, logging.DEBUG)[min(arguments.verbose, 2)])
    _check_current_folder()
    with warnings.catch_warnings():
        warnings.showwarning = functools.partial(_show_warning, warnings.showwarning)
        status: int = arguments.execute(arguments)
    sys.stdout.flush()
    return status


class _EscapingFormatter(logging.Formatter):
    """Escapes what a terminal could act on, as messages quote labels and stored records. Only tracebacks have lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - a method of logging.Formatter
        return printable(super().formatMessage(record))

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record), keep=_LINES)


def _check_current_folder() -> None:
    """Refuse to run in a folder that was deleted: every relative path would fail, with a message about another file."""
    try:
        os.getcwd()  # noqa: PTH109 - Path.cwd() is the same call
    except FileNotFoundError as gone:
        raise StoreError("the current folder was deleted", allowed="cd to a folder that exists") from gone


def _show_warning(
    otherwise: Callable[..., None], message: Warning | str, category: type[Warning], *where: Any, **more: Any
) -> None:
    """Show a former name like any message; leave other warnings to Python."""
    if issubclass(category, FormerName):
        _write(str(message))
    else:
        otherwise(message, category, *where, **more)


def _report(error: Exception, *, verbose: int) -> int:
    """Write one message, with the traceback if it is asked for, and return the exit status."""
    from bertspec.tracking.connection import without_secrets

    status = next((status for kind, status in _EXIT.items() if isinstance(error, kind)), _BUG)
    # By its name: importing torch takes seconds. A library that cannot be mapped needs memory, or is broken.
    outside = type(error).__name__ == "OutOfMemoryError" or (isinstance(error, ImportError) and ".so" in str(error))
    status = 3 if outside else status
    if verbose > 1 or os.environ.get("BERTSPEC_DEBUG"):
        _write(without_secrets("".join(traceback.format_exception(error)).rstrip()), keep=_LINES)
    name = "" if isinstance(error, BertspecError) else f"{type(error).__name__}: "
    bug = status == _BUG  # of a worker, with its traceback
    _write(f"error: {'unexpected ' if bug else ''}{name}{without_secrets(error)}", keep=_LINES if bug else "")
    if bug:
        _write("This is a bug of bertspec. Run the same command with -vv, or with BERTSPEC_DEBUG=1, to see where.")
    return status


def _kept_runs(arguments: argparse.Namespace) -> str:
    """How many finished runs the store has."""
    if not hasattr(arguments, "store"):
        return ""
    from bertspec.store import Store

    kept = Store.locate(arguments.store)
    count = kept.count()
    return f"; {count} {'run is' if count == 1 else 'runs are'} kept in {kept.root}"


def _write(line: str, *, keep: str = "") -> None:
    sys.stderr.write(f"{printable(line, keep=keep)}\n")
