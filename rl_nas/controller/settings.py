"""Settings of the controller; TensorFlow-free, so that help texts are instant."""

from dataclasses import dataclass
from typing import ClassVar

from rl_nas.settings import Settings, setting


@dataclass(frozen=True)
class ControllerSettings(Settings):
    """The RNN controller; the defaults are those of Zoph et al. 2018, appendix A.2."""

    title: ClassVar[str] = "Controller (strategy reinforce)"
    prefix: ClassVar[str] = "controller_"

    units: int = setting(100, "LSTM units", minimum=1)
    init_scale: float = setting(0.1, "weights start uniform in +- this; softmax weights at zero", minimum=0)
    learning_rate: float = setting(3.5e-4, "of Adam", above=0)
    baseline_decay: float = setting(0.95, "decay of the moving average of rewards", minimum=0, maximum=0.9999)
    entropy_weight: float = setting(1e-5, "weight of the entropy bonus", minimum=0)
    clip_norm: float = setting(5.0, "gradients are scaled down to this global norm; 0: never", minimum=0)
