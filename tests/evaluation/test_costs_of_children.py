"""Costs of children are those of whole networks, however their backbones are computed."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from rl_nas.store.search_folder import SearchFolder
from rl_nas.tasks.segmentation.task import Segmentation
from rl_nas.trial import ChildError, Job, Measurement, child_seed
from rl_nas.workflows.child_evaluator import child_evaluator
from rl_nas.workflows.config import SearchConfig
from rl_nas.workflows.networks import make_networks
from rl_nas.workflows.space import search_space

SIZE, CLASSES = (48, 64, 3), tuple("abcde")
WAYS: list[dict[str, Any]] = [
    {"feature_cache": "yes"},
    {"feature_cache": "no"},
    {"feature_cache": "no", "freeze": "norm"},
    {"feature_cache": "no", "freeze": "backbone"},
]


def config_of(root: Path, **flags: Any) -> SearchConfig:
    sizes = {"cells": 1, "filters": 4, "reductions": 3, "head_filters": 4}
    values = {"task": "segmentation", "space": "dpc", "branches": 1, "backbone": "NASNet-A", **sizes}
    values |= {"dataset": "shapes", "data_dir": str(root / "tfds"), "train_images": 4, "valid_images": 4}
    values |= {"batch_size": 4, "epochs": 1}
    if flags.get("feature_cache") == "yes":
        values["feature_dir"] = str(root / "features")
    return SearchConfig.from_flags({**SearchConfig().flags(), **values, **flags})


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("costs")


def measured(config: SearchConfig, root: Path) -> Measurement:
    folder = SearchFolder(root / "run")
    for path in (folder.path, *folder.folders):
        path.mkdir(exist_ok=True)
    architecture = search_space(config).sample(np.random.default_rng(0))
    return child_evaluator(config, folder)(Job(0, architecture, child_seed(0, 0)))


@pytest.mark.parametrize("way", WAYS)
def test_backbones_are_counted(way: dict[str, Any], root: Path) -> None:
    config = config_of(root, **way)
    space, flags, task = search_space(config), config.flags(), Segmentation()
    genotype = space.decode(space.sample(np.random.default_rng(0)))
    networks, _ = make_networks(task, task.problem(CLASSES, flags), genotype, "--space", flags, SIZE)
    cost = networks.plan(genotype).cost()
    found = measured(config, root)
    assert (found.parameters, found.madds) == (cost.trainable, cost.madds)
    with pytest.raises(ChildError, match=f"{cost.trainable:,} parameters" if way.get("freeze") != "norm" else "param"):
        measured(config_of(root, **way, max_params=1000), root)


@pytest.mark.long
def test_backbones_of_keras_are_counted(root: Path) -> None:
    image = keras.Input((48, 64, 3))
    x = keras.layers.Conv2D(4, 3, strides=4, padding="same", use_bias=False)(keras.layers.Rescaling(1 / 255)(image))
    keras.Model(image, keras.layers.BatchNormalization()(x)).save(root / "own.keras")
    own = {"backbone": str(root / "own.keras"), "cells": None, "filters": None, "reductions": None}
    ways = [measured(config_of(root, **own, **way), root) for way in WAYS]
    assert len({(one.parameters, one.madds) for one in ways}) == 1
    assert (ways[0].madds or 0) > 12 * 16 * 3 * 3 * 3 * 4
