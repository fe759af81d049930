"""Checks for settings of a search that exclude each other, before anything is loaded."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from rl_nas.errors import UsageError
from rl_nas.evaluation.rewards import RewardSettings
from rl_nas.networks.families.catalog import backbone_family, family_of
from rl_nas.networks.families.family import BackboneFamily
from rl_nas.spaces.catalog import check_read
from rl_nas.spaces.decisions import SearchSpace
from rl_nas.spaces.published import PUBLISHED
from rl_nas.strategies.catalog import LEARNED, MODELED, MULTI_OBJECTIVE, ONLY_SEVERAL, find_strategy
from rl_nas.trial import MOST_TRIALS
from rl_nas.workflows.config import SearchConfig
from rl_nas.workflows.second_stage import published
from rl_nas.workflows.space import any_genotype, search_space

SAMPLED = ("reinforce", "ppo", "random")
"""Strategies that draw from a policy: `rl_nas.strategies.Sampling`."""


def with_one_shot_defaults(config: SearchConfig) -> SearchConfig:
    """The config with defaults for shared weights: a convolution before the head, and no more trials than samples."""
    if not config.shared:
        return config
    if config.run.trials == MOST_TRIALS:
        config = replace(config, run=replace(config.run, trials=config.estimator.shared_samples))
    reads = "output_conv" in _family(search_space(config)).reads
    given = config.network.output_conv
    output_conv = None if not reads else True if given is None else given
    return replace(config, network=config.network.changed(output_conv=output_conv))


def with_found_sizes(config: SearchConfig) -> SearchConfig:
    """The config of a new search with explicit sizes of batches and populations, so that its record has them."""
    batching = config.batching
    run = replace(config.run, update_every=batching.size, batches_in_flight=batching.in_flight)
    config = replace(config, run=run)
    if config.strategy.strategy not in ("aging_evolution", "nsga2"):
        return config
    return replace(config, evolution=config.evolution.sized(config.run.trials))


def remarks(config: SearchConfig) -> Iterator[str]:
    """Yields what to tell of a search whose strategy cannot do what it is for."""
    name, run, batching = config.strategy.strategy, config.run, config.batching
    evolution = config.evolution.warning(run.trials) if name == "aging_evolution" else None
    if evolution is not None:
        yield evolution
    elif (
        name in (*LEARNED, "bananas", "gp", "local_search", "nsga2", "tpe")
        and 1 < run.trials <= batching.children
        and not config.shared
    ):
        fewer = max(1, run.trials // 4)
        yield (
            f"strategy: {name} proposes all of --trials={run.trials} before its first update, and learns nothing; give"
            f" more than {batching.children}, or --update_every=1 --batches_in_flight={fewer}"
        )


def check_search(config: SearchConfig, *, resumed: bool = False) -> None:
    """Raises `UsageError` for settings that exclude each other, and in a new run for those without effect."""
    config.data.required_dataset()
    if ":" not in config.strategy.strategy:  # what a recorded name of a module's leads to is checked for trust first
        find_strategy(config.strategy.strategy)
    if not resumed:
        check_read(config.space)
    if config.shared:
        _check_one_shot(config)
    _check_objectives(config)
    for name in published(config.then):
        part, searched = (family_of(each).part for each in (PUBLISHED[name], any_genotype(search_space(config))))
        if part != searched:
            raise UsageError(f"--then_also={config.then.also}: {name} is a {part}; this search is for a {searched}")
    if config.shared and config.pretraining.epochs:
        raise UsageError("--pretrain_epochs is for networks that are trained alone; leave out --estimator=shared")
    if config.strategy.prior is not None and config.strategy.strategy not in MODELED:
        raise UsageError(
            f"--prior: --strategy={config.strategy.strategy} has no model of the rewards; give --strategy="
            f"{' or '.join(MODELED)}, or leave it out"
        )
    if config.shared and config.warm_start.warm_start != "none":
        raise UsageError("--warm_start is for networks that are trained alone; leave out --estimator=shared")
    if config.early_stop.rule == "halving" and config.execution.async_updates:
        raise UsageError("--early_stop_rule=halving compares the children of a batch; leave out --async_updates")
    if config.batching.in_flight > 1:
        excluded = {
            "--async_updates": config.execution.async_updates,
            "--early_stop_rule=halving": config.early_stop.rule == "halving",
            "--estimator=shared": config.shared,
        }
        for other in (flag for flag, given in excluded.items() if given):
            raise UsageError(
                f"--batches_in_flight={config.batching.in_flight} is not for {other}; leave one of them out"
            )
    if config.early_stop.stops and config.reward.reward_seeds > 1:
        raise UsageError(
            f"--early_stop_rule={config.early_stop.rule} stops single trainings; with --reward_seeds="
            f"{config.reward.reward_seeds}, leave it out or give record"
        )


def _check_objectives(config: SearchConfig) -> None:
    given, strategy = config.objectives.objectives, config.strategy.strategy
    if given is None:
        if strategy in ONLY_SEVERAL:
            raise UsageError(
                f"--strategy={strategy} is for several objectives; give --objectives=quality,parameters or another"
                " strategy"
            )
        return
    if strategy not in MULTI_OBJECTIVE:
        raise UsageError(
            f"--strategy={strategy} maximizes one number; for --objectives={given} give {', '.join(MULTI_OBJECTIVE)}"
        )
    if config.reward.reward != RewardSettings().reward:
        raise UsageError(f"--reward={config.reward.reward} is for a single objective; leave it out, or --objectives")
    if config.strategy.failure_reward != "worst":
        raise UsageError(f"--failure_reward={config.strategy.failure_reward} is for a single objective; leave it out")
    if config.shared:
        raise UsageError("--objectives are compared between networks trained alone; leave out --estimator=shared")
    if config.early_stop.stops:
        raise UsageError(
            f"--early_stop_rule={config.early_stop.rule} stops networks of low quality, which may be on the front of"
            f" --objectives={given}; leave it out or give record"
        )


def _check_one_shot(config: SearchConfig) -> None:
    strategy, space = config.strategy.strategy, search_space(config)
    if strategy not in SAMPLED:
        raise UsageError(
            f"--strategy={strategy}: shared weights need a strategy that draws from a policy; give --strategy="
            f"{', '.join(SAMPLED)}, or leave out --estimator=shared"
        )
    if not _family(space).one_shot:
        raise UsageError(f"--space={space.name}: its networks have too little in common to share weights; search cells")
    trials, samples = config.run.trials, config.estimator.shared_samples
    if trials > samples:
        raise UsageError(f"--trials={trials} to be trained alone exceed --shared_samples={samples}; give more samples")
    if config.reward.needs_latency:
        raise UsageError("--cost=latency is measured on children; with --estimator=shared, give --cost=madds")
    for flag in ("max_latency_ms", "max_tflite_kib"):
        if getattr(config.limits, flag) is not None:
            raise UsageError(
                f"--{flag} is measured on children; with --estimator=shared, give --max_madds or --max_params"
            )
    if config.early_stop.stops:
        rule = config.early_stop.rule
        raise UsageError(f"--early_stop_rule={rule}: the networks chosen are trained to the end; leave it out")
    if config.health.on_collapse != "warn":
        raise UsageError(
            "--on_collapse is for --estimator=trained, as shared weights may meet a network again; omit it"
        )


def _family(space: SearchSpace[Any]) -> BackboneFamily:
    return backbone_family(any_genotype(space))
