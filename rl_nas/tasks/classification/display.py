"""Pictures of classified images: the image, its class, and the likeliest one."""

from typing import Any

import numpy as np
from typing_extensions import override

from rl_nas.tasks.display import Display, Outputs, Shown, as_rgb


class ClassDisplay(Display):
    """Shows images with two names of classes."""

    @override
    def quality(self, target: Any, outputs: Outputs) -> float:
        """The probability of the image's class."""
        return float(outputs["probabilities"][int(target)])

    @override
    def show(self, image: np.ndarray, target: Any, outputs: Outputs) -> Shown:
        probabilities = outputs["probabilities"]
        likeliest = int(probabilities.argmax())
        caption = (
            f"{self.class_names[int(target)]}, predicted {self.class_names[likeliest]} {probabilities[likeliest]:.2f}"
        )
        return Shown(caption, {"image": as_rgb(image)})
