"""HD, RTHO and MARTHE against finite differences of torch's own optimizers, in float64 on a tiny transformer."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bertspec import optimizers
from bertspec.catalog import Catalog
from bertspec.config import EncoderConfig, OptimizerConfig
from bertspec.errors import InvalidConfig
from bertspec.optimizers import hypergradient
from bertspec.optimizers.functional import SGD, Adam, AdamW
from bertspec.optimizers.hypergradient import HD, Marthe

WORDS, LENGTH, WIDTH, BATCH = 40, 6, 8, 8
SHARES = (0.25, 0.5, 0.75, *[1.0] * 30)
"""A warm-up of three steps: what is learned is the peak."""
HORIZONS = (1, 2, 5, 20)

RULES: dict[str, tuple[str, float, float, dict[str, Any]]] = {
    "sgd": ("sgd", 0.2, 0.01, {}),
    "sgd, momentum": ("sgd", 0.05, 0.01, {"momentum": 0.9}),
    "sgd, nesterov": ("sgd", 0.05, 0.01, {"momentum": 0.9, "nesterov": True}),
    "adam": ("adam", 1e-3, 0.01, {}),
    "adam, no decay": ("adam", 1e-3, 0.0, {"epsilon": 1e-6}),
    "adamw": ("adamw", 1e-3, 0.1, {"beta1": 0.8, "beta2": 0.99}),
}
"""A name → algorithm, learning rate, weight decay, settings."""


class Transformer(nn.Module):
    """One layer of attention without a fused kernel, and a classifier; most words occur in no batch."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words = nn.Embedding(WORDS, WIDTH)
        self.mixed, self.norm = nn.Linear(WIDTH, 3 * WIDTH), nn.LayerNorm(WIDTH)
        self.wide, self.narrow, self.head = nn.Linear(WIDTH, 16), nn.Linear(16, WIDTH), nn.Linear(WIDTH, 2)
        self.double()

    def forward(self, ids: Tensor) -> Tensor:
        states = self.words(ids)
        query, key, value = self.mixed(states).chunk(3, dim=-1)
        states = self.norm(states + (query @ key.transpose(1, 2) / WIDTH**0.5).softmax(-1) @ value)
        states = states + self.narrow(nn.functional.gelu(self.wide(states)))
        outputs: Tensor = self.head(states.mean(1))
        return outputs


def rows(seed: int, count: int) -> tuple[Tensor, Tensor]:
    """Sentences of the first 25 words, labelled by the sum of their words."""
    ids = torch.randint(0, 25, (count, LENGTH), generator=torch.Generator().manual_seed(seed))
    return ids, (ids.sum(1) > 12 * LENGTH).long()


class Closure:
    """What the engine offers to a step, over batches that follow from their number."""

    def __init__(self, model: nn.Module, clip_norm: float | None) -> None:
        self.model, self.clip_norm, self.number = model, clip_norm, 0

    def __call__(self) -> Tensor:
        self.model.zero_grad()
        loss = self.loss()
        loss.backward()
        if self.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_norm)
        return loss.detach()

    def loss(self) -> Tensor:
        ids, labels = rows(self.number, BATCH)
        return nn.functional.cross_entropy(self.model(ids), labels)

    def held_out_loss(self) -> Tensor:
        ids, labels = rows(10_000, 64)
        return nn.functional.cross_entropy(self.model(ids), labels)


def groups(model: nn.Module, decay: float) -> list[dict[str, Any]]:
    """As the optimizers room makes them, where the rate falls from layer to layer."""
    weights = list(model.parameters())
    decayed, exempt = [w for w in weights if w.ndim > 1], [w for w in weights if w.ndim <= 1]
    return [
        {"params": decayed, "weight_decay": decay, "scale": 0.75},
        {"params": exempt, "weight_decay": 0.0, "scale": 1.0},
    ]


def plain(rule: str, rates: Sequence[float], clip: float | None) -> tuple[nn.Module, Closure]:
    """A model after one step of torch's own optimizer at each of these rates."""
    name, _, decay, own = RULES[rule]
    model = Transformer()
    closure = Closure(model, clip)
    if name == "sgd":
        inner: torch.optim.Optimizer = torch.optim.SGD(groups(model, decay), 1.0, **own)
    else:
        betas = own.get("beta1", 0.9), own.get("beta2", 0.999)
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name]
        inner = kind(groups(model, decay), 1.0, betas, own.get("epsilon", 1e-8))
    for closure.number, rate in enumerate(rates):
        closure()
        for group in inner.param_groups:
            group["lr"] = rate * group["scale"]
        inner.step()
    return model, closure


def pure(rule: str) -> SGD | Adam:
    name, _, _, own = RULES[rule]
    return {"sgd": SGD, "adam": Adam, "adamw": AdamW}[name](**own)


def learned(
    method: str, rule: str, steps: int, clip: float | None, *, pace: float = 0.0, **own: Any
) -> tuple[HD | Marthe, nn.Module]:
    """A method after so many steps, and its model."""
    _, rate, decay, _ = RULES[rule]
    model = Transformer()
    closure = Closure(model, clip)
    built: HD | Marthe
    if method == "hd":
        built = HD(groups(model, decay), pure(rule), learning_rate=rate, hyper_learning_rate=pace)
    else:
        own = {"held_out": 0.1, "mu": 1.0} | own
        built = Marthe(groups(model, decay), pure(rule), learning_rate=rate, hyper_learning_rate=pace, **own)
    for closure.number in range(steps):
        built.step(closure, learning_rate=rate * SHARES[closure.number])
    return built, model


def slope(rule: str, steps: int, clip: float | None, *, of: Sequence[int], held_out: bool = True) -> float:
    """The derivative of a loss after some steps by the rate of those in ``of``, by central differences."""
    _, rate, _, _ = RULES[rule]

    def loss(shift: float) -> float:
        rates = [(rate + (shift if step in of else 0.0)) * SHARES[step] for step in range(steps)]
        _, closure = plain(rule, rates, clip)
        closure.number = steps
        return (closure.held_out_loss() if held_out else closure.loss()).item()

    width = 1e-5 * rate
    # The fourth order: the error of the second would be seen at twenty steps.
    near, far = loss(width) - loss(-width), loss(2 * width) - loss(-2 * width)
    return (8 * near - far) / (12 * width)


@pytest.mark.parametrize("clip", [None, 0.5])
@pytest.mark.parametrize("rule", RULES)
def test_without_a_hyper_rate_the_weights_are_those_of_torchs_own_optimizer(rule: str, clip: float | None) -> None:
    rate = RULES[rule][1]
    reference, _ = plain(rule, [rate * share for share in SHARES[:20]], clip)
    for method in ("hd", "rtho"):
        _, model = learned(method, rule, 20, clip)
        for one, two in zip(model.parameters(), reference.parameters(), strict=True):
            torch.testing.assert_close(one, two, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("steps", HORIZONS)
@pytest.mark.parametrize("clip", [None, 0.5])
@pytest.mark.parametrize("rule", RULES)
def test_rthos_hypergradient_is_the_derivative_of_the_held_out_loss(rule: str, clip: float | None, steps: int) -> None:
    built, _ = learned("rtho", rule, steps + 1, clip)
    assert built.hypergradient == pytest.approx(slope(rule, steps, clip, of=range(steps)), rel=1e-4)


@pytest.mark.parametrize("mu", [0.0, 0.7])
@pytest.mark.parametrize("rule", RULES)
def test_marthes_hypergradient_is_the_sum_of_each_updates_own_with_mu_for_every_update_since(
    rule: str, mu: float
) -> None:
    built, _ = learned("marthe", rule, 6, 0.5, mu=mu)
    own = [slope(rule, 5, 0.5, of=[step]) for step in range(5)]
    expected = sum(mu ** (4 - step) * value for step, value in enumerate(own))
    assert built.hypergradient == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("steps", HORIZONS)
@pytest.mark.parametrize("rule", RULES)
def test_hds_hypergradient_is_the_derivative_of_the_next_loss_by_the_last_rate(rule: str, steps: int) -> None:
    built, _ = learned("hd", rule, steps + 1, None)
    assert built.hypergradient == pytest.approx(slope(rule, steps, None, of=[steps - 1], held_out=False), rel=1e-4)


class Parabola(nn.Module):
    """Half the square of one weight: twice a rate of 1 is where steps begin to lead away."""

    clip_norm = None

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, dtype=torch.float64))

    def loss(self) -> Tensor:
        return (self.weight**2).sum() / 2

    held_out_loss = loss

    def forward(self) -> Tensor:
        self.zero_grad()
        loss = self.loss()
        loss.backward()
        return loss.detach()


@pytest.mark.parametrize(("rate", "factor"), [(0.1, 1.2), (0.9, 1.2), (1.1, 0.8), (1.9, 0.8)])
@pytest.mark.parametrize("method", ["hd", "rtho", "marthe"])
def test_a_rate_that_is_too_small_rises_and_one_that_is_too_large_falls(
    method: str, rate: float, factor: float
) -> None:
    model = Parabola()
    config = OptimizerConfig(algorithm=f"{method}-sgd", learning_rate=rate, settings={"hyper_learning_rate": 0.2})
    built = optimizers.build(config, model)
    rates = []
    for _ in range(2):
        built.step(model, learning_rate=rate)
        rates.append(built.rate)
    assert rates == [pytest.approx(rate), pytest.approx(factor * rate)]


def test_the_rate_that_is_told_is_the_schedules_share_of_what_was_learned() -> None:
    model = Transformer()
    built = HD(groups(model, 0.0), SGD(), learning_rate=0.2, hyper_learning_rate=0.5)
    built.step(Closure(model, None), learning_rate=0.05)
    assert built.rate == 0.05
    built.step(Closure(model, None), learning_rate=0.1)
    peak = built.state_dict()["peak"]
    assert peak > 0.2
    assert built.rate == pytest.approx(peak / 2)


def test_an_adaptive_mu_agrees_where_the_last_update_confirms_the_long_look() -> None:
    built = Marthe(
        groups(Transformer(), 0.0), SGD(), learning_rate=0.1, hyper_learning_rate=0.1, held_out=0.1, mu="adaptive"
    )
    looks = [built._agreement(-2.0, -4.0)]
    built._mu = looks[0]
    looks += [built._agreement(-4.0, -2.0), built._agreement(-1.0, 1.0)]
    assert looks == [0.5, 1.0, 0.0]
    built._mu = 0.25
    built._kept = 1.0
    assert built._agreement(-1.0, -16.0) == pytest.approx((1 / 16) ** (1 / 2.25))


@pytest.mark.parametrize("rule", [Adam(), AdamW()])
def test_a_weight_that_never_had_a_gradient_has_no_derivative_and_no_nan(rule: Adam) -> None:
    model = Transformer()
    built = Marthe(groups(model, 0.0), rule, learning_rate=1e-3, hyper_learning_rate=0.1, held_out=0.1)
    closure = Closure(model, None)
    for closure.number in range(4):
        built.step(closure, learning_rate=1e-3)
    carried = built.state_dict()["carried"][0][: WORDS * WIDTH].view(WORDS, WIDTH)
    assert carried.isfinite().all()
    assert (carried[25:] == 0).all()
    assert (carried[:5] != 0).any()


def test_a_derivative_beyond_all_numbers_starts_anew_and_leaves_the_rate() -> None:
    built, model = learned("rtho", "sgd", 3, None, pace=0.1)
    state = built.state_dict()
    built.load_state_dict(state | {"carried": [torch.full_like(part, torch.inf) for part in state["carried"]]})
    built.step(Closure(model, None), learning_rate=0.2)
    assert built.state_dict()["peak"] == state["peak"]
    assert all(part.isfinite().all() for part in built.state_dict()["carried"])


@pytest.mark.parametrize("method", ["hd", "rtho", "marthe"])
@pytest.mark.parametrize(("rule", "rate"), [("sgd", 0.1), ("adam", 1e-2), ("adamw", 1e-2)])
def test_each_method_is_there_by_name_with_the_settings_of_both_and_learns(method: str, rule: str, rate: float) -> None:
    model = Transformer()
    config = OptimizerConfig(algorithm=f"{method}-{rule}", learning_rate=rate, settings={"hyper_learning_rate": 0.2})
    built, closure = optimizers.build(config, model), Closure(model, 1.0)
    losses = [built.step(closure, learning_rate=rate).item() for _ in range(40)]
    assert losses[-1] < 0.8 * losses[0]  # one batch by heart, as far as the held-out rows bear it
    assert built.requirements == optimizers.requirements(config)
    assert built.rate not in (None, rate)


def test_what_is_held_out_is_a_setting_that_the_loop_hears_of() -> None:
    config = OptimizerConfig(algorithm="rtho-sgd", learning_rate=0.1, settings={"held_out": 0.25})
    assert optimizers.requirements(config).held_out == 0.25
    assert not optimizers.requirements(OptimizerConfig(algorithm="hd-sgd", learning_rate=0.1)).held_out


@pytest.mark.parametrize(
    ("algorithm", "settings", "message"),
    [
        (
            "hd-sgd",
            {"mu": 0.5},
            "hd-sgd has no such setting; given: 'mu'; allowed: hyper_learning_rate, momentum, nesterov",
        ),
        ("hd-adam", {"momentum": 0.5}, "hd-adam has no such setting"),
        ("hd-sgd", {"hyper_learning_rate": 1.0}, "hyper_learning_rate: input should be less than 1; given: 1.0"),
        ("marthe-sgd", {"mu": 1.5}, "mu is a number from 0 to 1, or adaptive"),
        ("marthe-sgd", {"mu": "auto"}, "mu.*adaptive"),
        ("rtho-sgd", {"nesterov": True}, "nesterov needs momentum"),
        ("rtho-sgd", {"held_out": 1.5}, "held_out: input should be less than 1; given: 1.5"),
        ("rtho-adam", {"beta1": 1.0}, "beta1"),
        ("rtho-adam", {"epsilon": 0.0}, "epsilon: input should be greater than 0; given: 0.0"),
    ],
)
def test_settings_that_cannot_be_are_refused(algorithm: str, settings: dict[str, Any], message: str) -> None:
    config = OptimizerConfig(algorithm=algorithm, learning_rate=0.1, settings=settings)
    with pytest.raises(InvalidConfig, match=message):
        optimizers.build(config, Transformer())


@pytest.mark.parametrize("algorithm", sorted(hypergradient.ALGORITHMS))
def test_every_config_starts_from_its_rules_own_rate_and_names_every_setting(algorithm: str) -> None:
    catalog, encoder = Catalog.beside(Path("/nowhere")), EncoderConfig(name="x", family="bert")
    found, plain = (catalog.optimizer(name, encoder) for name in (algorithm, algorithm.split("-")[1]))
    keywords = inspect.signature(hypergradient.ALGORITHMS[algorithm]).parameters
    assert (found.learning_rate, found.weight_decay) == (plain.learning_rate, plain.weight_decay)
    assert set(found.settings) == set(keywords) - {"groups", "learning_rate"}
    assert {name: found.settings[name] for name in plain.settings} == plain.settings
    assert all(found.settings[name] == keywords[name].default for name in set(found.settings) - set(plain.settings))
