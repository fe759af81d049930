"""Rules of early stopping by name."""

from typing import Any

from rl_nas.early_stopping.rules import CurveRule, RankRule, Rule
from rl_nas.early_stopping.thresholds import EarlyStopSettings, thresholds
from rl_nas.spaces.decisions import SearchSpace


def rule_of(settings: EarlyStopSettings, space: SearchSpace[Any] | None, epochs: int) -> Rule:
    """The rule that settings name, for trainings of so many epochs; only `model` needs the space."""
    if settings.rule == "model":
        from rl_nas.early_stopping.model_rule import ModelRule  # imports SciPy

        assert space is not None
        return ModelRule(space, settings, epochs)
    if settings.rule == "asha":
        return RankRule(settings, epochs)
    return CurveRule(lambda curves: thresholds(curves, settings))
