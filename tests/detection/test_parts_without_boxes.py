"""Parts of data sets in which no image has a box to be found, such as the secret test of COCO: refused at the start."""

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from box_files import coco, scenes, write, write_coco

from rl_nas.__main__ import main
from rl_nas.child.data.settings import DataSettings
from rl_nas.child.data.source import ImageSource
from rl_nas.errors import UsageError
from rl_nas.tasks.sources import open_source

SPLITS = scenes(train=7, val=4, test=3)
EMPTY = {split: [scene._replace(boxes=()) for scene in found] for split, found in SPLITS.items()}
NETWORK = (
    "--genotype=|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|nor_conv_3x3~2|",
    *("--cells=1", "--filters=4", "--reductions=3", "--levels=2-3", "--epochs=1", "--batch_size=2"),
)


def source_of(root: Path, **settings: Any) -> ImageSource:
    data = DataSettings(dataset=f"folder:{root}", image_size="48x64", **settings)
    return open_source(data, "detection", tell=lambda line: None).source


def test_one_box_in_a_split_makes_all_others_negatives(tmp_path: Path) -> None:
    write_coco(tmp_path, {**SPLITS, "test": [*EMPTY["test"][:2], SPLITS["test"][2]]})
    source_of(tmp_path, valid_split="val").check_targets("test", "leave it out")


def test_a_split_without_any_is_refused(tmp_path: Path) -> None:
    write_coco(tmp_path, {**SPLITS, "test": EMPTY["test"]})
    with pytest.raises(UsageError, match=f"^split test of folder:{tmp_path} has no targets; leave it out$"):
        source_of(tmp_path, valid_split="val").check_targets("test", "leave it out")
    with pytest.raises(UsageError, match="has no targets; give another --valid_split"):
        source_of(tmp_path, valid_split="test")


def test_ignored_boxes_are_not_to_be_found(tmp_path: Path) -> None:
    write_coco(tmp_path, SPLITS)
    content = coco(SPLITS["val"])
    content["annotations"] = [{**one, "iscrowd": 1} for one in content["annotations"]]
    write(tmp_path / "annotations/instances_val.json", json.dumps(content))
    with pytest.raises(UsageError, match=r"split val of .* has no targets"):
        source_of(tmp_path, valid_split="val")


@pytest.mark.slow
def test_held_out_training_images_without_any_are_refused(tmp_path: Path) -> None:
    """Of seven training images number 1 alone has a box: some seeds hold it out, others do not."""
    write_coco(tmp_path, {"train": [EMPTY["train"][0], SPLITS["train"][1], *EMPTY["train"][2:]]})
    holds_it = {seed: 1 in np.random.default_rng(seed).permutation(7)[:3] for seed in range(8)}
    assert len({*holds_it.values()}) == 2
    for seed, held_out in holds_it.items():
        with contextlib.nullcontext() if held_out else pytest.raises(UsageError, match="or others by another --split_"):
            source_of(tmp_path, valid_images=3, split_seed=seed)
    source_of(tmp_path, valid_images=0)


@pytest.mark.slow
@pytest.mark.parametrize("sizes", ["auto", "8,16"])
def test_trainings_are_refused_before_they_start(tmp_path: Path, capfd: pytest.CaptureFixture[str], sizes: str) -> None:
    train = ("train", "--task=detection", "--image_size=48x64", f"--anchor_sizes={sizes}", *NETWORK)
    for name, splits, message in (
        ("test", {**SPLITS, "test": EMPTY["test"]}, "has no targets; leave it out with --nofinal_test"),
        ("train", {**SPLITS, "train": EMPTY["train"]}, "the 7 training images have no box; expected boxes to learn"),
    ):
        write_coco(tmp_path / name, splits)
        run = tmp_path / f"run-{name}"
        words = (*train, f"--dataset=folder:{tmp_path / name}", "--valid_split=val", f"--run_dir={run}")
        assert main(words) == 2
        assert message in capfd.readouterr().err.splitlines()[-1]
        assert not (run / "checkpoints").exists()
