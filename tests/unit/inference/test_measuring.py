from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModel

from bertspec.catalog import Catalog
from bertspec.config import EncoderConfig, RecipeConfig
from bertspec.device import Device
from bertspec.errors import DataError, DeviceError, InvalidConfig, SourceError
from bertspec.inference import measuring
from bertspec.inference.measuring import common_device, measure
from bertspec.inference.prediction import Subject
from bertspec.inference.records import Grid, Turns
from bertspec.sources import Sources

DEVICE = Device("cpu", "fp32", 1)
SMALL = Grid((5, 9), batch_size=3, rounds=2, calls=4, batches=2)


class Stopwatch:
    """As much of pytest-benchmark as is used."""

    def __init__(self) -> None:
        self.extra_info: dict[str, Any] = {}

    def pedantic(self, target: Callable[[], object], *, rounds: int, warmup_rounds: int) -> object:
        for _ in range(rounds + warmup_rounds):
            target()
        return None


def measured(*encoders: EncoderConfig, grid: Grid = SMALL) -> Turns:
    return measure(encoders, grid, sources=Sources(None, None), device=DEVICE, benchmark=Stopwatch())


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[int]]]:
    """Whose answer was asked for, and for texts of which lengths."""
    calls: list[tuple[str, list[int]]] = []

    def answer(self: Subject, tokens: Any, rows: Any) -> Any:
        calls.append((self.name, tokens.lengths_of(rows).tolist()))
        return honest(self, tokens, rows)

    honest = Subject.answer
    monkeypatch.setattr(Subject, "answer", answer)
    return calls


def test_every_length_is_measured_as_often_as_the_grid_says(encoder: EncoderConfig) -> None:
    turns = measured(encoder)
    [one] = turns.measurements
    assert [at.length for at in one.lengths] == [5, 9]
    for at in one.lengths:
        assert [len(calls) for calls in at.latencies.rounds] == [4, 4]
        assert [len(seconds) for seconds in at.batches_s] == [2, 2]
        assert all(second > 0 for second in (*at.latencies.rounds[0], *at.batches_s[0]))
    assert (one.encoder, one.text, turns.environment.threads) == ("bert-micro", None, 1)
    assert turns.peak_memory_bytes > 10_000_000


def test_a_round_answers_single_texts_and_then_batches_of_exactly_that_length(
    encoder: EncoderConfig, asked: list[tuple[str, list[int]]]
) -> None:
    measured(encoder)
    lengths = [row for _, row in asked]
    one_round = [[5]] * 4 + [[5] * 3] * 2 + [[9]] * 4 + [[9] * 3] * 2
    assert lengths == one_round * 3, "the first round warms up"


def test_two_encoders_answer_in_turns(encoder: EncoderConfig, asked: list[tuple[str, list[int]]]) -> None:
    turns = measured(encoder, encoder.model_copy(update={"name": "twin"}), grid=dataclasses.replace(SMALL, rounds=5))
    assert [name for name, _ in asked[:8]] == ["bert-micro", "twin", "twin", "bert-micro"] * 2
    pair = turns.pair("bert-micro", "twin", 9)
    assert len(pair.rate_ratios()) == 5


def test_the_texts_hold_ordinary_words_only_and_are_the_same_every_time(encoder: EncoderConfig) -> None:
    subject = Subject.load(encoder, Sources(None, None), DEVICE)
    tokens = subject.texts_of(64, count=50)
    assert tokens.lengths.tolist() == [64] * 50
    assert not set(tokens.ids.tolist()) & set(subject.tokenizer.all_special_ids)
    assert len(set(tokens.ids.tolist())) > 50
    assert np.array_equal(tokens.ids, subject.texts_of(64, count=50).ids)


def test_an_answer_is_that_of_the_model_on_the_padded_batch(encoder: EncoderConfig) -> None:
    subject = Subject.load(encoder, Sources(None, None), DEVICE)
    tokens = subject.texts_of(7, count=2)
    with torch.no_grad():
        plain = subject.model.network(input_ids=torch.from_numpy(tokens.ids.astype(np.int64)).view(2, 7)).logits
    assert subject.answer(tokens, np.arange(2)) == pytest.approx(plain.numpy(), abs=1e-5)


def test_an_encoder_that_cannot_read_the_texts_is_refused_before_anything_is_measured(
    encoder: EncoderConfig, tmp_path: Path
) -> None:
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    fixed = {"num_landmarks": 8, "segment_means_seq_len": 64}  # it reads texts of 64 tokens only
    config = AutoConfig.for_model("nystromformer", vocab_size=500, **small, **fixed)
    AutoModel.from_config(config).save_pretrained(tmp_path)
    Subject.load(encoder, Sources(None, None), DEVICE).tokenizer.save_pretrained(tmp_path)
    with pytest.raises(SourceError, match="cannot read texts of 5 tokens: .*where: encoder 'fixed'"):
        measured(EncoderConfig(name="fixed", checkpoint=str(tmp_path)))


def test_a_text_is_tokenised_in_every_call(encoder: EncoderConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def tokens_of(self: Subject, text: str) -> Any:
        read.append(text)
        return honest(self, text)

    honest = Subject.tokens_of
    monkeypatch.setattr(Subject, "tokens_of", tokens_of)
    text = measured(encoder, grid=dataclasses.replace(SMALL, text="the plot was clever .")).measurements[0].text
    assert text is not None
    assert (text.length, [len(calls) for calls in text.latencies.rounds]) == (7, [4, 4])
    assert len(read) >= 3 * 4


def test_a_text_of_which_the_tokenizer_leaves_nothing_is_not_measured(encoder: EncoderConfig) -> None:
    with pytest.raises(DataError, match="the tokenizer leaves nothing of a text.*where: the text to measure"):
        measured(encoder, grid=dataclasses.replace(SMALL, text="\u200b"))


def test_a_text_that_is_too_long_is_cut_as_a_prediction_cuts_it(encoder: EncoderConfig) -> None:
    grid = dataclasses.replace(SMALL, text="the plot was clever . " * 50)
    text = measured(encoder, grid=grid).measurements[0].text
    assert text is not None
    assert text.length == 66


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"lengths": (8, 67)}, InvalidConfig, "given: 'tokens 67'; allowed: at most 66; where: encoder 'bert-micro'"),
        ({"text": "東京 大阪 名古屋"}, DataError, "unknown tokens"),
    ],
)
def test_what_an_encoder_cannot_read_is_refused_before_anything_is_measured(
    encoder: EncoderConfig, asked: list[Any], changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        measured(encoder, grid=dataclasses.replace(SMALL, **changes))
    assert asked == []


def test_an_encoder_reads_as_many_tokens_as_it_has_positions(encoder: EncoderConfig) -> None:
    assert measured(encoder, grid=dataclasses.replace(SMALL, lengths=(66,))).measurements[0].at(66).length == 66


def test_energy_is_counted_over_the_batches_alone(
    encoder: EncoderConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = tmp_path / "intel-rapl:0"
    zone.mkdir()
    for name, words in (("name", "package-0"), ("energy_uj", "0"), ("max_energy_range_uj", "999999999")):
        (zone / name).write_text(words)
    meter = measuring.find_meter(DEVICE, tmp_path)
    honest = Subject.answer

    def answer(self: Subject, tokens: Any, rows: Any) -> Any:
        """Every text costs 30 J."""
        (zone / "energy_uj").write_text(str(int((zone / "energy_uj").read_text()) + 30_000_000 * len(rows)))
        return honest(self, tokens, rows)

    monkeypatch.setattr(Subject, "answer", answer)
    monkeypatch.setattr(measuring, "find_meter", lambda _: meter)
    turns = measured(encoder)
    at = turns.measurements[0].at(5)
    assert (at.joules, at.joules_per_1000, turns.no_energy) == (2 * 2 * 3 * 30.0, 30_000.0, None)


def test_energy_that_cannot_be_read_is_none_with_its_reason(
    encoder: EncoderConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = measuring.find_meter(DEVICE, tmp_path)
    monkeypatch.setattr(measuring, "find_meter", lambda _: meter)
    turns = measured(encoder)
    assert (turns.measurements[0].at(5).joules_per_1000, turns.no_energy) == (None, meter.lacks)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [(RuntimeError("[enforce fail] can't allocate memory"), DeviceError), (RuntimeError("other"), RuntimeError)],
)
def test_a_batch_that_does_not_fit_the_memory_is_told_as_such(
    encoder: EncoderConfig, monkeypatch: pytest.MonkeyPatch, raised: Exception, expected: type[Exception]
) -> None:
    def full(*_: object) -> None:
        raise raised

    monkeypatch.setattr(Subject, "answer", full)
    with pytest.raises(expected, match="3 texts of 9 tokens" if expected is DeviceError else "other"):
        measured(encoder)


def test_two_encoders_stand_on_one_common_device(recipe: RecipeConfig) -> None:
    assert common_device([recipe, recipe], "cpu") == DEVICE
    with pytest.raises(
        InvalidConfig, match="same precision and with the same number of threads; given: 'fp32 with 1 and fp32 with 2"
    ):
        common_device([recipe, recipe.model_copy(update={"threads": 2})], "cpu")


@pytest.mark.parametrize("name", ["albert-tiny", "distilbert-tiny", "electra-tiny", "modernbert-tiny", "roberta-tiny"])
def test_every_family_answers(name: str, tmp_path: Path) -> None:
    turns = measured(Catalog.beside(tmp_path).encoder(name), grid=Grid((8, 64), 2, rounds=1, calls=1, batches=1))
    assert turns.measurements[0].at(64).examples_per_second > 0


def test_nothing_heavy_is_loaded_with_the_module() -> None:
    assert not {"torch", "Subject"} & set(vars(measuring))
