"""The commands and their parser.

Each command is a module with NAME, HELP, EPILOG, ``add_arguments(parser)`` and ``execute(arguments) -> int``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

import bertspec
from bertspec.cli.commands import (
    baseline,
    calibrate,
    doctor,
    listing,
    lock,
    measure,
    predict,
    report,
    run,
    show,
    sweep,
    sync,
    trial,
)
from bertspec.errors import cut_short
from bertspec.printing import printable
from bertspec.records import did_you_mean

__all__ = ["COMMANDS", "build_parser", "parse"]

COMMANDS = (run, sweep, trial, listing, show, predict, measure, report, calibrate, baseline, lock, sync, doctor)

_OTHERWISE_CALLED = {
    "--lr": "--learning-rate",
    "--wd": "--weight-decay",
    "--bs": "--batch-size",
    "--model": "--encoder",
    "--dataset": "--task",
    "--data": "--task",
    "--warmup": "--warmup-fraction",
    "--scheduler": "--schedule",
}
"""Options by the names that other programs give them."""

_EPILOG = """\
examples:
  bertspec run --encoder bert-tiny --task bundled/sentiment
  bertspec list runs
  bertspec predict latest "the film was good ."
  bertspec doctor

exit status:
  0 done                            4 training diverged
  1 the answer is no               70 a bug of bertspec
  2 bad usage or bad input        130 interrupted
  3 something outside failed: source, disk, device

pytest runs feature files: pytest my.feature
"""


class _Parser(argparse.ArgumentParser):
    """Reports an error in one line, without the usage: twenty options would hide it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {cut_short(printable(message), 1000)} (see {self.prog} --help)\n")


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command; a parsed command line carries ``execute``, the function that runs it."""
    parser = _Parser(
        prog="bertspec",
        description="Executable specifications for BERT-family encoders: fine-tune, compare, measure, predict.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"bertspec {bertspec.__version__}")
    _common(parser, default=0)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in COMMANDS:
        _add(commands, module)
    return parser


def parse(parser: argparse.ArgumentParser, argv: Sequence[str] | None, arguments: argparse.Namespace) -> None:
    """Parse a command line. A command with the default ``further`` also gets the words that are not its options."""
    _, further = parser.parse_known_args(argv, arguments)
    if further and not hasattr(arguments, "further"):
        first = next((word for word in further if word.startswith("-")), further[0]).partition("=")[0]
        meant = did_you_mean(_OTHERWISE_CALLED.get(first, first), arguments.options)
        parser.error(f"unrecognized arguments: {' '.join(further)}{meant}")
    arguments.further = further


def _add(commands: Any, module: Any) -> None:
    own = commands.add_parser(
        module.NAME,
        help=module.HELP,
        description=module.__doc__,
        epilog=module.EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # a new option could make an abbreviation in a script ambiguous
    )
    module.add_arguments(own)
    _common(own, default=argparse.SUPPRESS)
    own.set_defaults(execute=module.execute, options=tuple(own._option_string_actions))  # noqa: SLF001 - no public name


def _common(parser: argparse.ArgumentParser, *, default: Any) -> None:
    parser.add_argument(
        "-v", "--verbose", action="count", default=default, help="log more; -vv logs everything, with tracebacks"
    )
