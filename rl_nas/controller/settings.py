"""Settings of the controllers; TensorFlow-free, so that help texts are instant."""

from dataclasses import dataclass, fields, replace
from typing import ClassVar

from rl_nas.settings import Settings, setting

BASELINES = ("moving_average", "leave_one_out")


@dataclass(frozen=True)
class ControllerConfig:
    """Everything that a controller is told; `ControllerSettings` says what each value means.

    The defaults are those of Zoph et al. 2018, appendix A.2; the clip range and the epochs of PPO, which
    the paper does not state, are those of Schulman et al. 2017, table 3 and figure 1.
    """

    units: int = 100
    layers: int = 1
    init_scale: float = 0.1
    temperature: float = 1.0
    tanh: float = 0.0
    pointers: bool = False
    learning_rate: float = 3.5e-4
    baseline: str = "moving_average"
    baseline_decay: float = 0.95
    standardize: bool = False
    entropy_weight: float = 1e-5
    clip_norm: float = 5.0
    ppo_epochs: int = 4
    ppo_clip: float = 0.2
    ppo_minibatch: int = 20
    target_entropy: float = 8.5
    practice_steps: int = 4
    practice_batch: int = 32
    candidates: int = 128
    mutated_candidates: int = 1024
    noise: float = 0.3
    memory: int = 2000


PRESETS: dict[str, ControllerConfig] = {
    "nasnet": ControllerConfig(),
    # Zoph and Le 2017, section 4.1; its baseline's decay is not stated.
    "nas_rl": ControllerConfig(units=35, layers=2, learning_rate=6e-4, init_scale=0.08),
    # Pham et al. 2018: the micro search as released, but for its extra scale and bias of operations' logits.
    "enas": ControllerConfig(
        units=64, learning_rate=3.5e-3, entropy_weight=1e-4, baseline_decay=0.99, tanh=1.1, pointers=True
    ),
    # Few hundred cheap evaluations, as on tabular benchmarks: chosen on NAS-Bench-201's CIFAR-10.
    "bench": ControllerConfig(units=32, learning_rate=0.01, baseline_decay=0.9, standardize=True, entropy_weight=0.2),
    # The strategy `controller`: chosen on NAS-Bench-201's CIFAR-10.
    "controller": ControllerConfig(units=32, learning_rate=0.05, entropy_weight=0.5),
}
"""Name -> published or measured values."""


@dataclass(frozen=True)
class ControllerSettings(Settings):
    """The RNN controller: a preset, and what differs from it."""

    title: ClassVar[str] = "Controller (strategies controller, ppo, reinforce)"
    prefix: ClassVar[str] = "controller_"

    preset: str | None = setting(
        None,
        "where values come from that are left out; itself left out: controller for the strategy of that name,"
        " nasnet for the others, and bench for them in rl_nas bench",
        choices=tuple(PRESETS),
    )
    units: int | None = setting(None, "LSTM units", minimum=1)
    layers: int | None = setting(None, "LSTM layers", minimum=1, maximum=4)
    init_scale: float | None = setting(
        None, "weights start uniform in +- this, those before a softmax at zero", minimum=0
    )
    temperature: float | None = setting(None, "logits are divided by it", above=0)
    tanh: float | None = setting(None, "logits are squashed into +- this; 0: not", minimum=0)
    pointers: bool | None = setting(None, "choose among earlier blocks of a cell by attention over them")
    learning_rate: float | None = setting(None, "of Adam", above=0)
    baseline: str | None = setting(None, "what a reward is compared with", choices=BASELINES)
    baseline_decay: float | None = setting(None, "decay of the moving average of rewards", minimum=0, maximum=0.9999)
    standardize: bool | None = setting(
        None, "divide rewards' distances from the baseline by the deviation of all rewards so far"
    )
    entropy_weight: float | None = setting(None, "weight of the entropy bonus", minimum=0)
    clip_norm: float | None = setting(None, "gradients are scaled down to this global norm; 0: never", minimum=0)
    ppo_epochs: int | None = setting(None, "passes over a batch; strategy ppo", minimum=1)
    ppo_clip: float | None = setting(None, "clip range of the probability ratio; strategy ppo", above=0)
    ppo_minibatch: int | None = setting(None, "architectures of a step; strategy ppo", minimum=1)
    target_entropy: float | None = setting(None, "nats that practice keeps; strategy controller", minimum=0)
    practice_steps: int | None = setting(
        None, "steps on imagined rewards for each real child; strategy controller", minimum=1
    )
    practice_batch: int | None = setting(None, "imagined children of a step; strategy controller", minimum=2)
    candidates: int | None = setting(
        None, "for the real children, drawn after the practice, besides all imagined; strategy controller", minimum=1
    )
    mutated_candidates: int | None = setting(
        None, "for the real children, made of all those by making few decisions again; strategy controller", minimum=0
    )
    noise: float | None = setting(None, "variance of a reward around the model; strategy controller", above=0)
    memory: int | None = setting(None, "children that the reward model remembers; strategy controller", minimum=10)

    def config(self, preset: str) -> ControllerConfig:
        """All values; `preset` is the default of the strategy that asks."""
        given = {f.name: getattr(self, f.name) for f in fields(ControllerConfig)}
        return replace(PRESETS[self.preset or preset], **{k: v for k, v in given.items() if v is not None})
