"""Measures architectures with weights that they share: one-shot performance estimation."""

import time
from collections.abc import Callable, Sequence

import numpy as np

from rl_nas.checkpoint import State
from rl_nas.child.data.settings import AugmentSettings
from rl_nas.child.data.training_data import DeviceData
from rl_nas.child.training.objective import Metric, Objective
from rl_nas.child.training.settings import TrainingSettings
from rl_nas.errors import RunError, UsageError
from rl_nas.evaluation.limits import LimitSettings, PlannedCost
from rl_nas.networks.plan import Plan
from rl_nas.one_shot.training import OneShotTrainer
from rl_nas.spaces.decisions import Architecture
from rl_nas.trial import ChildError, Measurement, TrialState


class TrainedSupernet:
    """The weights that all networks of a space share, trained on one data set.

    Args:
        plan: from an architecture, and the number of train steps or None for inference, to its network.
        data: the images.
        objective: gives loss and evidence.
        metric: makes a fresh metric; its first figure is the quality.
        training: of the weights.
        augmentation: of the training images.
        limits: of the networks' size.
        seed: of all randomness.
        on_step: called with the number of every finished train step of an epoch, from 1, and of all of them.
    """

    def __init__(
        self,
        plan: Callable[[Architecture, int | None], Plan],
        data: DeviceData,
        objective: Objective,
        metric: Callable[[], Metric],
        training: TrainingSettings,
        augmentation: AugmentSettings,
        *,
        limits: LimitSettings = LimitSettings(),
        seed: int = 0,
        on_step: Callable[[int, int], None] = lambda done, steps: None,
    ) -> None:
        self._on_step = on_step
        self._plan, self._limits, self._metric, self._seed = plan, limits, metric, seed
        self._epochs, self._held_out = training.epochs, len(data.valid_images)
        self._trainer = OneShotTrainer(data, objective, training, augmentation, seed)

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return self._trainer.steps

    def train(self, epoch: int, architectures: Sequence[Architecture]) -> float:
        """See `rl_nas.one_shot.search.Supernet`.

        Raises:
            RunError: a loss is not finite.
        """
        losses = []
        for number, pair in enumerate(zip(architectures, self._trainer.order(epoch), strict=False), epoch * self.steps):
            architecture, indices = pair
            plan = self._plan(architecture, self._epochs * self.steps)
            losses.append(self._trainer.step(plan, number, indices))
            self._on_step(len(losses), self.steps)
            if not np.isfinite(losses[-1]):
                raise RunError(
                    f"the loss of the shared weights is {losses[-1]} in epoch {epoch + 1}; start again with a lower"
                    " --learning_rate or --clip_norm"
                )
        return float(np.mean(losses))

    def measure(self, architecture: Architecture, batch: Sequence[int] | None = None) -> Measurement:
        """See `rl_nas.one_shot.search.Supernet`; `epochs` are those of the shared weights."""
        started = time.monotonic()
        plan = self._checked(architecture)
        indices = np.arange(self._held_out)
        if batch is not None:
            size = min(self._trainer.batch, self._held_out)
            indices = np.random.default_rng([self._seed, *batch]).choice(indices, size, replace=False)
        metrics = self._trainer.measure(plan, indices, self._metric())
        broken = [f"{name} {value}" for name, value in metrics.items() if not np.isfinite(value)]
        if broken:
            raise ChildError(TrialState.NAN, f"{', '.join(broken)} with shared weights")
        cost, seconds = plan.cost(), time.monotonic() - started
        return Measurement.of(
            metrics, parameters=cost.trainable, madds=cost.madds, epochs=self._epochs, seconds=seconds
        )

    def admits(self, architecture: Architecture) -> bool:
        """Whether the network can be built and is within the limits."""
        try:
            self._checked(architecture)
        except ChildError:
            return False
        return True

    def state(self) -> State:
        """The shared weights and the optimizer's state."""
        return self._trainer.state()

    def restore(self, state: State) -> None:
        """Restores the state."""
        self._trainer.restore(state)

    def _checked(self, architecture: Architecture) -> Plan:
        try:
            plan = self._plan(architecture, None)
        except UsageError as error:
            raise ChildError(TrialState.INVALID, str(error)) from error
        self._limits.check(plan, self._trainer.batch, PlannedCost.of(plan))
        return plan
