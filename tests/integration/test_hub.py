"""A hub on this machine: what is asked of it, and what is taken from it."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

import bertspec.sources
from bertspec.config import EncoderConfig, TaskConfig
from bertspec.errors import SourceError, UnknownName, UnsafeCheckpoint
from bertspec.sources import Sources, pretrained, tables

COMMIT = "c" * 40
FILES = {
    "org/model": {
        "model.safetensors": b"weights",
        "config.json": b"{}",
        "tokenizer.json": b"{}",
        "pytorch_model.bin": b"a pickle",
        "onnx/model.onnx": b"large",
    },
    "org/pickled": {"pytorch_model.bin": b"a pickle", "config.json": b"{}", "tokenizer.json": b"{}"},
    "org/data": {
        "README.md": b"---\nconfigs:\n- config_name: one\n  data_files:\n  - split: train\n    path: one/train.csv\n"
        b"  - split: validation\n    path: one/validation.csv\n---\n",
        "one/train.csv": b"text,label\ngood,1\nbad,0\n",
        "one/validation.csv": b"text,label\nfine,1\n",
        "two/train.csv": b"text,label\nother,1\n",
    },
    "org/described": {
        "README.md": b"---\ndataset_info: [{config_name: a}, {config_name: b}]\n---\n",
        "a/train.csv": b"text,label\ngood,1\nbad,0\n",
        "a/validation-[1].csv": b"text,label\nfine,1\n",
        "b/train.csv": b"text,label\nother,1\n",
    },
    "org/plain": {
        "train.csv": b"text,label\ngood,1\nbad,0\n",
        "validation.csv": b"text,label\nfine,1\n",
    },
}

DATA = ("org/data", "org/described", "org/plain")


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of the hub's interface as a download needs."""

    protocol_version = "HTTP/1.1"
    asked: list[str]

    def do_HEAD(self) -> None:
        self.answer(send_body=False)

    def do_GET(self) -> None:
        self.answer(send_body=True)

    def answer(self, *, send_body: bool) -> None:
        self.asked.append(self.path)
        body, status = self.content()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        if status == 404:
            self.send_header("X-Error-Code", "RepoNotFound")
        self.end_headers()
        if send_body:
            self.wfile.write(body)

    def content(self) -> tuple[bytes, int]:
        path = urllib.parse.unquote(self.path.partition("?")[0]).strip("/")
        if not path:
            return b"", 200
        for name, files in FILES.items():
            kind = "datasets" if name in DATA else "models"
            if path.startswith(f"api/{kind}/{name}/tree/"):
                tree = [{"type": "file", "path": f, "size": len(c), "oid": "0" * 40} for f, c in files.items()]
                return json.dumps(tree).encode(), 200
            if path.startswith(f"api/{kind}/{name}"):
                listing: dict[str, Any] = {"id": name, "sha": COMMIT, "siblings": [{"rfilename": f} for f in files]}
                return json.dumps(listing).encode(), 200
            prefix = f"{'datasets/' if kind == 'datasets' else ''}{name}/resolve/{COMMIT}/"
            if path.startswith(prefix) and path.removeprefix(prefix) in files:
                return files[path.removeprefix(prefix)], 200
        return b"{}", 404

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[Sources, list[str]]]:
    """The sources with this hub, and the paths it was asked for."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    asked: list[str] = []
    handler = type("Handler", (Hub,), {"asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        bertspec.sources._hub_answers.cache_clear()
        yield Sources(None, url), asked
        server.shutdown()


def test_a_checkpoint_is_downloaded_at_one_commit_and_without_its_pickle(hub: tuple[Sources, list[str]]) -> None:
    where, asked = hub
    files = pretrained.find(EncoderConfig(name="x", checkpoint="org/model"), where)
    assert files.folder is not None
    assert sorted(file.name for file in files.folder.iterdir()) == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    assert (files.origin.source, files.origin.revision) == ("hub", COMMIT)
    assert not [path for path in asked if "pytorch_model" in path or "onnx" in path]


def test_a_checkpoint_that_is_only_a_pickle_is_refused(hub: tuple[Sources, list[str]]) -> None:
    with pytest.raises(UnsafeCheckpoint, match=r"pytorch_model\.bin"):
        pretrained.find(EncoderConfig(name="x", checkpoint="org/pickled"), hub[0])


def test_one_subset_of_a_data_set_is_downloaded(hub: tuple[Sources, list[str]]) -> None:
    where, asked = hub
    values = {"name": "x", "dataset": "org/data", "subset": "one", "text": "text", "metrics": ("accuracy",)}
    task = TaskConfig.model_validate(values | {"head": "classification", "labels": ("bad", "good")})
    splits = tables.load(task, where)
    assert splits.train == {"text": ["good", "bad"], "label": ["1", "0"]}
    assert (splits.origin.source, splits.origin.revision) == ("hub", COMMIT)
    assert not [path for path in asked if "two/" in path]


def test_a_hub_and_a_mirror_give_the_same_rows(hub: tuple[Sources, list[str]], tmp_path: Path) -> None:
    for name in DATA:
        for file, content in FILES[name].items():
            (tmp_path / "mirror" / name / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "mirror" / name / file).write_bytes(content)
    values = {
        "name": "x",
        "text": "text",
        "metrics": ("accuracy",),
        "head": "classification",
        "labels": ("bad", "good"),
    }
    for name, subset in (("org/data", "one"), ("org/described", "a"), ("org/plain", None)):
        task = TaskConfig.model_validate(values | {"dataset": name, "subset": subset})
        downloaded, mirrored = (tables.load(task, where) for where in (hub[0], Sources(tmp_path / "mirror", None)))
        assert downloaded.origin.sha256 == mirrored.origin.sha256
        assert downloaded.evaluation["text"] == ["fine"]
    assert not [path for path in hub[1] if "/b/" in path]


def test_a_name_that_the_hub_does_not_know_is_said_to_be_unknown(hub: tuple[Sources, list[str]]) -> None:
    with pytest.raises(UnknownName, match="unknown model; given: 'org/nothing'"):
        pretrained.find(EncoderConfig(name="x", checkpoint="org/nothing"), hub[0])


def test_a_name_that_is_no_hub_id_is_refused(hub: tuple[Sources, list[str]]) -> None:
    with pytest.raises(SourceError):
        pretrained.find(EncoderConfig(name="x", checkpoint="a/b/c"), hub[0])


def test_an_unreachable_hub_costs_seconds() -> None:
    import time

    bertspec.sources._hub_answers.cache_clear()
    began = time.monotonic()
    with pytest.raises(SourceError, match="is not available locally"):
        pretrained.find(EncoderConfig(name="x", checkpoint="org/model"), Sources(None, "http://127.0.0.1:9"))
    assert time.monotonic() - began < 5
