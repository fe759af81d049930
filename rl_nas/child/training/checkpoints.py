"""The states of a training on disk: written aside and moved into place by tf.train.CheckpointManager."""

from typing import Any

import tensorflow as tf

from rl_nas.errors import StorageError, UsageError, first_line


class Checkpoints:
    """Saves states and restores the last one.

    Args:
        state: what a checkpoint holds, by name; variables and lists of variables.
        folder: local or in a bucket.
        keep: number of last states that stay.
        writes: whether this process writes; only one of several does.
    """

    def __init__(self, state: dict[str, Any], folder: str, *, keep: int, writes: bool = True) -> None:
        self._checkpoint = tf.train.Checkpoint(**state)
        self._manager = tf.train.CheckpointManager(self._checkpoint, folder, max_to_keep=keep)
        self._folder, self._writes = folder, writes

    def restore(self) -> bool:
        """Restores the last state; returns whether there is one.

        Raises:
            UsageError: the state is another network's.
        """
        latest = last_checkpoint(self._folder)
        if latest is None:
            return False
        try:
            self._checkpoint.restore(latest).assert_consumed()
        except (ValueError, AssertionError, tf.errors.OpError) as error:
            raise UsageError(f"{latest} is not a checkpoint of this training: {first_line(error)}") from error
        return True

    def save(self, step: int) -> None:
        """Saves the state after a step."""
        if not self._writes:
            return
        try:
            self._manager.save(checkpoint_number=step)
        except tf.errors.OpError as error:
            raise StorageError(f"cannot write {self._folder}: {error.message.rpartition('; ')[2]}") from error


def last_checkpoint(folder: str) -> str | None:
    """The path of the last state in a folder, if there is one."""
    path: str | None = tf.train.latest_checkpoint(folder)
    return path
