"""A session in a few lines of Markdown: for a pull request, or a job's summary."""

from __future__ import annotations

import re
from collections import Counter

from bertspec.evidence import ClaimEvidence, SessionEvidence

__all__ = ["markdown"]

_SIGNS = {"PASS": "✅", "FAIL": "❌", "UNDECIDED": "❔"}
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~$-])")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;", ":": "&#58;"})
_ROWS = 200


def markdown(session: SessionEvidence) -> str:
    """The claims as a table, those that did not pass first; then what was not run. All text in it is escaped."""
    claims = [(scenario.title, claim) for scenario in session.scenarios for claim in scenario.claims]
    counts = Counter(claim.verdict for _, claim in claims)
    left_out = Counter(s.reason or "" for s in session.scenarios if s.outcome == "not run")
    broken = [s for s in session.scenarios if s.outcome == "failed" and all(c.verdict == "PASS" for c in s.claims)]
    lines = [
        f"### bertspec: {counts['PASS']} PASS, {counts['FAIL']} FAIL, {counts['UNDECIDED']} UNDECIDED",
        "",
        *(f"- ❌ {_plain(scenario.title)}: {_plain(scenario.reason or '')}" for scenario in broken),
    ]
    if claims:
        lines += ["", "| | scenario | claim | measured | interval |", "|---|---|---|---|---|"]
        ordered = sorted(claims, key=lambda pair: pair[1].verdict == "PASS")
        lines += [_row(title, claim) for title, claim in ordered[:_ROWS]]
    if len(claims) > _ROWS:
        lines.append(f"\n… and {len(claims) - _ROWS} more claims")
    lines += ["", *(f"- {count} not run: {_plain(reason)}" for reason, count in left_out.items())]
    return "\n".join(lines).rstrip() + "\n"


def _row(title: str, claim: ClaimEvidence) -> str:
    interval = f"{claim.interval[0]:.3f} to {claim.interval[1]:.3f}" if claim.interval else ""
    why = f" ({_plain(claim.reason)})" if claim.reason and claim.verdict != "PASS" else ""
    return (
        f"| {_SIGNS[claim.verdict]} {claim.verdict} | {_plain(title)} | {_plain(claim.claim)}{why} "
        f"| {claim.value:.3f} | {interval} |"
    )


def _plain(text: str) -> str:
    """The text on one line, without a character that Markdown or HTML would act on."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split())).translate(_ENTITIES)
