"""The 8x8 handwritten digits that scikit-learn ships, as a TFDS data set that needs no download."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from rl_nas.errors import UsageError
from rl_nas.extras import install_command

TEST_IMAGES = 297


class Digits(tfds.core.GeneratorBasedBuilder):
    """1,797 gray images of digits by 43 writers: 1,500 to train, the last 297 to test.

    scikit-learn keeps the images in the order of collection, so that the last ones come from other
    writers than most of the first.
    """

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            description="Optical recognition of handwritten digits, 8x8 pixels, 16 gray levels.",
            homepage="https://archive.ics.uci.edu/dataset/80",
            citation="Alpaydin, E. and Kaynak, C. (1998). Optical Recognition of Handwritten Digits. UCI.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(8, 8, 1)),
                    "label": tfds.features.ClassLabel(num_classes=10),
                }
            ),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        try:
            from sklearn.datasets import load_digits
        except ImportError as error:
            raise UsageError(f"--dataset=digits needs scikit-learn: {install_command('digits')}") from error
        digits = load_digits()
        images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
        return {
            "train": self._generate_examples(images[:-TEST_IMAGES], digits.target[:-TEST_IMAGES]),
            "test": self._generate_examples(images[-TEST_IMAGES:], digits.target[-TEST_IMAGES:]),
        }

    def _generate_examples(self, images: np.ndarray, labels: np.ndarray) -> Iterator[tuple[int, dict[str, Any]]]:
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            yield number, {"image": image, "label": int(label)}
