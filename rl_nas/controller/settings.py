"""Settings of the controllers; TensorFlow-free, so that help texts are instant."""

from dataclasses import dataclass
from typing import ClassVar

from rl_nas.controller.baseline import BASELINES
from rl_nas.settings import Changes, Settings, setting

WARM_UP = 10
"""Trials before the first practice on a model of the rewards, proposed by the fresh policy, which is random search."""


@dataclass(frozen=True)
class ControllerConfig(Settings):
    """Configuration of a controller.

    The defaults are those of Zoph et al. 2018, appendix A.2; the clip range and the epochs of PPO, which
    the paper does not state, are those of Schulman et al. 2017, table 3 and figure 1.
    """

    prefix: ClassVar[str] = "controller_"

    units: int = setting(100, "LSTM units", minimum=1, maximum=10_000)
    layers: int = setting(1, "LSTM layers", minimum=1, maximum=4)
    init_scale: float = setting(0.1, "weights start uniform in +- this, those before a softmax at zero", minimum=0)
    temperature: float = setting(1.0, "logits are divided by this", above=0)
    tanh: float = setting(0.0, "logits are squashed into +- this by tanh; 0: no", minimum=0)
    pointers: bool = setting(False, "choose among earlier blocks of a cell by attention")
    learning_rate: float = setting(3.5e-4, "learning rate of Adam", above=0)
    baseline: str = setting("moving_average", "reference that a reward is compared with", choices=tuple(BASELINES))
    baseline_decay: float = setting(0.95, "decay of the moving average of rewards", minimum=0, maximum=0.9999)
    standardize: bool = setting(False, "divide advantages by the standard deviation of all rewards so far")
    entropy_weight: float = setting(1e-5, "weight of the entropy bonus", minimum=0)
    clip_norm: float = setting(5.0, "gradients are scaled down to this global norm; 0: never", minimum=0)
    ppo_epochs: int = setting(4, "passes over a batch; strategy ppo", minimum=1, maximum=1000)
    ppo_clip: float = setting(0.2, "clip range of the probability ratio; strategy ppo", above=0)
    ppo_minibatch: int = setting(20, "architectures of a train step; strategy ppo", minimum=1)
    target_entropy: float = setting(8.5, "entropy that practice aims at, in nats; strategy controller", minimum=0)
    practice_steps: int = setting(
        4, "train steps on imagined rewards per real child; strategy controller", minimum=1, maximum=10_000
    )
    practice_batch: int = setting(
        32, "imagined children of a train step; strategy controller", minimum=2, maximum=100_000
    )
    candidates: int = setting(
        128,
        "candidates drawn after practice, besides all imagined children; strategy controller",
        minimum=1,
        maximum=100_000,
    )
    mutated_candidates: int = setting(
        1024,
        "candidates made from all those by drawing a few decisions again; strategy controller",
        minimum=0,
        maximum=1_000_000,
    )
    memory: int = setting(1000, "children that the reward model keeps; strategy controller", minimum=10, maximum=5_000)


PRESETS: dict[str, ControllerConfig] = {
    "nasnet": ControllerConfig(),
    # Zoph and Le 2017, section 4.1; its baseline's decay is not stated.
    "nas_rl": ControllerConfig(units=35, layers=2, learning_rate=6e-4, init_scale=0.08),
    # Pham et al. 2018: the micro search as released, but for its extra scale and bias of operations' logits.
    "enas": ControllerConfig(
        units=64, learning_rate=3.5e-3, entropy_weight=1e-4, baseline_decay=0.99, tanh=1.1, pointers=True
    ),
    # A few hundred cheap evaluations, as on tabular benchmarks: chosen on NAS-Bench-201's CIFAR-10.
    "bench": ControllerConfig(units=32, learning_rate=0.01, baseline_decay=0.9, standardize=True, entropy_weight=0.2),
    # The strategy `controller`: chosen on NAS-Bench-201's CIFAR-10.
    "controller": ControllerConfig(units=32, learning_rate=0.05, entropy_weight=0.5),
}
"""Name -> published or measured values."""


class ControllerSettings(Changes, of=ControllerConfig):
    """The RNN controller: a preset, and changes of it."""

    title: ClassVar[str] = "Controller (strategies controller, ppo, reinforce)"
    prefix: ClassVar[str] = ControllerConfig.prefix

    preset: str | None = setting(
        None,
        "preset of the values that are left out; itself left out: controller for the strategy of that name, nasnet for"
        " the others, or bench for them in rl_nas bench",
        choices=tuple(PRESETS),
    )

    def config(self, preset: str) -> ControllerConfig:
        """The full configuration; `preset` is the strategy's default."""
        return self.applied_to(PRESETS[self.preset or preset])
