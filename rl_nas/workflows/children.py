"""Executors of a search's children, and the evaluator that their workers make. TensorFlow is imported late."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rl_nas.errors import RunError, UsageError
from rl_nas.execution.attempt import Evaluator
from rl_nas.execution.devices import environment_of, worker_devices
from rl_nas.execution.gpu_sharing import GpuLoad, memory_of_each, most_children
from rl_nas.execution.inline import InlineExecutor
from rl_nas.execution.nvidia_smi import GpuState, gpu_states
from rl_nas.execution.processes import ProcessExecutor
from rl_nas.execution.ray_cluster import RayExecutor
from rl_nas.execution.settings import ExecutionSettings
from rl_nas.execution.worker_process import EvaluatorSpec
from rl_nas.plugins import plugin_folders, search_in
from rl_nas.store.search_folder import SearchFolder
from rl_nas.tasks.sources import tell_user
from rl_nas.trial import Job
from rl_nas.units import GIB
from rl_nas.workflows.config import SearchConfig
from rl_nas.workflows.devices import device_line
from rl_nas.workflows.run_config import portable
from rl_nas.workflows.tensorflow_setup import load_tensorflow
from rl_nas.workflows.trust import named_plugins

_FACTORY = "rl_nas.workflows.children:make_evaluator"

ChildExecutor = InlineExecutor | ProcessExecutor | RayExecutor


class Children:
    """Execution of a search's children. TensorFlow is imported, but must not have computed yet.

    Data are opened after it is made, so that the config, which may depend on them, is given later.

    Args:
        settings: where children are executed.
        folder: of the run.
        debug: let workers' TensorFlow print its own log.
        hide_gpus: hide GPUs from this process if workers have them.

    Attributes:
        tell: shows what is decided while children are executed.

    Raises:
        UsageError: there are no such devices, or no process that a timeout could kill.
    """

    def __init__(
        self, settings: ExecutionSettings, folder: SearchFolder, *, debug: bool = False, hide_gpus: bool = True
    ) -> None:
        import tensorflow as tf

        self._settings, self._folder, self._debug = settings, folder, debug
        self.tell: Callable[[str], None] = tell_user
        self._gpu_memory: int | None = None
        """Bytes of a GPU that each child may allocate, where several share one."""
        self._load: GpuLoad | None = None
        """Of the GPUs, where their number of children is measured: once, whatever is executed then."""
        if self._settings.executor == "inline" and self._settings.child_timeout is not None:
            raise UsageError("--child_timeout needs a process that can be killed; leave out --executor=inline")
        self._devices = worker_devices(self._settings, len(tf.config.list_physical_devices("GPU")))
        # As many threads in this process as in workers: results of a run then do not depend on where it runs.
        tf.config.threading.set_intra_op_parallelism_threads(self._settings.threads_per_worker)
        tf.config.threading.set_inter_op_parallelism_threads(self._settings.threads_per_worker)
        if self._settings.executor != "inline" and hide_gpus:
            tf.config.set_visible_devices([], "GPU")  # GPUs are for the workers

    def device_line(self, precision: str) -> str:
        """Where children are executed, and in which number type, in words."""
        settings = self._settings
        if settings.executor == "ray":
            gpus = f", {settings.gpus_per_child:g} GPUs a child" if settings.gpus_per_child else ""
            return f"device: Ray cluster {settings.ray_address or 'of this machine'}{gpus}, {precision}"
        return device_line(None if settings.executor == "inline" else self._devices, precision=precision)

    @property
    def share_gpus(self) -> bool:
        """Whether several children are to share a GPU, so that its memory must be divided."""
        return self._settings.per_gpu != 1 and "cpu" not in self._devices

    def divide_gpus(self, needed: int) -> None:
        """Gives each child that shares a GPU its part of the memory.

        Args:
            needed: bytes of a large child, estimated.

        Raises:
            UsageError: so many do not fit, or nobody tells what memory there is.
        """
        states, gpus = self._gpu_states(), [*dict.fromkeys(self._devices)]
        children = self._settings.per_gpu
        if children is None:
            children = most_children(states, needed, os.cpu_count() or 1)
            self._devices = gpus * children
        if children > 1:
            self._gpu_memory = memory_of_each(states, children, needed)
            if self._settings.per_gpu is None:
                self._load = GpuLoad(len(gpus), children, self._gpu_states, self._say)

    def _gpu_states(self) -> list[GpuState]:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        environments = [environment_of(device, 1, visible) for device in dict.fromkeys(self._devices)]
        return gpu_states([environment["CUDA_VISIBLE_DEVICES"] for environment in environments])

    @property
    def cores_per_gpu(self) -> int:
        """CPU cores of this machine for each child that has a GPU; 0: some have none."""
        settings, cores = self._settings, os.cpu_count() or 1
        if settings.executor == "ray":
            return cores if settings.gpus_per_child else 0
        if "cpu" in self._devices:
            return 0
        return cores if settings.executor == "inline" else max(1, cores // len(self._devices))

    def executor(self, config: SearchConfig, rehearsal: float | None = None) -> ChildExecutor:
        """The executor of the children, a context manager.

        Args:
            config: of the search, with the task that was found.
            rehearsal: seconds of train steps from which the time of each child is forecast; None: it is evaluated.
        """
        spec = self._spec(config, rehearsal)
        if self._settings.executor == "inline":
            return InlineExecutor(make_evaluator(**spec.arguments))
        if self._settings.executor == "ray":
            return self._cluster(spec)
        return self._processes(spec, self._devices, self._load)

    def _say(self, line: str) -> None:
        self.tell(line)  # as it is then: a live line begins after the executor was made

    def repeat(self, config: SearchConfig, job: Job) -> None:
        """Trains a child once more on this machine, so that its weights are in the run's folder.

        Args:
            config: of the search, with the task that was found.
            job: of the child.

        Raises:
            RunError: the child failed.
        """
        with self._processes(self._spec(config), self._devices[:1]) as executor:
            (outcome,) = executor.run([job])
        if outcome.measurement is None:
            reason = outcome.failures[-1]
            met = f"trial {job.index}, trained again for its weights: {reason.state}, {reason.error}"
            raise RunError(met, reason.log)

    def _spec(self, config: SearchConfig, rehearsal: float | None = None) -> EvaluatorSpec:
        flags = portable(config.flags())
        folders = plugin_folders() if named_plugins(flags) else []
        arguments = {"flags": flags, "run_dir": str(self._folder.path), "debug": self._debug, "folders": folders}
        arguments |= {} if rehearsal is None else {"rehearsal": rehearsal}
        arguments |= {} if self._gpu_memory is None else {"gpu_memory": self._gpu_memory}
        return EvaluatorSpec(_FACTORY, arguments)

    def _cluster(self, spec: EvaluatorSpec) -> RayExecutor:
        settings = self._settings
        threads = {} if settings.gpus_per_child else environment_of("cpu", settings.threads_per_worker)
        return RayExecutor(
            spec,
            settings.workers,
            address=settings.ray_address,
            cpus=settings.threads_per_worker,
            gpus=settings.gpus_per_child,
            environment=threads,
            options=self._options(),
        )

    def _processes(self, spec: EvaluatorSpec, devices: Sequence[str], load: GpuLoad | None = None) -> ProcessExecutor:
        threads, visible = self._settings.threads_per_worker, os.environ.get("CUDA_VISIBLE_DEVICES")
        environments = [environment_of(device, threads, visible) for device in devices]
        return ProcessExecutor(spec, len(devices), environments=environments, load=load, **self._options())

    def _options(self) -> dict[str, Any]:
        gib = self._settings.worker_memory_gib
        return {
            "children_per_worker": self._settings.children_per_worker,
            "memory": None if gib is None else int(gib * GIB),
            "timeout": self._settings.child_timeout,
            "start_timeout": self._settings.worker_start_timeout,
        }


def make_evaluator(
    flags: Mapping[str, Any],
    run_dir: str,
    debug: bool = False,
    folders: Sequence[str] = (),
    rehearsal: float | None = None,
    gpu_memory: int | None = None,
) -> Evaluator:
    """Makes an evaluator that trains children by the flags of a search, and saves the best ones' weights.

    Args:
        flags: of a `SearchConfig`, from the driver's command line, plug-ins included.
        run_dir: folder of the run.
        debug: let TensorFlow print its own log.
        folders: of plug-ins, beside this process's own; Ray's processes have another working folder.
        rehearsal: seconds of train steps from which the time of each child is forecast; None: it is evaluated.
        gpu_memory: bytes of the GPU that this process may allocate; None: as many as it needs.

    Raises:
        UsageError: the data set or a plug-in is missing.
    """
    search_in(folders)
    load_tensorflow(debug=debug, gpu_memory=gpu_memory)
    from rl_nas.workflows.child_evaluator import child_evaluator, child_rehearsal

    config, folder = SearchConfig.from_flags(flags), SearchFolder(run_dir)
    return child_evaluator(config, folder) if rehearsal is None else child_rehearsal(config, folder, rehearsal)
