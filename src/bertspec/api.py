"""The Python interface: fine-tune, compare, search and measure encoders, in a script or a notebook.

Every function is a name of the package itself, such as ``bertspec.fine_tune``, and the command line calls the same
functions. Results convert to a pandas frame (``to_frame``), display themselves in a notebook, and draw themselves with
the charts of the report (``plot``). Runs come from the store if it has them; what is missing is trained and stored.

Every function takes a ``session``, which decides where runs are stored and logged. Without one it opens the session of
the current folder, as the command line does, and closes it at the end. One session may serve many calls::

    with bertspec.Session.open("my-store", device="cpu", keep_models=True) as session:
        study = bertspec.fine_tune("bert-tiny", "bundled/sentiment", session=session)
        bertspec.predict(study.runs[0], ["the film was good ."], session=session)
"""

from __future__ import annotations

import base64
import contextlib
import html
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

from bertspec.errors import InvalidConfig
from bertspec.study import Session

if TYPE_CHECKING:
    import pandas as pd

    from bertspec.config import SweepConfig
    from bertspec.inference.prediction import Prediction, Predictor
    from bertspec.inference.records import Turns
    from bertspec.results import SweepRecord
    from bertspec.statistics import Contamination, Ranking
    from bertspec.store import StoredRun
    from bertspec.study import Study

__all__ = [
    "Comparison",
    "Measurement",
    "Plot",
    "RunList",
    "Session",
    "StudyResult",
    "SweepResult",
    "compare",
    "fine_tune",
    "load_predictor",
    "load_run",
    "measure",
    "predict",
    "runs",
    "sweep",
]

Device = Literal["auto", "cpu", "cuda"]

_RUN_COLUMNS = (
    "encoder", "task", "optimizer", "learning_rate", "seed",
    "steps", "train_s", "device", "diverged", "collapsed", "finished", "fingerprint",
)  # fmt: skip
"""The columns of a frame of runs, besides those of the metrics."""


def fine_tune(
    encoder: str,
    task: str,
    *,
    seeds: int | Iterable[int] = (1, 2, 3),
    recipe: str | None = None,
    optimizer: str | None = None,
    session: Session | None = None,
    device: Device | None = None,
    **fields: Any,
) -> StudyResult:
    """Fine-tune an encoder on a task, once for each seed.

    Args:
        encoder: a name (``bertspec list encoders``), a hub id, a folder or a YAML file.
        task: a name (``bertspec list tasks``) or a YAML file.
        seeds: one seed or several, one run each. A seed decides the new weights, the order of the rows and the dropout.
        recipe: a name (``bertspec list recipes``) or a YAML file; ``None`` takes the encoder's own.
        optimizer: a name (``bertspec list optimizers``); ``None`` takes the recipe's own.
        session: where runs are stored and logged; ``None`` opens that of the current folder.
        device: where to compute; ``None`` leaves it to the session.
        fields: any field of a recipe or an optimizer, such as ``epochs=2`` or ``learning_rate=1e-3``.

    Raises:
        UnknownName: a name is not known. This and the next are raised before anything is trained.
        InvalidConfig: a value is not allowed.
        BertspecError: something cannot be read, or a run failed; finished runs are kept.
    """
    from bertspec import study

    with _opened(session, device) as work:
        words = {"encoder": encoder, "task": task, "recipe": recipe, "optimizer": optimizer, "seeds": seeds}
        return StudyResult(study.run(work.catalog.plan(**words, **fields), work))


def compare(
    encoder: str | Sequence[str],
    task: str,
    *,
    seeds: int | Iterable[int] = (1, 2, 3, 4, 5),
    recipe: str | None = None,
    optimizer: str | Sequence[str] | None = None,
    metric: str | None = None,
    session: Session | None = None,
    device: Device | None = None,
    **fields: Any,
) -> Comparison:
    """Fine-tune several encoders, or with several optimizers, and rank them by their mean over the seeds.

    Every encoder is combined with every optimizer. Each pair of means is compared by Welch's t-test, with Holm's
    correction over all pairs; fewer than five seeds separate nothing.

    Args:
        encoder: one encoder or several; see :func:`fine_tune`.
        task: the task that all of them learn.
        seeds: the seeds of each study.
        recipe: the recipe of each study; ``None`` takes each encoder's own.
        optimizer: one optimizer or several; ``None`` takes the recipe's own.
        metric: what they are ranked by; ``None`` takes the task's main metric.
        session: where runs are stored and logged; ``None`` opens that of the current folder.
        device: where to compute; ``None`` leaves it to the session.
        fields: any field of a recipe or an optimizer, for all studies.

    Raises:
        BertspecError: see :func:`fine_tune`; or there are fewer than two different studies. All of them are planned
            before the first one is trained.
    """
    from bertspec import study

    encoders = (encoder,) if isinstance(encoder, str) else tuple(encoder)
    optimizers = (optimizer,) if isinstance(optimizer, str) or optimizer is None else tuple(optimizer)
    names = [_name(each, rule, len(encoders), len(optimizers)) for each, rule in product(encoders, optimizers)]
    if len(names) < 2 or len(set(names)) < len(names):
        raise InvalidConfig(
            "a comparison needs at least two different studies",
            given=", ".join(names),
            allowed="several encoders, several optimizers, or both, each named once",
        )
    shared = {"task": task, "recipe": recipe, "seeds": tuple(seeds) if isinstance(seeds, Iterable) else seeds, **fields}
    with _opened(session, device) as work:
        plans = [
            work.catalog.plan(encoder=each, optimizer=rule, **shared) for each, rule in product(encoders, optimizers)
        ]
        known = _metric(metric, plans[0].task.metrics)
        studies = [StudyResult(study.run(plan, work)) for plan in plans]
    return Comparison(dict(zip(names, studies, strict=True)), known)


def sweep(
    sweep: str | Path | SweepConfig,
    *,
    trials: int | None = None,
    processes: int | None = 1,
    seed: int = 0,
    session: Session | None = None,
    device: Device | None = None,
    on_trial: Callable[[SweepRecord], None] | None = None,
    on_confirmation: Callable[[int, int], None] | None = None,
) -> SweepResult:
    """Run the trials of a sweep file on this machine, and compare what it asks to compare.

    An interrupted sweep continues where it stopped. The best trial of each contender is confirmed on fresh seeds.

    Args:
        sweep: a W&B sweep file, the name of one in ``configs/sweeps``, or its config.
        trials: trials of each contender; ``None`` takes the file's ``run_cap`` for all of them together.
        processes: trials at a time; ``None`` takes as many as the cores allow. More than one starts new
            Python processes: a script then needs ``if __name__ == "__main__":``.
        seed: the seed of the search.
        session: where runs are stored and logged; ``None`` opens that of the current folder.
        device: where to compute; ``None`` leaves it to the session.
        on_trial: called with the sweep so far, at the beginning and after each trial.
        on_confirmation: called with the number of confirmed runs and of all runs to confirm.

    Raises:
        BertspecError: the file is not valid, or the sweep cannot be run; finished trials are kept.
    """
    from bertspec.sweeps import comparison, files, runner
    from bertspec.tracking import show_sweep

    with _opened(session, device) as work:
        config = files.read(str(sweep), work) if isinstance(sweep, str | Path) else sweep
        record = runner.run(config, work, processes=processes, trials_each=trials, seed=seed, on_progress=on_trial)
        if config.tuning.compare is not None and any(trial.state == "finished" for trial in record.trials):
            compared = comparison.compare(config, record, work, processes=processes, on_progress=on_confirmation)
            record = record.model_copy(update={"comparison": compared})
        show_sweep(record, work.store.tracking)
    return SweepResult(record)


def measure(
    encoder: str | Sequence[str],
    *,
    lengths: Iterable[int] = (8, 32, 64),
    batch_size: int = 32,
    rounds: int = 7,
    calls: int = 100,
    text: str | None = None,
    recipe: str | None = None,
    precision: Literal["auto", "fp32", "bf16"] | None = None,
    threads: int | None = None,
    session: Session | None = None,
    device: Device | None = None,
) -> Measurement:
    """Measure how fast one encoder answers, or two in turns. Nothing is trained or stored.

    Args:
        encoder: one encoder, or two that are measured in turns; see :func:`fine_tune`.
        lengths: tokens per text.
        batch_size: texts per batch, for the throughput.
        rounds: how often every length is measured.
        calls: single texts at each length of each round.
        text: a text that is tokenised and answered, too.
        recipe: whose precision and threads are used; ``None`` takes the encoder's own.
        precision: the compute type, instead of the recipe's.
        threads: CPU threads, instead of the recipe's.
        session: its configs, sources and device; ``None`` opens that of the current folder.
        device: where to compute; ``None`` leaves it to the session.

    Raises:
        BertspecError: an encoder cannot be read, or has fewer positions than a text has tokens; a batch does not fit
            the memory; or two encoders would differ in precision or threads.
    """
    from bertspec.inference import measuring
    from bertspec.inference.records import Grid

    names = (encoder,) if isinstance(encoder, str) else tuple(encoder)
    if not 1 <= len(names) <= 2:
        raise InvalidConfig("one encoder is measured, or two in turns", given=", ".join(names))
    grid = Grid(tuple(dict.fromkeys(lengths)), batch_size=batch_size, rounds=rounds, calls=calls, text=text)
    changes = {name: value for name, value in (("precision", precision), ("threads", threads)) if value is not None}
    with _opened(session, device) as work:
        encoders = [work.catalog.encoder(name) for name in names]
        recipes = [work.catalog.recipe(recipe or each.recipe, encoder=each, changes=changes) for each in encoders]
        chosen = measuring.common_device(recipes, work.device)
        turns = measuring.measure(encoders, grid, sources=work.sources, device=chosen, benchmark=measuring.Repetition())
    return Measurement(turns)


def predict(
    run: str | StoredRun,
    texts: str | Sequence[str],
    pairs: str | Sequence[str] | None = None,
    *,
    session: Session | None = None,
    device: Device | None = None,
) -> list[Prediction]:
    """Predict with the fine-tuned encoder of a run. A model that was not kept is trained again, to the same bits.

    Args:
        run: a run, the beginning of its fingerprint, or ``"latest"``.
        texts: a text or several; the first of each pair if the task reads pairs.
        pairs: the second of each pair.
        session: the store that holds the run; ``None`` opens that of the current folder.
        device: where to compute; ``None`` leaves it to the session.

    Returns:
        One prediction per text, in order; ``pandas.DataFrame(predictions)`` makes a frame of them.

    Raises:
        BertspecError: the run is not known, its model cannot be trained again, or the texts do not fit the task.
    """
    both = [[each] if isinstance(each, str) else each for each in (texts, pairs) if each is not None]
    with _opened(session, device) as work:
        return load_predictor(run, work).predict(*both)


def load_predictor(run: str | StoredRun, session: Session) -> Predictor:
    """The fine-tuned encoder of a run, loaded once for many calls; see :func:`predict`."""
    from bertspec import study
    from bertspec.inference.prediction import Predictor

    stored = session.store.find(run) if isinstance(run, str) else run
    return Predictor.load(study.model_of(stored, session), stored.config, device=session.device)


def load_run(run: str = "latest", *, session: Session | None = None) -> StoredRun:
    """A finished run: its config, and its result with facts, per-example outcomes and the training curve.

    Args:
        run: the beginning of its fingerprint, or ``"latest"``, which is the one that finished last.
        session: the store that holds the run; ``None`` opens that of the current folder.

    Raises:
        UnknownName: no run has such a fingerprint.
        InvalidConfig: several have, or the store is empty.
    """
    with _opened(session) as work:
        return work.store.find(run)


def runs(*, encoder: str | None = None, task: str | None = None, session: Session | None = None) -> RunList:
    """The finished runs of the store, the newest last.

    Args:
        encoder: only runs of this encoder.
        task: only runs of this task.
        session: the store to list; ``None`` opens that of the current folder.
    """
    with _opened(session) as work:
        return RunList(work.store.select(encoder=encoder, task=task))


@dataclass(frozen=True, slots=True)
class Plot:
    """A chart of the report as an SVG document. A notebook displays it."""

    svg: str

    def save(self, path: str | Path) -> Path:
        """Write the chart to a file whose name ends in ``.svg``; missing folders are created.

        Raises:
            InvalidConfig: the name has another ending.
        """
        file = Path(path)
        if file.suffix != ".svg":
            raise InvalidConfig("a plot is saved as SVG", given=str(path), allowed="a file name that ends in .svg")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.svg, "utf-8")
        return file

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_html_(self) -> str:
        # As an image: the style of an inline SVG would apply to the whole notebook.
        return f'<img alt="plot" src="data:image/svg+xml;base64,{base64.b64encode(self.svg.encode()).decode()}">'


class RunList(tuple["StoredRun", ...]):
    """Finished runs."""

    __slots__ = ()

    def to_frame(self) -> pd.DataFrame:
        """One row per run, one column per metric.

        Columns: encoder, task, optimizer, learning_rate, seed, a column for each metric, steps, train_s, device,
        diverged, collapsed, finished, fingerprint. ``frame.melt`` turns the metrics into rows.
        """
        frame = _frame(map(_row, self))
        return frame if self else frame.reindex(columns=_RUN_COLUMNS)

    def _repr_html_(self) -> str:
        return _display(f"{len(self)} runs", self.to_frame())


@dataclass(frozen=True, slots=True)
class StudyResult:
    """The runs of one recipe over its seeds."""

    study: Study

    @property
    def title(self) -> str:
        """Encoder, task and optimizer."""
        return self.study.config.title

    @property
    def runs(self) -> RunList:
        """The runs, in the order of the seeds."""
        return RunList(self.study.runs)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the task's metrics, the main one first."""
        return self.study.config.task.metrics

    @property
    def origins(self) -> list[str]:
        """For each run, ``trained`` (now) or ``store``."""
        return ["trained" if run.fingerprint in self.study.trained else "store" for run in self.study.runs]

    def contamination(self) -> Contamination:
        """How many of the scored rows were also trained on: exactly, and but for case, spaces and punctuation."""
        from bertspec import claims

        return claims.contamination(self.study)

    def problems(self) -> tuple[str, ...]:
        """What fails every claim of quality about this study, whatever its mean: contamination and collapsed seeds."""
        from bertspec import claims

        return claims.problems(self.study, self.contamination())

    def scores(self, metric: str | None = None) -> tuple[float, ...]:
        """The score of each seed, by the main metric or another one of the task; 0 where it is not defined."""
        name = _metric(metric, self.metrics)
        return tuple(run.result.facts.counted(name) for run in self.study.runs)

    def mean(self, metric: str | None = None) -> float:
        """The mean over the seeds."""
        return self.estimate(metric)[0]

    def estimate(self, metric: str | None = None) -> tuple[float, tuple[float, float] | None]:
        """The mean over the seeds and Student's 95 % interval of it, which is ``None`` for a single seed.

        The mean is NaN if no seed has a score that is defined; otherwise such a score counts as 0.

        It describes these seeds only. :meth:`Comparison.ranking` assumes a spread of at least 0.005, because it decides
        which studies are apart, and so may have a wider interval for the same study.
        """
        from bertspec.statistics import mean_interval

        name = _metric(metric, self.metrics)
        if all(math.isnan(run.result.facts.scores[name]) for run in self.study.runs):
            return math.nan, None
        return mean_interval(self.scores(name))

    def to_frame(self) -> pd.DataFrame:
        """One row per seed, one column per metric.

        The columns are those of :meth:`RunList.to_frame`, and ``origin``: trained or store.
        """
        return _frame(_row(run) | {"origin": origin} for run, origin in zip(self.runs, self.origins, strict=True))

    def summary(self) -> pd.DataFrame:
        """One row per metric: its mean over the seeds, the ends of the 95 % interval, and the number of seeds."""
        rows = []
        for metric in self.metrics:
            mean, interval = self.estimate(metric)
            low, high = interval or (None, None)
            rows.append({"metric": metric, "mean": mean, "low": low, "high": high, "seeds": len(self.study.runs)})
        return _frame(rows)

    def plot(self, metric: str | None = None) -> Plot:
        """Draw the training loss, mean and range of the seeds, and the scores with their mean and interval."""
        from bertspec.report import plots

        name = _metric(metric, self.metrics)
        mean, interval = self.estimate(name)
        seeds = f"mean and 95 % interval of {len(self.study.runs)} seeds"
        charts: dict[str, plots.Chart | plots.RowPlot | None] = {
            "training loss": plots.curve_plot([run.result.curve.loss for run in self.study.runs]),
        }
        if not math.isnan(mean):
            charts[name] = plots.row_plot([plots.Estimate(seeds, mean, interval, self.scores(name), 0)])
        return Plot(plots.draw(self.title, charts))

    def __repr__(self) -> str:
        words = (f"{metric} {_with_interval(*self.estimate(metric))}" for metric in self.metrics)
        return f"<StudyResult {self.title}: {', '.join(words)}, {len(self.study.runs)} seeds>"

    def _repr_html_(self) -> str:
        return _display("; ".join((self.title, *self.problems())), self.summary(), self.to_frame())


@dataclass(frozen=True, slots=True)
class Comparison:
    """Studies of one task, ranked by a metric."""

    studies: dict[str, StudyResult]
    """The studies by the name of what differs: the encoder, the optimizer, or both."""
    metric: str

    @property
    def less_is_better(self) -> bool:
        """Whether a low score of the metric is a good one."""
        from bertspec import metrics

        return metrics.find(self.metric).better == "lower"

    def ranking(self) -> pd.DataFrame:
        """One row per study, the best first.

        Columns: the best and the worst rank that the tests leave open, name, mean, the ends of its 95 % interval,
        seeds, and the studies that it is tied with. The interval assumes a spread of at least 0.005 over seeds, and so
        may be wider than that of :meth:`StudyResult.estimate`.
        """
        ranking, rows = self._rank(), []
        for each in ranking.standings:
            low, high = each.interval or (None, None)
            ties = [other for pair in ranking.ties if each.name in pair for other in pair if other != each.name]
            best, worst = each.ranks
            row = {"best_rank": best, "worst_rank": worst, "name": each.name, "mean": each.mean, "low": low}
            seeds = len(self.studies[each.name].study.runs)
            rows.append(row | {"high": high, "seeds": seeds, "tied_with": ", ".join(ties)})
        return _frame(rows)

    def to_frame(self) -> pd.DataFrame:
        """One row per study and seed: the column ``name``, then those of :meth:`StudyResult.to_frame`."""
        import pandas as pd

        frames = []
        for name, study in self.studies.items():
            frame = study.to_frame()
            frame.insert(0, "name", name)
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)

    def plot(self) -> Plot:
        """Draw the mean of each study with its 95 % interval and its seeds, the best first."""
        from bertspec.report import plots

        estimates = [
            plots.Estimate(each.name, each.mean, each.interval, self.studies[each.name].scores(self.metric), number)
            for number, each in enumerate(self._rank().standings)
        ]
        return Plot(plots.draw(self._title, {self.metric: plots.row_plot(estimates)}))

    def __repr__(self) -> str:
        words = (f"{each.name} {_with_interval(each.mean, each.interval)}" for each in self._rank().standings)
        return f"<Comparison by {self.metric}: {'; '.join(words)}>"

    def _repr_html_(self) -> str:
        reason = self._rank().reason
        return _display(self._title + (f": {reason}" if reason else ""), self.ranking(), self.to_frame())

    @property
    def _title(self) -> str:
        first = next(iter(self.studies.values()))
        return f"{first.study.config.task.name} by {self.metric}"

    def _rank(self) -> Ranking:
        from bertspec.statistics import Scores, rank, row_covariance

        contenders = [Scores(name, study.scores(self.metric)) for name, study in self.studies.items()]
        outcomes = [[run.result.outcomes for run in study.study.runs] for study in self.studies.values()]
        rows = row_covariance(outcomes, self.metric)
        return rank(contenders, rows=rows, less_is_better=self.less_is_better)


@dataclass(frozen=True, slots=True)
class SweepResult:
    """The trials of a sweep, and their comparison if the sweep compares something."""

    record: SweepRecord

    def to_frame(self) -> pd.DataFrame:
        """One row per trial: trial, contender, state, score, a column for each parameter, diverged, tokens, seconds.

        ``score`` is the sweep's metric, the mean over the trial's seeds.
        """
        return _frame(
            {"trial": trial.number, "contender": trial.contender, "state": trial.state, "score": trial.score}
            | trial.parameters
            | {"diverged": trial.diverged, "tokens": trial.tokens, "seconds": trial.seconds, "reason": trial.reason}
            for trial in self.record.trials
        )

    def ranking(self) -> pd.DataFrame:
        """One row per contender, the best first; no rows if the sweep compares nothing.

        Columns: the best and the worst rank that the tests leave open, name, mean over the confirmation seeds, the
        ends of its 95 % interval, trials, tuned (the score of its best trial), collapsed (seeds).
        """
        rows = []
        for each in self.record.comparison.contenders if self.record.comparison else ():
            (best, worst), (low, high) = each.ranks or (None, None), each.interval or (None, None)
            row = {"best_rank": best, "worst_rank": worst, "name": each.name, "mean": each.mean, "low": low}
            rows.append(row | {"high": high, "trials": each.trials, "tuned": each.tuned, "collapsed": each.collapsed})
        return _frame(rows)

    def plot(self) -> Plot:
        """Draw the ranking, the best score after each trial, and the scores over each parameter."""
        from bertspec.report import plots
        from bertspec.report.sweeps import views

        charts: dict[str, plots.Chart | plots.RowPlot | None] = {}
        for view in views((self.record,)):
            charts = {"ranking": view.ranking, "sensitivity to the learning rate": view.sensitivity}
            charts |= {"best so far": view.best}
            charts |= {f"{self.record.metric} over {chart.title}": chart for chart in view.scatters}
        return Plot(plots.draw(self.record.name, charts))

    def __repr__(self) -> str:
        return f"<SweepResult {self.record.name}: {len(self.record.trials)} of {self.record.planned} trials>"

    def _repr_html_(self) -> str:
        tables = [self.ranking()] * (self.record.comparison is not None)
        return _display(f"{self.record.name}: {self.record.metric}", *tables, self.to_frame())


@dataclass(frozen=True, slots=True)
class Measurement:
    """How fast one encoder answers, or two that were measured in turns."""

    turns: Turns

    def to_frame(self) -> pd.DataFrame:
        """One row per encoder and length.

        Columns: encoder, length (tokens per text), p50_s, p95_s, p99_s (latency of one text), examples_per_second,
        tokens_per_second, joules_per_1000 (``None`` if the energy cannot be read).
        """
        from bertspec.inference.records import PERCENTILES

        return _frame(
            {"encoder": measured.encoder, "length": at.length}
            | {f"p{percentile}_s": at.latencies.at(percentile) for percentile in PERCENTILES}
            | {"examples_per_second": at.examples_per_second, "tokens_per_second": at.tokens_per_second}
            | {"joules_per_1000": at.joules_per_1000}
            for measured in self.turns.measurements
            for at in measured.lengths
        )

    def ratios(self) -> pd.DataFrame:
        """The first encoder by the second, one row per length and quantity; no rows for a single encoder.

        Columns: length, quantity (p50, p95, p99, examples_per_second), median, lowest and highest of the rounds.
        """
        return _frame(
            {"length": length, "quantity": quantity, "median": median(values), "low": min(values), "high": max(values)}
            for length, quantities in self.round_ratios().items()
            for quantity, values in quantities.items()
        )

    def round_ratios(self) -> dict[int, dict[str, tuple[float, ...]]]:
        """Length → quantity → the ratio of each round, the first encoder by the second; empty for a single one."""
        from bertspec.inference.records import PERCENTILES

        if len(self.turns.measurements) < 2:
            return {}
        first, second = (measured.encoder for measured in self.turns.measurements)
        pairs = {length: self.turns.pair(first, second, length) for length in self.turns.grid.lengths}
        return {
            length: {f"p{percentile}": pair.latency_ratios(percentile) for percentile in PERCENTILES}
            | {"examples_per_second": pair.rate_ratios()}
            for length, pair in pairs.items()
        }

    def _repr_html_(self) -> str:
        environment = self.turns.environment
        title = f"{environment.device_name}, {environment.precision}, {environment.threads} threads"
        return _display(title, self.to_frame(), *[self.ratios()] * (len(self.turns.measurements) > 1))


@contextlib.contextmanager
def _opened(session: Session | None, device: Device | None = None) -> Iterator[Session]:
    """The session of the caller, which stays open, or one that is opened for this call."""
    if session is not None:
        yield session if device is None else replace(session, device=device)
        return
    from bertspec.tracking import ProgressTracker

    with Session.open(progress=ProgressTracker(sys.stderr), device=device or "auto") as opened:
        yield opened


def _name(encoder: str, optimizer: str | None, encoders: int, optimizers: int) -> str:
    """What differs between the studies: the encoder, the optimizer, or both."""
    parts = [encoder] * (encoders > 1 or optimizers == 1) + [str(optimizer)] * (optimizers > 1)
    return " · ".join(parts)


def _metric(metric: str | None, known: tuple[str, ...]) -> str:
    if metric is not None and metric not in known:
        raise InvalidConfig("the task does not report this metric", given=metric, allowed=", ".join(known))
    return metric or known[0]


def _row(run: StoredRun) -> dict[str, object]:
    config, facts = run.config, run.result.facts
    return {
        "encoder": config.encoder.name,
        "task": config.task.name,
        "optimizer": config.recipe.optimizer.word,
        "learning_rate": config.recipe.optimizer.learning_rate,
        "seed": config.seed,
        **facts.scores,
        "steps": facts.steps,
        "train_s": facts.timings.train_s,
        "device": facts.environment.device,
        "diverged": facts.diverged is not None,
        "collapsed": run.result.outcomes.collapsed,
        "finished": facts.finished,
        "fingerprint": run.fingerprint,
    }


def _frame(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd  # late: it takes half a second

    return pd.DataFrame.from_records(list(rows))


def _with_interval(mean: float, interval: tuple[float, float] | None) -> str:
    if math.isnan(mean):
        return "not defined"
    return f"{mean:.4f}" + (f" [{interval[0]:.4f}, {interval[1]:.4f}]" if interval else "")


def _display(title: str, *frames: pd.DataFrame) -> str:
    """HTML for a notebook, with short fingerprints and no times; pandas escapes the cells."""
    short = [
        frame.assign(fingerprint=frame["fingerprint"].str[:12]).drop(columns="finished")
        if "fingerprint" in frame
        else frame
        for frame in frames
    ]
    tables = "".join(frame.to_html(index=False, na_rep="", float_format="%.4g") for frame in short)
    return f"<p><b>{html.escape(title)}</b></p>{tables}"
