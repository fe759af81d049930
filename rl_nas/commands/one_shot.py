"""`rl_nas search --estimator=shared`: from flags to a ranking by shared weights."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from itertools import takewhile
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from rl_nas.child.settings import AugmentSettings, TrainingSettings
from rl_nas.commands.search_flags import SearchRunSettings, StrategySettings
from rl_nas.early_stopping.thresholds import EarlyStopSettings
from rl_nas.errors import UsageError
from rl_nas.evaluation.limits import LimitSettings
from rl_nas.evaluation.rewards import Reward, RewardSettings
from rl_nas.evaluation.settings import EstimatorSettings
from rl_nas.flags.parsing import Parsed
from rl_nas.networks.plan import Plan
from rl_nas.one_shot.progress import OneShotProgress
from rl_nas.one_shot.result import Confirmed, OneShotResult
from rl_nas.one_shot.search import Ranked, SampledStrategy, order_of_confirmation, random_places, rank, train_one_shot
from rl_nas.one_shot.state import OneShotState
from rl_nas.spaces.catalog import find_space
from rl_nas.spaces.chain import ChainGenotype
from rl_nas.spaces.decisions import Architecture, SearchSpace
from rl_nas.spaces.settings import SpaceSettings
from rl_nas.store.run_folder import SearchFolder
from rl_nas.strategies import Strategy
from rl_nas.strategies.failures import FAILURE_RULES
from rl_nas.strategies.health import HealthSettings
from rl_nas.trial import Trial

if TYPE_CHECKING:
    from rl_nas.child.data.images import ImageData

STRATEGIES = ("reinforce", "ppo", "random")
"""Strategies that draw from a policy: `rl_nas.strategies.Sampling`."""


def with_defaults(parsed: Parsed) -> Parsed:
    """The flags with those that shared weights need where they were left out."""
    unset = {"output_conv": True} if parsed.values["output_conv"] is None else {}
    return Parsed({**parsed.values, **unset}, parsed.given)


def check(parsed: Parsed) -> None:
    """Raises `UsageError` for flags that shared weights have no use for."""
    strategy, space = parsed.group(StrategySettings).strategy, find_space(parsed.group(SpaceSettings))
    if strategy not in STRATEGIES:
        raise UsageError(
            f"--strategy={strategy}: shared weights need one that draws from a policy; give --strategy="
            f"{', '.join(STRATEGIES)}, or leave out --estimator=shared"
        )
    if isinstance(space.decode(space.sample(np.random.default_rng(0))), ChainGenotype):
        raise UsageError(f"--space={space.name}: chains have too little in common to share weights; search cells")
    trials, samples = parsed.group(SearchRunSettings).trials, parsed.group(EstimatorSettings).shared_samples
    if trials > samples:
        raise UsageError(f"--trials={trials} to be trained alone, of --shared_samples={samples}; give more samples")
    if parsed.group(RewardSettings).needs_latency:
        raise UsageError("--cost=latency is measured of children; with --estimator=shared, give --cost=madds")
    rule = parsed.group(EarlyStopSettings).rule
    if rule not in ("none", "record"):
        raise UsageError(f"--early_stop_rule={rule}: what shared weights chose is trained in full; leave that out")
    if parsed.group(HealthSettings).on_collapse != "warn":
        raise UsageError("--on_collapse is for --estimator=trained: shared weights may meet a network again; drop it")


class OneShotStage:
    """The training of the shared weights, and the ranking by them.

    Args:
        parsed: all flags of the search.
        folder: of the run.
        strategy: what searches, fresh.
        space: what is searched.
        reward: what is maximised.
    """

    def __init__(
        self,
        parsed: Parsed,
        folder: SearchFolder,
        strategy: Strategy,
        space: SearchSpace[Any],
        reward: Reward,
    ) -> None:
        self._parsed, self._folder, self._space, self._reward = parsed, folder, space, reward
        self._strategy = cast(SampledStrategy, strategy)
        self._settings, self._run = parsed.group(EstimatorSettings), parsed.group(SearchRunSettings)
        self._store = OneShotState(folder.shared)

    @property
    def epochs(self) -> int:
        """Epochs whose weights are kept."""
        last = self._store.checkpoint()
        return last.updates if last else 0

    def architectures(self, data: "ImageData", plan: Callable[[Architecture, int | None], Plan]) -> list[Architecture]:
        """Networks to be trained alone, in this order; trains and ranks where that is not done yet.

        Args:
            data: the images.
            plan: makes networks.
        """
        ranking = self._store.ranking()
        if ranking is None:
            ranking = [asdict(ranked) for ranked in self._ranked(data, plan)]
            self._store.save_ranking(ranking)
        order = order_of_confirmation(len(ranking), self._run.seed)
        return [tuple(ranking[place]["architecture"]) for place in order]

    def result(self, trials: Sequence[Trial]) -> OneShotResult:
        """The ranking, and what the networks of those trials reach alone."""
        ranking = self._store.ranking() or []
        order = order_of_confirmation(len(ranking), self._run.seed)
        trained = {order[trial.index]: trial for trial in trials}  # a run that was stopped may lack some between
        chosen = set(takewhile(trained.__contains__, random_places(len(ranking), self._run.seed)))
        confirmed = []
        for place, trial in trained.items():
            alone = trial.measurement.accuracy if trial.measurement else None
            shared = ranking[place]["accuracy"]
            confirmed.append(Confirmed(trial.index, place + 1, shared, alone, place in chosen))
        return OneShotResult(len(ranking), confirmed)

    def _ranked(self, data: "ImageData", plan: Callable[[Architecture, int | None], Plan]) -> list[Ranked]:
        from rl_nas.child.training.child_training import DeviceData
        from rl_nas.one_shot.supernet import TrainedSupernet
        from rl_nas.report.health_log import HealthLog  # imports TensorBoard

        settings, parsed = self._settings, self._parsed
        training = replace(parsed.group(TrainingSettings), epochs=settings.shared_epochs)
        supernet = TrainedSupernet(
            plan,
            DeviceData(data),
            training,
            parsed.group(AugmentSettings),
            limits=parsed.group(LimitSettings),
            seed=self._run.seed,
        )
        last = self._store.checkpoint()
        progress = OneShotProgress(settings.shared_epochs, start=last.updates if last else 0)
        with progress.line, HealthLog(self._folder.health, self._folder.tensorboard) as log:

            def on_epoch(epoch: int, figures: Any) -> None:
                progress.follow(epoch, figures)
                log.update(epoch, figures)

            train_one_shot(
                self._strategy,
                supernet,
                self._store,
                last,
                reward=self._reward,
                epochs=settings.shared_epochs,
                warmup=settings.shared_warmup,
                updates=settings.shared_updates,
                batch_size=self._run.update_every,
                failures=FAILURE_RULES[parsed.group(StrategySettings).failure_reward],
                on_epoch=on_epoch,
            )
        print(f"ranking {settings.shared_samples} networks on all held-out images", file=sys.stderr, flush=True)
        key = self._space.canonical_key
        return rank(self._strategy, supernet, settings.shared_samples, reward=self._reward, key=key)
