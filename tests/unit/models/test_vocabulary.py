from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from bertspec.data.tokens import Tokens

if TYPE_CHECKING:
    from .conftest import Built

ROWS = np.arange(7)


def test_a_narrow_vocabulary_changes_no_output(built: Built, tokens: Tokens) -> None:
    model, tokenizer = built("bert-tiny")
    pad = tokenizer.pad_token_id
    with torch.no_grad():
        before = model(model.batch(tokens, ROWS, pad_id=pad))
        (narrowed,) = model.narrow(tokens)
        after = model(model.batch(narrowed, ROWS, pad_id=pad))
    assert torch.equal(before, after)
    assert model.network.get_input_embeddings().num_embeddings == len(np.union1d(tokens.ids, [pad]))


def test_what_is_learned_is_the_same_and_what_does_not_occur_stays(built: Built, tokens: Tokens) -> None:
    learned = []
    for narrow in (False, True):
        model, tokenizer = built("bert-tiny")
        before = model.network.get_input_embeddings().weight.detach().clone()
        seen = model.narrow(tokens)[0] if narrow else tokens
        optimizer = torch.optim.AdamW(model.parameters(), 0.01, weight_decay=0.0)
        for _ in range(3):
            optimizer.zero_grad()
            outputs = model(model.batch(seen, ROWS, pad_id=tokenizer.pad_token_id))
            torch.nn.functional.cross_entropy(outputs, torch.arange(7) % 2).backward()
            optimizer.step()
        if narrow:
            model.widen()
        learned.append(model.network.get_input_embeddings().weight.detach())
    assert torch.equal(*learned)
    unseen = np.setdiff1d(np.arange(len(before)), tokens.ids)
    assert torch.equal(learned[0][unseen], before[unseen])


def test_a_vocabulary_is_narrowed_once(built: Built, tokens: Tokens) -> None:
    model, _ = built("bert-tiny")
    (narrowed,) = model.narrow(tokens)
    with pytest.raises(ValueError, match="narrow already"):
        model.narrow(narrowed)


def test_a_saved_encoder_has_all_its_words(built: Built, tokens: Tokens, tmp_path: Path) -> None:
    model, tokenizer = built("bert-tiny")
    before = model.network.get_input_embeddings().weight.detach().clone()
    (narrowed,) = model.narrow(tokens)
    with torch.no_grad():
        model.network.get_input_embeddings().weight[narrowed.ids[0]] += 1.0
    model.save(tmp_path, tokenizer)
    saved = load_file(tmp_path / "model.safetensors")["bert.embeddings.word_embeddings.weight"]
    before[tokens.ids[0]] += 1.0
    assert torch.equal(saved, before)
