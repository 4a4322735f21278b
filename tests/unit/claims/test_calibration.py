from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import numpy as np
import pytest
import yaml

from bertspec import claims, study
from bertspec.catalog import Catalog
from bertspec.claims import calibration
from bertspec.config import GeneratedConfig, StudyConfig
from bertspec.errors import InvalidConfig
from bertspec.statistics import Claim
from bertspec.study import Session

SEEDS = (101, 102, 103, 104)


@pytest.fixture
def own(session: Session, tmp_path: Path) -> Session:
    """A session whose only configs are one's own."""
    return dataclasses.replace(session, catalog=Catalog((tmp_path / "configs",)))


def test_a_record_says_what_many_seeds_reached(study_config: StudyConfig, own: Session) -> None:
    file, record = claims.calibrate(study_config, own, seeds=SEEDS)
    scores = study.run(study_config.model_copy(update={"seeds": SEEDS}), own).scores("accuracy")
    measured = record.metrics["accuracy"]
    assert measured.mean == pytest.approx(np.mean(scores), abs=1e-6)
    assert measured.std == pytest.approx(np.std(scores, ddof=1), abs=1e-6)
    assert measured.std_upper >= measured.std
    assert record.seeds == SEEDS
    assert set(record.metrics) == {"accuracy", "f1"}
    assert file.is_relative_to(own.catalog.folders[0] / "calibrations" / "bundled" / "sentiment")


def test_a_record_can_be_read_and_reviewed(study_config: StudyConfig, own: Session) -> None:
    file, record = claims.calibrate(study_config, own, seeds=SEEDS)
    lines = file.read_text("utf-8").splitlines()
    assert lines[0].startswith("# bert-micro · bundled/sentiment · adamw: what 4 seeds reached.")
    assert "seeds: [101, 102, 103, 104]" in lines
    assert calibration.Record.model_validate(yaml.safe_load("\n".join(lines))) == record
    assert {"torch", "device", "engine"} <= set(record.made_with)


def test_a_verdict_goes_by_the_record_of_its_study(study_config: StudyConfig, own: Session) -> None:
    _, record = claims.calibrate(study_config, own, seeds=SEEDS)
    made = claims.begin(study_config.model_copy(update={"seeds": (1, 2, 3)}), own)
    found = claims.judge(made, Claim("accuracy", "at least", 0.01))
    assert found.spread is not None
    assert found.spread.std_upper == record.metrics["accuracy"].std_upper
    assert "calibrated on 4 seeds" in found.spread.source


def test_without_a_record_a_prior_is_used_and_said(study_config: StudyConfig, own: Session) -> None:
    made = claims.begin(study_config.model_copy(update={"seeds": (1, 2, 3)}), own)
    found = claims.judge(made, Claim("accuracy", "at least", 0.01))
    assert found.spread is not None
    assert (found.spread.std_upper, found.spread.source) == (0.025, "prior 0.025, not calibrated")


@pytest.mark.parametrize(("metric", "limit"), [("accuracy", 0.025), ("matthews", 0.05)])
def test_the_prior_grows_with_the_scale_of_the_metric(
    study_config: StudyConfig, own: Session, metric: str, limit: float
) -> None:
    found = claims.judge(study.run(study_config, own), Claim(metric, "at least", -1.0))
    assert found.spread is None  # two seeds
    made = claims.begin(study_config.model_copy(update={"seeds": (1, 2, 3)}), own)
    spread = claims.judge(made, Claim(metric, "at least", -1.0)).spread
    assert spread is not None
    assert spread.std_upper == limit


def test_another_recipe_is_another_study_without_a_record(study_config: StudyConfig, own: Session) -> None:
    claims.calibrate(study_config, own, seeds=SEEDS)
    longer = study_config.recipe.model_copy(update={"steps": 9})
    made = claims.begin(study_config.model_copy(update={"recipe": longer, "seeds": (1, 2, 3)}), own)
    found = claims.reference(made)
    assert (found.record, found.stale) == (None, None)
    spread = claims.judge(made, Claim("accuracy", "at least", 0.01)).spread
    assert spread is not None
    assert "not calibrated; the record" in spread.source
    assert spread.source.endswith("is of another recipe")
    with pytest.raises(InvalidConfig, match="is of another recipe"):
        claims.at_its_record(made, "accuracy")


def test_a_record_of_other_rows_is_stale_and_not_used(
    study_config: StudyConfig, own: Session, caplog: pytest.LogCaptureFixture
) -> None:
    claims.calibrate(study_config, own, seeds=SEEDS)
    fewer = GeneratedConfig(train_rows=95, evaluation_rows=40, label_noise=0.05)
    task = study_config.task.model_copy(update={"generated": fewer})
    made = claims.begin(study_config.model_copy(update={"task": task, "seeds": (1, 2, 3)}), own)
    with caplog.at_level(logging.WARNING):
        found = claims.judge(made, Claim("accuracy", "at least", 0.01))
    assert found.spread is not None
    assert found.spread.std_upper == 0.025
    assert "is stale: another data since" in found.spread.source
    assert "is not used" in caplog.text


def test_sabotage_has_no_record_to_be_stale(study_config: StudyConfig, own: Session) -> None:
    claims.calibrate(study_config, own, seeds=SEEDS)
    task = study_config.task.model_copy(update={"sabotage": "shuffled labels"})
    found = claims.reference(claims.begin(study_config.model_copy(update={"task": task}), own))
    assert (found.record, found.stale) == (None, None)


def test_a_record_that_bertspec_brings_is_still_of_its_study(session: Session) -> None:
    """What a recipe has learnt to say since the record was made changes no study that does not say it."""
    encoder, task = session.catalog.encoder("bert-tiny"), session.catalog.task("bundled/sentiment")
    config = session.catalog.plan(encoder=encoder, task=task, seeds=(1, 2, 3))
    assert config.recipe.optimizer.name == "adamw"
    found = calibration.find(config, study.gather(config, session.sources), session.catalog)
    assert found.stale is None
    assert found.file is not None
    assert found.file.name == "bert-tiny.adamw.7084dbc9.yaml"


def test_what_an_optimizer_is_called_makes_no_record_stale(study_config: StudyConfig, own: Session) -> None:
    inputs = study.gather(study_config, own.sources)
    called = study_config.recipe.optimizer.model_copy(update={"name": "mine"})
    other = study_config.model_copy(update={"recipe": study_config.recipe.model_copy(update={"optimizer": called})})
    assert claims.identity(study_config, inputs) == claims.identity(other, inputs)


@pytest.mark.parametrize("change", [{"threads": 2}, {"precision": "bf16"}, {"micro_batch": 4}])
def test_how_it_is_computed_makes_no_record_stale(
    study_config: StudyConfig, own: Session, change: dict[str, object]
) -> None:
    inputs = study.gather(study_config, own.sources)
    other = study_config.model_copy(update={"recipe": study_config.recipe.model_copy(update=change)})
    assert claims.identity(study_config, inputs) == claims.identity(other, inputs)


def test_a_calibrated_bound_lies_two_spreads_below_the_mean(study_config: StudyConfig, own: Session) -> None:
    _, record = claims.calibrate(study_config, own, seeds=SEEDS)
    made = claims.begin(study_config.model_copy(update={"seeds": (1, 2, 3)}), own)
    claim, measured = claims.at_its_record(made, "accuracy"), record.metrics["accuracy"]
    assert claim.bound == pytest.approx(measured.mean - 2 * measured.std_upper, abs=1e-4)
    assert f"in 4 runs of {record.made}" in str(claim.source)


def test_the_calibrated_bound_of_an_error_rate_lies_above_its_mean(study_config: StudyConfig, own: Session) -> None:
    task = study_config.task.model_copy(update={"metrics": ("error_rate",)})
    config = study_config.model_copy(update={"task": task, "seeds": (1, 2, 3)})
    _, record = claims.calibrate(config, own, seeds=SEEDS)
    claim, measured = claims.at_its_record(claims.begin(config, own), "error rate"), record.metrics["error_rate"]
    assert (claim.direction, claim.bound) == (
        "at most",
        pytest.approx(measured.mean + 2 * measured.std_upper, abs=1e-4),
    )


def test_a_bound_without_a_record_is_refused(study_config: StudyConfig, own: Session) -> None:
    with pytest.raises(InvalidConfig, match="a record: bertspec calibrate FEATURE"):
        claims.require(study_config, own, ("accuracy",))
    claims.calibrate(study_config, own, seeds=SEEDS)
    claims.require(study_config, own, ("accuracy",))
    with pytest.raises(InvalidConfig, match="no calibrated matthews"):
        claims.require(study_config, own, ("matthews",))


@pytest.mark.parametrize("text", ["", "nonsense: 1", "a: [", "\x00"])
def test_a_damaged_record_is_named(study_config: StudyConfig, own: Session, text: str) -> None:
    file, _ = claims.calibrate(study_config, own, seeds=SEEDS)
    file.write_text(text, "utf-8")
    with pytest.raises(InvalidConfig, match=f"the calibration record .*{file.name}"):
        claims.require(study_config, own, ("accuracy",))


def test_a_record_with_the_former_field_names_is_read(study_config: StudyConfig, own: Session) -> None:
    file, record = claims.calibrate(study_config, own, seeds=SEEDS)
    former = file.read_text("utf-8").replace("std_upper:", "limit:").replace("std:", "spread:")
    assert "limit:" in former
    file.write_text(former, "utf-8")
    inputs = study.gather(study_config, own.sources)
    assert calibration.find(study_config, inputs, own.catalog).record == record
