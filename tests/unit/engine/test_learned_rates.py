"""HD, RTHO and MARTHE in the training loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bertspec.config import RecipeConfig, RunConfig
from bertspec.engine import Checkpoints, preparation
from bertspec.errors import InvalidConfig
from bertspec.optimizers import hypergradient
from bertspec.tracking import SilentObserver
from tests.unit.engine.conftest import Ran

RATES = {"sgd": 0.05, "adam": 1e-3, "adamw": 1e-3}


class PowerCut(BaseException):
    """What stops a run, as a kill would."""


class CutAfter(SilentObserver):
    """Stops the run after one of its steps."""

    def __init__(self, step: int) -> None:
        self.step = step

    def stepped(self, step: int, loss: float, learning_rate: float) -> None:
        if step == self.step:
            raise PowerCut


def of(config: RunConfig, algorithm: str, rate: float | None = None, **changes: Any) -> RunConfig:
    """The micro encoder, with dropout, under one of the methods."""
    settings = changes.pop("settings", {})
    optimizer = {"algorithm": algorithm, "learning_rate": rate or RATES[algorithm.split("-")[1]], "settings": settings}
    recipe = RecipeConfig.model_validate(config.recipe.model_dump() | {"optimizer": optimizer} | changes)
    shape = {**config.encoder.architecture, "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
    encoder = config.encoder.model_copy(update={"architecture": shape})
    return config.model_copy(update={"recipe": recipe, "encoder": encoder})


@pytest.mark.parametrize("algorithm", sorted(hypergradient.ALGORITHMS))
def test_an_interrupted_run_ends_with_the_bits_of_an_uninterrupted_one(
    ran: Ran, config: RunConfig, tmp_path: Path, algorithm: str
) -> None:
    """The held-out rows, ten of them, are in their second pass at the break."""
    learning, checkpoints = of(config, algorithm, batch_size=6, steps=7), Checkpoints(tmp_path, every=2)
    whole = ran(learning)
    with pytest.raises(PowerCut):
        ran(learning, CutAfter(5), checkpoints=checkpoints)
    resumed = ran(learning, checkpoints=checkpoints)
    assert resumed.facts.resumed_at == (4,)
    assert np.array_equal(resumed.outcomes.outputs, whole.outcomes.outputs)
    assert np.array_equal(resumed.curve.loss, whole.curve.loss)
    assert np.array_equal(resumed.curve.learning_rate, whole.curve.learning_rate)
    assert len(set(whole.curve.learning_rate)) == 7


@pytest.mark.parametrize("algorithm", ["rtho-sgd", "marthe-adamw"])
def test_rows_that_are_held_out_are_never_trained_on(
    ran: Ran, config: RunConfig, algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: dict[str, set[bytes]] = {"train": set(), "held_out": set(), "evaluation": set()}
    tokens_read = 0

    def noted(self: preparation.RunContext, split: preparation.Split, rows: Any) -> Any:
        nonlocal tokens_read
        name = next(name for name in read if getattr(self, name) is split)
        tokens_read += int(split.tokens.lengths_of(rows).sum())
        tokens = split.tokens
        read[name] |= {tokens.ids[tokens.offsets[row] : tokens.offsets[row + 1]].tobytes() for row in rows}
        return honest(self, split, rows)

    honest = preparation.RunContext.batch
    monkeypatch.setattr(preparation.RunContext, "batch", noted)
    facts = ran(of(config, algorithm, steps=12, settings={"held_out": 0.25})).facts
    assert facts.train_tokens == tokens_read  # both kinds count for a budget
    assert facts.held_out_examples == len(read["held_out"]) == 24
    assert len(read["train"]) == 72
    assert read["train"].isdisjoint(read["held_out"])
    assert not read["evaluation"]


def test_another_seed_holds_out_other_rows() -> None:
    ids = np.arange(96, dtype=np.int32)
    tokens = preparation.Tokens(ids, np.zeros(96, np.int8), np.arange(97, dtype=np.int64))
    split = preparation.Split(tokens, ids.astype(np.float64))
    parts = [preparation._split_off(split, 0.25, seed) for seed in (1, 1, 2)]
    apart = [part.tokens.ids.tolist() for _, part in parts if part is not None]
    assert apart[0] == apart[1] != apart[2]
    for train, part in parts:
        assert part is not None
        assert sorted([*train.tokens.ids.tolist(), *part.tokens.ids.tolist()]) == ids.tolist()
        assert part.labels.tolist() == part.tokens.ids.tolist()


def test_hd_trains_on_every_row(ran: Ran, config: RunConfig) -> None:
    assert ran(of(config, "hd-sgd")).facts.held_out_examples is None


@pytest.mark.parametrize("algorithm", ["hd-sgd", "rtho-sgd"])
def test_a_loss_that_is_not_finite_stops_the_run_before_the_step(ran: Ran, config: RunConfig, algorithm: str) -> None:
    result = ran(of(config, algorithm, rate=1e30, clip_norm=None, steps=40))
    assert "loss" in (result.facts.diverged or "")
    assert result.facts.steps < 40
    assert np.isfinite(result.curve.loss).all()


def test_without_a_hyper_rate_it_is_the_plain_rule_on_the_same_rows(ran: Ran, config: RunConfig) -> None:
    still = ran(of(config, "hd-adamw", settings={"hyper_learning_rate": 0.0}))
    plain = ran(of(config, "adamw", rate=RATES["adamw"]))
    assert np.array_equal(still.curve.learning_rate, plain.curve.learning_rate)
    np.testing.assert_allclose(still.outcomes.outputs, plain.outcomes.outputs, rtol=1e-3, atol=1e-4)


def test_a_share_that_leaves_no_row_is_refused_before_training(ran: Ran, config: RunConfig) -> None:
    with pytest.raises(InvalidConfig, match=r"given: 'a share of 0.001 of 96 rows'"):
        ran(of(config, "rtho-sgd", settings={"held_out": 0.001}))


def test_parts_of_a_batch_are_refused_where_the_loss_is_differentiated_twice(config: RunConfig, ran: Ran) -> None:
    recipe = config.recipe.model_dump() | {
        "optimizer": {"algorithm": "rtho-adamw", "learning_rate": 1e-3},
        "micro_batch": 2,
    }
    asked = config.model_copy(update={"recipe": type(config.recipe).model_validate(recipe)})
    with pytest.raises(InvalidConfig, match="rtho-adamw cannot split a batch into parts; given: 'micro_batch 2'"):
        ran(asked)
