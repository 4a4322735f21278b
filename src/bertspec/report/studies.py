"""The studies that a session's claims speak of, as the store has their runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bertspec import metrics
from bertspec.config import RecipeConfig, StudyConfig
from bertspec.report.plots import CurvePlot, ParetoPlot, Point, curve_plot, pareto_plot
from bertspec.results import SessionRecord
from bertspec.sources import tables
from bertspec.sources.locations import Locations
from bertspec.store import Store, StoredRun
from bertspec.tracking import link

__all__ = ["Hard", "StudyView", "pareto", "studies"]

_HARDEST = 5


@dataclass(frozen=True, slots=True)
class Hard:
    """A row that most seeds got wrong, or that they missed by most."""

    row: int
    """Its place in the evaluation split, from 0."""
    text: tuple[str, ...]
    """What was read: a text, or a pair; empty where the rows cannot be had any more."""
    reference: str
    said: str
    """What most seeds said instead; of a regression, their mean."""
    wrong: str
    """How many seeds, or by how much."""


@dataclass(frozen=True, slots=True)
class StudyView:
    """One study."""

    title: str
    runs: tuple[StoredRun, ...]
    curve: CurvePlot | None
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    """References down, predictions across, summed over the seeds; empty for a regression."""
    hardest: tuple[Hard, ...]
    promised: bool
    """Whether a claim says that it is good; sabotage is not."""
    links: Mapping[str, str]
    """Fingerprint → the page of the run in W&B, where it has one."""

    @property
    def recipe(self) -> str:
        """What tells it from other studies of the same encoder, task and optimizer."""
        recipe = self.runs[0].config.recipe
        parts = [
            f"learning rate {recipe.optimizer.learning_rate:g}",
            _length(recipe),
            f"batches of {recipe.batch_size}",
        ]
        parts += [f"up to {recipe.max_length} tokens", *["encoder frozen"] * recipe.frozen_encoder]
        return ", ".join(parts)

    @property
    def metrics(self) -> tuple[tuple[str, float], ...]:
        """The mean of each metric."""
        facts = [run.result.facts for run in self.runs]
        return tuple((name, float(np.mean([each.scores[name] for each in facts]))) for name in facts[0].scores)

    @property
    def train_s(self) -> float:
        """The median time of training."""
        return float(np.median([run.result.facts.timings.train_s for run in self.runs]))


def studies(session: SessionRecord, store: Store, locations: Locations) -> tuple[StudyView, ...]:
    """Every study whose runs the store still has, in the order of its first claim."""
    found: dict[str, dict[str, StoredRun]] = {}
    for name in dict.fromkeys(_fingerprints(session)):
        run = store.get(name)
        if run is not None:
            key = run.config.model_dump_json(exclude={"seed"})
            found.setdefault(key, {})[name] = run
    ordered = (tuple(sorted(runs.values(), key=lambda run: run.config.seed)) for runs in found.values())
    promised = {
        name for scenario in session.scenarios for claim in scenario.claims if claim.promise for name in claim.runs
    }
    return tuple(_view(runs, store, locations, promised) for runs in ordered)


def pareto(views: Iterable[StudyView]) -> dict[str, ParetoPlot]:
    """For each task and its main metric, the quality that is promised against the seconds of training."""
    points: dict[tuple[str, str], list[Point]] = {}
    for view in views:
        if view.promised:
            config, (metric, mean) = view.runs[0].config, view.metrics[0]
            seeds = [run.result.facts.scores[metric] for run in view.runs]
            name = f"{config.encoder.name} · {config.recipe.optimizer.word} · {_length(config.recipe)}"
            points.setdefault((config.task.name, metric), []).append(
                Point(name, view.train_s, mean, min(seeds), max(seeds))
            )
    drawn = {
        f"{task}: {metric}": pareto_plot(each, less_is_better=metrics.find(metric).better == "lower")
        for (task, metric), each in points.items()
    }
    return {title: plot for title, plot in drawn.items() if plot is not None}


def _length(recipe: RecipeConfig) -> str:
    return f"{recipe.steps} steps" if recipe.steps is not None else f"{recipe.epochs:g} epochs"


def _fingerprints(session: SessionRecord) -> Iterable[str]:
    for scenario in session.scenarios:
        for claim in scenario.claims:
            yield from (*claim.runs, *claim.others)


def _view(runs: tuple[StoredRun, ...], store: Store, locations: Locations, promised: Container[str]) -> StudyView:
    config = runs[0].config
    predictions = np.array([run.result.outcomes.predictions for run in runs])
    references = runs[0].result.outcomes.references
    classes = config.task.head == "classification"
    texts, labels = _texts(runs[0], locations), config.task.labels
    shown = {run.fingerprint: link(store.tracking, run.fingerprint) for run in runs}
    return StudyView(
        title=StudyConfig(encoder=config.encoder, task=config.task, recipe=config.recipe, seeds=(config.seed,)).title,
        runs=runs,
        curve=curve_plot([run.result.curve.loss for run in runs]),
        labels=config.task.labels,
        confusion=_confusion(references, predictions, len(config.task.labels)) if classes else (),
        hardest=_hardest(references, predictions, labels, texts)
        if classes
        else _missed(references, predictions, texts),
        promised=any(run.fingerprint in promised for run in runs),
        links={name: url for name, url in shown.items() if url is not None},
    )


def _confusion(
    references: NDArray[np.float64], predictions: NDArray[np.float64], classes: int
) -> tuple[tuple[int, ...], ...]:
    counts = np.zeros((classes, classes), dtype=int)
    for each in predictions:
        np.add.at(counts, (references.astype(int), each.astype(int)), 1)
    return tuple(tuple(int(count) for count in row) for row in counts)


def _texts(run: StoredRun, locations: Locations) -> Sequence[tuple[str, ...]] | None:
    return tables.texts(run.config.task, locations, sha256=run.result.facts.provenance.data.sha256)


def _hardest(
    references: NDArray[np.float64],
    predictions: NDArray[np.float64],
    labels: tuple[str, ...],
    texts: Sequence[tuple[str, ...]] | None,
) -> tuple[Hard, ...]:
    if not labels:
        return _missed(references, predictions, texts)
    wrong = (predictions != references).sum(axis=0)
    rows = [int(row) for row in np.argsort(-wrong, kind="stable")[:_HARDEST] if wrong[row] > len(predictions) / 2]

    def said(row: int) -> str:
        others = Counter(int(one) for one in predictions[:, row] if one != references[row])
        return labels[others.most_common(1)[0][0]]

    return tuple(
        Hard(
            row,
            texts[row] if texts else (),
            labels[int(references[row])],
            said(row),
            f"{int(wrong[row])} of {len(predictions)} seeds",
        )
        for row in rows
    )


def _missed(
    references: NDArray[np.float64], predictions: NDArray[np.float64], texts: Sequence[tuple[str, ...]] | None
) -> tuple[Hard, ...]:
    """Of a regression, the rows that lie furthest from what was said of them."""
    off, said = np.abs(predictions - references).mean(axis=0), predictions.mean(axis=0)
    return tuple(
        Hard(int(row), texts[row] if texts else (), f"{references[row]:.2f}", f"{said[row]:.2f}", f"by {off[row]:.2f}")
        for row in np.argsort(-off, kind="stable")[:_HARDEST]
    )
