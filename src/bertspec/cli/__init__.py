"""The command line: ``bertspec run``, ``list``, ``show``, ``predict``, ``lock``, ``sync``, ``doctor``.

The exit status says how it went:

===  ==============================================================================================
  0  done
  1  the answer is no: ``doctor`` found that the main job cannot run, ``sync`` left something behind
  2  bad usage or bad input: an unknown name, a value that is not allowed, rows that do not fit
  3  something outside failed: a source that does not answer, a disk that is full, a missing device
  4  training diverged
130  interrupted
===  ==============================================================================================
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

from bertspec.errors import (
    BertspecError,
    DataError,
    DeviceError,
    Diverged,
    InvalidSpec,
    SourceError,
    StoreError,
    UnknownName,
)

__all__ = ["main"]

_EXIT = {InvalidSpec: 2, UnknownName: 2, DataError: 2, SourceError: 3, StoreError: 3, DeviceError: 3, Diverged: 4}
_INTERRUPTED = 130
_BUG = 70
"""What sysexits.h calls EX_SOFTWARE."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit status."""
    from bertspec.cli.parser import build

    parser = build()
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        argcomplete.autocomplete(parser)
    arguments = parser.parse_args(argv)
    logging.basicConfig(
        level=(logging.WARNING, logging.INFO, logging.DEBUG)[min(arguments.verbose, 2)],
        format="%(levelname)s %(name)s: %(message)s" if arguments.verbose else "%(levelname)s: %(message)s",
    )
    try:
        status: int = arguments.execute(arguments)
        sys.stdout.flush()
    except BertspecError as error:
        return _told(error, verbose=arguments.verbose)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; finished runs are kept\n")
        return _INTERRUPTED
    except BrokenPipeError:  # the reader has seen enough, as with | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as bug:
        if arguments.verbose or os.environ.get("BERTSPEC_DEBUG"):
            raise
        sys.stderr.write(f"error: unexpected {type(bug).__name__}: {bug}\nThe same command with -v shows where.\n")
        return _BUG
    return status


def _told(error: BertspecError, *, verbose: int) -> int:
    if verbose > 1:
        logging.getLogger("bertspec").debug("where it was raised", exc_info=error)
    sys.stderr.write(f"error: {error}\n")
    return next((status for kind, status in _EXIT.items() if isinstance(error, kind)), 1)
