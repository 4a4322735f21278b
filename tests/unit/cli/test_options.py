from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from bertspec.catalog import Catalog
from bertspec.cli import options
from bertspec.cli.options import recipe_flags
from bertspec.config import OptimizerConfig, RecipeConfig
from bertspec.errors import InvalidConfig, UnknownName
from bertspec.store import Store

from .conftest import NEW, OLD


def offered(option: Any, prefix: str) -> list[str]:
    names: list[str] = option.completer(prefix=prefix, parsed_args=argparse.Namespace(store=None))
    return names


@pytest.fixture
def option() -> argparse.Action:
    return argparse.ArgumentParser().add_argument("--word")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("kind", "prefix", "names"),
    [
        ("encoder", "bert-t", ["bert-tiny"]),
        ("task", "bundled/", ["bundled/majority", "bundled/paraphrase", "bundled/sentiment"]),
        ("recipe", "q", ["quick-fine-tuning"]),
        ("optimizer", "adam", ["adam", "adamw"]),
        ("encoder", "zzz", []),
    ],
)
def test_names_are_offered(option: argparse.Action, kind: str, prefix: str, names: list[str]) -> None:
    options.complete_names(option, kind)
    assert offered(option, prefix) == names


@pytest.mark.usefixtures("kept")
def test_runs_are_offered(option: argparse.Action) -> None:
    options.complete_runs(option)
    assert sorted(offered(option, "")) == [OLD[:12], NEW[:12], "latest"]
    assert offered(option, "ab") == [OLD[:12]]


@pytest.mark.usefixtures("folder")
def test_an_empty_store_offers_no_runs(option: argparse.Action) -> None:
    options.complete_runs(option)
    assert offered(option, "") == ["latest"]


def test_a_command_line_opens_the_session_that_it_describes(folder: Path) -> None:
    session = options.session(argparse.Namespace(store="kept", device="cpu"), fresh=True)
    assert (session.store, session.device, session.fresh) == (Store(folder / "kept"), "cpu", True)


def asked(*words: str) -> dict[str, Any]:
    parser = argparse.ArgumentParser(exit_on_error=False)
    options.add_recipe(parser)
    return options.recipe_fields(parser.parse_args(words))


def test_every_field_of_a_recipe_and_of_its_optimizer_is_an_option() -> None:
    fields = {*RecipeConfig.model_fields, *OptimizerConfig.model_fields}
    assert set(recipe_flags()) == fields - {"optimizer", "name", "algorithm", "averaging", "settings"}


def test_every_option_says_in_the_help_what_it_is() -> None:
    assert [flag.name for flag in recipe_flags().values() if len(flag.meaning.split()) < 2] == []
    assert [flag.name for flag in recipe_flags().values() if "None" in flag.meaning] == []
    assert recipe_flags()["clip_norm"].meaning == "the largest global gradient norm; none does not clip"
    assert recipe_flags()["epochs"].meaning == "passes over the training split; a fraction stops inside a pass"


@pytest.mark.parametrize(
    ("name", "option", "values"),
    [
        ("batch_size", "--batch-size", "N"),
        ("clip_norm", "--clip-norm", "X|none"),
        ("schedule", "--schedule", "linear|constant|cosine|one-cycle|inverse-square-root"),
        ("micro_batch", "--micro-batch", "N|none"),
        ("layer_decay", "--layer-decay", "X"),
        ("decay_exempt", "--decay-exempt", "biases-and-norms|none"),
        ("threads", "--threads", "N|none"),
        ("frozen_encoder", "--frozen-encoder", "true|false"),
        ("learning_rate", "--learning-rate", "X"),
    ],
)
def test_the_help_says_what_may_stand_after_an_option(name: str, option: str, values: str) -> None:
    assert (recipe_flags()[name].option, recipe_flags()[name].values) == (option, values)


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        ("", {}),
        ("--epochs 0.5 --batch-size 8", {"epochs": 0.5, "batch_size": 8}),
        ("--clip-norm none --schedule constant", {"clip_norm": None, "schedule": "constant"}),
        ("--set steps=8 --set max-length=32", {"steps": 8, "max_length": 32}),
        ("--set momentum=0.8 --set nesterov=true", {"settings": {"momentum": 0.8, "nesterov": True}}),
        ("--set epsilon=1e-6 --set order=2", {"settings": {"epsilon": 1e-6, "order": 2}}),
        ("--set foreach=adaptive", {"settings": {"foreach": "adaptive"}}),
        ("--decay-exempt none --micro-batch none", {"decay_exempt": "none", "micro_batch": None}),
        ("--set averaging.start=0.5 --set averaging.every=epoch", {"averaging": {"start": 0.5, "every": "epoch"}}),
        ("--set averaging.kind=ema --set momentum=0.5", {"averaging": {"kind": "ema"}, "settings": {"momentum": 0.5}}),
    ],
)
def test_words_become_fields(words: str, fields: dict[str, Any]) -> None:
    assert asked(*words.split()) == fields


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--epochs three", "'three' is not a number, or none"),
        ("--batch-size 1.5", "'1.5' is not a whole number"),
        ("--batch-size none", "'none' is not a whole number"),
        ("--schedule cosines", "'cosines' is not one of linear, constant"),
        ("--set momentum", "'momentum' is not FIELD=VALUE"),
        ("--set steps=few", "'few' is not a whole number"),
    ],
)
def test_a_word_of_another_kind_is_bad_usage(words: str, message: str) -> None:
    with pytest.raises(argparse.ArgumentError, match=message):
        asked(*words.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--epochs 1 --steps 3", "either epochs or steps, and not both"),
        ("--steps 1 --set steps=3", "a field is set twice; given: 'steps'"),
        ("--set momentum=1 --set momentum=2", "a field is set twice; given: 'momentum'"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(words: str, message: str) -> None:
    with pytest.raises(InvalidConfig, match=message):
        asked(*words.split())


def test_a_misspelt_field_is_not_taken_for_a_setting_of_the_optimizer() -> None:
    with pytest.raises(UnknownName, match="given: 'batchsize'; allowed: did you mean batch_size"):
        asked("--set", "batchsize=4")


def test_what_the_options_ask_for_can_be_planned() -> None:
    catalog = Catalog.beside(Path("/nowhere"))
    fields = asked("--layer-decay", "0.9", "--set", "averaging.start=0.5")
    plan = catalog.plan(encoder="bert-tiny", task="bundled/sentiment", optimizer="swa", **fields)
    assert plan.recipe.optimizer.layer_decay == 0.9
    assert plan.recipe.optimizer.averaging is not None
    assert plan.recipe.optimizer.averaging.start == 0.5
