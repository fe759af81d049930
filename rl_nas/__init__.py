"""Neural architecture search with a reinforcement-learning controller, on TensorFlow and Keras 3.

Importing it does not import TensorFlow: names that need it are loaded on first use.
"""

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from rl_nas.bench.table_files import load_table
from rl_nas.controller.settings import ControllerSettings
from rl_nas.errors import RunError, StorageError, UsageError
from rl_nas.execution.inline import InlineExecutor
from rl_nas.execution.processes import ProcessExecutor
from rl_nas.execution.worker_process import EvaluatorSpec
from rl_nas.loops.asynchronous import search_async
from rl_nas.loops.finished import FinishedSearch
from rl_nas.loops.ordered import search
from rl_nas.loops.updates import Watcher
from rl_nas.networks.lookup import find_genotype as load_genotype
from rl_nas.networks.network import plan_network
from rl_nas.networks.operations import add_operation
from rl_nas.networks.settings import NetworkSettings
from rl_nas.report.notebooks import draw_in_notebooks
from rl_nas.spaces.cells import Block, Cell, CellGenotype
from rl_nas.spaces.decisions import Architecture, Decision, SearchSpace
from rl_nas.spaces.nasnet import nasnet
from rl_nas.spaces.published import PUBLISHED
from rl_nas.store.trials import TrialStore
from rl_nas.strategies import Strategy
from rl_nas.strategies.aging_evolution import AgingEvolution
from rl_nas.strategies.health import HealthSettings
from rl_nas.strategies.local_search import LocalSearch
from rl_nas.strategies.random_search import RandomSearch
from rl_nas.strategies.settings import EvolutionSettings
from rl_nas.tasks.classification.head import ClassificationHead
from rl_nas.tasks.task import Task
from rl_nas.trial import ChildError, Failure, Job, Measurement, Outcome, Trial, TrialState
from rl_nas.workflows.config import SearchConfig, TrainConfig
from rl_nas.workflows.recorded_run import RecordedRun, load_run
from rl_nas.workflows.tensorflow_setup import load_tensorflow
from rl_nas.workflows.tracked_run import TrackedRun

if TYPE_CHECKING:
    from rl_nas.child.network.keras_model import build_model
    from rl_nas.commands.export import export
    from rl_nas.commands.fit import fit
    from rl_nas.commands.train import train
    from rl_nas.controller.agent import PPO, Controller, Reinforce
    from rl_nas.strategies.gaussian_process import GaussianProcessSearch

__all__ = [
    "PPO",
    "PUBLISHED",
    "AgingEvolution",
    "Architecture",
    "Block",
    "Cell",
    "CellGenotype",
    "ChildError",
    "ClassificationHead",
    "Controller",
    "ControllerSettings",
    "Decision",
    "EvaluatorSpec",
    "EvolutionSettings",
    "Failure",
    "FinishedSearch",
    "GaussianProcessSearch",
    "HealthSettings",
    "InlineExecutor",
    "Job",
    "LocalSearch",
    "Measurement",
    "NetworkSettings",
    "Outcome",
    "ProcessExecutor",
    "RandomSearch",
    "RecordedRun",
    "Reinforce",
    "RunError",
    "SearchConfig",
    "SearchSpace",
    "StorageError",
    "Strategy",
    "Task",
    "TrackedRun",
    "TrainConfig",
    "Trial",
    "TrialState",
    "TrialStore",
    "UsageError",
    "Watcher",
    "__version__",
    "add_operation",
    "build_model",
    "export",
    "fit",
    "load_genotype",
    "load_run",
    "load_table",
    "nasnet",
    "plan_network",
    "search",
    "search_async",
    "train",
]

_WITH_TENSORFLOW = {
    **dict.fromkeys(("Controller", "PPO", "Reinforce"), "rl_nas.controller.agent"),
    "build_model": "rl_nas.child.network.keras_model",
}
"""The names whose modules import TensorFlow -> these."""

_LAZY = {
    **_WITH_TENSORFLOW,
    "export": "rl_nas.commands.export",
    "fit": "rl_nas.commands.fit",
    "GaussianProcessSearch": "rl_nas.strategies.gaussian_process",
    "train": "rl_nas.commands.train",
}
"""The names that need TensorFlow, SciPy or the command line -> their modules."""

draw_in_notebooks()


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("rl_nas")
    if name not in _LAZY:
        raise AttributeError(f"module 'rl_nas' has no attribute {name!r}")
    if name in _WITH_TENSORFLOW:
        load_tensorflow()  # without its start-up messages
    return getattr(importlib.import_module(_LAZY[name]), name)
