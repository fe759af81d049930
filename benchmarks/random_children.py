"""Random children of a search, with their data: what child_overhead.py, shared_step.py and worth_it.py train."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from rl_nas.networks.plan import Plan
from rl_nas.settings import Settings, setting
from rl_nas.spaces.catalog import find_space
from rl_nas.spaces.decisions import Genotype
from rl_nas.store.search_folder import SearchFolder
from rl_nas.trial import Job, child_seed
from rl_nas.workflows.config import SearchConfig
from rl_nas.workflows.space import any_genotype
from rl_nas.workflows.tensorflow_setup import load_tensorflow

if TYPE_CHECKING:
    from rl_nas.child.data.images import ImageData
    from rl_nas.child.data.training_data import DeviceData, TrainingData
    from rl_nas.child.training.objective import Metric, Objective
    from rl_nas.tasks.sources import Opened
    from rl_nas.workflows.child_setup import ChildSetup

Tell = Callable[..., None]
"""Is told of every child that is over, with what is known of it: seconds `steady`, seconds `measuring`,
fraction `reading` of a step."""


@dataclass(frozen=True)
class ChildrenSettings(Settings):
    """Which children are trained."""

    title: ClassVar[str] = "Children"

    children: int = setting(3, "random children of the space, always the same", minimum=1)
    threads: int = setting(1, "CPU threads of a process; workers have one each", minimum=1)


class RandomChildren:
    """Children of a search. The data set is opened when it is first asked for; TensorFlow is loaded then.

    Args:
        config: of the search.
        count: so many children.

    Attributes:
        config: of the search.
        jobs: one for each child.
    """

    def __init__(self, config: SearchConfig, count: int) -> None:
        self.config, seed = config, config.run.seed
        self._space, rng = find_space(config.space), np.random.default_rng(seed)
        self.jobs = [Job(number, self._space.sample(rng), child_seed(seed, number)) for number in range(count)]

    @cached_property
    def images(self) -> "ImageData":
        """The images of the search."""
        from rl_nas.child.data.images import load_images

        return load_images(self._opened.source)

    @property
    def data(self) -> "TrainingData":
        """The examples as children get them: images on the device, or features of a backbone."""
        return self._setup.training_data()

    @property
    def device_data(self) -> "DeviceData":
        """The images on the device."""
        from rl_nas.child.data.training_data import DeviceData

        return DeviceData(self.images, self._opened.source.annotation)

    @property
    def objective(self) -> "Objective":
        """The task's."""
        return self._opened.task.objective(self._setup.networks.problem)

    @property
    def metric(self) -> "Metric":
        """A fresh one of the task's."""
        return self._opened.task.metric(self._setup.networks.problem)

    @property
    def steps(self) -> int:
        """Training steps of a child."""
        from rl_nas.child.training.child_training import training_steps

        return training_steps(self.config.training, len(self.images.train_images))

    def genotype(self, job: Job) -> Genotype:
        """What is trained in a child."""
        found: Genotype = self._space.decode(job.architecture)
        return found

    def plan(self, job: Job) -> Plan:
        """The network of a child while it is trained."""
        return self._setup.children.plan(self.genotype(job), self.steps)

    def plan_other(self, genotype: Genotype, steps: int) -> Plan:
        """The network of a genotype that may be of another kind than the space's, as it is trained for some steps."""
        from rl_nas.workflows.planned_networks import plan_networks

        return plan_networks(self.config, genotype, self._opened).networks.plan(genotype, steps)

    @cached_property
    def _setup(self) -> "ChildSetup":
        from rl_nas.workflows.child_setup import set_up

        folder = SearchFolder(self.config.run.run_dir or ".")  # where nothing is written
        return set_up(self.config, any_genotype(self._space), self._opened, self.images, folder)

    @cached_property
    def _opened(self) -> "Opened":
        from rl_nas.tasks.sources import open_source

        return open_source(self.config.data, self.config.task.task, self.config.flags())


def tensorflow_with_threads(threads: int | None) -> Any:
    """TensorFlow with so many CPU threads, before it computes; None: it is left to others."""
    load_tensorflow()
    import tensorflow as tf

    if threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    return tf
