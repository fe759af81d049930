"""A search as a classifier of scikit-learn (extra `sklearn`): in pipelines, cross-validation and grids."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from rl_nas.commands.fit import fit
from rl_nas.errors import UsageError
from rl_nas.extras import check_installed

check_installed("rl_nas.sklearn", "sklearn", ["sklearn"])

from sklearn.base import BaseEstimator, ClassifierMixin  # noqa: E402
from sklearn.utils.multiclass import check_classification_targets  # noqa: E402
from sklearn.utils.validation import check_array, check_is_fitted, check_X_y  # noqa: E402

_OWN = ("trials", "strategy", "seed", "run_dir", "dataset", "class_names", "validation_data", "image_size")
"""Arguments of `rl_nas.fit` that do not come by `flags`."""
_WHITE = 255


class NASClassifier(ClassifierMixin, BaseEstimator):
    """Searches for an image classifier by `rl_nas.fit`, and predicts by the best child of the search.

    Attributes:
        classes_: after `fit`, the labels, sorted.
        run_: the run of the search, as `rl_nas.load_run` opens it.
        model_: the best child, a `keras.Model` from uint8 images to probabilities.
    """

    def __init__(
        self,
        trials: int = 20,
        strategy: str = "controller",
        image_shape: tuple[int, ...] | None = None,
        max_pixel: float = 255,
        random_state: int = 0,
        run_dir: str | os.PathLike[str] | None = None,
        flags: Mapping[str, Any] | None = None,
    ) -> None:
        """Takes parameters, which `fit` checks.

        Args:
            trials: children of the search.
            strategy: of the search.
            image_shape: height, width and perhaps channels of images that come as rows, as of `load_digits().data`;
                None: they come as arrays [images, height, width] or [images, height, width, channels].
            max_pixel: value of white; black is 0.
            random_state: seed of the search.
            run_dir: folder of the run; None: a new one in runs/ for each fit, as cross-validation needs it.
            flags: others of `rl_nas search`, such as {"epochs": 3}.
        """
        self.trials, self.strategy, self.image_shape, self.max_pixel = trials, strategy, image_shape, max_pixel
        self.random_state, self.run_dir, self.flags = random_state, run_dir, flags

    def fit(self, X: Any, y: Any) -> "NASClassifier":
        """Searches.

        Args:
            X: images.
            y: their labels, numbers or texts [images].

        Raises:
            UsageError: images, labels or flags cannot be searched with.
            RunError: the search failed.
        """
        flags = dict(self.flags or {})
        if given := flags.keys() & _OWN:
            raise UsageError(f"flags has {', '.join(sorted(given))}; expected it as a parameter, or not at all")
        images, y = check_X_y(X, y, allow_nd=True)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise UsageError("y has one class; expected at least two")
        self.run_ = fit(
            self._images(images),
            labels,
            class_names=list(map(str, self.classes_)),
            trials=self.trials,
            strategy=self.strategy,
            seed=self.random_state,
            run_dir=self.run_dir,
            **flags,
        )
        self.model_ = self.run_.best_model()
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probabilities of the classes, float32 [images, classes], for images as in `fit`."""
        check_is_fitted(self)
        images = self._images(check_array(X, allow_nd=True))
        if images.shape[1:] != self.model_.input_shape[1:]:
            raise UsageError(f"X has images {images.shape[1:]}; the classifier is for {self.model_.input_shape[1:]}")
        return np.asarray(self.model_.predict(images, verbose=0))

    def predict(self, X: Any) -> np.ndarray:
        """The likeliest labels [images], for images as in `fit`."""
        likeliest = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[likeliest])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.three_d_array = self.image_shape is not None, True
        return tags

    def _images(self, values: np.ndarray) -> np.ndarray:
        """Images of 256 levels, uint8 [images, height, width, channels]."""
        shape = values.shape[1:] if self.image_shape is None else tuple(self.image_shape)
        if len(shape) not in (2, 3) or values[0].size != np.prod(shape):
            raise UsageError(
                f"X has shape {values.shape}; expected [images, height, width], or channels after them, or rows with"
                " image_shape=(height, width) or (height, width, channels)"
            )
        low, high = float(values.min()), float(values.max())
        if low < 0 or high > self.max_pixel:
            raise UsageError(f"X has pixels of {low:g} to {high:g}; expected 0 to max_pixel={self.max_pixel:g}")
        images = np.rint(values * (_WHITE / self.max_pixel)).astype(np.uint8)
        return images.reshape(len(values), *shape, *([1] if len(shape) == 2 else []))
