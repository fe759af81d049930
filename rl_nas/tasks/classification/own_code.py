"""A loss and a quality of the user's own, named `module:NAME` on the command line; both are tried before they are used.

Both are called as Keras calls its own, with targets and probabilities.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from rl_nas.errors import UsageError, first_line
from rl_nas.metrics import check_names
from rl_nas.plugins import check_call, load_plugin

_LOSS = "a function of one-hot targets and probabilities, both [images, classes]"
_METRIC = "a function of labels [images] and probabilities [images, classes]"
_FIGURES = ("accuracy", "loss", "cross_entropy", "top5_accuracy")


class OwnLoss:
    """A loss that a function computes from targets and probabilities, and its gradient by the logits."""

    def __init__(self, name: str, classes: int, *, weighted: bool = False) -> None:
        """Imports the function, and tries it on made-up images.

        Args:
            name: `module:NAME`, a function or an object or a class of `keras.losses.Loss`. It returns the losses of
                the images, or their mean.
            classes: of the data set.
            weighted: whether losses are multiplied by weights of classes.

        Raises:
            UsageError: it is no such function, or fails.
        """
        self._name, self._function = name, _made(load_plugin("loss", name))
        if not callable(self._function):
            raise UsageError(f"--loss={name} is {type(self._function).__name__}; expected {_LOSS}")
        check_call("loss", name, self._function, None, None, expected=_LOSS)
        if isinstance(self._function, keras.losses.Loss) and self._function.get_config().get("from_logits"):
            raise UsageError(f"--loss={name} is for logits, but gets probabilities; leave out from_logits=True")
        targets, logits = np.tile(np.eye(classes, dtype=np.float32), (2, 1)), _made_up_logits(classes)
        try:
            loss, gradient = self(
                tf.constant(targets), tf.constant(logits), tf.ones(len(targets)) if weighted else None
            )
        except UsageError:
            raise
        except Exception as error:  # the user's own
            raise UsageError(
                f"--loss={name} failed on made-up images ({type(error).__name__}: {first_line(error)}); expected"
                f" {_LOSS}"
            ) from error
        if gradient is None or not np.isfinite([float(loss), *np.ravel(gradient)]).all():
            met = "no gradient" if gradient is None else "a loss or a gradient that is not finite"
            raise UsageError(f"--loss={name} has {met} on made-up images; expected one of TensorFlow's operations")

    def __call__(self, targets: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor | None = None) -> Any:
        """The mean loss over the images, and its gradient by the logits.

        Args:
            targets: float32 [images, classes].
            logits: float32 [images, classes].
            weights: of the images, float32 [images]; None: 1.

        Raises:
            UsageError: it returns neither a loss for each image nor their mean.
        """
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(logits)
            losses = tf.cast(self._function(targets, tf.nn.softmax(logits)), tf.float32)
            if losses.shape.rank not in (0, 1) or (weights is not None and losses.shape.rank == 0):
                raise UsageError(
                    f"--loss={self._name} returns numbers of shape {losses.shape}; expected a loss for each image"
                    f"{', or their mean' if weights is None else ', as --class_weights multiply them'}"
                )
            loss = tf.reduce_mean(losses if weights is None else weights * losses)
        return loss, tape.gradient(loss, logits)


class OwnQuality:
    """A quality that a function computes from the labels and the probabilities of a whole split.

    Attributes:
        name: of the figure.
    """

    def __init__(self, name: str, classes: int) -> None:
        """Imports the function, and tries it on made-up images.

        Args:
            name: `module:NAME`, a function, or an object or a class of `keras.metrics.Metric`; higher is better.
            classes: of the data set.

        Raises:
            UsageError: it is no such function, or fails.
        """
        self._flag, self._function = f"--metric={name}", _made(load_plugin("metric", name))
        self.name = name.partition(":")[2]
        if self.name in _FIGURES:
            raise UsageError(f"{self._flag} has the name of another figure; rename the function")
        check_names("metric", [self.name])
        if not callable(self._function):
            raise UsageError(f"{self._flag} is {type(self._function).__name__}; expected {_METRIC}")
        check_call("metric", name, self._function, None, None, expected=_METRIC)
        logits = tf.constant(_made_up_logits(classes))
        try:
            self(np.tile(np.arange(classes), 2), np.asarray(tf.nn.softmax(logits)))
        except Exception as error:  # the user's own
            raise UsageError(
                f"{self._flag} failed on made-up images ({type(error).__name__}: {first_line(error)}); expected"
                f" {_METRIC}, that returns a number"
            ) from error

    def __call__(self, labels: np.ndarray, probabilities: np.ndarray) -> float:
        """The quality.

        Args:
            labels: int64 [images].
            probabilities: float32 [images, classes].
        """
        if isinstance(self._function, keras.metrics.Metric):
            self._function.reset_state()
        return float(self._function(labels, probabilities))


def _made(found: Any) -> Callable[..., Any]:
    """What is called: an object of one of Keras's classes where the class is named."""
    is_class = isinstance(found, type) and issubclass(found, (keras.losses.Loss, keras.metrics.Metric))
    made: Callable[..., Any] = found() if is_class else found
    return made


def _made_up_logits(classes: int) -> np.ndarray:
    """Logits of two images of each class: float32 [2 * classes, classes]."""
    return np.random.default_rng(0).standard_normal((2 * classes, classes)).astype(np.float32)
