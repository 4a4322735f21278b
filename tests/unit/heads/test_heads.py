from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import pytest

from bertspec import heads
from bertspec.errors import UnknownName
from bertspec.heads import Classification, Regression


@pytest.fixture
def unregistered() -> Iterator[None]:
    """Kinds that a test registers are gone after it."""
    before = set(heads.HEADS)
    yield
    for name in heads.HEADS.keys() - before:
        del heads._HEADS[name]


def test_a_head_is_built_from_the_fields_of_its_kind() -> None:
    assert heads.build("classification", labels=("a", "b")) == Classification(("a", "b"))
    assert heads.build("regression", labels=()) == Regression()


def test_a_field_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="a regression task has no labels"):
        heads.build("regression", labels=("a", "b"))


def test_an_unknown_kind_is_answered_with_the_closest() -> None:
    with pytest.raises(UnknownName, match="unknown task head; given: 'clasification'.*did you mean classification"):
        heads.build("clasification")


@pytest.mark.parametrize("name", heads.HEADS)
def test_every_kind_has_a_loss_and_a_metric(name: str) -> None:
    assert heads.find(name).losses
    assert heads.find(name).metrics


@pytest.mark.usefixtures("unregistered")
def test_a_third_kind_is_registered_by_its_name_once() -> None:
    @heads.register
    @dataclass(frozen=True)
    class Rating(Regression):
        name: ClassVar[str] = "rating"

    assert heads.build("rating") == Rating()
    assert heads.register(Rating) is Rating

    @dataclass(frozen=True)
    class Other(Regression):
        name: ClassVar[str] = "rating"

    with pytest.raises(ValueError, match="the task head 'rating' exists already"):
        heads.register(Other)
