from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from bertspec import device, engine, models
from bertspec.config import EncoderConfig, RunConfig
from bertspec.engine import RunInputs
from bertspec.errors import BertspecError, DataError, HashMismatch, InvalidConfig, SourceError
from bertspec.models import checks
from bertspec.sources import Sources, pretrained, tables
from bertspec.sources.tables import Splits
from bertspec.tracking import SilentTracker

if TYPE_CHECKING:
    from .conftest import Ran


@pytest.mark.parametrize(
    ("part", "values", "error", "message"),
    [
        ("recipe", {"max_length": 2}, InvalidConfig, "special tokens leave no room for a text; given: 'max_length 2'"),
        ("encoder", {"is_decoder": True}, SourceError, "is a decoder"),
        ("encoder", {"num_hidden_layers": 0}, SourceError, "no layers"),
        ("encoder", {"hidden_size": -4}, SourceError, "cannot be built"),
        ("encoder", {"max_position_embeddings": 8}, InvalidConfig, "max_length 32'; allowed: at most 8"),
    ],
)
def test_what_cannot_work_is_refused_before_the_first_step(
    part: str, values: dict[str, Any], error: type[BertspecError], message: str, config: RunConfig, ran: Ran
) -> None:
    old = getattr(config, part)
    new = {"architecture": old.architecture | values} if part == "encoder" else values
    changed = config.model_copy(update={part: old.model_copy(update=new)})
    with pytest.raises(error, match=message):
        ran(changed)


@pytest.mark.parametrize("split", ["train", "evaluation"])
def test_a_text_of_which_the_tokenizer_leaves_nothing_is_refused_with_its_row(
    config: RunConfig, nowhere: Sources, split: str
) -> None:
    table = {"text": ["it was dull .", "\u200b"], "label": [0, 1]}
    whole = {"text": ["it was dull .", "it was witty ."], "label": [0, 1]}
    splits = tables.load(config.task, nowhere)
    tables_of = {"train": whole, "evaluation": whole} | {split: table}
    inputs = RunInputs(pretrained.find(config.encoder, nowhere), Splits(**tables_of, origin=splits.origin))
    heard = SilentTracker().observe(config, fingerprint="")
    with pytest.raises(DataError, match=r"leaves nothing of a text; given: '\\u200b'; .*row 1, split"):
        engine.run(config, inputs, heard, device=device.choose("cpu", config.recipe))


def test_trying_out_an_encoder_changes_no_bit_of_its_run(
    config: RunConfig, ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_it = ran(config)
    monkeypatch.setattr(checks, "try_out", lambda *_, **__: None)
    without = ran(config)
    assert np.array_equal(with_it.curve.loss, without.curve.loss)
    assert np.array_equal(with_it.outcomes.outputs, without.outcomes.outputs)


def test_a_checkpoint_that_changed_since_the_study_began_trains_no_further_run(
    config: RunConfig, nowhere: Sources, tmp_path: Path
) -> None:
    files = pretrained.find(config.encoder, nowhere)
    tokenizer = models.load_tokenizer(files)
    models.build(config.encoder, files, config.task, tokenizer).save(tmp_path, tokenizer)
    encoder = EncoderConfig(name="saved", checkpoint=str(tmp_path))
    inputs = RunInputs(pretrained.find(encoder, nowhere), tables.load(config.task, nowhere))
    models.build(config.encoder, files, config.task, tokenizer).save(tmp_path, tokenizer)
    heard = SilentTracker().observe(config, fingerprint="")
    changed = config.model_copy(update={"encoder": encoder})
    with pytest.raises(HashMismatch, match="the weights changed while in use"):
        engine.run(changed, inputs, heard, device=device.choose("cpu", config.recipe))
