"""The states of a training on disk: written aside and moved into place by tf.train.CheckpointManager."""

import contextlib
import re
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from rl_nas.errors import StorageError, UsageError, first_line

_INDEX = re.compile(r"ckpt-(\d+)\.index")
"""A state's last file, by the step."""
_STATE = re.compile(r"ckpt-\d+")


class Checkpoints:
    """Saves states and restores the last one.

    Args:
        state: what a checkpoint holds, by name; variables and lists of variables.
        folder: local or in a bucket.
        keep: number of last states that stay.
        writes: whether this process writes; only one of several does.
    """

    def __init__(self, state: dict[str, Any], folder: str, *, keep: int, writes: bool = True) -> None:
        _drop_strange_list(folder)
        self._checkpoint = tf.train.Checkpoint(**state)
        self._manager = tf.train.CheckpointManager(self._checkpoint, folder, max_to_keep=keep)
        self._folder, self._writes = folder, writes

    def restore(self, tell: Callable[[str], None]) -> bool:
        """Restores the last state that can be read; returns whether there are any.

        Args:
            tell: called with a line for every later one, which is damaged.

        Raises:
            UsageError: none can be read, or they are another network's.
        """
        damaged: list[str] = []
        states = saved_states(self._folder)
        for path in states:
            try:
                self._checkpoint.restore(path).assert_consumed()
            except Exception as error:  # TensorFlow has many for bytes that are not its own, IndexError among them
                if _is_former(path):
                    raise UsageError(
                        f"{path} is a checkpoint of an earlier version of rl_nas, which computed networks in another"
                        " way; finish the training with that version, or start another run"
                    ) from error
                damaged.append(f"{path} is not a checkpoint of this training: {first_line(error)}")
            else:
                for line in damaged:
                    tell(f"{line}; going on from {path}")
                return True
        if damaged:
            raise UsageError(f"{damaged[0]}; restore the file, or start another run")
        return False

    def save(self, step: int) -> None:
        """Saves the state after a step."""
        if not self._writes:
            return
        try:
            self._manager.save(checkpoint_number=step)
        except tf.errors.OpError as error:
            raise StorageError(f"cannot write {self._folder}: {error.message.rpartition('; ')[2]}") from error


def saved_states(folder: str) -> list[str]:
    """The paths of the states in a folder, the last one first; their list in the file `checkpoint` is not needed."""
    if not tf.io.gfile.isdir(folder):
        return []
    steps = [int(found[1]) for name in tf.io.gfile.listdir(folder) if (found := _INDEX.fullmatch(name))]
    return [f"{folder.rstrip('/')}/ckpt-{step}" for step in sorted(steps, reverse=True)]


def _is_former(path: str) -> bool:
    """Whether a state is one of trainings by Keras layers: the vectors of their weights were called so."""
    try:
        return any(name.startswith("vectors/") for name, _ in tf.train.list_variables(path))
    except (ValueError, IndexError, tf.errors.OpError):
        return False


def _drop_strange_list(folder: str) -> None:
    """Deletes the manager's list of states where it would raise, or delete files elsewhere; it makes another one."""
    place = folder.rstrip("/")
    try:
        found = tf.train.get_checkpoint_state(folder)
        listed = () if found is None else found.all_model_checkpoint_paths
        if all(path.startswith(f"{place}/") and _STATE.fullmatch(path[len(place) + 1 :]) for path in listed):
            return
    except (ValueError, tf.errors.OpError):
        pass
    with contextlib.suppress(tf.errors.OpError):
        tf.io.gfile.remove(f"{place}/checkpoint")
