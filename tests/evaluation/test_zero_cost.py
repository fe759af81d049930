"""Scores of untrained networks, and the filter that they make."""

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf
from classifying import objective

from rl_nas.child.network.keras_model import build_model
from rl_nas.evaluation.settings import SCORE_NAMES, FilterSettings
from rl_nas.evaluation.zero_cost import SCORES, Batch, Filter, gradient_norm, jacov, naswot, synflow
from rl_nas.networks.layers import BatchNorm, Conv, Dense, GlobalPool, Relu
from rl_nas.networks.network import plan_network
from rl_nas.networks.plan import Plan
from rl_nas.networks.settings import NetworkSettings
from rl_nas.spaces.nasnet import nasnet
from rl_nas.tasks.classification.head import ClassificationHead as Head
from rl_nas.trial import ChildError, TrialState

IMAGES = tf.random.stateless_normal([6, 8, 8, 3], [1, 2])
LABELS = tf.constant([0, 1, 2, 3, 0, 1])
BATCH = Batch(IMAGES, LABELS, objective(4))


def chain(depth: int, norm: bool = True) -> Plan:
    """Convolutions and a classifier, one after the other."""
    plan = Plan.of_image((8, 8, 3))
    x = plan.image
    for number in range(depth):
        x = plan.add(Conv(5, (3, 3)), x, name=f"conv{number}")
        x = plan.add(BatchNorm(0.9, 1e-5), x, name=f"bn{number}") if norm else x
        x = plan.add(Relu(), x, name=f"relu{number}")
    plan.outputs["logits"] = plan.add(Dense(4), plan.add(GlobalPool(), x, name="pool"), name="logits")
    return plan


def random_plan(seed: int) -> Plan:
    space = nasnet(1)
    architecture = space.sample(np.random.default_rng(seed))
    return plan_network(
        space.decode(architecture), NetworkSettings(cells=1, filters=4, reductions=0), (8, 8, 3), Head(4)
    )


def score(name: str, plan: Plan, seed: int = 0) -> float:
    return SCORES[name](plan, seed, BATCH)


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("depth", [1, 3])
def test_the_flow_through_every_layer_of_a_chain_is_its_output(depth: int, norm: bool) -> None:
    """R is linear in the weights of each layer (Euler's theorem): the flow is R times the number of layers."""
    weights = {v.path: v.numpy() for v in build_model(chain(depth, norm), seed=7).weights}
    model = build_model(chain(depth, norm=False))
    for variable in model.weights:
        variable.assign(np.abs(weights[variable.path]))
    output = float(tf.reduce_sum(model(tf.ones([1, 8, 8, 3]))["logits"]))
    flow = synflow(chain(depth, norm), 7, BATCH)
    assert flow == pytest.approx(math.log((depth + 1) * output), rel=1e-6)


def test_the_kernel_counts_what_is_on_or_off_for_both_images() -> None:
    plan = chain(1, norm=False)
    model = build_model(plan, seed=3)
    on = (tf.nn.conv2d(IMAGES, model.get_layer("conv0").kernel, 1, "SAME").numpy() > 0).reshape(6, -1)
    kernel = [[np.sum(a == b) for b in on] for a in on]
    assert naswot(plan, 3, BATCH) == pytest.approx(np.linalg.slogdet(np.array(kernel, float))[1])
    twins = tf.concat([IMAGES[:1], IMAGES[:1]], axis=0)
    assert naswot(plan, 3, Batch(twins, LABELS[:2], objective(4))) == -math.inf


def test_jacobians_are_those_of_the_keras_model() -> None:
    """The published code: eigenvalues of NumPy's correlation coefficients."""
    plan = random_plan(3)
    model = build_model(plan, seed=4)
    with tf.GradientTape() as tape:
        tape.watch(IMAGES)
        total = tf.add_n([tf.reduce_sum(output) for output in model(IMAGES, training=True).values()])
    jacobians = tape.gradient(total, IMAGES).numpy().reshape(len(IMAGES), -1)
    eigenvalues, _ = np.linalg.eig(np.corrcoef(jacobians))
    assert jacov(plan, 4, BATCH) == pytest.approx(
        -np.sum(np.log(eigenvalues + 1e-5) + 1 / (eigenvalues + 1e-5)), rel=1e-3
    )
    twins = tf.concat([IMAGES[:3], IMAGES[:3]], axis=0)
    assert jacov(plan, 4, Batch(twins, LABELS, objective(4))) < jacov(plan, 4, BATCH)


def test_the_gradient_is_that_of_the_keras_model() -> None:
    plan = random_plan(2)
    model = build_model(plan, seed=5)
    with tf.GradientTape() as tape:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(LABELS, model(IMAGES, training=True)["logits"])
        loss = tf.reduce_mean(losses)
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    assert gradient_norm(plan, 5, BATCH) == pytest.approx(float(sum(map(tf.norm, gradients))), rel=1e-3)


def test_scores_are_finite_and_repeatable() -> None:
    assert tuple(SCORES) == SCORE_NAMES
    for name, seed in itertools.product(SCORES, range(3)):
        value = score(name, random_plan(seed), seed)
        assert math.isfinite(value)
        assert value == score(name, random_plan(seed), seed)
    assert score("parameters", random_plan(0)) == random_plan(0).cost().trainable


def test_a_filter_trains_the_fraction_that_was_asked_for() -> None:
    settings = FilterSettings(filter="parameters", filter_fraction=0.25, filter_sample=40)
    plans = (random_plan(seed) for seed in itertools.count())
    judge = Filter(settings, plans, BATCH)
    kept = 0
    for seed in range(40):
        plan = random_plan(seed)
        if plan.cost().trainable >= judge.threshold:
            judge.check(plan, seed)
            kept += 1
            continue
        with pytest.raises(ChildError, match="reached by 25% of the space") as caught:
            judge.check(plan, seed)
        assert caught.value.state is TrialState.INVALID
    assert 10 <= kept <= 12  # 10 but for ties
