"""What W&B's client really writes, and what happens when its service is away."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bertspec import study
from bertspec.config import RunConfig, StudyConfig
from bertspec.errors import StoreError
from bertspec.study import Session
from bertspec.tracking import WandbTracker, find_run, read_run, sampled_steps

KEY = "planted" + "0" * 33


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No key, no mode, no proxies, no netrc of the machine's own."""
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_PROJECT", "WANDB_BASE_URL", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    yield
    import wandb

    wandb.teardown()


@pytest.fixture
def config(study_config: StudyConfig) -> RunConfig:
    return study_config.runs()[0]


def test_a_run_can_be_read_back(study_config: StudyConfig, session: Session, tmp_path: Path) -> None:
    tracked = Session(session.catalog, session.sources, session.store, WandbTracker(tmp_path / "tracking"))
    done = study.run(study_config, tracked)
    records = [find_run(tmp_path / "tracking", run.fingerprint) for run in done.runs]
    for run, record in zip(done.runs, records, strict=True):
        assert record is not None
        curve = run.result.curve
        assert record.curve("training/loss") == curve.loss.tolist()
        assert record.curve("training/learning_rate") == curve.learning_rate.tolist()
        assert record.summary["evaluation/accuracy"] == run.result.facts.scores["accuracy"]
        assert record.config["seed"] == run.config.seed
        assert record.config["fingerprint"] == run.fingerprint
        assert record.config["provenance"]["data"]["sha256"] == run.result.facts.provenance.data.sha256
        assert record.config["recipe"]["optimizer"]["learning_rate"] == 1e-3
        assert set(record.tags) == {"bert-micro", "bundled/sentiment", "adamw", "from scratch"}
        assert record.summary["evaluation/predictions"]["nrows"] == 40
        assert (record.job_type, record.exit_code) == ("train", 0)
    groups = {record.group for record in records if record}
    assert len(groups) == 1


def test_looks_at_the_main_metric_stand_in_the_curve_and_the_result_in_the_summary(
    study_config: StudyConfig, session: Session, tmp_path: Path
) -> None:
    watched = study_config.model_copy(update={"recipe": study_config.recipe.model_copy(update={"evaluate_every": 3})})
    done = study.run(
        watched, Session(session.catalog, session.sources, session.store, WandbTracker(tmp_path / "tracking"))
    )
    for run in done.runs:
        record = find_run(tmp_path / "tracking", run.fingerprint)
        assert record is not None
        assert record.curve("evaluation/accuracy") == run.result.curve.score.tolist()
        assert len(record.curve("evaluation/accuracy")) == 3
        assert record.summary["evaluation/accuracy"] == run.result.facts.scores["accuracy"]


def test_another_recipe_has_another_group(config: RunConfig, tmp_path: Path) -> None:
    other = config.model_copy(update={"recipe": config.recipe.model_copy(update={"steps": 3})})
    tracker = WandbTracker(tmp_path)
    for each, name in ((config, "a" * 64), (other, "b" * 64)):
        tracker.observe(each, fingerprint=name).failed(RuntimeError("enough"))
    one, two = (find_run(tmp_path, name * 64) for name in "ab")
    assert one is not None
    assert two is not None
    assert one.group != two.group
    assert (one.exit_code, one.summary["error"]) == (1, "RuntimeError: enough")


def test_a_long_curve_is_sampled(config: RunConfig, tmp_path: Path) -> None:
    observer = WandbTracker(tmp_path).observe(config, fingerprint="c" * 64)
    observer.started(1000)
    for step in range(1, 1001):
        observer.stepped(step, step / 1000, 0.1)
    observer.failed(RuntimeError("enough"))
    record = find_run(tmp_path, "c" * 64)
    assert record is not None
    assert record.curve("training/step") == list(sampled_steps(1000))


def test_the_steps_of_a_killed_run_can_be_read_back(study_config: StudyConfig, tmp_path: Path) -> None:
    script = tmp_path / "killed.py"
    script.write_text(
        "import sys, time\nfrom pathlib import Path\n"
        "from bertspec.config import RunConfig\nfrom bertspec.tracking import WandbTracker\n"
        f"config = RunConfig.model_validate_json({study_config.runs()[0].model_dump_json()!r})\n"
        f"observer = WandbTracker(Path({str(tmp_path / 'wb')!r})).observe(config, fingerprint='d' * 64)\n"
        "observer.started(240)\n"
        "for step in range(1, 241):\n    observer.stepped(step, 1 / step, 0.1)\n"
        "time.sleep(1)\nprint('logged', flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "logged"
        process.kill()
    kept = eventually_kept(tmp_path / "wb", "d" * 64, at_least=100)
    assert kept == [1 / step for step in range(1, len(kept) + 1)]


def eventually_kept(directory: Path, fingerprint: str, *, at_least: int) -> list[float]:
    """The client's own process writes in blocks, and for a while after its parent's death."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        record = find_run(directory, fingerprint)
        kept = record.curve("training/loss") if record else []
        if len(kept) >= at_least:
            return kept
        time.sleep(0.2)
    pytest.fail("the record of the killed run holds too little")


def test_a_torn_record_is_read_up_to_its_tear(config: RunConfig, tmp_path: Path) -> None:
    observer = WandbTracker(tmp_path).observe(config, fingerprint="e" * 64)
    observer.started(200)
    for step in range(1, 201):
        observer.stepped(step, float(step), 0.1)
    observer.failed(RuntimeError("enough"))
    [file] = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    content = file.read_bytes()
    file.write_bytes(content[: len(content) * 2 // 3])
    kept = read_run(file).curve("training/loss")
    assert 0 < len(kept) < 200
    assert kept == [float(step) for step in range(1, len(kept) + 1)]


def test_another_file_is_no_record(tmp_path: Path) -> None:
    (tmp_path / "x.wandb").write_bytes(b"something else")
    with pytest.raises(StoreError, match="not a W&B transaction log"):
        read_run(tmp_path / "x.wandb")


def test_a_run_that_was_never_logged_has_no_record(tmp_path: Path) -> None:
    assert find_run(tmp_path, "f" * 64) is None


@pytest.mark.parametrize("service", ["refuses", "hangs"])
def test_a_service_that_is_away_costs_seconds_and_one_warning(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, service: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        if service == "refuses":
            server.close()
        monkeypatch.setenv("WANDB_BASE_URL", url)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        tracker, began = WandbTracker(tmp_path / "wb"), time.monotonic()
        with caplog.at_level(logging.WARNING, logger="bertspec.tracking"):
            for name in ("1" * 64, "2" * 64):
                observer = tracker.observe(config, fingerprint=name)
                observer.started(1)
                observer.stepped(1, 0.5, 0.1)
                observer.failed(RuntimeError("enough"))
        assert time.monotonic() - began < 8
    assert len(caplog.records) == 1
    assert "does not answer" in caplog.text
    for name in ("1" * 64, "2" * 64):
        record = find_run(tmp_path / "wb", name)
        assert record is not None
        assert record.curve("training/loss") == [0.5]
    written = b"".join(file.read_bytes() for file in (tmp_path / "wb").rglob("*") if file.is_file())
    assert KEY.encode() not in written


def test_a_user_may_switch_it_off(config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    WandbTracker(tmp_path / "wb").observe(config, fingerprint="3" * 64).started(1)
    assert not (tmp_path / "wb").exists()


def test_a_client_that_breaks_costs_no_run(
    study_config: StudyConfig, session: Session, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "in-the-way").write_text("a file where the folder should be")
    tracked = Session(session.catalog, session.sources, session.store, WandbTracker(tmp_path / "in-the-way"))
    with caplog.at_level(logging.WARNING, logger="bertspec.tracking"):
        assert len(study.run(study_config, tracked).trained) == 2
    assert len(caplog.records) == 1


def test_a_run_that_breaks_in_the_middle_of_logging_goes_on(
    config: RunConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    observer: Any = WandbTracker(tmp_path).observe(config, fingerprint="4" * 64)

    def broken(_: object) -> None:
        raise OSError("the server died")

    monkeypatch.setattr(observer.run, "log", broken)
    with caplog.at_level(logging.WARNING, logger="bertspec.tracking"):
        observer.started(10)
        for step in (1, 2, 3):
            observer.stepped(step, 0.5, 0.1)
        observer.failed(RuntimeError("enough"))
    ours = [record.message for record in caplog.records if record.name == "bertspec.tracking"]
    assert ours == ["W&B failed in mid-run, the run itself goes on: the server died"]
    monkeypatch.undo()


def test_an_artifact_has_the_files_of_the_run_and_nothing_that_a_link_leads_to(
    study_config: StudyConfig, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import wandb

    uploaded: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(
        wandb.Run,
        "log_artifact",
        lambda _, artifact, **__: uploaded.append((artifact.type, sorted(artifact.manifest.entries))),
    )

    config = study_config.model_copy(update={"seeds": (1,)})
    [run] = study.run(config, session).runs
    folder = session.store.folder(run.fingerprint)
    (tmp_path / "secret").write_text("secret")
    (folder / "run.json").write_text('{"layout": 99}')  # it stays, and the run is stored beside it
    (folder / "planted").symlink_to(tmp_path / "secret")
    (folder / "other").write_text("of another layout")
    decoy = folder.with_name(f"{folder.name}.0")
    decoy.mkdir()
    (decoy / "decoy").write_text("of nobody")
    tracker = WandbTracker(tmp_path / "tracking", runs=session.store.folder)
    study.run(config, Session(session.catalog, session.sources, session.store, tracker))
    assert [files for kind, files in uploaded if kind == "run"] == [["arrays.npz", "run.json"]]
    (session.store.folder(run.fingerprint) / "planted").symlink_to(tmp_path / "secret")
    observer: Any = tracker.observe(run.config, fingerprint=run.fingerprint)
    uploaded.clear()
    observer._log_artifacts(run.result.facts)
    assert uploaded == [("run", ["arrays.npz", "run.json"])]
