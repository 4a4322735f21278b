from __future__ import annotations

import http.server
import socket
import threading
import time

import pytest

from bertspec.network import PROBE_TIMEOUT_S, answers, redact


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("status", "there", "busy"), [(200, True, True), (404, True, True), (503, False, True)])
def test_a_server_error_counts_as_an_answer_only_where_busy_services_do(status: int, there: bool, busy: bool) -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True).start()
        url = f"http://127.0.0.1:{listening.server_port}"
        assert (answers(url), answers(url, busy_counts=True)) == (there, busy)
        listening.shutdown()


def test_a_silent_service_costs_two_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        assert not answers(f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert time.monotonic() - began < 2 * PROBE_TIMEOUT_S


def test_an_address_that_is_none_does_not_answer() -> None:
    assert not answers("no address")


def test_user_names_and_passwords_are_removed_from_addresses() -> None:
    assert redact("see https://me:secret@hub.example/x and 'http://token@other'") == (
        "see https://hub.example/x and 'http://other'"
    )
