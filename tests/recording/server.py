"""HTTP around the operations: GraphQL, the stream of a run's files, and uploads."""

from __future__ import annotations

import gzip
import json
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.recording.faults import Fault
from tests.recording.operations import Operations
from tests.recording.records import Run

__all__ = ["RecordingServer"]

_STREAM = re.compile(r"/files/[^/]+/[^/]+/([^/]+)/file_stream")
_UPLOAD = re.compile(r"/upload/(run|artifact|manifest)/([^/]+)/?(.*)")
_HANG_S = 60.0
_POLL_S = 0.02
"""How long a stop may wait: the library's half second, once a test, adds up."""


@dataclass
class RecordingServer:
    """Listens on 127.0.0.1 from ``start`` to ``stop``; ``fault`` says what it does with requests."""

    fault: Fault = Fault.NONE
    fault_after: int = 0
    """The number of requests that are answered before the fault begins."""
    fault_for: int = 1 << 30
    """The number of requests that meet the fault before it ends."""
    operations: Operations = field(default_factory=Operations)
    asked: list[str] = field(default_factory=list)
    """The requests: operations by name, everything else by method and path."""
    keys: set[str] = field(default_factory=set)
    """Every Authorization header that came in."""
    unknown: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _http: ThreadingHTTPServer | None = None

    @property
    def runs(self) -> dict[str, Run]:
        return self.operations.runs

    @property
    def url(self) -> str:
        assert self._http is not None
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def start(self) -> RecordingServer:
        handler = type("Handler", (_Handler,), {"server_of": self})
        self._http = _Http(("127.0.0.1", 0), handler)
        self.operations.url = self.url
        threading.Thread(target=self._http.serve_forever, args=(_POLL_S,), daemon=True).start()
        return self

    def stop(self) -> None:
        assert self._http is not None
        self._http.shutdown()
        self._http.server_close()

    def meets(self) -> Fault:
        """What happens to the request that has just come in."""
        with self._lock:
            if self.fault is Fault.NONE:
                return Fault.NONE
            if self.fault_after > 0:
                self.fault_after -= 1
                return Fault.NONE
            self.fault_for -= 1
            return self.fault if self.fault_for >= 0 else Fault.NONE

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body."""
        with self._lock:
            if path == "/graphql":
                return self._graphql(json.loads(body))
            if match := _STREAM.fullmatch(path):
                return self._stream(self.operations.run(match[1]), json.loads(body))
            if method == "PUT" and (match := _UPLOAD.fullmatch(path)):
                return self._upload(match[1], match[2], match[3], body)
            if method == "HEAD" or path.startswith("/sdk/"):  # the probe, and the client's telemetry
                return 200, b""
            self.unknown.append(f"{method} {path}")
            return 404, b"{}"

    def _graphql(self, query: dict[str, Any]) -> tuple[int, bytes]:
        match = re.search(r"(?:query|mutation)\s+(\w+)", query["query"])
        name = query.get("operationName") or (match[1] if match else "?")
        self.asked.append(name)
        operation = getattr(self.operations, name, None)
        if operation is None:
            self.unknown.append(name)
            return 400, json.dumps({"errors": [{"message": f"{name} is not recorded"}]}).encode()
        return 200, json.dumps({"data": operation(query.get("variables") or {})}).encode()

    def _stream(self, run: Run, update: dict[str, Any]) -> tuple[int, bytes]:
        run.last_contact = time.monotonic()
        for name, chunk in (update.get("files") or {}).items():
            rows = [json.loads(row) for row in chunk["content"]] if name.endswith((".jsonl", ".json")) else []
            if name == "wandb-history.jsonl":
                run.history[chunk.get("offset", 0) :] = rows
            elif name == "wandb-summary.json":
                run.summary = rows[-1]
        if update.get("complete"):
            run.complete, run.exit_code = True, update.get("exitcode")
        return 200, json.dumps({"exitcode": None, "limits": {}}).encode()

    def _upload(self, kind: str, owner: str, name: str, body: bytes) -> tuple[int, bytes]:
        if kind == "run":
            self.operations.run(owner).files[name] = body
        elif kind == "artifact":
            self.operations.artifacts[owner].files[name] = body
        else:
            self.operations.artifacts[owner].manifest = body
        return 200, b""


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients drop their idle connections when they end."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_of: RecordingServer

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if "Authorization" in self.headers:
            self.server_of.keys.add(self.headers["Authorization"])
        fault = self.server_of.meets()
        if fault is Fault.HANGING:
            time.sleep(_HANG_S)
        if fault in (Fault.HANGING, Fault.DEAD):
            self.close_connection = True
            return
        status, answer = {Fault.UNAVAILABLE: (503, b"{}"), Fault.FORBIDDEN: (401, b"{}")}.get(
            fault
        ) or self.server_of.answer(self.command, self.path.partition("?")[0], body)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_HEAD = handle_any  # noqa: N815 - the library's names

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""
