"""Shared weights: what networks have in common, and that training with them is the training of a child."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import tensorflow as tf
from classifying import BACKBONE_SPACES, objective
from classifying import device_data as on_device

from rl_nas.child.data.images import ImageData
from rl_nas.child.data.settings import AugmentSettings
from rl_nas.child.data.training_data import DeviceData
from rl_nas.child.network.planned_model import PlannedModel
from rl_nas.child.training.settings import TrainingSettings
from rl_nas.child.training.train_step import TrainStep
from rl_nas.networks.network import plan_network
from rl_nas.networks.plan import Plan
from rl_nas.networks.settings import NetworkSettings
from rl_nas.one_shot.training import OneShotTrainer
from rl_nas.one_shot.weights import WEIGHTS, OneShotWeights
from rl_nas.spaces.catalog import find_space
from rl_nas.spaces.cells import Block, Cell, CellGenotype
from rl_nas.spaces.decisions import Genotype
from rl_nas.spaces.settings import SpaceSettings
from rl_nas.store.states import pack, unpack
from rl_nas.tasks.classification.head import ClassificationHead as Head
from rl_nas.tasks.classification.objective import ClassificationMetric

SHARING = [name for name in BACKBONE_SPACES if name != "nas_rl"]
SMALL = NetworkSettings(cells=1, filters=4, reductions=1)
SHAPE, CLASSES, STEPS = (8, 8, 1), 3, 6


def plan(genotype: Genotype, settings: NetworkSettings = SMALL, steps: int | None = STEPS) -> Plan:
    return plan_network(genotype, settings, SHAPE, Head(CLASSES), steps)


def random_genotypes(name: str, seed: int = 0) -> Iterator[Genotype]:
    space, rng = find_space(SpaceSettings(space=name, blocks=3)), np.random.default_rng(seed)
    while True:
        yield space.decode(space.sample(rng))


def cells(*blocks: Block, concat: Sequence[int]) -> CellGenotype:
    cell = Cell(blocks, tuple(concat))
    return CellGenotype(cell, cell)


def values(shared: OneShotWeights, network: Plan) -> np.ndarray:
    """Those that a network has now."""
    places = shared.places(network)
    return shared.vectors[WEIGHTS][places]


def held_data(images: int = 24) -> DeviceData:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (2 * images, *SHAPE), dtype=np.uint8)
    labels = rng.integers(0, CLASSES, 2 * images)
    return on_device(
        ImageData(pixels[:images], labels[:images], pixels[images:], labels[images:], tuple(map(str, range(CLASSES))))
    )


def trainer(training: TrainingSettings, data: DeviceData | None = None, seed: int = 3) -> OneShotTrainer:
    return OneShotTrainer(data or held_data(), objective(CLASSES), training, AugmentSettings(), seed)


@pytest.mark.parametrize("name", SHARING)
def test_a_network_has_each_weight_once_and_no_other(name: str) -> None:
    shared = OneShotWeights(0)
    for genotype in islice(random_genotypes(name), 20):
        places = shared.places(plan(genotype))
        assert len(places) == len(set(places)) == plan(genotype).cost().trainable
        np.testing.assert_array_equal(shared.places(plan(genotype)), places)
    assert len(shared.vectors[WEIGHTS]) < sum(plan(g).cost().trainable for g in islice(random_genotypes(name), 20))


@pytest.mark.parametrize("name", SHARING)
def test_first_values_do_not_depend_on_what_was_met_before(name: str) -> None:
    first, second, third = islice(random_genotypes(name), 3)
    alone, after = OneShotWeights(5), OneShotWeights(5)
    after.places(plan(second)), after.places(plan(third))
    np.testing.assert_array_equal(values(alone, plan(first)), values(after, plan(first)))
    assert (values(OneShotWeights(6), plan(first)) != values(alone, plan(first))).any()


def test_first_values_are_as_spread_as_those_of_a_child() -> None:
    genotype = next(random_genotypes("enas_micro"))
    shared = OneShotWeights(0)
    child = PlannedModel(plan(genotype), weights=values(shared, plan(genotype)))
    alone = PlannedModel(plan(genotype))
    for (parameter, ours), (_, theirs) in zip(
        child.trainable.mapping(child.trainable.vector.value),
        alone.trainable.mapping(alone.trainable.vector.value),
        strict=True,
    ):
        if "kernel" in parameter.name and np.size(ours) >= 64:
            assert np.std(ours) == pytest.approx(np.std(theirs), rel=0.5), parameter.path
        elif "kernel" not in parameter.name:
            np.testing.assert_array_equal(ours, theirs)


def shared_places(shared: OneShotWeights, *genotypes: Genotype) -> set[int]:
    return set.intersection(*(set(shared.places(plan(genotype)).tolist()) for genotype in genotypes))


def test_an_operation_has_weights_for_each_state_that_it_may_read() -> None:
    def genotype(state: int, op: str = "sep_3x3") -> CellGenotype:
        return cells(Block((0, 1), ("conv_3x3", "sep_3x3")), Block((state, 0), (op, "identity")), concat=(2, 3))

    shared = OneShotWeights(0)
    whole = len(shared.places(plan(genotype(1))))
    same_op = len(shared_places(shared, genotype(1), genotype(0)))
    # The second block's separable convolutions, which are applied twice, and their normalisation. The first cell's
    # state 1 is the stem, of 12 channels.
    widths = [(12, 4), (4, 4), *[(8, 8)] * 4]
    assert whole - same_op == sum(9 * read + read * made + 2 * made for read, made in widths)
    assert shared_places(shared, genotype(1, "sep_5x5"), genotype(0)) == shared_places(shared, genotype(1), genotype(0))


def test_a_kernel_behind_a_concatenation_has_a_part_for_each_state() -> None:
    blocks = (Block((0, 1), ("sep_3x3", "conv_3x3")), Block((0, 1), ("conv_1x1", "conv_3x3")))
    shared = OneShotWeights(0)
    both, one = (cells(*blocks, concat=concat) for concat in ((2, 3), (3,)))
    kernels = {}
    for name, genotype in (("both", both), ("one", one)):
        places = shared.places(plan(genotype))
        child = PlannedModel(plan(genotype), weights=places.astype(np.float32))
        parts = {p.path: np.asarray(v) for p, v in child.trainable.mapping(child.trainable.vector.value)}
        kernels[name] = parts["head.logits/kernel"]
    width = len(kernels["one"])
    assert len(kernels["both"]) == 2 * width
    np.testing.assert_array_equal(kernels["both"][width:], kernels["one"])


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adamw"])
@pytest.mark.parametrize("name", ["enas_micro", "nasbench101"])
def test_training_one_network_is_training_a_child(name: str, optimizer: str, precision: str) -> None:
    settings = replace(SMALL, drop_path=0.7) if name == "enas_micro" else SMALL
    genotype = next(random_genotypes(name, seed=1))
    training = TrainingSettings(
        epochs=3, batch_size=12, optimizer=optimizer, learning_rate=0.01, weight_decay=0.01, precision=precision
    )
    data = held_data()
    ours = trainer(training, data)
    network = plan(genotype, settings)
    child = PlannedModel(network, seed=3, weights=values(ours.weights, network), precision=precision)
    alone = TrainStep(child, objective(CLASSES), training, 12, 6)
    for number, indices in enumerate([*ours.order(0), *ours.order(1), *ours.order(2)]):
        images = data.normalize(tf.gather(data.train_images, indices))
        expected, _ = alone(images, tf.gather(data.train_targets, indices))
        assert ours.step(network, number, indices) == pytest.approx(float(expected), rel=1e-5)
    np.testing.assert_allclose(values(ours.weights, network), child.trainable.vector.numpy(), rtol=1e-4, atol=1e-6)


def test_no_other_weights_move() -> None:
    first, second = islice(random_genotypes("enas_micro"), 2)
    ours = trainer(TrainingSettings(epochs=1, batch_size=12))
    places = [ours.weights.places(plan(genotype)) for genotype in (first, second)]
    before = ours.weights.vectors[WEIGHTS].copy()
    ours.step(plan(first), 0, np.arange(12))
    moved = set(np.flatnonzero(ours.weights.vectors[WEIGHTS] != before).tolist())
    assert moved
    assert moved <= set(places[0].tolist())
    assert set(places[1].tolist()) & moved  # what both have


def test_a_network_is_measured_by_the_statistics_of_the_images() -> None:
    data = held_data()
    ours = trainer(TrainingSettings(epochs=1, batch_size=24), data)
    network = plan(next(random_genotypes("enas_micro")), steps=None)
    child = PlannedModel(network, weights=values(ours.weights, network))
    outputs, _, _ = child.train_call(child.trainable.vector.value, data.normalize(data.valid_images))
    logits = outputs["logits"]
    expected = np.mean(np.argmax(logits, axis=-1) == data.valid_targets)
    found = ours.measure(network, np.arange(24), ClassificationMetric(CLASSES))
    assert found["accuracy"] == pytest.approx(expected)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(data.valid_targets, logits)
    assert found["loss"] == pytest.approx(float(tf.reduce_mean(losses)), rel=1e-5)


def test_it_goes_on_from_its_state_as_if_it_had_not_stopped() -> None:
    training = TrainingSettings(epochs=2, batch_size=12, optimizer="rmsprop", learning_rate=0.01)
    networks = [plan(genotype) for genotype in islice(random_genotypes("enas_micro"), 4)]
    unbroken, continued = trainer(training), trainer(training)
    for number, network in enumerate(networks):
        if number == 2:
            continued.restore(unpack(pack(unbroken.state())))
        indices = unbroken.order(number // 2)[number % 2]
        losses = [unbroken.step(network, number, indices)]
        if number >= 2:
            assert [continued.step(network, number, indices)] == losses
    assert pack(continued.state()) == pack(unbroken.state())
