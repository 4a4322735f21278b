from __future__ import annotations

import http.server
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import bertspec.sources
from bertspec.errors import SourceError
from bertspec.network import PROBE_TIMEOUT_S
from bertspec.sources import Sources


class Answer(http.server.BaseHTTPRequestHandler):
    status = 200

    def do_HEAD(self) -> None:
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(params=[200, 404, 503])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    handler = type("Handler", (Answer,), {"status": request.param})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}", request.param
        listening.shutdown()


@pytest.fixture(autouse=True)
def no_proxy_and_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    bertspec.sources._hub_answers.cache_clear()
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_a_hub_that_answers_anything_but_a_server_error_is_there(server: tuple[str, int]) -> None:
    endpoint, status = server
    assert Sources(None, endpoint).hub_answers() is (status < 500)


def test_a_hub_that_refuses_is_not_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert not Sources(None, f"http://127.0.0.1:{port}").hub_answers()


def test_a_hub_that_hangs_is_given_two_seconds_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        asked = Sources(None, f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        assert not asked.hub_answers()
        assert not asked.hub_answers()
        assert time.monotonic() - began < 2 * PROBE_TIMEOUT_S


def test_offline_means_that_no_hub_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert Sources.from_environment().endpoint is None
    assert not Sources.from_environment().hub_answers()


def test_a_proxy_is_honoured(monkeypatch: pytest.MonkeyPatch, server: tuple[str, int]) -> None:
    monkeypatch.setenv("http_proxy", server[0])
    assert Sources(None, "http://hub.invalid").hub_answers() is (server[1] < 500)


def test_a_mirror_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BERTSPEC_MIRROR", str(tmp_path / "no"))
    with pytest.raises(SourceError, match="the mirror folder does not exist.*BERTSPEC_MIRROR"):
        Sources.from_environment()


def test_a_mirror_is_asked_by_hub_id(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mirror" / "org" / "model").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    monkeypatch.setenv("BERTSPEC_MIRROR", str(tmp_path / "mirror"))
    asked = Sources.from_environment()
    assert asked.in_mirror("org/model") == tmp_path / "mirror" / "org" / "model"
    assert asked.in_mirror("org/other") is None
    assert asked.in_mirror("../outside") is None


@pytest.mark.parametrize("name", ["x" * 300, "nu\0ll", "loop"])
def test_a_name_that_no_folder_can_have_is_not_in_the_mirror(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert Sources(tmp_path, None).in_mirror(name) is None


def test_the_places_describe_themselves(tmp_path: Path) -> None:
    assert "BERTSPEC_MIRROR is not set" in Sources(None, None).describe()
    assert str(tmp_path) in Sources(tmp_path, "http://hub").describe()
