"""What a W&B record must hold of a finished run."""

from __future__ import annotations

from pathlib import Path

from bertspec.store import StoredRun
from bertspec.tracking import find_run, sampled_steps

__all__ = ["difference"]


def difference(run: StoredRun, directory: Path) -> str | None:
    """What the offline record of a run lacks or has wrong; none where it agrees with the store."""
    record, facts = find_run(directory, run.fingerprint), run.result.facts
    if record is None:
        return f"seed {run.config.seed} has no record below {directory}"
    sampled = [run.result.curve.loss[step - 1] for step in sampled_steps(facts.steps)]
    found = {
        "loss curve": record.curve("training/loss") == sampled,
        "seed": record.config.get("seed") == run.config.seed,
        "group": run.config.task.name in record.group,
        "scores": all(record.summary.get(f"evaluation/{name}") == value for name, value in facts.scores.items()),
        "end": record.exit_code == 0,
    }
    wrong = [name for name, right in found.items() if not right]
    return f"seed {run.config.seed}: the record's {', '.join(wrong)} differ" if wrong else None
