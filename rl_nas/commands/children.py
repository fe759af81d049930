"""The children of a search: what evaluates them, made from its flags in whatever process, and what runs that."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from rl_nas.child.settings import AugmentSettings, DataSettings, TrainingSettings
from rl_nas.commands import cli
from rl_nas.commands.search_flags import SearchRunSettings
from rl_nas.early_stopping.child_states import ChildStates
from rl_nas.early_stopping.thresholds import EarlyStopSettings
from rl_nas.errors import RunError, UsageError
from rl_nas.evaluation.limits import LimitSettings
from rl_nas.evaluation.rewards import RewardSettings, make_reward
from rl_nas.evaluation.settings import FilterSettings
from rl_nas.execution.attempt import Evaluator
from rl_nas.execution.devices import environment_of, worker_devices
from rl_nas.execution.inline import InlineExecutor
from rl_nas.execution.processes import ProcessExecutor
from rl_nas.execution.ray_cluster import RayExecutor
from rl_nas.execution.settings import ExecutionSettings
from rl_nas.execution.worker_process import EvaluatorSpec
from rl_nas.flags.parsing import OutputSettings
from rl_nas.networks.settings import NetworkSettings
from rl_nas.spaces.catalog import find_space
from rl_nas.spaces.settings import SpaceSettings
from rl_nas.store.best_child import ChildWeights
from rl_nas.store.run_folder import SearchFolder
from rl_nas.trial import Job
from rl_nas.units import GIB

_FACTORY = "rl_nas.commands.children:make_evaluator"

Executor = InlineExecutor | ProcessExecutor | RayExecutor


class Children:
    """Where the children of a search are trained. TensorFlow is imported, and has not computed yet.

    Args:
        flags: all flags of `rl_nas search`.
        folder: of the run.
        hide_gpus: where workers have them, keep this process off them.

    Raises:
        UsageError: there are no such devices, or no process that a timeout could end.
    """

    def __init__(self, flags: Mapping[str, Any], folder: SearchFolder, *, hide_gpus: bool = True) -> None:
        import tensorflow as tf

        self.settings = ExecutionSettings.from_flags(flags)
        if self.settings.executor == "inline" and self.settings.child_timeout is not None:
            raise UsageError("--child_timeout needs a process that can be ended; leave --executor=inline out")
        self._spec = EvaluatorSpec(_FACTORY, {"flags": dict(flags), "run_dir": str(folder.path)})
        self._devices = worker_devices(self.settings, len(tf.config.list_physical_devices("GPU")))
        # As many in this process as in workers: the numbers of a run then depend neither on where it runs ...
        tf.config.threading.set_intra_op_parallelism_threads(self.settings.threads_per_worker)
        tf.config.threading.set_inter_op_parallelism_threads(self.settings.threads_per_worker)
        if self.settings.executor != "inline" and hide_gpus:
            tf.config.set_visible_devices([], "GPU")  # ... and GPUs are the workers'

    def executor(self) -> Executor:
        """What runs them; a context."""
        if self.settings.executor == "inline":
            return InlineExecutor(make_evaluator(**self._spec.arguments))
        if self.settings.executor == "ray":
            return self._cluster()
        return self._processes(self._devices)

    def repeat(self, job: Job) -> None:
        """Trains a child once more on this machine, so that its weights are in the run's folder.

        Raises:
            RunError: it failed.
        """
        with self._processes(self._devices[:1]) as executor:
            (outcome,) = executor.run([job])
        if outcome.measurement is None:
            reason = outcome.failures[-1]
            met = f"trial {job.index}, trained again for its weights: {reason.state}, {reason.error}"
            raise RunError(met, reason.log)

    def _cluster(self) -> RayExecutor:
        settings = self.settings
        threads = {} if settings.gpus_per_child else environment_of("cpu", settings.threads_per_worker)
        return RayExecutor(
            self._spec,
            settings.workers,
            address=settings.ray_address,
            cpus=settings.threads_per_worker,
            gpus=settings.gpus_per_child,
            environment=threads,
            options=self._options(),
        )

    def _processes(self, devices: Sequence[str]) -> ProcessExecutor:
        threads, visible = self.settings.threads_per_worker, os.environ.get("CUDA_VISIBLE_DEVICES")
        environments = [environment_of(device, threads, visible) for device in devices]
        return ProcessExecutor(self._spec, len(devices), environments=environments, **self._options())

    def _options(self) -> dict[str, Any]:
        gib = self.settings.worker_memory_gib
        return {
            "children_per_worker": self.settings.children_per_worker,
            "memory": None if gib is None else int(gib * GIB),
            "timeout": self.settings.child_timeout,
        }


def make_evaluator(flags: Mapping[str, Any], run_dir: str) -> Evaluator:
    """An evaluator that trains children as the flags of a search say, and keeps the best ones' weights.

    Args:
        flags: all flags of `rl_nas search`.
        run_dir: folder of the run.

    Raises:
        UsageError: the data set is missing.
    """
    cli.load_tensorflow(debug=OutputSettings.from_flags(flags).debug)
    from rl_nas.child.data.image_cache import load_image_cache
    from rl_nas.child.data.images import load_images
    from rl_nas.child.training.child_training import DeviceData
    from rl_nas.evaluation.trained_child import TrainedChildEvaluator

    cli.settle_determinism(SearchRunSettings.from_flags(flags).determinism)
    rewarding = RewardSettings.from_flags(flags)
    folder = SearchFolder(run_dir)
    data = load_image_cache(folder.images) or load_images(DataSettings.from_flags(flags))
    early_stop = EarlyStopSettings.from_flags(flags)
    return TrainedChildEvaluator(
        find_space(SpaceSettings.from_flags(flags)),
        DeviceData(data),
        NetworkSettings.from_flags(flags),
        TrainingSettings.from_flags(flags),
        AugmentSettings.from_flags(flags),
        classes=data.classes,
        latency=rewarding.needs_latency,
        limits=LimitSettings.from_flags(flags),
        filtering=FilterSettings.from_flags(flags),
        early_stop=early_stop,
        states=ChildStates(folder.states) if early_stop.rule == "halving" else None,
        on_child=ChildWeights(folder, make_reward(rewarding)).keep,
    )
