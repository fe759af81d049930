"""Examples by class, so that of each class the same fraction is held out."""

import numpy as np


class Strata:
    """Examples in a random order, of which any number is taken from all classes alike.

    Attributes:
        left: numbers of the examples that are left, in their order.
    """

    def __init__(self, order: np.ndarray, labels: np.ndarray) -> None:
        """Takes nothing yet.

        Args:
            order: int [examples], a permutation.
            labels: class of each example, int [examples], from 0.
        """
        self.left, self._labels, self._classes = order, labels, int(labels.max(initial=0)) + 1

    def take(self, count: int, last: bool = False) -> np.ndarray:
        """Takes the first (or last) examples of each class, and returns them.

        Every class of two or more examples gives at least one where the count allows, but not its last one, which is
        to be trained on; of the last ones none where only two are left, of which the other is to be held out.
        """
        return self._take(count, last, keep=2 if last else 1)

    def examples(self, units: np.ndarray) -> np.ndarray:
        """The numbers of the examples: those that are given."""
        return units

    def train(self, count: int) -> np.ndarray:
        """Takes examples of each class to train on."""
        return self._take(count, False, keep=0)

    def _take(self, count: int, last: bool, keep: int) -> np.ndarray:
        order = self.left[::-1] if last else self.left
        labels = self._labels[order]
        sizes = np.bincount(labels, minlength=self._classes)
        by_class = np.argsort(labels, kind="stable")
        starts = np.cumsum(sizes) - sizes
        place = np.empty(len(order), np.int64)  # of an example among those of its class
        place[by_class] = np.arange(len(order)) - np.repeat(starts, sizes)
        first = np.full(self._classes, len(order))
        first[sizes > 0] = by_class[starts[sizes > 0]]
        chosen = place < apportioned(count, sizes, keep, first)[labels]
        rest, taken = order[~chosen], np.asarray(order[chosen])
        self.left = rest[::-1] if last else rest
        return taken


def apportioned(count: int, sizes: np.ndarray, keep: int, order: np.ndarray) -> np.ndarray:
    """How many of a number of examples each class gives: in proportion to its size, by largest remainders.

    Args:
        count: examples of all classes.
        sizes: of the classes, int [classes].
        keep: examples that each class keeps, as long as others can give.
        order: of classes whose remainders are equal, int [classes].

    Returns:
        int [classes], whose sum is the count, or all that there are. No class that may give gives nothing where the
        count allows.
    """
    count = min(count, int(sizes.sum()))
    most = np.maximum(sizes - keep, 0)
    if most.sum() < count:
        most = sizes
    least = np.minimum(most, 1)
    if least.sum() > count:
        least = np.zeros_like(sizes)
    quota = count * sizes / max(1, sizes.sum())
    given: np.ndarray = np.clip(np.floor(quota).astype(np.int64), least, most)
    while missing := count - int(given.sum()):
        step = np.sign(missing)
        candidates = np.lexsort((order, step * (given - quota)))
        able = given < most if missing > 0 else given > least
        given[candidates[able[candidates]][: abs(missing)]] += step
    return given
