"""What happens when a batch does not fit the memory: the device is told to be small."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from bertspec import models
from bertspec.config import RecipeConfig, RunConfig
from bertspec.data.batches import Batch
from bertspec.device import Device
from bertspec.errors import DeviceError
from tests.unit.engine.conftest import Ran


@pytest.fixture
def without_dropout(config: RunConfig) -> RunConfig:
    """Dropout draws other masks for other parts of a batch; without it the parts add up to the whole."""
    still = {**config.encoder.architecture, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return config.model_copy(update={"encoder": config.encoder.model_copy(update={"architecture": still})})


def room_for(examples: int, monkeypatch: pytest.MonkeyPatch, error: Exception | None = None) -> list[int]:
    """Let every larger batch fail; the sizes of those that fitted."""
    forward, fitted = models.EncoderModel.forward, list[int]()

    def tight(self: models.EncoderModel, batch: Batch) -> Any:
        if len(batch.rows) > examples:
            raise error or torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        fitted.append(len(batch.rows))
        return forward(self, batch)

    monkeypatch.setattr(models.EncoderModel, "forward", tight)
    return fitted


def test_a_batch_that_does_not_fit_is_taken_in_parts_with_the_same_result(
    ran: Ran, without_dropout: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ran(without_dropout)
    fitted = room_for(5, monkeypatch)
    parts = ran(without_dropout)
    assert max(fitted) <= 5
    assert whole.facts.micro_batch is None
    assert parts.facts.micro_batch == 4
    np.testing.assert_allclose(parts.outcomes.outputs, whole.outcomes.outputs, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(parts.curve.loss, whole.curve.loss, rtol=1e-4)


def test_parts_of_unequal_size_weigh_by_their_examples(
    ran: Ran, without_dropout: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = without_dropout.model_copy(
        update={"recipe": RecipeConfig.model_validate(without_dropout.recipe.model_dump() | {"batch_size": 13})}
    )
    whole = ran(odd)
    room_for(5, monkeypatch)
    np.testing.assert_allclose(ran(odd).outcomes.outputs, whole.outcomes.outputs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "said",
    [
        "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried",
        "could not create a primitive",
    ],
)
def test_the_cpu_s_own_complaints_are_understood(
    ran: Ran, config: RunConfig, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    room_for(8, monkeypatch, RuntimeError(said))
    assert ran(config).facts.micro_batch == 8


def test_the_smaller_batches_are_told(
    ran: Ran, config: RunConfig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    room_for(8, monkeypatch)
    ran(config)
    assert "continuing with 8 examples per backward pass, still 16 per optimizer step" in caplog.text
    assert "while evaluating: continuing with batches of" in caplog.text


def test_a_memory_too_small_for_one_example_is_an_error_in_words(
    ran: Ran, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    room_for(0, monkeypatch)
    with pytest.raises(
        DeviceError, match="for one example and its gradients: CUDA out of memory.*; given: 'max_length 32'"
    ):
        ran(config)


def test_a_model_that_does_not_fit_is_an_error_in_words(
    ran: Ran, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError("cannot allocate")

    monkeypatch.setattr(models, "build", full)
    with pytest.raises(DeviceError, match="the memory is too small: cannot allocate; .* encoder 'bert-micro' on cpu"):
        ran(config)


def test_another_error_is_not_mistaken_for_it(ran: Ran, config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    room_for(8, monkeypatch, RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        ran(config)


def test_an_error_without_words_is_explained_by_its_type(
    ran: Ran, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(models, "build", full)
    with pytest.raises(DeviceError, match="the memory is too small: MemoryError; "):
        ran(config)


def test_a_device_that_fails_is_no_bug_of_ours(ran: Ran, config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    room_for(8, monkeypatch, RuntimeError("CUDA error: unspecified launch failure\nCompile with TORCH_USE_CUDA_DSA"))
    monkeypatch.setattr(Device, "has_failed", lambda _, error: "CUDA error" in str(error))
    with pytest.raises(DeviceError, match="the device failed: CUDA error: unspecified launch failure; allowed: "):
        ran(config)
