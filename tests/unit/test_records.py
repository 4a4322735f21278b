from __future__ import annotations

import math
import resource
import sys
from types import SimpleNamespace

import pytest
from pydantic import PositiveInt, ValidationError, model_validator

from bertspec.errors import InvalidConfig, StoreError
from bertspec.records import FiniteRecord, FrozenRecord, refuse, utc_now, validate, version_of


class Inner(FrozenRecord):
    size: PositiveInt = 1


class Outer(FrozenRecord):
    name: str
    """What people call it."""
    inner: Inner = Inner()

    @model_validator(mode="after")
    def _not_x(self) -> Outer:
        if self.name == "x":
            refuse("x is taken", ("name",), given="x", allowed=["y", "z"])
        return self


def test_a_record_is_frozen_and_describes_its_fields() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Outer(name="a").name = "b"  # type: ignore[misc]
    assert Outer.model_fields["name"].description == "What people call it."


def test_a_finite_record_refuses_what_is_not_a_number() -> None:
    class Rate(FiniteRecord):
        value: float

    with pytest.raises(InvalidConfig, match=r"value: input should be a finite number; given: nan"):
        validate(Rate, {"value": math.nan})


def test_infinite_numbers_survive_json() -> None:
    class Score(FrozenRecord):
        value: float

    assert validate(Score, Score(value=math.inf).model_dump_json().encode()) == Score(value=math.inf)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "name is missing; where: here"),
        (
            {"name": "a", "nome": 1},
            "nome is not a known field: did you mean name?; given: 1; allowed: name, inner; where: here",
        ),
        (
            {"name": "a", "inner": {"size": 0}},
            "inner.size: input should be greater than 0; given: 0; where: here",
        ),
        ({"inner": {"size": 0}}, "name is missing (1 more); where: here"),
        ({"name": "x"}, "x is taken; given: 'x'; allowed: y, z; where: here"),
        (b'{"name": 1}', "name: input should be a valid string; given: 1; allowed: text in quotes; where: here"),
    ],
)
def test_the_first_value_at_fault_is_named(values: object, message: str) -> None:
    with pytest.raises(InvalidConfig) as refusal:
        validate(Outer, values, where="here")
    assert str(refusal.value) == message


def test_where_may_depend_on_the_keys_of_the_value_at_fault() -> None:
    with pytest.raises(StoreError, match=r"the file is damaged: x is taken; .*where: line of name"):
        validate(
            Outer,
            {"name": "x"},
            where=lambda keys: f"line of {'.'.join(map(str, keys))}",
            problem="the file is damaged",
            error=StoreError,
        )


def test_a_whole_block_is_shortened_in_a_message() -> None:
    with pytest.raises(InvalidConfig) as refusal:
        validate(Outer, {"name": list(range(100))})
    assert refusal.value.given == "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 1…"


def test_the_time_is_utc_to_the_second() -> None:
    assert utc_now().endswith("+00:00")
    assert "." not in utc_now()


def test_a_package_without_metadata_has_the_version_that_it_gives_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "a_folder", SimpleNamespace(__version__="1.2"))
    assert version_of("a-folder") == "1.2"
    assert version_of("no-such-package") == "unknown"
    assert version_of("pytest") == pytest.__version__


@pytest.mark.parametrize("content", [b"{", b"", b"[" * 100_000, b'"\\ud800"', b"\xff"])
def test_what_is_no_json_is_refused_with_what_it_is(content: bytes) -> None:
    with pytest.raises(StoreError, match=r"^it is damaged: invalid JSON: .*; where: here$"):
        validate(Inner, content, where=lambda _: "here", problem="it is damaged", error=StoreError)


def test_a_document_of_too_many_values_is_refused_before_memory_is_taken() -> None:
    began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InvalidConfig, match="it has more than 4,000,000 values"):
        validate(Inner, b"[" + b"[]," * 4_000_001 + b"[]]")
    with pytest.raises(InvalidConfig, match="input should be a valid dictionary"):
        validate(Inner, b"[" + b"[]," * 200_000 + b"[]]")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - began < 100_000
