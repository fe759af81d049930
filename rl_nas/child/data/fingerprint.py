"""A fingerprint of a data set: what a run that is continued compares, wherever the data are now."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from rl_nas.child.data.examples import Examples

_SAMPLED = 32
"""Examples of a split whose content is looked at."""
_LETTERS = 32


def fingerprint_of(examples: Examples, class_names: tuple[str, ...]) -> dict[str, Any]:
    """The fingerprint of a data set, as JSON values: its classes, and of each split what `_split` tells.

    It is computed from a sample, so that it takes a second for data of any size.

    Args:
        examples: of the data set.
        class_names: one for each class.
    """
    return {"classes": list(class_names), "splits": {name: _split(examples, name) for name in sorted(examples.sizes)}}


def difference(recorded: Mapping[str, Any], found: Mapping[str, Any]) -> str | None:
    """What differs first between two fingerprints, in words; None: they are equal."""
    if recorded["classes"] != found["classes"]:
        return _difference_of_classes(recorded["classes"], found["classes"])
    for name, was in recorded["splits"].items():
        now = found["splits"].get(name)
        if now is None:
            return f"no split {name}"
        if was["examples"] != now["examples"]:
            return f"{now['examples']} examples in split {name} instead of {was['examples']}"
        if was["listing"] != now["listing"]:
            return f"other files or annotations in split {name}"
        if was["sample"] != now["sample"]:
            return f"other images or targets in split {name}"
    new = sorted(found["splits"].keys() - recorded["splits"].keys())
    return f"a further split {new[0]}" if new else None


def _difference_of_classes(was: list[str], now: list[str]) -> str:
    if len(was) != len(now):
        return f"{len(now)} classes instead of {len(was)}"
    number = next(n for n, (before, after) in enumerate(zip(was, now, strict=True)) if before != after)
    return f"class {number} called {now[number]!r} instead of {was[number]!r}"


def _split(examples: Examples, name: str) -> dict[str, Any]:
    """The number of examples; a hash of what is known of all without reading them; and one of the content of some."""
    listing, sample = hashlib.sha256(), hashlib.sha256()
    for line in examples.listing(name):
        listing.update(line.encode(errors="surrogateescape"))
    for part in _sampled(examples, name):
        sample.update(part)
    return {
        "examples": examples.sizes[name],
        "listing": listing.hexdigest()[:_LETTERS],
        "sample": sample.hexdigest()[:_LETTERS],
    }


def _sampled(examples: Examples, split: str) -> Iterator[bytes]:
    """The content of the first examples of a split, as it is stored; texts, such as paths, aside."""
    # FeaturesDict of TFDS has no `get`, and its items are not views.
    features = {name: examples.features[name] for name in examples.features}
    kept = [name for name, feature in sorted(features.items()) if not isinstance(feature, tfds.features.Text)]
    for number, example in examples.read(split).take(_SAMPLED).as_numpy_iterator():
        for name in (name for name in kept if name in example):
            for value in tf.nest.flatten(example[name]):
                yield from (f"{number} {name}".encode(), _bytes(value))


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    array = np.asarray(value)
    return repr((array.shape, array.dtype.str, array.tolist())).encode()
