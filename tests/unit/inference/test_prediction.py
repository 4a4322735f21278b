from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bertspec import study
from bertspec.config import StudyConfig
from bertspec.errors import DataError, InvalidConfig
from bertspec.inference.prediction import Predictor
from bertspec.sources import tables
from bertspec.store import StoredRun
from bertspec.study import Session


@pytest.fixture
def run(study_config: StudyConfig, session: Session) -> StoredRun:
    return study.run(study_config, dataclasses.replace(session, keep_models=True)).runs[0]


@pytest.fixture
def predictor(run: StoredRun, session: Session) -> Predictor:
    return Predictor.load(study.model_of(run, session), run.config)


def test_it_says_what_the_run_said(predictor: Predictor, run: StoredRun, session: Session) -> None:
    texts = tables.load(run.config.task, session.sources).evaluation["text"]
    labels = [run.config.task.labels[int(number)] for number in run.result.outcomes.predictions]
    assert [prediction.label for prediction in predictor.predict(texts)] == labels


def test_the_probabilities_are_those_of_the_outputs(predictor: Predictor, run: StoredRun, session: Session) -> None:
    texts = tables.load(run.config.task, session.sources).evaluation["text"]
    prediction = predictor.predict(texts[:1])[0]
    logits = run.result.outcomes.outputs[0]
    expected = np.exp(logits) / np.exp(logits).sum()
    assert list(prediction.probabilities.values()) == pytest.approx(expected.tolist(), abs=1e-5)
    assert prediction.value == max(prediction.probabilities.values())


def test_no_texts_give_no_predictions(predictor: Predictor) -> None:
    assert predictor.predict([]) == []


def test_pairs_for_a_task_of_single_texts_are_refused(predictor: Predictor) -> None:
    with pytest.raises(InvalidConfig, match="reads one text; given: 'pairs of texts'"):
        predictor.predict(["it was good ."], ["it was bad ."])


def test_words_that_the_tokenizer_does_not_know_are_refused(predictor: Predictor) -> None:
    with pytest.raises(DataError, match="unknown tokens"):
        predictor.predict(["東京 大阪 名古屋"])


def test_a_text_of_which_the_tokenizer_leaves_nothing_is_refused_with_its_number(predictor: Predictor) -> None:
    with pytest.raises(DataError, match=r"the tokenizer leaves nothing of a text; given: '\\u200b'; .*where: text 2"):
        predictor.predict(["it was good .", "\u200b"])


def test_a_text_of_a_hundred_thousand_characters_is_read(predictor: Predictor) -> None:
    assert predictor.predict(["the film was good " * 6_000])[0].label in ("negative", "positive")


def test_a_regression_gives_numbers(study_config: StudyConfig, session: Session) -> None:
    task = study_config.task.model_copy(update={"head": "regression", "labels": (), "metrics": ("pearson",)})
    plan = study_config.model_copy(update={"task": task, "seeds": (1,)})
    run = study.run(plan, dataclasses.replace(session, keep_models=True)).runs[0]
    [prediction] = Predictor.load(study.model_of(run, session), run.config).predict(["the film was good ."])
    assert prediction.label is None
    assert prediction.probabilities == {}
