from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bertspec import study
from bertspec.config import StudyConfig
from bertspec.errors import StoreError
from bertspec.study import Session


def test_a_model_that_was_kept_is_found(study_config: StudyConfig, session: Session) -> None:
    keeping = dataclasses.replace(session, keep_models=True)
    made = study.run(study_config, keeping).runs[0]
    before = (session.store.models / made.fingerprint).stat().st_mtime_ns
    assert study.model_of(made, session).stat().st_mtime_ns == before


def test_a_model_that_was_not_kept_is_made_again_with_the_same_bits(
    study_config: StudyConfig, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    made = study.run(study_config, session).runs[1]
    assert session.store.model(made.fingerprint) is None
    assert study.model_of(made, session).is_dir()
    again = session.store.get(made.fingerprint)
    assert again is not None
    assert np.array_equal(again.result.outcomes.outputs, made.result.outcomes.outputs)
    assert "was not kept: it is trained again, which took" in caplog.text


def test_making_a_model_again_does_not_make_its_run_the_latest(study_config: StudyConfig, session: Session) -> None:
    made = study.run(study_config, session).runs[0]
    facts = made.result.facts.model_copy(update={"finished": "2026-01-01T00:00:00+00:00"})
    old = dataclasses.replace(made, result=dataclasses.replace(made.result, facts=facts))
    session.store.put(old)
    study.model_of(old, session)
    again = session.store.get(made.fingerprint)
    assert again is not None
    assert again.result.facts.finished == "2026-01-01T00:00:00+00:00"


def test_a_damaged_model_is_made_again(study_config: StudyConfig, session: Session) -> None:
    made = study.run(study_config, dataclasses.replace(session, keep_models=True)).runs[0]
    (session.store.models / made.fingerprint / "model.safetensors").write_bytes(b"")
    assert (study.model_of(made, session) / "model.safetensors").stat().st_size > 1000


def test_a_model_that_would_be_another_one_is_refused_with_what_changed(
    study_config: StudyConfig, session: Session
) -> None:
    made = study.run(study_config, session).runs[0]
    facts = made.result.facts
    versions = facts.environment.versions | {"torch": "2.0.0"}
    older = facts.model_copy(update={"environment": facts.environment.model_copy(update={"versions": versions})})
    stranger = dataclasses.replace(made, fingerprint="0" * 64, result=dataclasses.replace(made.result, facts=older))
    with pytest.raises(
        StoreError, match=r"another one; given: 'torch 2\.0\.0 → .*; allowed: a run that was trained with --keep-models"
    ):
        study.model_of(stranger, session)


def test_an_edited_engine_is_named(study_config: StudyConfig, session: Session) -> None:
    made = study.run(study_config, session).runs[0]
    with pytest.raises(StoreError, match="given: 'another version of the engine'"):
        study.model_of(dataclasses.replace(made, fingerprint="0" * 64), session)
