from __future__ import annotations

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from bertspec.config import GeneratedConfig
from bertspec.errors import UnknownName
from bertspec.metrics import score
from bertspec.sources import generated
from bertspec.sources.generated import tokenizer

NAMES = generated.NAMES
EASY = ("bundled/majority",)
"""The tasks that words alone decide."""


def sizes(train: int = 400, evaluation: int = 400, noise: float = 0.05, seed: int = 0) -> GeneratedConfig:
    return GeneratedConfig(train_rows=train, evaluation_rows=evaluation, label_noise=noise, seed=seed)


def texts(name: str, split: generated.Split, config: GeneratedConfig) -> list[str]:
    columns = generated.rows(name, config, split)
    return [" ".join(parts) for parts in zip(*(columns[c] for c in columns if "label" not in c), strict=True)]


@pytest.mark.parametrize("name", NAMES)
def test_equal_arguments_give_equal_rows(name: str) -> None:
    assert generated.rows(name, sizes(), "train") == generated.rows(name, sizes(), "train")


@pytest.mark.parametrize("name", NAMES)
def test_another_seed_gives_other_rows(name: str) -> None:
    assert generated.rows(name, sizes(), "train") != generated.rows(name, sizes(seed=1), "train")


@pytest.mark.parametrize("name", NAMES)
def test_a_larger_split_begins_with_the_smaller_one(name: str) -> None:
    small, large = texts(name, "train", sizes(50)), texts(name, "train", sizes(100))
    assert large[:50] == small
    assert len(large) == 100


@pytest.mark.parametrize("name", NAMES)
def test_no_evaluation_text_is_trained_on(name: str) -> None:
    config = sizes(8000, 1000)
    assert not set(texts(name, "train", config)) & set(texts(name, "evaluation", config))


@pytest.mark.parametrize("name", NAMES)
def test_the_labels_are_balanced(name: str) -> None:
    assert np.mean(generated.rows(name, sizes(4000), "train")["label"]) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("noise", [0.0, 0.05, 0.2])
def test_the_ceiling_is_what_the_noise_leaves(name: str, noise: float) -> None:
    rows = generated.rows(name, sizes(evaluation=4000, noise=noise), "evaluation")
    ceiling = score("accuracy", np.array(rows["label"], float), np.array(rows[generated.CLEAN_LABEL], float))
    assert ceiling == pytest.approx(1 - noise, abs=0.02)


def bag_of_words(name: str, words: int) -> float:
    """The accuracy of logistic regression on runs of so many words."""
    config = sizes(8000, 1000)
    vectors = TfidfVectorizer(ngram_range=(1, words), token_pattern=r"\S+")
    train = vectors.fit_transform(texts(name, "train", config))
    model = LogisticRegression(max_iter=1000).fit(train, generated.rows(name, config, "train")["label"])
    labels = generated.rows(name, config, "evaluation")["label"]
    return float(model.score(vectors.transform(texts(name, "evaluation", config)), labels))


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(EASY)))
@pytest.mark.parametrize("words", [1, 2])
def test_a_bag_of_words_stays_near_chance(name: str, words: int) -> None:
    assert bag_of_words(name, words) < 0.65


@pytest.mark.parametrize("name", EASY)
def test_a_bag_of_words_solves_the_easy_task_up_to_its_noise(name: str) -> None:
    assert bag_of_words(name, 1) == pytest.approx(0.95, abs=0.02)


def test_an_unknown_grammar_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="bundled/paraphrase"):
        generated.rows("bundled/paraphrse", sizes(), "train")


def test_the_tokenizer_that_travels_is_the_one_that_the_grammars_make() -> None:
    travelling = tokenizer.Tokenizer.from_file(str(generated.TOKENIZER_FILE))
    made = tokenizer.train()
    assert travelling.get_vocab() == made.get_vocab()
    assert travelling.encode("not dull", "hardly bland").ids == made.encode("not dull", "hardly bland").ids


@pytest.mark.parametrize("name", NAMES)
def test_every_word_of_a_grammar_is_one_token(name: str) -> None:
    travelling = tokenizer.Tokenizer.from_file(str(generated.TOKENIZER_FILE))
    text = texts(name, "train", sizes(1))[0]
    assert travelling.encode(text, add_special_tokens=False).tokens == text.split()
