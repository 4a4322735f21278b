from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch

from bertspec.data.batches import WINDOW_BATCHES, evaluation_batches, pack, pad, training_batches
from bertspec.data.tokens import Tokens

LENGTHS = np.random.default_rng(0).integers(3, 40, 210)


def first_pass(seed: int, batch_size: int = 10) -> list[list[int]]:
    stream = training_batches(LENGTHS, batch_size=batch_size, seed=seed)
    return [rows.tolist() for rows in islice(stream, -(-len(LENGTHS) // batch_size))]


def test_a_pass_sees_every_example_once() -> None:
    assert sorted(sum(first_pass(1), [])) == list(range(210))


def test_two_passes_differ() -> None:
    stream = training_batches(LENGTHS, batch_size=10, seed=1)
    one, two = ([rows.tolist() for rows in islice(stream, 21)] for _ in range(2))
    assert one != two
    assert sorted(sum(two, [])) == list(range(210))


def test_a_seed_decides_the_order() -> None:
    assert first_pass(1) == first_pass(1)
    assert first_pass(1) != first_pass(2)


def test_the_last_batch_of_a_pass_may_be_smaller() -> None:
    assert sorted(len(rows) for rows in first_pass(1, batch_size=100)) == [10, 100, 100]


def test_a_pass_is_a_permutation_cut_into_batches() -> None:
    """What a plain loop draws: which examples meet is left to chance alone. Only their order in a batch is ours."""
    rng = np.random.default_rng(3)
    permutation = rng.permutation(len(LENGTHS))
    expected = [sorted(permutation[start : start + 10].tolist()) for start in range(0, len(LENGTHS), 10)]
    order = rng.permutation(len(expected))
    assert [sorted(rows) for rows in first_pass(3)] == [expected[place] for place in order]


def test_batches_of_a_window_hold_examples_of_near_length() -> None:
    lengths = np.random.default_rng(0).integers(3, 128, 10 * WINDOW_BATCHES * 4)
    windowed = training_batches(lengths, batch_size=10, seed=0, window_batches=WINDOW_BATCHES)
    batches = list(islice(windowed, WINDOW_BATCHES * 4))
    padded = sum(len(rows) * lengths[rows].max() for rows in batches)
    at_random = sum(len(rows) * lengths[rows].max() for rows in np.split(np.arange(len(lengths)), len(batches)))
    assert padded < 1.15 * lengths.sum() < at_random


@pytest.mark.parametrize("budget", [1, 64, 4096])
def test_evaluation_sees_every_example_once_within_its_budget(budget: int) -> None:
    batches = list(evaluation_batches(LENGTHS, token_budget=budget))
    assert sorted(np.concatenate(batches).tolist()) == list(range(210))
    assert all(len(rows) == 1 or len(rows) * LENGTHS[rows].max() <= budget for rows in batches)


def test_padding_is_masked_and_nothing_else_changes() -> None:
    tokens = Tokens(
        np.arange(1, 8, dtype=np.int32), np.array([0, 0, 1, 0, 0, 1, 1], np.int8), np.array([0, 3, 4, 7], np.int64)
    )
    batch = pad(tokens, np.array([1, 2]), pad_id=9, device=torch.device("cpu"))
    assert batch.input_ids.tolist() == [[4, 9, 9], [5, 6, 7]]
    assert batch.token_type_ids.tolist() == [[0, 0, 0], [0, 1, 1]]
    assert batch.attention_mask.tolist() == [[1, 0, 0], [1, 1, 1]]


def test_a_packed_batch_holds_its_examples_one_after_the_other_the_longest_first() -> None:
    tokens = Tokens(
        np.arange(1, 8, dtype=np.int32), np.array([0, 0, 1, 0, 0, 1, 1], np.int8), np.array([0, 3, 4, 7], np.int64)
    )
    batch = pack(tokens, np.array([1, 0, 2]), device=torch.device("cpu"))
    assert batch.rows.tolist() == [0, 2, 1]
    assert batch.lengths.tolist() == [3, 3, 1]
    assert batch.input_ids.tolist() == [1, 2, 3, 5, 6, 7, 4]
    assert batch.token_type_ids.tolist() == [0, 0, 1, 0, 1, 1, 0]
    assert batch.positions.tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert batch.starts.tolist() == [0, 3, 6]
