"""Held-out images that show what a network does: the worst ones and random ones. No TensorFlow."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rl_nas.tasks.display import Display, Key, Outputs, Shown

EXAMINED = 96
"""Most images among which the worst ones are looked for."""

_SHOWN = 4
"""Images of each kind."""


class Examples(NamedTuple):
    """Images to be drawn.

    Attributes:
        groups: images by what they have in common.
        legend: the colors in them.
    """

    groups: Mapping[str, Sequence[Shown]]
    legend: Sequence[Key]


def find_examples(
    display: Display,
    serve: Callable[[np.ndarray], Outputs],
    batches: Iterable[tuple[np.ndarray, Sequence[Any]]],
    count: int,
    seed: int,
    among: int | None = None,
) -> Examples | None:
    """The images with the lowest quality, and random ones of the others; None: the task shows nothing.

    Args:
        display: of the task.
        serve: from a batch of images to the outputs of the network, with an entry for each image.
        batches: images, uint8 [batch, height, width, channels], with a target for each.
        count: images in all batches.
        seed: of the choice.
        among: images that the worst ones in the batches are the worst of; None: those in the batches.
    """
    order = [int(place) for place in np.random.default_rng(seed).permutation(count)]
    candidates = order[: 2 * _SHOWN]  # half of them may be among the worst
    worst: list[tuple[float, int]] = []  # a heap; the best of the worst, of equals the last one, is on top
    drawn: dict[int, Shown] = {}
    for place, (image, target, outputs) in enumerate(_one_by_one(serve, batches)):
        quality = display.quality(target, outputs)
        bad = quality is not None and (len(worst) < _SHOWN or -quality > worst[0][0])
        if bad or place in candidates:
            shown = display.show(image, target, outputs)
            if shown is None:
                return None
            drawn[place] = shown
        if bad and quality is not None:
            heapq.heappush(worst, (-quality, -place))
            if len(worst) > _SHOWN:
                _, dropped = heapq.heappop(worst)
                if -dropped not in candidates:
                    del drawn[-dropped]
    lowest = [-negative for _, negative in sorted(worst, reverse=True)]
    others = [place for place in candidates if place not in lowest][:_SHOWN]
    places = {f"The worst of {among or count:,}": lowest, "Random ones": sorted(others)}
    groups = {name: [drawn[place] for place in found] for name, found in places.items() if found}
    keys = {key for found in groups.values() for shown in found for key in shown.keys}
    return Examples(groups, sorted(keys)) if groups else None


def _one_by_one(
    serve: Callable[[np.ndarray], Outputs], batches: Iterable[tuple[np.ndarray, Sequence[Any]]]
) -> Iterator[tuple[np.ndarray, Any, Outputs]]:
    """Yields images, targets and outputs."""
    for images, targets in batches:
        outputs = serve(images)
        for number, (image, target) in enumerate(zip(images, targets, strict=True)):
            yield image, target, {name: values[number] for name, values in outputs.items()}
