"""Rewards: from a measurement to the number that a strategy maximises."""

from rl_nas.trial import Measurement


def accuracy(measurement: Measurement) -> float:
    """Top-1 accuracy on held-out training images (Zoph et al. 2018, section 3)."""
    return measurement.accuracy
