"""Configs of searches and full trainings: groups of settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

from rl_nas.child.data.settings import AugmentSettings, DataSettings, FeatureCacheSettings, InputPipelineSettings
from rl_nas.child.training.settings import DeviceSettings, InitSettings, TrainingSettings
from rl_nas.controller.settings import ControllerSettings
from rl_nas.early_stopping.thresholds import EarlyStopSettings
from rl_nas.evaluation.limits import LimitSettings
from rl_nas.evaluation.rewards import RewardSettings
from rl_nas.evaluation.settings import EvaluationSettings, FilterSettings, PretrainSettings, WarmStartSettings
from rl_nas.execution.settings import ExecutionSettings
from rl_nas.networks.own_operations import OperationSettings
from rl_nas.networks.settings import NetworkSettings
from rl_nas.objectives import ObjectiveSettings
from rl_nas.one_shot.settings import EstimatorSettings
from rl_nas.settings import Settings
from rl_nas.spaces.settings import SpaceSettings
from rl_nas.strategies.batching import ONE_BATCH, Batching, usual_batching
from rl_nas.strategies.catalog import StrategyOptions
from rl_nas.strategies.health import HealthSettings
from rl_nas.strategies.settings import EvolutionSettings
from rl_nas.tasks.catalog import TASK_SETTINGS, check_unread
from rl_nas.tasks.settings import PartSettings, TaskSettings
from rl_nas.tasks.task import Problem, Task
from rl_nas.workflows.settings import (
    ChoiceSettings,
    SearchRunSettings,
    SecondStageSettings,
    StrategySettings,
    TrainRunSettings,
)
from rl_nas.workflows.sizing import AutoSettings
from rl_nas.workflows.tracking import TrackSettings
from rl_nas.workflows.trust import TrustSettings


@dataclass(frozen=True)
class Config:
    """A group of settings for each field, and those of the tasks.

    Attributes:
        of_tasks: settings that tasks bring; missing ones have their defaults.
    """

    of_tasks: tuple[Settings, ...] = field(default=(), kw_only=True)

    @classmethod
    def groups(cls) -> tuple[type[Settings], ...]:
        """The groups of settings of its flags."""
        own = (one.default_factory for one in fields(cls) if one.name != "of_tasks")
        return (*own, *TASK_SETTINGS)  # type: ignore[arg-type]

    @classmethod
    def from_flags(cls, values: Mapping[str, Any]) -> Self:
        """The config with the values of its flags, from a mapping that may hold other flags too."""
        own = {one.name: one.default_factory for one in fields(cls) if one.name != "of_tasks"}
        return cls(
            **{name: group.from_flags(values) for name, group in own.items()},  # type: ignore[union-attr]
            of_tasks=tuple(group.from_flags(values) for group in TASK_SETTINGS),
        )

    def flags(self) -> dict[str, Any]:
        """Flag name -> value, for every setting."""
        groups = [getattr(self, one.name) for one in fields(self) if one.name != "of_tasks"]
        return {name: value for group in (*groups, *self._complete()) for name, value in group.flags().items()}

    def problem(self, task: Task, class_names: Sequence[str]) -> Problem:
        """The task on a data set of these classes, with the settings of this config."""
        flags = {name: value for group in self._complete() for name, value in group.flags().items()}
        return task.problem(class_names, flags)

    def check_task(self, task: Task) -> None:
        """Raises `UsageError` for a setting of another task that is not the default, as it would have no effect."""
        check_unread(task, self._complete())

    def _complete(self) -> tuple[Settings, ...]:
        given = {type(group): group for group in self.of_tasks}
        return tuple(given.get(group, group()) for group in TASK_SETTINGS)


@dataclass(frozen=True)
class SearchConfig(Config):
    """Config of a search: the flags of `rl_nas search`."""

    run: SearchRunSettings = field(default_factory=SearchRunSettings)
    trust: TrustSettings = field(default_factory=TrustSettings)
    task: TaskSettings = field(default_factory=TaskSettings)
    track: TrackSettings = field(default_factory=TrackSettings)
    execution: ExecutionSettings = field(default_factory=ExecutionSettings)
    space: SpaceSettings = field(default_factory=SpaceSettings)
    operations: OperationSettings = field(default_factory=OperationSettings)
    strategy: StrategySettings = field(default_factory=StrategySettings)
    controller: ControllerSettings = field(default_factory=ControllerSettings)
    evolution: EvolutionSettings = field(default_factory=EvolutionSettings)
    health: HealthSettings = field(default_factory=HealthSettings)
    estimator: EstimatorSettings = field(default_factory=EstimatorSettings)
    reward: RewardSettings = field(default_factory=RewardSettings)
    objectives: ObjectiveSettings = field(default_factory=ObjectiveSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    warm_start: WarmStartSettings = field(default_factory=WarmStartSettings)
    filter: FilterSettings = field(default_factory=FilterSettings)
    early_stop: EarlyStopSettings = field(default_factory=EarlyStopSettings)
    choice: ChoiceSettings = field(default_factory=ChoiceSettings)
    then: SecondStageSettings = field(default_factory=SecondStageSettings)
    data: DataSettings = field(default_factory=DataSettings)
    auto: AutoSettings = field(default_factory=AutoSettings)
    parts: PartSettings = field(default_factory=PartSettings)
    features: FeatureCacheSettings = field(default_factory=FeatureCacheSettings)
    pretraining: PretrainSettings = field(default_factory=PretrainSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    augmentation: AugmentSettings = field(default_factory=AugmentSettings)

    @property
    def strategies(self) -> StrategyOptions:
        """The settings of all strategies."""
        return StrategyOptions(self.controller, self.evolution, objectives=self.objectives.parsed)

    @property
    def batches_can_overlap(self) -> bool:
        """Whether several batches of proposals can be in flight, each learned from in its turn."""
        return not (self.execution.async_updates or self.shared or self.early_stop.rule == "halving")

    @property
    def batching(self) -> Batching:
        """The batches of proposals; what is left out is as suits the strategy."""
        run, whole = self.run, self.shared or self.early_stop.rule == "halving"
        usual = ONE_BATCH if whole else usual_batching(self.strategy.strategy)
        flying = 1 if run.update_every is not None or self.execution.async_updates else usual.in_flight
        return Batching(run.update_every or usual.size, run.batches_in_flight or flying)

    @property
    def costs(self) -> tuple[str, ...]:
        """Costs of children that the reward or an objective needs."""
        objectives = self.objectives.parsed
        return (*(("latency",) if self.reward.needs_latency else ()), *(objectives.names if objectives else ()))

    @property
    def shared(self) -> bool:
        """Whether networks are measured with shared weights."""
        return self.estimator.estimator == "shared"


@dataclass(frozen=True)
class TrainConfig(Config):
    """Config of a full training: the flags of `rl_nas train`."""

    run: TrainRunSettings = field(default_factory=TrainRunSettings)
    trust: TrustSettings = field(default_factory=TrustSettings)
    task: TaskSettings = field(default_factory=TaskSettings)
    start: InitSettings = field(default_factory=InitSettings)
    pretraining: PretrainSettings = field(default_factory=PretrainSettings)
    operations: OperationSettings = field(default_factory=OperationSettings)
    parts: PartSettings = field(default_factory=PartSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    data: DataSettings = field(default_factory=DataSettings)
    auto: AutoSettings = field(default_factory=AutoSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    augmentation: AugmentSettings = field(default_factory=AugmentSettings)
    pipeline: InputPipelineSettings = field(default_factory=InputPipelineSettings)
    devices: DeviceSettings = field(default_factory=DeviceSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
