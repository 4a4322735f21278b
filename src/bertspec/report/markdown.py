"""A session as Markdown, for a pull request or a job's summary."""

from __future__ import annotations

import math
import re
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate

from bertspec.printing import counted, printable
from bertspec.report.sweeps import ranks
from bertspec.results import ClaimRecord, SessionRecord, SweepRecord

__all__ = ["markdown"]

_SIGNS = {"PASS": "✅", "FAIL": "❌", "UNDECIDED": "❔", "MISSING": "❌"}
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~$-])")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;", ":": "&#58;"})
_ORDER = ("FAIL", "MISSING", "UNDECIDED", "PASS")
_ROWS = 200
_SWEEPS = 5
_TEXT_LIMIT, _CLAIMS_LIMIT = 400, 45_000
"""Characters of one text, and of all claims: a comment on a pull request holds up to 65,536."""


def markdown(session: SessionRecord, sweeps: Sequence[SweepRecord] = ()) -> str:
    """The claims of a session as a table, failures first; then the baseline, the sweeps, and what was not run.

    All text is escaped.

    Args:
        session: the record of the session.
        sweeps: the sweeps to rank below it; the first five are shown.
    """
    claims = [(scenario.title, claim) for scenario in session.scenarios for claim in scenario.claims]
    counts = Counter(claim.verdict for _, claim in claims)
    left_out = Counter(s.reason or "" for s in session.scenarios if s.outcome == "not run")
    broken = [s for s in session.scenarios if s.outcome == "failed" and all(c.verdict == "PASS" for c in s.claims)]
    lines = [
        f"### bertspec: {counts['PASS']} PASS, {counts['FAIL']} FAIL, {counts['UNDECIDED']} UNDECIDED",
        "",
        *(f"- ❌ {_plain(scenario.title)}: {_prose(scenario.reason or '')}" for scenario in broken),
        *_claims(claims),
        *_against(session),
        *(line for sweep in sweeps[:_SWEEPS] for line in _ranking(sweep)),
        "",
        *(f"- {count} not run: {_prose(reason)}" for reason, count in left_out.items()),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _claims(claims: Sequence[tuple[str, ClaimRecord]]) -> Iterator[str]:
    if not claims:
        return
    yield from ("", "| | scenario | claim | measured | interval |", "|---|---|---|---|---|")
    ordered = sorted(claims, key=lambda pair: pair[1].verdict == "PASS")
    rows = [_row(title, claim) for title, claim in ordered[:_ROWS]]
    kept = [row for row, end in zip(rows, accumulate(map(len, rows)), strict=True) if end < _CLAIMS_LIMIT]
    yield from kept
    if len(claims) > len(kept):
        yield f"\n… and {len(claims) - len(kept)} more claims"
    yield ""
    for rates, count in Counter(claim.pass_rates for _, claim in claims if claim.pass_rates).items():
        yield f"- pass rates of {counted(count, 'claim')}: {_prose(rates)}"


def _against(session: SessionRecord) -> Iterator[str]:
    """The quantities of a baseline, the worse ones first."""
    if session.against is None:
        return
    yield from ("", f"#### Against {_plain(session.against)}", "")
    yield from ("| | study | quantity | baseline | now | change |", "|---|---|---|---|---|---|")
    for each in sorted(session.compared, key=lambda one: _ORDER.index(one.outcome))[:_ROWS]:
        then, now = _number(each.then), _number(each.now)
        why = f" ({_prose(each.reason)})" if each.reason else ""
        yield (
            f"| {_SIGNS[each.outcome]} {each.outcome} | {_plain(each.title)} | {_plain(each.quantity)}{why} "
            f"| {then} | {now} | {_interval(each.interval, sign='+')} |"
        )


def _ranking(sweep: SweepRecord) -> Iterator[str]:
    """The contenders of a sweep, the best first, or its best trial where it compares nothing."""
    done = f"{len(sweep.trials)} of {sweep.planned} trials, {sweep.method}"
    yield from ("", f"#### Sweep {_plain(sweep.name)}: {_plain(sweep.metric)}, {done}", "")
    compared = sweep.comparison
    if compared is None:
        scored = [trial for trial in sweep.trials if trial.state == "finished" and trial.score is not None]
        best = sorted(scored, key=lambda trial: trial.score or 0.0, reverse=sweep.goal == "maximize")[:1]
        yield from (f"- best: trial {each.number}, {each.score:.3f}" for each in best)
        return
    yield from (
        f"- ❔ not a fair comparison, so no claim is judged by it: {_prose(reason)}" for reason in compared.unfair
    )
    yield from ("", f"| rank | {_plain(compared.parameter)} | trials | tuned | confirmed | interval | decades |")
    yield "|---|---|---|---|---|---|---|"
    for each in compared.contenders:
        scores = f"{_number(each.tuned)} | {_number(each.mean)} | {_interval(each.interval)}"
        yield f"| {ranks(each)} | {_plain(each.name)} | {each.trials} | {scores} | {_number(each.sensitivity)} |"


def _row(title: str, claim: ClaimRecord) -> str:
    remark = claim.reason or claim.detectable_drop
    why = f" ({_prose(remark)})" if remark else ""
    return (
        f"| {_SIGNS[claim.verdict]} {claim.verdict} | {_plain(title)} | {_plain(claim.claim)}{why} "
        f"| {_number(claim.value)} | {_interval(claim.interval)} |"
    )


def _number(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.3f}"


def _interval(interval: tuple[float, float] | None, *, sign: str = "") -> str:
    return "" if interval is None else f"{interval[0]:{sign}.3f} to {interval[1]:{sign}.3f}"


def _prose(text: str) -> str:
    """Prose, whose line breaks mean nothing, as :func:`_plain`."""
    return _plain(" ".join(text.split()))


def _plain(text: str) -> str:
    """The text on one line, shortened, with every character escaped that Markdown, HTML or a terminal would act on."""
    shown = printable(text)
    short = textwrap.shorten(shown, _TEXT_LIMIT, placeholder=" …") if len(shown) > _TEXT_LIMIT else shown
    return _SPECIAL.sub(r"\\\1", short).translate(_ENTITIES).replace("www.", "www&#46;")
