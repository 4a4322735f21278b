from __future__ import annotations

import errno
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import pytest

from bertspec import errors
from bertspec.errors import BertspecError, StoreError, UnknownName


def test_a_message_says_what_was_given_what_is_allowed_and_where() -> None:
    message = str(BertspecError("it is wrong", given=0, allowed="1 or more", where="recipe x"))
    assert message == "it is wrong; given: 0; allowed: 1 or more; where: recipe x"


def test_an_unknown_name_is_answered_with_the_closest_names() -> None:
    message = str(UnknownName("encoder", "brt-tiny", ["minilm", "bert-tiny"]))
    assert message == "unknown encoder; given: 'brt-tiny'; allowed: did you mean bert-tiny? known: bert-tiny, minilm"


def test_every_public_error_is_a_bertspec_error() -> None:
    assert all(issubclass(getattr(errors, name), BertspecError) for name in errors.__all__)


def test_a_password_in_an_address_is_not_shown() -> None:
    error = BertspecError("refused", given="https://me:secret@hub.example/x", where="http://token@other")
    assert str(error) == "refused; given: 'https://hub.example/x'; where: http://other"


@pytest.mark.parametrize("part", ["problem", "given", "allowed", "where"])
def test_no_part_of_an_error_holds_a_password(part: str) -> None:
    error = BertspecError(**{"problem": "refused", part: "no answer from https://me:secret@hub.example/x"})
    assert getattr(error, part) == "no answer from https://hub.example/x"
    shown = [repr(error), str(error), str(error.args), str(vars(error)), repr(bytes(ForkingPickler.dumps(error)))]
    assert [text for text in shown if "secret" in text] == []


@pytest.mark.parametrize("kind", [getattr(errors, name) for name in errors.__all__])
def test_an_error_that_was_sent_to_another_process_says_the_same(kind: type[BertspecError]) -> None:
    if kind is UnknownName:
        sent: BertspecError = UnknownName("task", "x", ["y"], where="here")
    else:
        sent = kind("it is wrong", given=0, allowed="1 or more", where=Path("x"))
    received = ForkingPickler.loads(ForkingPickler.dumps(sent))
    assert type(received) is kind
    assert str(received) == str(sent)
    assert vars(received) == vars(sent)


def test_an_error_keeps_its_parts() -> None:
    error = BertspecError("it is wrong", given=0, allowed="1 or more", where="recipe x")
    assert (error.problem, error.given, error.allowed, error.where) == ("it is wrong", 0, "1 or more", "recipe x")


@pytest.mark.parametrize("part", ["problem", "given", "allowed", "where"])
def test_a_message_is_one_line_whatever_its_parts_hold(part: str) -> None:
    message = str(BertspecError(**{"problem": "refused", part: "a\nb\tc\x1b[31m"}))
    assert r"a\nb\tc\x1b[31m" in message
    assert message.isprintable()


def test_what_cannot_be_written_is_refused_with_what_to_do() -> None:
    full = StoreError.unwritable("nothing can be stored", OSError(errno.ENOSPC, "the disk is full", "x"), where="here")
    assert str(full) == (
        "nothing can be stored: the disk is full; allowed: a writable folder with free space, named by "
        "BERTSPEC_STORE, --store or --bertspec-store; where: here"
    )
    blocked = StoreError.unwritable("nothing can be stored", OSError(errno.EISDIR, "a folder", "x"), where="here")
    assert "given: 'x'; allowed: no folder there: remove it, or name another store with BERTSPEC_STORE" in str(blocked)
    refused = StoreError.unwritable("nothing can be stored", PermissionError(errno.EACCES, "no", "x"), where="here")
    assert "no; given: 'x'; allowed: a writable folder" in str(refused)
