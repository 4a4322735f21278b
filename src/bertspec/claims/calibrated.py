"""Verdicts by the record of a study, where there is one, and by a conservative prior where there is none."""

from __future__ import annotations

import logging

from bertspec import metrics, study
from bertspec.catalog import Catalog
from bertspec.claims import studies
from bertspec.claims.calibration import Reference, find, find_by
from bertspec.config import StudyConfig
from bertspec.errors import InvalidConfig
from bertspec.statistics import Claim, Spread, Verdict
from bertspec.store import StoredRun
from bertspec.study import Session, Study

__all__ = ["at_its_record", "judge", "judge_contrast", "reference", "require", "spread_of_run"]

_log = logging.getLogger(__name__)

_SPREADS_BELOW = 2.0
"""How far a calibrated bound lies below the record's mean, in s⁺. An unchanged build then fails once in 9,000."""


def reference(of: Study) -> Reference:
    """The record of a study."""
    found = find(of.config, of.inputs, of.session.catalog)
    if found.stale and found.record is None:
        _log.warning("%s; it is not used. `bertspec calibrate` makes a new one", found.stale)
    return found


def judge(of: Study, claim: Claim) -> Verdict:
    """The verdict on a claim about the mean of a metric; see :func:`bertspec.claims.studies.judge`."""
    return studies.judge(of, claim, _spread(of, claim.quantity))


def judge_contrast(of: Study, other: Study, claim: Claim, *, multiple: bool = False) -> Verdict:
    """The verdict on a claim about two studies; see :func:`bertspec.claims.studies.judge_contrast`."""
    spreads = _spread(of, claim.quantity), _spread(other, claim.quantity)
    return studies.judge_contrast(of, other, claim, spreads, multiple=multiple)


def at_its_record(of: Study, metric: str) -> Claim:
    """The claim that a metric is where its record says, at most two s⁺ worse than the mean of the reference runs.

    Raises:
        InvalidConfig: the study has no record that may be used.
        UnknownName: no metric is called so.
    """
    found, known = reference(of), metrics.find(metric)
    if found.record is None or known.name not in found.record.metrics:
        raise _missing(of.config, metric, found)
    measured, runs, lower = found.record.metrics[known.name], len(found.record.seeds), known.better == "lower"
    bound = round(measured.mean + (1 if lower else -1) * _SPREADS_BELOW * measured.std_upper, 4)
    source = (
        f"calibrated: {measured.mean:.4f} in {runs} runs of {found.record.made}, "
        f"{'plus' if lower else 'less'} 2 spreads of {measured.std_upper:g}"
    )
    return Claim(metric, "at most" if lower else "at least", bound, source=source)


def require(config: StudyConfig, session: Session, names: tuple[str, ...]) -> None:
    """Refuse, before training, a study without a record for these metrics.

    Raises:
        InvalidConfig: it has none.
    """
    if not names:
        return
    found = find(config, study.gather(config, session.sources), session.catalog)
    for metric in names:
        if found.record is None or metrics.find(metric).name not in found.record.metrics:
            raise _missing(config, metric, found)


def spread_of_run(run: StoredRun, metric: str, catalog: Catalog) -> Spread:
    """The seed spread of a study, by one of its stored runs.

    Raises:
        InvalidConfig: a record cannot be read.
    """
    origins = run.result.facts.provenance
    contents = {name: getattr(origins, name).sha256 for name in ("encoder", "tokenizer", "data")}
    return _by(find_by(run.config, contents, catalog), metric)


def _spread(of: Study, quantity: str) -> Spread:
    return _by(reference(of), quantity)


def _by(found: Reference, quantity: str) -> Spread:
    metric = metrics.find(quantity)
    if found.record is not None and found.file is not None and metric.name in found.record.metrics:
        measured, runs = found.record.metrics[metric.name], len(found.record.seeds)
        return Spread(measured.std_upper, f"{measured.std_upper:.4f}, calibrated on {runs} seeds", measured.mean)
    prior = Spread.prior(metric.highest - metric.lowest)
    passed_over = found.stale or found.recipe
    return Spread(prior.std_upper, f"{prior.source}; {passed_over}") if passed_over else prior


def _missing(config: StudyConfig, metric: str, found: Reference) -> InvalidConfig:
    return InvalidConfig(
        f"a study without a calibration record has no calibrated {metric}",
        given=found.stale or found.recipe or config.title,
        allowed="a bound in figures, or a record: bertspec calibrate FEATURE",
        where="configs/calibrations",
    )
