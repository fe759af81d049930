"""Writes CamVid, as TFDS prepared it, as a folder of images and masks in the order of its films.

    python benchmarks/camvid_folder.py --data_dir=PREPARED --out=camvid

Frames follow each other in films, so that images held out at random would have been seen, almost. A prepared data set
is stored in a random order, by a hash of its keys; the keys are known, and so is the order. The masks of classes 0 to
10 keep their values, 11 is ignored. Then, with frames held out in runs:

    rl_nas search --flagfile=flags/camvid_dpc.cfg --dataset=folder:camvid --backbone=runs/backbone --run_dir=runs/camvid
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from frame import Table, run

from rl_nas.errors import UsageError
from rl_nas.flags.parsing import Command, Parsed
from rl_nas.settings import Settings, setting
from rl_nas.workflows.tensorflow_setup import load_tensorflow

CLASSES = ("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist")
FOLDERS = {"train": "train", "validation": "val", "test": "test"}
"""Split -> its folder, and the beginning of its keys."""


@dataclass(frozen=True)
class FolderSettings(Settings):
    """Where the data are, and where they go."""

    title: ClassVar[str] = "Folder"

    data_dir: str | None = setting(None, "folder of prepared data sets, camvid among them; needed")
    out: str = setting("camvid", "folder to write")


COMMAND = Command(
    name="python benchmarks/camvid_folder.py",
    summary="writes CamVid as a folder of images and masks, in the order of its films.",
    examples=("python benchmarks/camvid_folder.py --data_dir=prepared --out=camvid",),
    groups=(FolderSettings,),
)


def main(argv: Sequence[str]) -> int:
    """Writes the folder; returns the exit code."""
    return run(COMMAND, _table, argv)


def _table(parsed: Parsed) -> Table:
    settings = parsed.group(FolderSettings)
    if settings.data_dir is None:
        raise UsageError("--data_dir is missing; give the folder of prepared data sets that holds camvid")
    load_tensorflow()
    columns = {
        "split": str,
        "images": "{:,}".format,
        "difference of neighbors": "{:.1f}".format,
        "of all": "{:.1f}".format,
    }
    return Table(columns, _rows(settings.data_dir, Path(settings.out)))


def _rows(data_dir: str, out: Path) -> Iterator[tuple[Any, ...]]:
    from rl_nas.child.data.settings import DataSettings
    from rl_nas.child.data.tfds_data import prepared_builder

    builder = prepared_builder(DataSettings(dataset="camvid", data_dir=data_dir))
    for split, name in FOLDERS.items():
        examples = list(builder.as_dataset(split=split).as_numpy_iterator())
        order = film_order(split, name, len(examples))
        for kind, feature in (("images", "image"), ("masks", "segmentation_label")):
            (out / name / kind).mkdir(parents=True, exist_ok=True)
            for number, place in enumerate(order):
                _save(out / name / kind / f"{number:04}.png", examples[place][feature])
        small = np.stack([example["image"][::6, ::6].astype(float) for example in examples])[order]
        shuffled = small[np.random.default_rng(0).permutation(len(small))]
        yield split, len(examples), _step(small), _step(shuffled)
    (out / "classes.txt").write_text("\n".join(CLASSES) + "\n", encoding="utf-8")


def film_order(split: str, prefix: str, count: int) -> np.ndarray:
    """Places of the stored examples in the order of their keys, `train_0000` and so on."""
    from tensorflow_datasets.core import hashing

    hasher = hashing.Hasher(split)
    stored = np.argsort([hasher.hash_key(f"{prefix}_{number:04d}") for number in range(count)])
    return np.argsort(stored)


def _save(path: Path, pixels: np.ndarray) -> None:
    from PIL import Image

    Image.fromarray(pixels.squeeze()).save(path)


def _step(images: np.ndarray) -> float:
    """Median over pairs of neighbors of the mean difference of their pixels."""
    return float(np.median(np.abs(np.diff(images, axis=0)).mean(axis=(1, 2, 3))))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
