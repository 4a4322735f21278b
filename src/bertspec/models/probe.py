"""What a network does with tokens, observed in a forward pass instead of looked up by its family."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from bertspec.errors import SourceError
from bertspec.models.loading import refused

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = [
    "Beyond",
    "Dependence",
    "Lookup",
    "Lookups",
    "Positions",
    "dependence",
    "embeddings",
    "evaluating",
    "positions",
]

_PROBED = 8
"""Tokens of the example that shows where positions begin."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """One lookup in an embedding table, for a single example."""

    ids: tuple[int, ...]
    """The rows of the first tokens."""
    rows: int
    """The rows that the table has."""


class Beyond(IndexError):
    """A row that an embedding table does not have.

    Args:
        table: the table.
        row: the largest row that was asked for, or a negative one.
    """

    def __init__(self, table: Tensor, row: int) -> None:
        super().__init__(f"row {row} of an embedding table with {len(table)} rows")
        self.table, self.row = table, row


class Lookups(TorchDispatchMode):  # type: ignore[no-untyped-call] # the library has no types here
    """Watches the lookups in embedding tables inside a ``with`` block.

    It raises :class:`Beyond` before the device does: on CUDA, a failed kernel makes the whole process unusable.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # as above
        self.seen: list[Lookup] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.embedding.default and args[1].numel():
            self._watch(args[0], args[1])
        return func(*args, **(kwargs or {}))

    def _watch(self, table: Tensor, ids: Tensor) -> None:
        flat = ids.detach().flatten().cpu()
        if ids.shape[-1] == flat.numel() >= _PROBED:
            self.seen.append(Lookup(tuple(flat[:_PROBED].tolist()), len(table)))
        lowest, highest = int(flat.min()), int(flat.max())
        if lowest < 0 or highest >= len(table):
            raise Beyond(table, lowest if lowest < 0 else highest)


@dataclass(frozen=True, slots=True)
class Positions:
    """The positions that a network has."""

    first: int
    """The row of its position table that the first token reads; 0 without a table."""
    longest: int | None
    """How many tokens it has positions for; None where there is no such limit."""


def positions(network: PreTrainedModel) -> Positions:
    """Observe where a network's positions begin, and how many it has.

    A table of which an example reads consecutive rows, token by token, is one of positions. Networks without one, such
    as those with rotary embeddings, have the limit of their configuration.

    Raises:
        SourceError: the network fails on the example before it reads positions.
    """
    failure: SourceError | None = None
    with Lookups() as lookups, evaluating(network), torch.no_grad():
        try:
            where = network.config.name_or_path or network.config.model_type
            with refused(f"the encoder cannot read {_PROBED} tokens", where=where):
                network(**_example(network))
        except SourceError as refusal:  # it may read the task's examples: that is tried out with them
            failure = refusal
    tables = [(seen.ids[0], seen.rows - seen.ids[0]) for seen in lookups.seen if _rises(seen.ids)]
    if tables:
        return Positions(max(first for first, _ in tables), min(longest for _, longest in tables))
    if failure is not None:
        raise failure
    limit: int | None = getattr(network.config, "max_position_embeddings", None)
    return Positions(0, limit if isinstance(limit, int) and limit > 0 else None)


@dataclass(frozen=True, slots=True)
class Dependence:
    """The tokens of one example that a network's outputs depend on."""

    tokens: frozenset[int]
    """The positions of the tokens whose embeddings reach the outputs; empty if that could not be observed."""
    states: frozenset[int]
    """The positions of the last states that the head reads itself; empty if the encoder pools them."""
    length: int
    """Tokens of the example; the positions behind them are padding."""

    @property
    def pools_first(self) -> bool:
        """Whether the head reads the first token's state, or what the encoder pools from it."""
        return self.states <= {0}

    @property
    def sees_only_first(self) -> bool:
        """Whether no other token than the first reaches the outputs."""
        return self.tokens == {0} and self.length > 1

    @property
    def pools_padding(self) -> bool:
        """Whether the head reads the state of padding."""
        return max(self.states, default=0) >= self.length

    @property
    def sees_padding(self) -> bool:
        """Whether padding reaches the outputs."""
        return max(self.tokens, default=0) >= self.length


def dependence(network: PreTrainedModel, inputs: dict[str, Tensor]) -> Dependence:
    """Observe which tokens of an example the outputs depend on, by their gradients.

    Args:
        network: the network, with its head.
        inputs: one example with its padding, every tensor of shape (1, positions).
    """
    kept: dict[str, Tensor] = {}

    def embedded(_: nn.Module, __: Any, output: Any) -> None:
        kept["tokens"] = output

    def encoded(_: nn.Module, __: Any, output: Any) -> None:
        kept["states"] = getattr(output, "last_hidden_state", None)  # type: ignore[assignment] # filtered below

    table = embeddings(network)
    hooks = [network.base_model.register_forward_hook(encoded)]
    hooks += [] if table is None else [table.register_forward_hook(embedded)]
    try:
        with evaluating(network), torch.enable_grad():
            outputs = network(**inputs).logits.float().square().sum()
            watched = {name: one for name, one in kept.items() if isinstance(one, Tensor) and one.requires_grad}
            gradients = torch.autograd.grad(outputs, list(watched.values()), allow_unused=True) if watched else ()
    finally:
        for hook in hooks:
            hook.remove()
    by_name = dict(zip(watched, gradients, strict=True))
    shape = inputs["input_ids"].shape
    reached = {name: _reached(by_name.get(name), shape) for name in ("tokens", "states")}
    return Dependence(**reached, length=int(inputs["attention_mask"].sum()))


def embeddings(network: PreTrainedModel) -> nn.Embedding | None:
    """The table of the token embeddings, or None for a network that has none, such as one that hashes characters."""
    try:
        table = network.get_input_embeddings()
    except NotImplementedError:
        return None
    return cast("nn.Embedding", table) if isinstance(getattr(table, "weight", None), Tensor) else None


@contextlib.contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Switch dropout off inside this context; random numbers that are drawn nevertheless are given back."""
    training, device = network.training, next(network.parameters()).device
    network.eval()
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        network.train(training)


def _reached(gradient: Tensor | None, shape: torch.Size) -> frozenset[int]:
    """The positions with a gradient; empty where it has another shape than the example's."""
    if gradient is None or gradient.dim() != 3 or gradient.shape[:2] != shape:
        return frozenset()
    return frozenset(gradient[0].ne(0).any(dim=-1).nonzero().flatten().tolist())


def _rises(ids: tuple[int, ...]) -> bool:
    return ids == tuple(range(ids[0], ids[0] + len(ids)))


def _example(network: PreTrainedModel) -> dict[str, Tensor]:
    """An example that repeats one token, which is not padding."""
    table = embeddings(network)
    padding = {getattr(network.config, "pad_token_id", None), getattr(table, "padding_idx", None)}
    rows = _PROBED if table is None else len(table.weight)
    token = next((token for token in range(rows) if token not in padding), 0)
    ids = torch.full((1, _PROBED), token, device=next(network.parameters()).device)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "token_type_ids": torch.zeros_like(ids)}
    accepted = inspect.signature(network.forward).parameters
    return {name: value for name, value in inputs.items() if name in accepted}
