"""Measure mean and seed spread of the studies in feature files, and write a calibration record of each.

Every study with a claim about its quality is run on reference seeds, which no scenario uses. Its record goes to
configs/calibrations/ in this folder: mean and spread of every metric, and hashes of everything that could change them.
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

A verdict uses the record of exactly its study: same encoder, tokenizer, rows, task and recipe. A record that no longer
matches is reported as stale and not used. The upper limit of the spread grows with fewer runs: 1.28 times the estimate
for 20, 1.47 for 10, 1.94 for 5. Runs that the store has are not trained again.
"""

_FEWEST, _MOST = 3, 900
_OURS_IS_LOADED = ("-W", "ignore:Module already imported so cannot be rewritten:pytest.PytestAssertRewriteWarning")
"""This command has loaded bertspec before pytest could; where warnings are errors, saying so would end it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the feature files and the number of runs."""
    parser.add_argument("features", nargs="+", metavar="FEATURE", help="feature files, or folders that hold them")
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
    """Let pytest collect and run the scenarios."""
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
