"""The recipes that come with rl_nas against the published figures."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rl_nas.child.data.settings import DataSettings
from rl_nas.child.training.optimization import learning_rate, make_optimizer
from rl_nas.child.training.settings import TrainingSettings
from rl_nas.commands.search import SEARCH
from rl_nas.commands.train import TRAIN
from rl_nas.controller.settings import ControllerSettings
from rl_nas.flags.parsing import Parsed, parse
from rl_nas.networks.layers import DropPath
from rl_nas.networks.lookup import find_genotype
from rl_nas.networks.network import plan_network, size_notation, solve
from rl_nas.networks.plan import Plan
from rl_nas.networks.settings import NetworkSettings
from rl_nas.one_shot.settings import EstimatorSettings
from rl_nas.spaces.published import NASNET_A
from rl_nas.tasks.catalog import find_task
from rl_nas.tasks.classification.head import ClassificationHead as Head
from rl_nas.tasks.classification.settings import ClassificationSettings
from rl_nas.tasks.detection.anchors import parse_sizes
from rl_nas.tasks.detection.settings import DetectionSettings
from rl_nas.workflows.settings import SearchRunSettings, TrainRunSettings

CIFAR_IMAGES, IMAGENET_IMAGES, COCO_IMAGES = 50_000, 1_281_167, 118_287
IMAGENET = ("imagenet_mobile", "imagenet_large", "imagenet_amoebanet_a")
CIFAR = ("cifar10_nasnet_a", "cifar10_amoebanet_a")


def recipe(name: str) -> Parsed:
    return parse(TRAIN, [f"--flagfile=flags/{name}.cfg"])


def network(parsed: Parsed, steps: int | None = None) -> tuple[str, Plan]:
    """The network that the recipe trains, and its size in the papers' notation."""
    genotype = find_genotype(parsed.group(TrainRunSettings).genotype or "")
    data = parsed.group(DataSettings)
    size, classes = (32, 10) if data.dataset == "cifar10" else ((data.size or (0, 0))[0], 1000)
    if data.dataset != "cifar10" and parsed.group(TrainRunSettings).genotype == "AmoebaNet-A":
        classes = 1001
    skeleton = solve(genotype, parsed.group(NetworkSettings), (size, size, 3), Head(classes), default="cifar")
    return size_notation(genotype, skeleton), plan_network(genotype, skeleton, (size, size, 3), Head(classes), steps)


@pytest.mark.parametrize(
    ("name", "size", "parameters"),
    [
        ("cifar10_nasnet_a", "6@768", 3_346_538),
        ("cifar10_amoebanet_a", None, 3_218_266),
        ("imagenet_mobile", "4@1056", 5_289_978),
        ("imagenet_large", "6@4032", 88_753_150),
        # With the 1,001 classes of its released code; see test_counts on the 32.
        ("imagenet_amoebanet_a", None, 86_721_806 + 32),
    ],
)
def test_recipes_train_the_published_networks(name: str, size: str | None, parameters: int) -> None:
    notation, plan = network(recipe(name))
    assert plan.cost().trainable == parameters
    assert size in (None, notation)


def rates(name: str, images: int, steps: list[int]) -> list[float]:
    training = recipe(name).group(TrainingSettings)
    per_epoch = images // training.batch_size
    rate = learning_rate(training, training.batch_size, per_epoch * training.epochs)
    return [float(rate(step)) for step in steps]


def test_cifar_follows_one_cosine_over_all_steps() -> None:
    training = recipe("cifar10_nasnet_a").group(TrainingSettings)
    # The released code's 937,500 steps at batch 32; here every epoch drops its last 16 images.
    assert training.epochs * CIFAR_IMAGES / training.batch_size == 937_500
    steps = training.epochs * (CIFAR_IMAGES // training.batch_size)
    wanted = [0.025, 0.025 * (1 + np.cos(np.pi / 4)) / 2, 0.0125, 0.0]
    assert rates("cifar10_nasnet_a", CIFAR_IMAGES, [0, steps // 4, steps // 2, steps]) == pytest.approx(
        wanted, abs=1e-8
    )
    assert rates("cifar10_amoebanet_a", CIFAR_IMAGES, [0]) == pytest.approx([0.024])


@pytest.mark.parametrize(
    ("name", "first", "epochs"),
    [("imagenet_mobile", 0.04 * 50, 2.4), ("imagenet_large", 0.015 * 100, 2.4), ("imagenet_amoebanet_a", 0.001, 2.0)],
)
def test_imagenet_follows_a_staircase_from_the_rate_of_all_workers(name: str, first: float, epochs: float) -> None:
    per_epoch = IMAGENET_IMAGES // 1600
    stair = epochs * per_epoch
    steps = [0, int(stair) - 1, int(stair) + 1, int(10 * stair) + 1, int(100.5 * stair)]
    wanted = [first * 0.97**power for power in (0, 0, 1, 10, 100)]
    assert rates(name, IMAGENET_IMAGES, steps) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("name", [*CIFAR, *IMAGENET])
def test_other_published_figures(name: str) -> None:
    parsed = recipe(name)
    training, task = parsed.group(TrainingSettings), parsed.group(ClassificationSettings)
    common: dict[str, Any] = {"momentum": 0.9, "clip_norm": 5.0 if name in CIFAR else 10.0}
    published = {
        "cifar10_nasnet_a": {"auxiliary_weight": 0.4, "weight_decay": 5e-4, "optimizer": "sgd", "ema_decay": 0},
        "cifar10_amoebanet_a": {"auxiliary_weight": 0.5, "weight_decay": 5e-4, "optimizer": "sgd", "ema_decay": 0},
        "imagenet_mobile": {"weight_decay": 4e-5, "rms_epsilon": 1.0},
        "imagenet_large": {"weight_decay": 5e-5, "rms_epsilon": 1.0},
        "imagenet_amoebanet_a": {"weight_decay": 4e-5, "rms_epsilon": 0.1},
    }[name]
    if name in IMAGENET:
        common |= {"label_smoothing": 0.1, "ema_decay": 0.9999, "auxiliary_weight": 0.4, "rms_decay": 0.9}
        assert make_optimizer(training, 1600, 100).rho == 0.9
    for field, value in {**common, **published}.items():
        group = task if hasattr(task, field) else training
        assert getattr(group, field) == pytest.approx(value), field


@pytest.mark.parametrize(
    ("name", "final"),
    [("cifar10_nasnet_a", 0.6), ("cifar10_amoebanet_a", 0.7), ("imagenet_large", 0.7), ("imagenet_mobile", 1.0)],
)
def test_drop_path_ends_at_the_published_probability(name: str, final: float) -> None:
    parsed = recipe(name)
    steps = 1000
    _, plan = network(parsed, steps)
    keeps = {
        node.name.rpartition(".block")[0]: node.layer.keep for node in plan.nodes if isinstance(node.layer, DropPath)
    }
    if final == 1.0:
        assert not keeps
        return
    # p of the last cell at the end is the published one; it falls in equal parts from cell to cell.
    cells = list(keeps)
    assert keeps[cells[-1]] == pytest.approx(final)
    for number, cell in enumerate(cells, start=1):
        assert keeps[cell] == pytest.approx(1 - number / len(cells) * (1 - final))


def test_a_night_trains_networks_of_the_size_of_nasnet_a_on_what_the_search_held_in() -> None:
    search, final = parse(SEARCH, ["--flagfile=flags/cifar10_night.cfg"]), recipe("cifar10_night_final")
    steps = [one.group(TrainingSettings) for one in (search, final)]
    images = CIFAR_IMAGES - (search.group(DataSettings).valid_images or 0)
    assert [images // one.batch_size * one.epochs for one in steps] == [3_510, 21_060]
    named = replace(final, values={**final.values, "genotype": search.values["then_also"]})
    notation, plan = network(named)
    assert (notation, plan.cost().trainable) == ("6@768", 3_346_538)


def test_the_micro_search_of_enas() -> None:
    parsed = parse(SEARCH, ["--flagfile=flags/cifar10_enas.cfg"])
    estimator, run = parsed.group(EstimatorSettings), parsed.group(SearchRunSettings)
    assert (estimator.estimator, estimator.shared_epochs, estimator.shared_updates) == ("shared", 150, 30)
    assert run.update_every == 10
    training = parsed.group(TrainingSettings)
    assert (training.batch_size, training.weight_decay) == (160, 1e-4)
    steps = 45_000 // 160
    rate = learning_rate(replace(training, epochs=150), 160, 150 * steps)
    for epoch in (0, 10, 30, 70):  # periods of 10, 20, 40 and 80 epochs: 150
        assert float(rate(epoch * steps)) == pytest.approx(0.05)
        assert float(rate((epoch or 150) * steps - 1)) == pytest.approx(0.0005, rel=1e-2)
    controller = parsed.group(ControllerSettings).config("nasnet")
    assert (controller.units, controller.layers, controller.learning_rate) == (64, 1, 0.0035)
    assert (controller.entropy_weight, controller.baseline_decay, controller.tanh) == (1e-4, 0.99, 1.1)
    skeleton = solve(find_genotype("ENAS-micro"), parsed.group(NetworkSettings), (32, 32, 3), Head(10))
    assert (skeleton.cells * (skeleton.reductions + 1), skeleton.filters) == (6, 20)
    assert (1 - skeleton.dropout, skeleton.drop_path) == (0.9, 0.6)


def test_retinanet_on_coco_is_that_of_the_paper() -> None:
    """Lin et al. 2017, Focal Loss, section 4.1: 0.01 for 60,000 of 90,000 steps of 16 images, a tenth to 80,000."""
    parsed = recipe("coco_nasnet_mobile")
    per_epoch, training = COCO_IMAGES // 16, parsed.group(TrainingSettings)
    steps = [0, 8 * per_epoch - 1, 8 * per_epoch, 10 * per_epoch, 11 * per_epoch, 12 * per_epoch - 1]
    wanted = [0.01, 0.01, 0.001, 0.001, 0.0001, 0.0001]
    assert rates("coco_nasnet_mobile", COCO_IMAGES, steps) == pytest.approx(wanted)
    assert training.epochs * per_epoch == pytest.approx(90_000, rel=0.02)
    assert [epoch / training.epochs for epoch in training.steps] == pytest.approx([60 / 90, 80 / 90], rel=1e-4)
    assert (training.optimizer, training.momentum, training.weight_decay) == ("sgd", 0.9, 1e-4)
    task = find_task("detection")
    problem = task.problem(tuple(map(str, range(80))), parsed.values)
    head, detection = task.head(problem), problem.of(DetectionSettings)
    assert (head.pyramid, head.anchors) == ((8, 16, 32, 64, 128), 9)
    assert [sides[0] for sides in parse_sizes(detection.anchor_sizes) or ()] == [32, 64, 128, 256, 512]
    skeleton = solve(NASNET_A, parsed.group(NetworkSettings), (640, 640, 3), head, default="cifar")
    plan = plan_network(NASNET_A, skeleton, (640, 640, 3), head)
    backbone = plan_network(NASNET_A, skeleton, (640, 640, 3), Head(1000))
    own = sum(
        node.layer.cost(*(tensor.shape for tensor in node.inputs)).trainable
        for node in plan.nodes
        if not node.name.startswith(head.layers)
    )
    assert own == backbone.cost().trainable - (1056 + 1) * 1000  # its classifier
    assert plan.outputs["scores"].shape == (1, 9 * (80**2 + 40**2 + 20**2 + 10**2 + 5**2), 80)
