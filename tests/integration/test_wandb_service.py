"""Online: what arrives at a service that records everything, and what happens when the service fails."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from bertspec import study
from bertspec.catalog import Catalog
from bertspec.cli.commands import report as report_command
from bertspec.config import EncoderConfig, StudyConfig
from bertspec.errors import SourceError, Unreachable
from bertspec.results import ClaimRecord, ScenarioRecord, SessionRecord
from bertspec.sources import Sources, tables
from bertspec.statistics import Claim, Spread, Verdict, judge
from bertspec.store import Store, StoredRun, sessions
from bertspec.study import Session
from bertspec.tracking import WandbTracker, connection, find_run, link, publish, sync
from tests.integration.fork_server import ForkServer
from tests.recording import KEY, Fault, RecordingServer

pytest_plugins = ("tests.recording.fixtures",)
pytestmark = pytest.mark.usefixtures("wandb_environment")

FAIL = Verdict("FAIL", Claim("accuracy", "at least", 0.9), 0.5, interval=(0.4, 0.6))
PASS = Verdict("PASS", Claim("accuracy", "at least", 0.5), 0.5)


@pytest.fixture
def tracked(session: Session) -> Session:
    """A session whose runs are shown in W&B."""
    store = session.store
    tracker = WandbTracker(store.tracking, runs=store.folder, models=store.model, sources=session.sources)
    return dataclasses.replace(session, tracker=tracker)


def elsewhere(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change the service's address; the client remembers the old one until its teardown."""
    import wandb

    wandb.teardown()
    monkeypatch.setenv("WANDB_BASE_URL", url)


def one(study_config: StudyConfig) -> StudyConfig:
    return study_config.model_copy(update={"seeds": (1,)})


def seconds(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


@dataclasses.dataclass(frozen=True)
class Shown:
    """A study of two runs, the second with its model, and the service to which they went."""

    runs: tuple[StoredRun, ...]
    store: Store
    service: RecordingServer


@pytest.fixture(scope="module")
def shown(study_config: StudyConfig, nowhere: Sources, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """Trained and shown once, for the tests that only read what arrived."""
    import wandb

    folder, server = tmp_path_factory.mktemp("shown"), RecordingServer().start()
    store = Store(folder / "store")
    with pytest.MonkeyPatch.context() as patched:
        for name in ("WANDB_MODE", "WANDB_PROJECT", "WANDB_ENTITY", "http_proxy", "HTTP_PROXY"):
            patched.delenv(name, raising=False)
        for name, value in (("BASE_URL", server.url), ("API_KEY", KEY)):
            patched.setenv(f"WANDB_{name}", value)
        patched.setenv("NETRC", str(folder / "no-netrc"))
        wandb.teardown()
        tracker = WandbTracker(store.tracking, runs=store.folder, models=store.model, sources=nowhere)
        session = Session(Catalog.beside(folder), nowhere, store, tracker)
        (first,) = study.run(one(study_config), session).runs
        other = study_config.model_copy(update={"seeds": (2,)})
        (second,) = study.run(other, dataclasses.replace(session, keep_models=True)).runs
        wandb.teardown()
    yield Shown((first, second), store, server)
    server.stop()


def test_a_finished_run_arrives_whole(shown: Shown) -> None:
    assert shown.service.unknown == []
    for stored in shown.runs:
        arrived, facts = shown.service.runs[stored.fingerprint[:16]], stored.result.facts
        assert arrived.state == "finished"
        assert arrived.curve("training/loss") == stored.result.curve.loss.tolist()
        assert arrived.curve("training/learning_rate") == stored.result.curve.learning_rate.tolist()
        assert arrived.summary["evaluation/accuracy"] == facts.scores["accuracy"]
        assert arrived.summary["timings/train_s"] == facts.timings.train_s
        assert arrived.described["displayName"] == f"bert-micro · bundled/sentiment · adamw · seed {facts.seed}"
        assert arrived.config["seed"] == facts.seed
        assert arrived.config["fingerprint"] == stored.fingerprint
        assert arrived.config["recipe"]["optimizer"]["learning_rate"] == 1e-3
        assert arrived.config["provenance"]["data"]["sha256"] == facts.provenance.data.sha256
        assert arrived.described["jobType"] == "train"
        assert set(arrived.described["tags"]) == {"bert-micro", "bundled/sentiment", "adamw", "from scratch"}
        assert arrived.summary["evaluation/predictions"]["nrows"] == 40
    (group,) = {shown.service.runs[run.fingerprint[:16]].described["groupName"] for run in shown.runs}
    assert group.startswith("bert-micro · bundled/sentiment · adamw · ")


def test_the_run_folder_arrives_as_an_artifact_and_the_model_only_on_request(shown: Shown) -> None:
    first, second = shown.runs
    artifacts = {artifact.name: artifact for artifact in shown.service.operations.artifacts.values()}
    assert all(artifact.committed for artifact in artifacts.values())
    folder = artifacts[f"run-{first.fingerprint[:16]}"]
    assert folder.aliases == {"latest", "seed-1"}
    assert folder.files["run.json"] == (shown.store.folder(first.fingerprint) / "run.json").read_bytes()
    assert set(folder.files) == {"run.json", "arrays.npz"}
    assert "model.safetensors" in artifacts[f"model-{second.fingerprint[:16]}"].files
    assert f"model-{first.fingerprint[:16]}" not in artifacts


def test_the_predictions_carry_the_texts_and_the_names_of_the_labels(
    study_config: StudyConfig, nowhere: Sources, shown: Shown
) -> None:
    files = shown.service.runs[shown.runs[0].fingerprint[:16]].files
    table = json.loads(next(content for name, content in files.items() if "predictions" in name))
    assert table["columns"] == ["row", "text", "reference", "prediction", "output negative", "output positive"]
    assert {row[2] for row in table["data"]} == {"negative", "positive"}
    splits = tables.load(study_config.task, nowhere)
    assert [row[1] for row in table["data"]] == splits.evaluation["text"]


def test_a_run_that_is_shown_online_leaves_its_address(shown: Shown) -> None:
    for run in shown.runs:
        address = link(shown.store.tracking, run.fingerprint)
        assert address is not None
        assert address.startswith(shown.service.url)
        assert address.endswith(f"/runs/{run.fingerprint[:16]}")


def test_a_confusion_matrix_counts_every_row(shown: Shown) -> None:
    files = shown.service.runs[shown.runs[0].fingerprint[:16]].files
    (table,) = (json.loads(content) for name, content in files.items() if "confusion" in name)
    assert table["columns"] == ["Actual", "Predicted", "nPredictions"]
    assert sum(row[2] for row in table["data"]) == 40
    assert {row[0] for row in table["data"]} == {"negative", "positive"}


def test_a_run_that_is_trained_again_replaces_what_is_shown_of_it_and_is_the_next_version_of_its_artifact(
    study_config: StudyConfig, tracked: Session, service: RecordingServer
) -> None:
    run = study.run(one(study_config), tracked).runs[0]
    study.run(one(study_config), dataclasses.replace(tracked, fresh=True, id="another"))
    name = f"run-{run.fingerprint[:16]}"
    first, second = (each for each in service.operations.artifacts.values() if each.name == name)
    assert first.described["digest"] != second.described["digest"]
    assert second.aliases == {"latest", "seed-1"}
    kept = tracked.store.folder(run.fingerprint) / "run.json"
    assert second.files["run.json"] == kept.read_bytes() != first.files["run.json"]
    (arrived,) = service.runs.values()
    assert arrived.curve("training/step") == list(range(1, 9))


def test_a_session_s_verdicts_arrive_in_one_run_with_an_alert_for_each_fail(
    tracked: Session, service: RecordingServer
) -> None:
    tracked.tracker.judged("bert-micro · sentiment", FAIL)
    tracked.tracker.judged("bert-micro · sentiment", PASS)
    tracked.tracker.close()
    (run,) = service.runs.values()
    assert (run.described["jobType"], run.state) == ("verdict", "finished")
    assert (run.summary["verdicts/PASS"], run.summary["verdicts/FAIL"]) == (1, 1)
    assert [alert["title"] for alert in run.alerts] == ["FAIL: bert-micro · sentiment"]
    assert "accuracy 0.500 ± 0.100 is not at least 0.9" in run.alerts[0]["text"]


def test_the_table_of_verdicts_holds_all_their_evidence(tracked: Session, service: RecordingServer) -> None:
    spread = Spread(0.01, "0.0100, calibrated on 20 seeds")
    claim = Claim("accuracy", "at least", 0.9, source="published")
    verdict = judge(claim, [0.95, 0.96, 0.94], spread=spread, seed_limit=10)
    tracked.tracker.judged("bert-micro · sentiment", verdict)
    tracked.tracker.close()
    (run,) = service.runs.values()
    (table,) = (json.loads(content) for name, content in run.files.items() if "verdicts" in name)
    row = dict(zip(table["columns"], table["data"][0], strict=True))
    assert (row["verdict"], row["rule"], row["seeds"]) == ("PASS", "mean", "0.95, 0.96, 0.94")
    assert (row["spread"], row["spread source"], row["bound source"]) == (0.01, spread.source, "published")
    assert (row["pass rates"], row["detectable drop"]) == (verdict.pass_rates, verdict.detectable_drop)


def test_a_collapse_raises_an_alert(
    study_config: StudyConfig, tracked: Session, service: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bertspec import engine

    monkeypatch.setattr(
        engine, "evaluate", lambda prepared: np.tile(np.float32([1, 0]), (len(prepared.evaluation.labels), 1))
    )
    run = study.run(one(study_config), tracked).runs[0]
    arrived = service.runs[run.fingerprint[:16]]
    assert [alert["title"] for alert in arrived.alerts] == ["bert-micro collapsed on bundled/sentiment"]
    assert arrived.summary["evaluation/collapsed"] is True


def test_a_refusing_service_costs_seconds_and_one_warning(
    study_config: StudyConfig, tracked: Session, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    assert seconds(lambda: connection("auto")) < 5
    done = study.run(study_config, tracked)
    assert len(done.trained) == 2
    assert caplog.text.count("does not answer") == 1
    assert all(find_run(tracked.store.tracking, run.fingerprint) for run in done.runs)


def test_a_hanging_service_costs_seconds(
    study_config: StudyConfig, tracked: Session, service: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    service.fault = Fault.HANGING
    assert seconds(lambda: connection("auto")) < 5
    assert len(study.run(one(study_config), tracked).trained) == 1
    assert "does not answer within 2 s; runs are logged offline, and `bertspec sync` pushes them later" in caplog.text


def test_a_service_that_forbids_costs_no_run_and_no_record(
    study_config: StudyConfig, tracked: Session, service: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    service.fault, service.fault_after = Fault.FORBIDDEN, 1  # the probe is answered
    took = seconds(lambda: study.run(one(study_config), tracked))
    assert took < 30
    (run,) = tracked.store.runs()
    record = find_run(tracked.store.tracking, run.fingerprint)
    assert record is not None
    assert record.summary["evaluation/accuracy"] == run.result.facts.scores["accuracy"]
    assert KEY not in caplog.text


def test_the_process_ends_soon_though_the_service_has_died(
    study_config: StudyConfig, tmp_path: Path, service: RecordingServer, fork_server: ForkServer
) -> None:
    """The client's own exit handlers wait for minutes."""
    service.fault, service.fault_after = Fault.DEAD, 4
    (tmp_path / "one_session.py").write_text(
        "from pathlib import Path\n"
        "from bertspec import study\n"
        "from bertspec.catalog import Catalog\n"
        "from bertspec.sources import Sources\n"
        "from bertspec.config import StudyConfig\n"
        "from bertspec.store import Store\n"
        "from bertspec.tracking import WandbTracker\n"
        f"config = StudyConfig.model_validate_json({study_config.model_dump_json()!r})\n"
        f"store = Store(Path({str(tmp_path / 'apart')!r}))\n"
        "work = study.Session(Catalog(()), Sources(None, None), store, WandbTracker(store.tracking))\n"
        "print(len(study.run(config, work).trained))\n"
        "work.tracker.close()\n"
    )
    began = time.monotonic()
    done = fork_server.run("one_session", folder=tmp_path, environment=os.environ)
    took = time.monotonic() - began
    assert (done.stdout, done.returncode) == ("2\n", 0), done.stderr
    assert took < 60


def test_a_service_that_is_busy_for_a_while_gets_the_result_all_the_same(
    study_config: StudyConfig, tracked: Session, service: RecordingServer
) -> None:
    service.fault, service.fault_after, service.fault_for = Fault.UNAVAILABLE, 4, 2
    run = study.run(one(study_config), tracked).runs[0]
    arrived = service.runs[run.fingerprint[:16]]
    assert arrived.state == "finished"
    assert arrived.summary["evaluation/accuracy"] == run.result.facts.scores["accuracy"]


def test_a_service_that_hangs_in_mid_run_costs_seconds_and_no_result(
    study_config: StudyConfig, tracked: Session, service: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    service.fault, service.fault_after = Fault.HANGING, 4
    took = seconds(lambda: study.run(one(study_config), tracked))
    assert took < 30
    (run,) = tracked.store.runs()
    assert caplog.text.count("W&B failed in mid-run, the run itself goes on") == 1
    record = find_run(tracked.store.tracking, run.fingerprint)
    assert record is not None
    assert record.summary["evaluation/accuracy"] == run.result.facts.scores["accuracy"]
    service.fault = Fault.NONE
    assert "arrived" in [synced.outcome for synced in sync(tracked.store.tracking)]
    assert service.runs[run.fingerprint[:16]].curve("training/loss") == run.result.curve.loss.tolist()


def test_a_service_that_answers_nothing_but_503_costs_seconds_and_one_warning(
    study_config: StudyConfig, tracked: Session, service: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    service.fault = Fault.UNAVAILABLE
    assert len(study.run(study_config, tracked).trained) == 2
    assert caplog.text.count("does not answer") == 1
    assert service.runs == {}


def test_a_service_that_dies_in_mid_run_costs_no_result_and_is_told_later(
    study_config: StudyConfig, tracked: Session, service: RecordingServer
) -> None:
    service.fault, service.fault_after = Fault.DEAD, 4
    took = seconds(lambda: study.run(one(study_config), tracked))
    assert took < 30  # 3 s, or 20 where it dies between the probe and the tables
    (run,) = tracked.store.runs()
    service.fault = Fault.NONE
    assert "arrived" in [synced.outcome for synced in sync(tracked.store.tracking)]
    arrived = service.runs[run.fingerprint[:16]]
    assert arrived.curve("training/loss") == run.result.curve.loss.tolist()
    assert all(artifact.committed for artifact in service.operations.artifacts.values())
    assert arrived.summary["evaluation/accuracy"] == run.result.facts.scores["accuracy"]


@pytest.fixture
def offline(
    study_config: StudyConfig, tracked: Session, service: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> tuple[StoredRun, Path]:
    """A run that was logged offline, with its tracking folder, and a service that does not know it."""
    with monkeypatch.context() as patched:
        patched.setenv("WANDB_MODE", "offline")
        run = study.run(one(study_config), tracked).runs[0]
    assert service.asked == []
    return run, tracked.store.tracking


def test_what_was_logged_offline_is_pushed_and_verified(
    offline: tuple[StoredRun, Path], service: RecordingServer
) -> None:
    run, directory = offline
    assert [(synced.run, synced.outcome) for synced in sync(directory)] == [(run.fingerprint[:16], "arrived")]
    arrived = service.runs[run.fingerprint[:16]]
    assert str(link(directory, run.fingerprint)).endswith(f"/runs/{run.fingerprint[:16]}")
    assert arrived.state == "finished"
    assert arrived.curve("training/loss") == run.result.curve.loss.tolist()
    assert all(artifact.committed for artifact in service.operations.artifacts.values())
    assert [synced.outcome for synced in sync(directory)] == ["already there"]
    assert service.unknown == []


def test_a_run_whose_artifact_did_not_arrive_does_not_count_as_synced(
    offline: tuple[StoredRun, Path], service: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bertspec.tracking.offline._ARRIVAL_S", 0.0)
    monkeypatch.setattr(
        service.operations, "ArtifactMembershipByName", lambda _: {"project": {"artifactCollectionMembership": None}},
        raising=False,
    )  # fmt: skip
    (synced,) = sync(offline[1])
    assert synced.outcome == "failed"
    assert "the service lacks the artifacts run-" in synced.detail


def test_a_damaged_record_does_not_stop_the_others(offline: tuple[StoredRun, Path]) -> None:
    run, directory = offline
    broken = directory / "wandb" / "offline-run-20260101_000000-broken"
    broken.mkdir()
    (broken / "run-broken.wandb").write_bytes(b"nonsense")
    outcomes = {synced.run: synced.outcome for synced in sync(directory)}
    assert outcomes == {"broken": "failed", run.fingerprint[:16]: "arrived"}


def test_without_a_service_the_sync_says_so_in_seconds(
    offline: tuple[StoredRun, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere("http://127.0.0.1:9", monkeypatch)
    began = time.monotonic()
    with pytest.raises(Unreachable, match="does not answer within 2 s; allowed: the same command later"):
        sync(offline[1])
    assert time.monotonic() - began < 5


def test_without_a_key_the_sync_says_so(offline: tuple[StoredRun, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    with pytest.raises(SourceError, match="there is no key for W&B at .*; allowed: wandb login, or WANDB_API_KEY"):
        sync(offline[1])


def test_nothing_to_sync_is_nothing(tmp_path: Path) -> None:
    assert sync(tmp_path) == []


def test_no_token_is_written_logged_or_told(
    study_config: StudyConfig, tracked: Session, service: RecordingServer, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture, tmp_path: Path,
) -> None:  # fmt: skip
    """Online, offline, synced, and failed: every file and every message is searched."""
    secrets = (KEY, "hf_planted0123456789", "planted-password")
    monkeypatch.setenv("HF_TOKEN", secrets[1])
    caplog.set_level(logging.DEBUG)
    study.run(one(study_config), tracked)
    assert service.keys, "the key was sent to the service, and nowhere else"
    monkeypatch.setenv("WANDB_MODE", "offline")
    study.run(study_config, dataclasses.replace(tracked, tracker=WandbTracker(tracked.store.tracking)))
    monkeypatch.delenv("WANDB_MODE")
    sync(tracked.store.tracking)
    messages = [caplog.text]
    hub = f"http://someone:{secrets[2]}@127.0.0.1:9"
    nowhere = study_config.model_copy(update={"encoder": EncoderConfig(name="x", checkpoint="org/model")})
    with pytest.raises(SourceError) as refusal:
        study.run(nowhere, dataclasses.replace(tracked, sources=Sources(None, hub)))
    elsewhere(hub, monkeypatch)
    messages += [str(refusal.value), connection("auto").reason]
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) > 20
    for secret in secrets:
        assert not [file for file in files if secret.encode() in file.read_bytes()]
        assert not [text for text in messages if secret in text]


def test_a_key_of_a_netrc_file_is_used_and_not_repeated(
    study_config: StudyConfig, tracked: Session, service: RecordingServer, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture, tmp_path: Path,
) -> None:  # fmt: skip
    key = "netrckey" + "6" * 32
    netrc = tmp_path.parent / f"{tmp_path.name}-netrc"
    netrc.write_text(f"machine {service.url.removeprefix('http://')} login user password {key}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.delenv("WANDB_API_KEY")
    caplog.set_level(logging.DEBUG)
    study.run(one(study_config), tracked)
    assert [run.state for run in service.runs.values()] == ["finished"]
    assert key not in caplog.text
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and key.encode() in file.read_bytes()]


def test_a_refused_key_is_not_repeated(
    offline: tuple[StoredRun, Path], service: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    service.fault = Fault.FORBIDDEN
    with pytest.raises(SourceError, match="refuses") as refusal:
        sync(offline[1])
    assert KEY not in str(refusal.value)
    assert KEY not in caplog.text


def test_a_run_s_own_error_is_logged_without_the_keys_in_it(
    study_config: StudyConfig, tracked: Session, service: RecordingServer
) -> None:
    observer = tracked.tracker.observe(one(study_config).runs()[0], fingerprint="a" * 64)
    observer.failed(RuntimeError(f"GET https://user:planted-password@host/x with {KEY}"))
    assert service.runs["a" * 16].summary["error"] == "RuntimeError: GET https://host/x with …"


def test_a_session_becomes_a_wandb_report(service: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_PROJECT", "encoders")
    address = publish("bertspec: today", "| PASS |", fingerprints=["a" * 64, "b" * 64], metrics=["accuracy", "f1"])
    (view,) = service.operations.views
    assert address.startswith(f"{service.url}/local/encoders/reports/")
    assert (view["projectName"], view["displayName"]) == ("encoders", "bertspec: today")
    text, grid = (
        block for block in json.loads(view["spec"])["blocks"] if block["type"] in ("markdown-block", "panel-grid")
    )
    assert text["content"] == "| PASS |"
    (runs,) = grid["metadata"]["runSets"]
    assert runs["filters"]["filters"][0]["value"] == ["a" * 64, "b" * 64]
    assert runs["grouping"] == [{"section": "run", "name": "group"}]
    panels = [panel["config"] for panel in grid["metadata"]["panelBankSectionConfig"]["panels"]]
    assert [panel["metrics"] for panel in panels] == [["training/loss"], ["evaluation/accuracy"], ["evaluation/f1"]]
    assert service.unknown == []


def test_the_command_publishes_the_last_session(
    study_config: StudyConfig, session: Session, service: RecordingServer, capsys: pytest.CaptureFixture[str]
) -> None:
    run = study.run(one(study_config), session).runs[0]
    claim = ClaimRecord(claim="accuracy", subject="x", verdict="PASS", value=1, bound=0, runs=(run.fingerprint,))
    scenario = ScenarioRecord(node="x", path="x", line=1, feature="x", title="x", outcome="passed", claims=(claim,))
    shown = SessionRecord(session="s", started="", finished="2026", command="pytest", scenarios=(scenario,))
    file = sessions.write(shown, session.store.root / "sessions")
    asked = argparse.Namespace(store=str(session.store.root), session=str(file), format="wandb", output=None)
    assert report_command.execute(asked) == 0
    assert "/reports/bertspec:-2026--" in capsys.readouterr().out
    assert run.fingerprint in service.operations.views[0]["spec"]
    assert "evaluation/accuracy" in service.operations.views[0]["spec"]


def test_a_service_that_refuses_a_report_is_told_without_the_key(service: RecordingServer) -> None:
    def broken(variables: dict[str, object]) -> dict[str, object]:
        raise_key = f"{KEY} is refused"
        return {"upsertView": None, "errors": raise_key, "variables": str(variables)}

    service.operations.upsertView = broken  # type: ignore[method-assign]
    with pytest.raises(SourceError, match="W&B refuses the report") as refusal:
        publish("x", "y", fingerprints=[], metrics=[])
    assert KEY not in str(refusal.value)


def test_without_the_extra_a_report_says_what_to_install(
    service: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb_workspaces", None)
    with pytest.raises(SourceError, match=r"pip install 'bertspec\[wandb-report\]'"):
        publish("x", "y", fingerprints=[], metrics=[])
    assert service.asked == []
