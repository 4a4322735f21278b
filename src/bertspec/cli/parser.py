"""The words of the command line."""

from __future__ import annotations

import argparse
from typing import Any

import bertspec
from bertspec.cli import doctor, listing, lock, predict, run, show, sync

__all__ = ["build"]

_EPILOG = """\
examples:
  bertspec run --encoder bert-tiny --task bundled/sentiment
  bertspec list runs
  bertspec predict latest "the film was good ."
  bertspec doctor

exit status:
  0 done                            3 something outside failed: source, disk, device
  1 the answer is no                4 training diverged
  2 bad usage or bad input        130 interrupted

Feature files are run by pytest: pytest my.feature
"""


def build() -> argparse.ArgumentParser:
    """The parser of every command; a parsed command line carries ``execute``, the function that runs it."""
    parser = argparse.ArgumentParser(
        prog="bertspec",
        description="Executable specifications for BERT-family encoders: fine-tune, look, predict.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"bertspec {bertspec.__version__}")
    _common(parser, default=0)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (run, listing, show, predict, lock, sync, doctor):
        _add(commands, module)
    return parser


def _add(commands: Any, module: Any) -> None:
    own = commands.add_parser(
        module.NAME,
        help=module.HELP,
        description=module.__doc__,
        epilog=module.EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(own)
    _common(own, default=argparse.SUPPRESS)
    own.set_defaults(execute=module.execute)


def _common(parser: argparse.ArgumentParser, *, default: Any) -> None:
    parser.add_argument(
        "-v", "--verbose", action="count", default=default, help="say more; -vv says all, with tracebacks"
    )
