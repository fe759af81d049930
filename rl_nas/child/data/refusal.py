"""Problems that are found inside of an input pipeline, where no error of ours can be raised."""

import re

import tensorflow as tf

from rl_nas.errors import UsageError

_BEGIN, _END = "refused: ", " :end"


def refuse(problem: tf.Tensor) -> tf.Operation:
    """An operation that ends the pipeline if a problem, one line of text, is not empty."""
    return tf.debugging.Assert(problem == "", [tf.strings.join([_BEGIN, problem, _END])])


def refused(error: tf.errors.OpError) -> UsageError | None:
    """The problem that ended a pipeline; None: it was another error."""
    match = re.search(f"{_BEGIN}(.*){_END}", error.message)
    return None if match is None else UsageError(match[1])
