from __future__ import annotations

import copy
import math
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bertspec import optimizers
from bertspec.config import OptimizerConfig
from bertspec.errors import InvalidConfig, UnknownName
from bertspec.optimizers import ALGORITHMS, REQUIREMENTS
from tests.unit.optimizers.conftest import Small, Trained


def stepped(algorithm: str, gradient: list[list[float]], rate: float, **settings: Any) -> Tensor:
    """How far one step moves a weight of ones."""
    model = nn.Linear(2, 1, bias=False)
    nn.init.ones_(model.weight)
    config = OptimizerConfig(algorithm=algorithm, learning_rate=1.0, settings=settings)
    optimizer = optimizers.build(config, model)

    def closure() -> Tensor:
        model.weight.grad = torch.tensor(gradient)
        return torch.tensor(0.0)

    optimizer.step(closure, learning_rate=rate)
    return 1.0 - model.weight.detach()


def test_sgd_is_the_textbook_step() -> None:
    assert torch.allclose(stepped("sgd", [[1.0, -2.0]], 0.25), torch.tensor([[0.25, -0.5]]))


def test_lion_is_the_sign_of_its_momentum() -> None:
    assert torch.allclose(stepped("lion", [[3.0, -0.1]], 0.25), torch.tensor([[0.25, -0.25]]))


def test_rmsprop_divides_by_the_root_of_the_running_square() -> None:
    assert torch.allclose(stepped("rmsprop", [[3.0, -0.1]], 0.1, alpha=0.75), torch.tensor([[0.2, -0.2]]))


def test_adagrad_divides_by_the_root_of_all_squares() -> None:
    assert torch.allclose(stepped("adagrad", [[3.0, -0.1]], 0.1), torch.tensor([[0.1, -0.1]]))


def test_lamb_scales_adams_step_to_the_norm_of_the_tensor() -> None:
    """Adam's first step is ±1 each; its norm and the weight's are both √2."""
    assert torch.allclose(stepped("lamb", [[3.0, -3.0]], 0.1), torch.tensor([[0.1, -0.1]]), atol=1e-5)


def test_adafactor_steps_are_a_share_of_the_tensor() -> None:
    """The first step is min(rate, 1) times the weight's root mean square, 1, in the gradient's direction."""
    assert torch.allclose(stepped("adafactor", [[3.0, -3.0]], 0.1), torch.tensor([[0.1, -0.1]]), atol=1e-5)


def test_muon_orthogonalises_hidden_matrices_and_leaves_the_rest_to_adamw(small: Small) -> None:
    before = {name: weight.detach().clone() for name, weight in small.named_parameters()}
    settings = {"adjust": "original", "adamw_rate_ratio": 0.1}
    optimizer = optimizers.build(OptimizerConfig(algorithm="muon", learning_rate=0.5, settings=settings), small)

    def closure() -> Tensor:
        for weight in small.parameters():
            weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(1))
        return torch.tensor(0.0)

    optimizer.step(closure, learning_rate=0.5)
    moved = {name: before[name] - weight.detach() for name, weight in small.named_parameters()}
    singular = torch.linalg.svdvals(moved["layers.0.weight"]) / 0.5
    assert singular.min() > 0.4
    assert singular.max() < 1.4
    for name in ("embedding.weight", "layers.0.bias", "norm.weight", "head.weight"):
        assert torch.allclose(moved[name].abs(), torch.tensor(0.05), rtol=1e-3), name


def test_muon_with_the_match_to_adamw_moves_a_matrix_as_far_as_adamw_would(small: Small) -> None:
    before = small.layers[0].weight.detach().clone()
    optimizer = optimizers.build(OptimizerConfig(algorithm="muon", learning_rate=0.5), small)

    def closure() -> Tensor:
        for weight in small.parameters():
            weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(1))
        return torch.tensor(0.0)

    optimizer.step(closure, learning_rate=0.5)
    moved = (before - small.layers[0].weight.detach()).square().mean().sqrt().item()
    assert moved == pytest.approx(0.5 * 0.2, rel=0.3)


def test_schedule_free_adamw_scores_an_average_and_trains_on_the_same_bits(trainer: Trained, small: Small) -> None:
    training = trainer("schedule-free-adamw")
    list(training.steps(5))
    before = [weight.detach().clone() for weight in small.parameters()]
    with training.optimizer.scored():
        assert not all(torch.equal(now, then) for now, then in zip(small.parameters(), before, strict=True))
    assert all(torch.equal(now, then) for now, then in zip(small.parameters(), before, strict=True))
    untouched = trainer("schedule-free-adamw", model=_with(before))
    untouched.optimizer.load_state_dict(copy.deepcopy(training.optimizer.state_dict()))
    assert list(untouched.steps(3)) == list(training.steps(3))


def _with(weights: list[Tensor]) -> nn.Module:
    model = Small()
    with torch.no_grad():
        for weight, value in zip(model.parameters(), weights, strict=True):
            weight.copy_(value)
    return model


def test_asgd_scores_the_mean_of_the_weights_after_its_start(trainer: Trained, small: Small) -> None:
    training = trainer("asgd", settings={"averaging_start": 3.0})
    passed = [small.head.weight.detach().clone() for _ in training.steps(7)]
    with training.optimizer.scored():
        found = small.head.weight.detach().clone()
    # Torch's mean has step 4's weights as its first and takes step 5's whole, too: the mean of steps 5 to 7.
    assert torch.allclose(found, torch.stack(passed[4:]).mean(0), atol=1e-6)


def test_before_its_start_asgd_scores_the_weights_themselves(trainer: Trained, small: Small) -> None:
    training = trainer("asgd")
    list(training.steps(3))
    before = small.head.weight.detach().clone()
    with training.optimizer.scored():
        assert torch.equal(small.head.weight, before)


def test_every_rule_of_the_table_says_what_it_requires() -> None:
    assert set(REQUIREMENTS) <= set(ALGORITHMS)
    assert {name for name, requirements in REQUIREMENTS.items() if requirements.whole_tensors} == {
        "adafactor",
        "lamb",
        "prodigy",
    }


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_rule_carries_the_requirements_of_the_table(algorithm: str, trainer: Trained) -> None:
    config = OptimizerConfig(algorithm=algorithm, learning_rate=0.1)
    assert trainer(algorithm).optimizer.requirements == optimizers.requirements(config)


def test_torchs_optimizers_require_nothing() -> None:
    assert optimizers.requirements(OptimizerConfig(algorithm="adamw", learning_rate=0.1)) == optimizers.Requirements()


def test_an_unknown_algorithm_is_answered_with_the_closest(trainer: Trained) -> None:
    with pytest.raises(UnknownName, match="did you mean adam"):
        trainer("adm")


@pytest.mark.parametrize(
    ("algorithm", "settings", "message"),
    [
        (
            "sgd",
            {"beta1": 0.9},
            "sgd has no such setting; given: 'beta1'; allowed: momentum, nesterov; where: the settings of the optim",
        ),
        ("sgd", {"groups": 1}, "sgd has no such setting; given: 'groups'; allowed: momentum, nesterov"),
        ("sgd", {"nesterov": True}, "sgd refuses its settings"),
        ("sgd", {"nesterov": 1}, "nesterov: input should be a valid boolean; given: 1"),
        ("sgd", {"momentum": "high"}, "momentum: input should be a valid number; given: 'high'"),
        ("sgd", {"momentum": True}, "momentum: input should be a valid number; given: True"),
        ("adamw", {"beta1": 1.5}, "beta1: input should be less than 1; given: 1.5"),
        ("adamw", {"epsilon": -1.0}, "adamw refuses its settings: Invalid epsilon"),
        ("rmsprop", {"alpha": 1.0}, "alpha: input should be less than 1; given: 1.0"),
        ("adagrad", {"rate_decay": -1.0}, "adagrad refuses its settings"),
        ("adadelta", {"rho": -0.1}, "rho: input should be greater than or equal to 0; given: -0.1"),
        ("adafactor", {"clip_threshold": 0.5}, "adafactor refuses its settings"),
        ("nadam", {"momentum_decay": -1.0}, "nadam refuses its settings"),
        ("radam", {"epsilon": -1.0}, "radam refuses its settings"),
        ("asgd", {"power": -1.0}, "asgd refuses its settings: decay"),
        (
            "muon",
            {"adjust": "rms"},
            "adjust: input should be 'match-rms-adamw' or 'original'; given: 'rms'",
        ),
        ("muon", {"newton_schulz_steps": 0}, "newton_schulz_steps 0 is not in 1 to 99"),
        ("muon", {"newton_schulz_steps": 2.5}, "newton_schulz_steps: input should be a valid integer; given: 2.5"),
        ("muon", {"adamw_rate_ratio": 0.0}, "adamw_rate_ratio 0.0 is not above 0"),
        ("lion", {"beta2": 1.0}, "beta2: input should be less than 1; given: 1.0"),
        ("lamb", {"epsilon": -1.0}, "lamb refuses its settings"),
        ("prodigy", {"initial_distance": 0.0}, "initial_distance 0.0"),
        ("schedule-free-adamw", {"beta1": 0.0}, "schedule-free-adamw refuses its settings"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_anything_is_loaded(
    algorithm: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidConfig, match=message):
        optimizers.check(OptimizerConfig(algorithm=algorithm, learning_rate=0.1, settings=settings))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"algorithm": "prodigy", "layer_decay": 0.9}, "prodigy has one learning rate for all weights; given: 0.9"),
        (
            {"algorithm": "asgd", "averaging": {"kind": "ema"}},
            "asgd scores its own average of the weights; given: 'ema'",
        ),
        (
            {"algorithm": "schedule-free-adamw", "averaging": {"kind": "swa"}},
            "schedule-free-adamw scores its own average of the weights",
        ),
    ],
)
def test_what_does_not_go_with_a_rule_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidConfig, match=message):
        optimizers.check(OptimizerConfig.model_validate({"learning_rate": 0.1, **values}))


def test_schedule_free_adamw_takes_the_place_of_a_schedule() -> None:
    config = OptimizerConfig(algorithm="schedule-free-adamw", learning_rate=0.1)
    optimizers.check(config, schedule="constant")
    with pytest.raises(InvalidConfig, match="given: 'linear'; allowed: schedule: constant"):
        optimizers.check(config, schedule="linear")


@pytest.mark.parametrize("algorithm", ["lamb", "lion", "prodigy", "schedule-free-adamw"])
def test_without_its_package_a_rule_names_the_extra(algorithm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytorch_optimizer", None)
    with pytest.raises(
        InvalidConfig, match=r"needs the package pytorch_optimizer.*pip install 'bertspec\[optimizers\]'"
    ):
        optimizers.check(OptimizerConfig(algorithm=algorithm, learning_rate=0.1))


def test_muon_has_nothing_to_do_where_no_layer_is_trained(small: Small, trainer: Trained) -> None:
    small.layers.requires_grad_(requires_grad=False)
    with pytest.raises(InvalidConfig, match="no matrix of a hidden layer is trained"):
        trainer("muon")


def test_prodigy_finds_its_own_rate(trainer: Trained) -> None:
    losses = list(trainer("prodigy", rate=1.0).steps(200))
    assert losses[-1] < 0.1 * losses[0]
    assert not math.isnan(losses[-1])
