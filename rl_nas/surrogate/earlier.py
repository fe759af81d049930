"""Trials of an earlier search, of other data or another proxy, as prior knowledge of a model of the rewards.

They are another task of it (intrinsic coregionalization: Bonilla et al. 2008, section 2): the covariance between an
earlier and a new trial is that of two new ones times a correlation, which the evidence chooses with all other
parameters. Where the earlier trials do not agree with the new ones it goes to 0, and they say nothing.
"""

from typing import NamedTuple, Self

import numpy as np

MOST = 200
"""Earlier trials that are used."""

OFFSET = 1.0
"""Prior variance of the mean of the new scores: new trials are proposed by what is known, and so better than random
ones, but their normal scores are by their own ranks."""

_NOISE, _SCALE, _AGREEMENT = (np.log(0.1), 1.0), (0.0, 0.7), (0.0, 1.5)
"""Mean and deviation of the priors of the logarithms of the earlier trials' noise and scale, and of the correlation's
logit. The scale lets earlier scores be mostly noise where new ones are not."""

PRIOR = np.array([_NOISE, _SCALE, _AGREEMENT]).T
"""Means and deviations of the further parameters, float [2, parameters]."""


class EarlierTrials(NamedTuple):
    """Successful trials of an earlier search of the same space.

    Attributes:
        tokens: their architectures, int [n, decisions].
        rewards: float [n].
    """

    tokens: np.ndarray
    rewards: np.ndarray

    def thinned(self, most: int = MOST) -> Self:
        """The best half and the first others, which were proposed before the search had learned."""
        if len(self.rewards) <= most:
            return self
        order = np.argsort(-self.rewards, kind="stable")
        best = order[: most // 2]
        others = np.sort(order[most // 2 :])[: most - len(best)]
        kept = np.sort(np.concatenate([best, others]))
        return type(self)(self.tokens[kept], self.rewards[kept])


def agreement(parameters: np.ndarray) -> float:
    """The correlation of an earlier with a new trial of the same architecture, from 0 to 1."""
    return float(1 / (1 + np.exp(-parameters[-1])))


def shared(parameters: np.ndarray) -> float:
    """The factor of the covariances of earlier with new trials."""
    return agreement(parameters) * float(np.exp(parameters[-2]))


def mixing(earlier: int, new: int, parameters: np.ndarray) -> np.ndarray:
    """Factors of the covariances of earlier and new trials, float32 [earlier + new, earlier + new]."""
    factors = np.ones([earlier + new] * 2, np.float32)
    factors[:earlier, :earlier] = np.exp(2 * parameters[-2])
    factors[:earlier, earlier:] = factors[earlier:, :earlier] = shared(parameters)
    return factors


def slopes_of(slopes: np.ndarray, covariances: np.ndarray, earlier: int, parameters: np.ndarray) -> list[float]:
    """Derivatives of a loss by the earlier trials' noise, scale and correlation, as the parameters have them.

    Args:
        slopes: of the loss by the covariances, float [n, n].
        covariances: of new trials of the same architectures, without noise, float [n, n].
        earlier: trials that are earlier, the first of the n.
        parameters: the last three are these.
    """
    of_noise = float(np.exp(parameters[-3])) * float(np.trace(slopes[:earlier, :earlier]))
    among = float(np.exp(2 * parameters[-2])) * float(
        np.vdot(slopes[:earlier, :earlier], covariances[:earlier, :earlier])
    )
    pairs = 2 * shared(parameters) * float(np.vdot(slopes[:earlier, earlier:], covariances[:earlier, earlier:]))
    return [of_noise, 2 * among + pairs, pairs * (1 - agreement(parameters))]
