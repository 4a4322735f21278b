"""The Python interface, on an encoder that trains in a second."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import bertspec
from bertspec import api, errors
from bertspec.catalog import Catalog
from bertspec.results import SweepRecord, TrialRecord
from bertspec.sources import Sources
from bertspec.store import Store
from bertspec.study import Session
from bertspec.tracking import SilentTracker

MICRO = """
family: bert
recipe: from-scratch
architecture: {hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 32,
  max_position_embeddings: 66}
"""
TASK = """
dataset: bundled/sentiment
text: text
head: classification
labels: [negative, positive]
metrics: [accuracy, f1]
generated: {train_rows: 64, evaluation_rows: 40, label_noise: 0.05}
"""
QUICK = {"steps": 3, "batch_size": 16, "max_length": 16, "threads": 1}
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two small encoders and a small task, and the store of all tests here."""
    folder = tmp_path_factory.mktemp("front-door")
    for kind, names, text in (("encoders", ("micro", "twin"), MICRO), ("tasks", ("few",), TASK)):
        (folder / "configs" / kind).mkdir(parents=True)
        for name in names:
            (folder / "configs" / kind / f"{name}.yaml").write_text(text)
    return folder


@pytest.fixture(scope="module")
def work(root: Path) -> Session:
    sources = Sources(mirror=None, endpoint=None)
    return Session(Catalog.beside(root), sources, Store(root / ".bertspec"), SilentTracker(), keep_models=True)


@pytest.fixture(scope="module")
def study(work: Session) -> api.StudyResult:
    return bertspec.fine_tune("micro", "few", seeds=range(1, 3), session=work, **QUICK)


@pytest.fixture
def here(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """That folder as the current one, without W&B and without a hub."""
    for name in ("BERTSPEC_STORE", "BERTSPEC_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.chdir(root)
    return root


def test_the_package_offers_what_it_lists_and_nothing_else() -> None:
    offered = {"fine_tune", "compare", "sweep", "measure", "predict", "load_run", "runs", "Session", "__version__"}
    assert set(bertspec.__all__) == offered | set(errors.__all__)
    assert set(bertspec.__all__) <= set(dir(bertspec))
    for name in bertspec.__all__:
        assert getattr(bertspec, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'train'"):
        bertspec.train  # noqa: B018


def test_no_module_hides_a_name_that_the_package_offers() -> None:
    modules = {module.name for module in pkgutil.iter_modules(bertspec.__path__)}
    assert modules.isdisjoint(bertspec.__all__)


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'transformers', 'datasets', 'pandas', 'pydantic', 'numpy', 'bertspec.api'}"
    code = f"import sys, bertspec; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_study_becomes_a_tidy_frame_with_one_row_per_seed(study: api.StudyResult) -> None:
    frame = study.to_frame()
    assert list(frame["seed"]) == [1, 2]
    assert list(frame["accuracy"]) == list(study.scores())
    assert list(frame["origin"]) == ["trained", "trained"]
    assert {"encoder", "task", "optimizer", "learning_rate", "f1", "steps", "collapsed", "fingerprint"} <= set(frame)


def test_a_study_says_its_mean_and_interval(study: api.StudyResult) -> None:
    summary = study.summary().set_index("metric")
    assert summary.loc["accuracy", "mean"] == pytest.approx(sum(study.scores()) / 2)
    assert summary.loc["accuracy", "low"] <= summary.loc["accuracy", "mean"] <= summary.loc["accuracy", "high"]
    assert f"accuracy {study.mean():.4f} [" in repr(study)


def test_a_study_shows_itself_in_a_notebook(study: api.StudyResult) -> None:
    shown = study._repr_html_()
    assert "micro · few · adamw" in shown
    assert "accuracy" in shown
    assert f"<td>{study.runs[0].fingerprint[:12]}</td>" in shown


def test_a_title_of_markup_is_escaped() -> None:
    assert "<script>" not in api._display("<script>", api._frame([{"a": "<script>"}]))


def test_a_study_draws_itself_with_the_charts_of_the_report(study: api.StudyResult, tmp_path: Path) -> None:
    plot = study.plot()
    file = plot.save(tmp_path / "deep" / "study.svg")
    root = ET.fromstring(file.read_text("utf-8"))
    assert root.tag == f"{SVG}svg"
    assert "training loss" in plot._repr_svg_()
    assert plot._repr_html_().startswith('<img alt="plot" src="data:image/svg+xml;base64,')
    with pytest.raises(bertspec.InvalidConfig, match="ends in .svg"):
        plot.save(tmp_path / "study.png")


def test_a_run_comes_from_the_store_the_second_time(study: api.StudyResult, work: Session) -> None:
    again = bertspec.fine_tune("micro", "few", seeds=[1], session=work, **QUICK)
    assert list(again.to_frame()["origin"]) == ["store"]
    assert again.runs[0].fingerprint == study.runs[0].fingerprint


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"encoder": "mirco"}, "unknown encoder; given: 'mirco'; allowed: did you mean micro"),
        ({"optimizer": "adamm"}, "unknown optimizer; given: 'adamm'"),
        ({"learning_rate": -1.0}, "learning_rate: .* greater than 0; given: -1.0"),
        ({"epoch": 2}, "epoch"),
        ({"seeds": ()}, "seeds"),
    ],
)
def test_a_mistake_is_refused_before_training(words: dict[str, object], message: str, work: Session) -> None:
    before = work.store.count()
    with pytest.raises(bertspec.BertspecError, match=message):
        bertspec.fine_tune(**{"encoder": "micro", "task": "few", "session": work} | words)  # type: ignore[arg-type]
    assert work.store.count() == before


def test_a_metric_that_the_task_lacks_is_refused(study: api.StudyResult) -> None:
    with pytest.raises(bertspec.InvalidConfig, match="does not report this metric; given: 'f2'; allowed: accuracy, f1"):
        study.scores("f2")


def test_optimizers_are_compared_with_intervals(work: Session) -> None:
    compared = bertspec.compare("micro", "few", optimizer=["adamw", "sgd"], seeds=(1, 2), session=work, **QUICK)
    ranking = compared.ranking()
    assert sorted(ranking["name"]) == ["adamw", "sgd"]
    assert list(ranking["mean"]) == sorted(ranking["mean"], reverse=True)
    assert [tuple(row) for row in ranking[["best_rank", "worst_rank"]].to_numpy()] == [(1, 2), (1, 2)]
    assert len(compared.to_frame()) == 4
    assert "at least 5 of each are needed" in compared._repr_html_()
    assert "sgd" in compared.plot().svg


def test_a_comparison_of_one_study_is_refused(work: Session) -> None:
    with pytest.raises(bertspec.InvalidConfig, match="at least two different studies; given: 'micro'"):
        bertspec.compare("micro", "few", session=work)
    with pytest.raises(bertspec.InvalidConfig, match="at least two different studies; given: 'micro, micro'"):
        bertspec.compare(["micro", "micro"], "few", session=work)


def test_two_encoders_are_measured_in_turns(work: Session) -> None:
    measured = bertspec.measure(["micro", "twin"], lengths=[8], batch_size=2, rounds=2, calls=2, session=work)
    frame = measured.to_frame()
    assert list(frame["encoder"]) == ["micro", "twin"]
    assert (frame["p50_s"] <= frame["p99_s"]).all()
    assert list(measured.ratios()["quantity"]) == ["p50", "p95", "p99", "examples_per_second"]
    with pytest.raises(bertspec.InvalidConfig, match="two in turns"):
        bertspec.measure(["micro", "twin", "micro"], session=work)


@pytest.mark.usefixtures("study")
def test_the_runs_of_this_folder_are_listed_loaded_and_used(here: Path) -> None:
    kept = bertspec.runs(encoder="micro", task="few")
    assert set(kept.to_frame()["encoder"]) == {"micro"}
    assert len(bertspec.runs(encoder="other")) == 0
    latest = bertspec.load_run()
    assert latest.result.facts.finished == max(run.result.facts.finished for run in kept)
    assert bertspec.load_run(latest.fingerprint[:12]).config == latest.config
    (said,) = bertspec.predict(latest, "the film was good .")
    assert said.label in {"negative", "positive"}
    assert (here / ".bertspec").is_dir()


def test_one_seed_needs_no_list(work: Session) -> None:
    assert [run.config.seed for run in api.fine_tune("micro", "few", seeds=3, session=work, **QUICK).runs] == [3]
    compared = api.compare(["micro", "twin"], "few", seeds=3, session=work, **QUICK)
    assert [len(study.runs) for study in compared.studies.values()] == [1, 1]


def test_the_frame_of_no_runs_has_the_columns_of_the_others(study: api.StudyResult) -> None:
    full = study.runs.to_frame()
    empty = api.RunList().to_frame()
    assert len(empty) == 0
    assert list(empty) == [name for name in full if name not in study.metrics]


def test_a_sweep_becomes_a_frame_of_its_trials(root: Path, work: Session) -> None:
    file = root / "rates.yaml"
    file.write_text(
        "method: grid\nparameters:\n  encoder: {value: micro}\n  task: {value: few}\n  steps: {value: 2}\n"
        "  threads: {value: 1}\n  seeds: {value: [201]}\n  learning_rate: {values: [0.001, 0.01]}\n"
    )
    swept = bertspec.sweep(file, session=work)
    assert list(swept.to_frame()["learning_rate"]) == [0.001, 0.01]
    assert list(swept.to_frame()["state"]) == ["finished", "finished"]
    assert len(swept.ranking()) == 0
    assert "<svg" in swept.plot().svg


def test_the_name_of_a_sweep_is_escaped() -> None:
    trial = TrialRecord(number=0, parameters={"steps": 8}, state="finished", score=0.9, finished="2026-11-24")
    record = SweepRecord(
        name="<b>", sha256="ab" * 32, metric="accuracy", goal="maximize", method="grid", planned=1, trials=(trial,),
        began="2026-11-24",
    )  # fmt: skip
    assert "&lt;b&gt;" in api.SweepResult(record)._repr_html_()
