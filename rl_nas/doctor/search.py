"""The checks of a search: its data, flags and children, and the forecast."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil

from rl_nas.doctor.advice import advice, workers_memory
from rl_nas.doctor.finding import Finding, State
from rl_nas.doctor.forecast import ChildForecast, SearchForecast, child_seconds, evaluation_seconds
from rl_nas.doctor.rehearsal import (
    Children,
    disk_bytes,
    of_three_sizes,
    rehearse,
    strategy_seconds,
)
from rl_nas.doctor.shared import rehearse_shared, shared_finding
from rl_nas.evaluation.examples import Examples
from rl_nas.report.durations import about
from rl_nas.report.example_picture import draw_examples
from rl_nas.report.tables import counted
from rl_nas.tasks.display import Shown, as_rgb
from rl_nas.trial import MOST_TRIALS
from rl_nas.units import size_text
from rl_nas.workflows.config import SearchConfig
from rl_nas.workflows.rehearsal import RANDOM_WEIGHTS, export_sample, random_networks
from rl_nas.workflows.search_parts import SearchParts

_DRAWN = 24
"""Random networks that are planned."""
_PICTURED = 16
_DRAWS = 2000
"""Children whose seconds are drawn; longer searches are so many times as long."""


def data(run: SearchParts, picture: Path | None) -> Finding:
    """The data: how many images of which classes, and a picture of some."""
    text = f"{len(run.images.train_images):,} images to train on, {len(run.images.valid_images):,} held out"
    counts = _class_counts(run)
    if counts is not None:
        text += f"; {counts.min():,} to {counts.max():,} of each of {len(counts)} classes to train on"
    if picture is not None:
        _draw(run, picture)
        text += f"; some are in {picture}"
    figures = {"train_images": len(run.images.train_images), "valid_images": len(run.images.valid_images)}
    per_class = {} if counts is None else dict(zip(run.images.class_names, map(int, counts), strict=True))
    return Finding(State.OK, "data", text, {**figures, "training_images_of_classes": per_class})


def search(run: SearchParts, workers: int, seconds: float, before: float) -> Iterator[Finding]:
    """Tries children, strategy and export, and forecasts the search.

    Args:
        run: the search.
        workers: children at a time.
        seconds: that the train steps of a child may take.
        before: seconds that its start has taken.
    """
    drawn = random_networks(run, _DRAWN)
    networks = of_three_sizes(drawn)
    children = rehearse(run, networks, workers, seconds)
    batch = min(run.config.training.batch_size, len(run.images.train_images))
    yield from _children(children, batch)
    if not children.forecasts:
        return
    times = 2 if run.config.run.try_export else 1  # the search tries one before its first child, too
    exports = [export_sample(run, networks["typical"].architecture, "typical") for _ in range(times)]
    complaint, seconds_of = exports[-1].complaint, [export.seconds for export in exports]
    text = "a SavedModel computes what the network does" if complaint is None else f"a SavedModel {complaint}"
    yield Finding(
        State.OK if complaint is None else State.WARNING,
        "export",
        f"{text}; {about(seconds_of[-1])}" + ("" if complaint is None else f"; {RANDOM_WEIGHTS}"),
        {"seconds": seconds_of},
    )
    config, weights, strategy = run.config, 0.0, 0.0
    if config.shared:
        shared = rehearse_shared(run, seconds)
        yield shared_finding(run, shared)
        weights = shared.seconds(config.estimator, config.batching.size)
    else:
        strategy = strategy_seconds(run, -(-config.run.trials // config.batching.size))
    forecast = replace(
        _of_children(run, children.forecasts, [one.madds for one in drawn], workers),
        begin=before + children.begin + sum(seconds_of[:-1]),
        shared=weights,
        strategy=strategy,
        end=seconds_of[-1],
    )
    yield _summary(run, forecast)
    yield from advice(run.config, children.forecasts, forecast)


def _children_of(config: SearchConfig) -> int:
    """The number of children of a search; with shared weights no more than networks that they rank."""
    return min(config.run.trials, config.estimator.shared_samples) if config.shared else config.run.trials


def _of_children(
    run: SearchParts, tried: Sequence[ChildForecast], madds: Sequence[int], workers: int
) -> SearchForecast:
    """The forecast of a search without what comes before its children, beside and after them."""
    config, rng, children = run.config, np.random.default_rng(0), _children_of(run.config)
    count = min(children, _DRAWS)
    seconds = child_seconds(tried, madds, config.reward.reward_seeds)
    drawn = rng.choice(seconds, count)
    batch = None if config.execution.async_updates or config.shared else config.batching.size
    flying, times = config.batching.in_flight, children / count
    return SearchForecast(
        children=float(drawn.sum()) * times,
        evaluating=evaluation_seconds(drawn.tolist(), workers, batch, flying) * times,
        workers=workers,
        disk=disk_bytes(run, max(child.disk for child in tried)),
        memory=psutil.Process().memory_info().rss + workers_memory(tried, workers),
    )


def _children(children: Children, batch: int) -> Iterator[Finding]:
    """A finding for each size of child, with batches of so many images."""
    for child in children.forecasts:
        rate = batch / max(child.step, 1e-9)
        text = (
            f"{child.parameters:,} parameters, {child.madds:,} multiply-adds: {about(child.seconds)}, of which"
            f" {child.start:.1f} s before its second train step, {1000 * child.step:.0f} ms for each further one"
            f" ({rate:,.0f} images/s); its worker holds {size_text(child.memory)}, its weights {size_text(child.disk)}"
        )
        yield Finding(State.OK, f"{child.name} child", text, {**vars(child), "disk": child.disk})
    for name, outcome in children.failed:
        failure = outcome.failures[-1]
        yield Finding(State.PROBLEM, f"{name} child", f"{failure.state}: {failure.error}", {"log": failure.log})


def _summary(run: SearchParts, forecast: SearchForecast) -> Finding:
    config = run.config
    children = _children_of(config)
    if config.run.trials == MOST_TRIALS and config.run.max_hours is not None:
        each = forecast.children / children
        fitting = min(children, forecast.children_within(3600 * config.run.max_hours, children))
        text = f"about {fitting:,} children in --max_hours={config.run.max_hours:g}, {about(each)} each"
        return Finding(
            State.OK, "forecast", "; ".join([text, *_not_in_it(run)]), {"children": fitting, "seconds": each}
        )
    beside = f", {about(forecast.strategy)} for the strategy"
    if config.shared:
        beside = f", {about(forecast.shared)} for the shared weights"
    text = (
        f"{about(forecast.seconds)} for {counted(children, 'child', 'children')} by"
        f" {counted(forecast.workers, 'worker')}: {about(forecast.begin)} to begin, {about(forecast.evaluating)} for"
        f" children{beside}, {about(forecast.end)} for the export;"
        f" {forecast.children / 3600:.2g} hours of devices, {size_text(forecast.memory)} of memory,"
        f" {size_text(forecast.disk)} on the disk"
    )
    parts = {**vars(forecast), "seconds": forecast.seconds, "device_hours": forecast.children / 3600}
    return Finding(State.OK, "forecast", "; ".join([text, *_not_in_it(run)]), parts)


def _not_in_it(run: SearchParts) -> Iterator[str]:
    """What the forecast does not know."""
    config = run.config
    if run.setup.pretraining is not None:
        yield "without the pretraining of each child's backbone"
    if config.early_stop.measures:
        yield "as if no child were stopped early"
    if config.then.train is not None:
        yield "without --then_train"


def _class_counts(run: SearchParts) -> np.ndarray | None:
    """Training images of each class; None: images have no class."""
    if run.setup.annotation.label is None:
        return None
    counts: np.ndarray = np.bincount(np.asarray(run.images.train_targets), minlength=run.images.classes)
    return counts


def _draw(run: SearchParts, path: Path) -> None:
    """Draws the first training images, as children read them."""
    labels = None if run.setup.annotation.label is None else np.asarray(run.images.train_targets)
    shown = [
        Shown("" if labels is None else run.images.class_names[labels[number]], {"image": as_rgb(image)})
        for number, image in enumerate(run.images.train_images[:_PICTURED])
    ]
    draw_examples(Examples({"Training images, as children read them": shown}, []), path, run.source.name)
