from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bertspec import device, engine, optimizers
from bertspec.config import EncoderConfig, OptimizerConfig, RecipeConfig, RunConfig, StudyConfig, TaskConfig
from bertspec.data import batches
from bertspec.engine import RunInputs, evaluation, preparation
from bertspec.errors import DataError, InvalidConfig
from bertspec.results import RunResult, Stop
from bertspec.sources import Sources, pretrained, tables


class Log:
    """An observer that keeps what it hears."""

    def __init__(self) -> None:
        self.total = 0
        self.steps: list[tuple[int, float, float]] = []
        self.looks: list[tuple[int, float]] = []

    def started(self, total_steps: int) -> None:
        self.total = total_steps

    def stepped(self, step: int, loss: float, learning_rate: float) -> None:
        self.steps.append((step, loss, learning_rate))

    def evaluated(self, step: int, score: float) -> None:
        self.looks.append((step, score))

    def finished(self, result: RunResult) -> None:
        raise AssertionError("the engine does not know whether the result is safe")

    def failed(self, error: BaseException) -> None:
        raise AssertionError("the caller tells of failures")


class StopAt(Log):
    """An observer that ends the run at one evaluation."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def evaluated(self, step: int, score: float) -> Stop | None:
        super().evaluated(step, score)
        return Stop("seen enough") if step == self.step else None


@pytest.fixture
def config(study_config: StudyConfig) -> RunConfig:
    return study_config.runs()[0]


def ran(config: RunConfig, log: Log | None = None, **options: Any) -> RunResult:
    places = Sources(None, None)
    inputs = RunInputs(pretrained.find(config.encoder, places), tables.load(config.task, places))
    return engine.run(config, inputs, log or Log(), device=device.choose("cpu", config.recipe), **options)


def changed(config: RunConfig, **recipe: Any) -> RunConfig:
    return config.model_copy(update={"recipe": RecipeConfig.model_validate(config.recipe.model_dump() | recipe)})


def test_the_same_seed_gives_the_same_bits(config: RunConfig) -> None:
    one, two = ran(config), ran(config)
    assert np.array_equal(one.outcomes.outputs, two.outcomes.outputs)
    assert np.array_equal(one.curve.loss, two.curve.loss)


def test_another_seed_gives_another_run(config: RunConfig) -> None:
    other = config.model_copy(update={"seed": 2})
    assert not np.array_equal(ran(config).outcomes.outputs, ran(other).outcomes.outputs)


def test_random_numbers_drawn_outside_do_not_matter(config: RunConfig) -> None:
    one = ran(config)
    torch.rand(10)
    np.random.default_rng().random(10)
    assert np.array_equal(one.outcomes.outputs, ran(config).outcomes.outputs)


def test_cached_token_ids_change_nothing(config: RunConfig, tmp_path: Path) -> None:
    fresh, first, second = ran(config), ran(config, cache=tmp_path), ran(config, cache=tmp_path)
    assert np.array_equal(fresh.outcomes.outputs, first.outcomes.outputs)
    assert np.array_equal(fresh.outcomes.outputs, second.outcomes.outputs)


def test_every_step_is_told_with_its_learning_rate(config: RunConfig) -> None:
    log = Log()
    result = ran(config, log)
    assert log.total == len(log.steps) == result.facts.steps == 8
    assert [loss for _, loss, _ in log.steps] == result.curve.loss.tolist()
    assert [rate for *_, rate in log.steps] == result.curve.learning_rate.tolist()


def test_the_facts_count_what_was_seen(config: RunConfig) -> None:
    facts = ran(config).facts
    assert (facts.train_examples, facts.evaluation_examples, facts.seed) == (8 * 16, 40, 1)
    assert facts.train_tokens > 8 * 16 * 10
    assert set(facts.scores) == {"accuracy", "f1"}


def test_the_outcomes_keep_the_order_of_the_rows(config: RunConfig) -> None:
    result = ran(config)
    labels = tables.load(config.task, Sources(None, None)).evaluation["label"]
    assert result.outcomes.references.tolist() == labels
    assert result.facts.scores["accuracy"] == np.mean(result.outcomes.predictions == result.outcomes.references)


def test_training_lowers_the_loss(config: RunConfig) -> None:
    loss = ran(changed(config, steps=150, optimizer={"algorithm": "adamw", "learning_rate": 1e-2})).curve.loss
    assert loss[-10:].mean() < 0.5 * loss[:10].mean()


def test_the_loop_is_the_plain_loop(config: RunConfig) -> None:
    """One step of plain SGD, done by hand, gives the weights that the engine evaluates."""
    plain = changed(
        config, steps=1, warmup_fraction=0.0, clip_norm=None, optimizer={"algorithm": "sgd", "learning_rate": 0.5}
    )
    places = Sources(None, None)
    inputs = RunInputs(pretrained.find(config.encoder, places), tables.load(config.task, places))
    chosen = device.choose("cpu", plain.recipe)
    with chosen.session(config.seed):
        context = preparation.prepare(plain, inputs, chosen, None)
        rows = next(batches.training_batches(context.train.tokens.lengths, batch_size=16, seed=config.seed))
        batch, labels = context.batch(context.train, rows)
        context.model.train()
        loss = torch.nn.functional.cross_entropy(context.model(batch), labels.long())
        loss.backward()
        with torch.no_grad():
            for parameter in context.model.parameters():
                if parameter.grad is not None:
                    parameter -= 0.5 * parameter.grad
        by_hand = evaluation.evaluate(context)
    result = ran(plain)
    assert result.curve.loss[0] == pytest.approx(loss.item())
    np.testing.assert_allclose(result.outcomes.outputs, by_hand, rtol=1e-5, atol=1e-6)


def test_a_loss_that_is_not_finite_stops_the_run_before_the_step(config: RunConfig) -> None:
    wild = changed(config, steps=40, clip_norm=None, optimizer={"algorithm": "sgd", "learning_rate": 1e30})
    result = ran(wild)
    assert re.fullmatch(r"loss (nan|inf) at step \d+ of 40, learning rate \S+", result.facts.diverged or "")
    assert result.facts.steps == len(result.curve.loss) < 40
    assert np.isfinite(result.curve.loss).all()
    assert not result.outcomes.outputs.any()


def test_weights_that_the_last_step_spoiled_say_nothing(config: RunConfig) -> None:
    wild = changed(config, steps=1, clip_norm=None, optimizer={"algorithm": "sgd", "learning_rate": 1e38})
    result = ran(changed(wild, warmup_fraction=0.0))
    assert result.facts.diverged == "outputs that are not finite numbers, after the last step"
    assert result.facts.steps == 1
    assert not result.outcomes.outputs.any()


class Twice:
    """Looks a little ahead and steps from there, as sharpness-aware minimisation does: two losses a step."""

    requirements = optimizers.Requirements()
    rate = None
    calls = 0

    def __init__(self, groups: list[dict[str, Any]], *, learning_rate: float, reach: float = 0.05) -> None:
        del learning_rate
        self.parameters = [p for group in groups for p in group["params"]]
        self.reach = reach

    @torch.no_grad()
    def step(self, closure: optimizers.Closure, *, learning_rate: float) -> torch.Tensor:
        with torch.enable_grad():
            loss = closure()
        here = [p.clone() for p in self.parameters]
        for p in self.parameters:
            p += self.reach * (p.grad / (p.grad.norm() + 1e-12)) if p.grad is not None else 0
        with torch.enable_grad():
            closure()
        for p, start in zip(self.parameters, here, strict=True):
            p.copy_(start - (learning_rate * p.grad if p.grad is not None else 0))
        Twice.calls += 2
        return loss

    def scored(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()


def twice(groups: Any, *, learning_rate: float, reach: float = 0.05) -> Twice:
    return Twice(groups, learning_rate=learning_rate, reach=reach)


def test_an_optimizer_may_evaluate_the_loss_twice(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizers, "ALGORITHMS", {**optimizers.ALGORITHMS, "twice": twice})
    monkeypatch.setattr(Twice, "calls", 0)
    result = ran(
        changed(config, steps=150, optimizer={"algorithm": "twice", "learning_rate": 0.5, "settings": {"reach": 0.01}})
    )
    assert Twice.calls == 300
    assert result.curve.loss[-10:].mean() < result.curve.loss[:10].mean()


@pytest.mark.parametrize(
    ("epochs", "examples", "batch", "expected"), [(1, 96, 16, 6), (1.5, 96, 16, 9), (3, 97, 16, 21), (0.001, 96, 16, 1)]
)
def test_epochs_become_steps(recipe: RecipeConfig, epochs: float, examples: int, batch: int, expected: int) -> None:
    asked = recipe.model_copy(update={"steps": None, "epochs": epochs, "batch_size": batch})
    assert engine.steps_of(asked, examples) == expected


@pytest.mark.parametrize(("schedule", "last"), [("linear", 0.25), ("constant", 2.0)])
def test_the_learning_rate_warms_up_and_then_follows_its_schedule(
    recipe: RecipeConfig, schedule: str, last: float
) -> None:
    peak = recipe.model_copy(
        update={
            "schedule": schedule,
            "warmup_fraction": 0.2,
            "optimizer": OptimizerConfig(algorithm="sgd", learning_rate=2.0),
        }
    )
    rates = [engine.learning_rate_at(step, 10, peak) for step in range(1, 11)]
    assert rates[:3] == [1.0, 2.0, 2.0]
    assert rates[-1] == last


def test_the_gradient_is_clipped_to_its_norm(config: RunConfig) -> None:
    tiny = changed(
        config, steps=1, warmup_fraction=0.0, clip_norm=1e-9, optimizer={"algorithm": "sgd", "learning_rate": 1.0}
    )
    still = changed(config, steps=1, warmup_fraction=0.0, optimizer={"algorithm": "sgd", "learning_rate": 1e-12})
    np.testing.assert_allclose(ran(tiny).outcomes.outputs, ran(still).outcomes.outputs, atol=1e-6)


def test_rows_that_do_not_fit_are_refused_before_training(config: RunConfig) -> None:
    log, task = (
        Log(),
        TaskConfig.model_validate(config.task.model_dump() | {"labels": ("a", "b", "c"), "metrics": ("accuracy",)}),
    )
    places = Sources(None, None)
    splits = tables.load(task, places)
    broken = tables.Splits({**splits.train, "label": [7] * 96}, splits.evaluation, splits.origin)
    inputs = RunInputs(pretrained.find(config.encoder, places), broken)
    with pytest.raises(DataError, match="unknown label; given: 7"):
        engine.run(config.model_copy(update={"task": task}), inputs, log, device=device.choose("cpu", config.recipe))
    assert log.total == 0


def test_texts_longer_than_the_encoders_positions_are_refused_before_training(config: RunConfig) -> None:
    log = Log()
    with pytest.raises(
        InvalidConfig, match="longer than the encoder's positions; given: 'max_length 67'; allowed: at most 66"
    ):
        ran(changed(config, max_length=67), log)
    assert log.total == 0


def test_a_recipe_that_does_not_fit_is_refused_before_training(config: RunConfig) -> None:
    log = Log()
    with pytest.raises(InvalidConfig, match="does not fit a classification head"):
        ran(changed(config, loss="mse"), log)
    assert log.total == 0


def test_a_fine_tuned_encoder_is_saved_and_is_an_encoder_again(config: RunConfig, tmp_path: Path) -> None:
    ran(config, save_to=tmp_path)
    again = config.model_copy(update={"encoder": EncoderConfig(name="saved", checkpoint=str(tmp_path))})
    assert ran(again).facts.provenance.encoder.source == "folder"


def test_a_regression_learns_numbers(config: RunConfig) -> None:
    task = config.task.model_copy(update={"head": "regression", "labels": (), "metrics": ("pearson",)})
    result = ran(config.model_copy(update={"task": task}))
    assert set(result.facts.scores) == {"pearson"}
    assert result.outcomes.outputs.shape == (40, 1)


def test_bf16_stays_within_its_noise(config: RunConfig) -> None:
    chosen = device.Device("cpu", "bf16", 1)
    places = Sources(None, None)
    inputs = RunInputs(pretrained.find(config.encoder, places), tables.load(config.task, places))
    half = engine.run(config, inputs, Log(), device=chosen)
    full = ran(config)
    assert np.abs(half.outcomes.outputs - full.outcomes.outputs).max() < 0.03
    assert half.facts.environment.precision == "bf16"


def test_the_engine_trains_without_the_packages_that_it_does_not_need(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import sys\n"
        "for name in ('datasets', 'evaluate', 'wandb', 'pytest', 'pytest_bdd'):\n"
        "    sys.modules[name] = None\n"
        "from bertspec import device, engine\n"
        "from bertspec.catalog import Catalog\n"
        "from bertspec.config import GeneratedConfig\n"
        "from bertspec.sources import pretrained, tables\n"
        "from bertspec.sources import Sources\n"
        "from pathlib import Path\n"
        "catalog, places = Catalog.beside(Path('.')), Sources(None, None)\n"
        "encoder, task = catalog.encoder('bert-tiny'), catalog.task('bundled/sentiment')\n"
        "few = GeneratedConfig(train_rows=64, evaluation_rows=8, label_noise=0)\n"
        "task = task.model_copy(update={'generated': few})\n"
        "config = catalog.plan(encoder=encoder, task=task, seeds=[1], steps=2).runs()[0]\n"
        "class Quiet:\n"
        "    started = stepped = lambda self, *_: None\n"
        "inputs = engine.RunInputs(pretrained.find(encoder, places), tables.load(task, places))\n"
        "print(engine.run(config, inputs, Quiet(), device=device.choose('cpu', config.recipe)).facts.steps)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "2", done.stderr


class OwnWill(optimizers.TorchOptimizer):
    """Takes half the rate that it is given, and says so."""

    def __init__(self, groups: list[dict[str, Any]], *, learning_rate: float) -> None:
        super().__init__(torch.optim.SGD(groups, learning_rate))

    def step(self, closure: optimizers.Closure, *, learning_rate: float) -> torch.Tensor:
        self.rate = learning_rate / 2
        return super().step(closure, learning_rate=self.rate)


def own_will(groups: Any, *, learning_rate: float) -> OwnWill:
    return OwnWill(groups, learning_rate=learning_rate)


def test_a_rate_that_the_rule_chose_is_what_the_curve_and_the_observer_say(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optimizers, "ALGORITHMS", {**optimizers.ALGORITHMS, "own-will": own_will})
    log = Log()
    own = changed(config, schedule="constant", optimizer={"algorithm": "own-will", "learning_rate": 0.5})
    rates = ran(own, log).curve.learning_rate.tolist()
    assert rates == [0.125, *[0.25] * 7] == [rate for *_, rate in log.steps]


def looked_at(config: RunConfig, every: int | None) -> RunConfig:
    return changed(config, evaluate_every=every, optimizer={"algorithm": "adamw", "learning_rate": 1e-2})


def test_looks_change_no_bit_of_a_run(config: RunConfig) -> None:
    shape = {**config.encoder.architecture, "hidden_dropout_prob": 0.2, "attention_probs_dropout_prob": 0.2}
    dropping = config.model_copy(update={"encoder": config.encoder.model_copy(update={"architecture": shape})})
    watched, alone = ran(looked_at(dropping, 3)), ran(looked_at(dropping, None))
    assert np.array_equal(watched.outcomes.outputs, alone.outcomes.outputs)
    assert np.array_equal(watched.curve.loss, alone.curve.loss)
    assert (alone.curve.evaluated.size, alone.curve.score.size) == (0, 0)


class Stopper(Log):
    """An observer that stops the run at its second evaluation."""

    def evaluated(self, step: int, score: float) -> Stop | None:  # type: ignore[override]
        super().evaluated(step, score)
        return Stop("hopeless") if len(self.looks) == 2 else None


def test_an_observer_ends_a_run_by_its_answer_to_an_evaluation(config: RunConfig) -> None:
    whole, log = ran(looked_at(config, 3)), Stopper()
    result = ran(looked_at(config, 3), log)
    assert (result.facts.stopped, result.facts.steps, whole.facts.stopped) == ("hopeless", 6, None)
    assert result.curve.loss.tolist() == whole.curve.loss[:6].tolist()
    assert result.curve.evaluated.tolist() == [3, 6]
    assert result.curve.score[-1] == result.facts.scores["accuracy"]
    assert 0 < result.facts.train_tokens < whole.facts.train_tokens


def test_looks_are_told_and_end_with_the_score_of_the_result(config: RunConfig) -> None:
    log = Log()
    result = ran(looked_at(config, 3), log)
    assert result.curve.evaluated.tolist() == [3, 6, 8]
    assert result.curve.score[-1] == result.facts.scores["accuracy"]
    assert log.looks == list(zip(result.curve.evaluated.tolist(), result.curve.score.tolist(), strict=True))


def test_a_look_sees_what_a_run_of_so_many_steps_ends_with(config: RunConfig) -> None:
    early = changed(looked_at(config, 4), schedule="constant", warmup_fraction=0.0)
    assert ran(early).curve.score[0] == ran(changed(early, steps=4)).facts.scores["accuracy"]


def test_the_time_of_looks_is_not_time_of_training(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(context: preparation.RunContext) -> float:
        time.sleep(0.4)
        return honest(context)

    honest = evaluation.score
    monkeypatch.setattr(evaluation, "score", slow)
    assert ran(looked_at(config, 1)).facts.timings.train_s < 7 * 0.4


def test_the_weights_that_a_look_sees_are_those_that_are_scored(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    @contextlib.contextmanager
    def scored(_self: optimizers.TorchOptimizer) -> Iterator[None]:
        told.append("in")
        yield
        told.append("out")

    monkeypatch.setattr(optimizers.TorchOptimizer, "scored", scored)
    ran(looked_at(config, 4))
    assert told == ["in", "out"] * 2


def test_an_observer_ends_a_run_by_what_it_returns(config: RunConfig) -> None:
    log = StopAt(4)
    stopped, whole = ran(looked_at(config, 2), log), ran(looked_at(config, 2))
    assert (stopped.facts.stopped, stopped.facts.steps, whole.facts.stopped) == ("seen enough", 4, None)
    assert [step for step, *_ in log.steps] == [1, 2, 3, 4]
    assert [step for step, _ in log.looks] == stopped.curve.evaluated.tolist() == [2, 4]
    assert np.array_equal(stopped.curve.loss, whole.curve.loss[:4])


def test_the_tokens_of_a_stopped_run_are_those_that_it_saw(config: RunConfig) -> None:
    stopped, short = ran(looked_at(config, 2), StopAt(4)), ran(changed(config, steps=4))
    assert stopped.facts.train_tokens == short.facts.train_tokens
    assert stopped.facts.train_examples == short.facts.train_examples == 64


def test_a_stop_after_the_last_step_changes_nothing(config: RunConfig) -> None:
    result = ran(looked_at(config, 4), StopAt(8))
    assert (result.facts.stopped, result.facts.steps) == (None, 8)


def test_a_stopped_run_saves_no_model(config: RunConfig, tmp_path: Path) -> None:
    ran(looked_at(config, 2), StopAt(4), save_to=tmp_path / "model")
    assert not (tmp_path / "model").exists()
