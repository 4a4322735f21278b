"""Measure how well the studies of feature files do, and how far their seeds lie apart; write it down for review.

Each study that a scenario claims a quality of is run on reference seeds, which no scenario uses. Its record, mean
and spread of every metric with hashes of all that it was made with, goes to configs/calibrations/ in this folder.
"""

from __future__ import annotations

import argparse

from bertspec.arguments import int_between, positive_int
from bertspec.cli import options as shared

__all__ = ["EPILOG", "HELP", "NAME", "add_arguments", "execute"]

NAME = "calibrate"
HELP = "measure means and seed spreads of the studies in feature files"
EPILOG = """\
examples:
  bertspec calibrate my.feature
  bertspec calibrate features/fine_tuning -k "bert-tiny and sentiment"
  bertspec calibrate my.feature --runs 10 --workers 2
  git diff configs/calibrations

A verdict uses the record of exactly its study: the same encoder, tokenizer, rows, task and recipe. One that no longer
matches is reported as stale and not used. With fewer runs the spread's upper limit grows: 1.28 times the estimate
for 20, 1.47 for 10, 1.94 for 5. Runs that the store has are not made again.
"""

_FEWEST, _MOST = 3, 900
_OURS_IS_LOADED = ("-W", "ignore:Module already imported so cannot be rewritten:pytest.PytestAssertRewriteWarning")
"""This command has loaded bertspec before pytest could; where warnings are errors, saying so would end it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to calibrate."""
    parser.add_argument("features", nargs="+", metavar="FEATURE", help="feature files, or folders of them")
    parser.add_argument(
        "--runs",
        type=int_between(_FEWEST, _MOST),
        default=20,
        metavar="N",
        help="reference runs of each study (default: 20)",
    )
    parser.add_argument("-k", metavar="EXPRESSION", dest="expression", help="only scenarios that match, as in pytest")
    parser.add_argument(
        "--workers", type=positive_int, metavar="N", help="processes (needs pytest-xdist; default: this one)"
    )
    parser.add_argument("--tags", metavar="EXPRESSION", help="only scenarios with these tags, as pytest's -m")
    shared.add_device(parser)
    shared.add_store(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Let pytest find and run the scenarios."""
    import pytest

    from bertspec.store import store_folder

    options = [*arguments.features, f"--calibrate={arguments.runs}", f"--bertspec-device={arguments.device}"]
    options += [f"--bertspec-store={store_folder(arguments.store)}", *_OURS_IS_LOADED]
    options += ["-k", arguments.expression] * bool(arguments.expression)
    options += ["-m", arguments.tags] * bool(arguments.tags)
    options += ["-n", str(arguments.workers)] * bool(arguments.workers)
    status = pytest.main(options)
    return {pytest.ExitCode.OK: 0, pytest.ExitCode.TESTS_FAILED: 1, pytest.ExitCode.INTERRUPTED: 130}.get(
        pytest.ExitCode(status), 2
    )
