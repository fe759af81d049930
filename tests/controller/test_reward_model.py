"""The Bayesian reward model against linear algebra done another way, and the controller that practises on it."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from rl_nas.bench.table import make_table
from rl_nas.controller.agent import fixed_choices
from rl_nas.controller.model_based import ModelBasedLearner
from rl_nas.controller.policy import FREE
from rl_nas.controller.reward_model import PAIRS, SINGLE, PairModel, imagined_rewards, kernel, normal_scores
from rl_nas.controller.settings import PRESETS, ControllerConfig
from rl_nas.spaces.decisions import Decision, SearchSpace
from rl_nas.spaces.nas_rl import nas_rl
from rl_nas.spaces.nasbench101 import nasbench101
from rl_nas.store.states import pack, unpack

DECISIONS, CHOICES, NOISE = 4, 3, 0.3
FEATURES = DECISIONS * CHOICES


class Named(str):
    """A genotype that is no more than its name."""

    def canonical_key(self) -> str:
        return self


def one_hot(architectures: np.ndarray) -> np.ndarray:
    return np.eye(CHOICES)[architectures].reshape(*architectures.shape[:-1], FEATURES)


def explicit_features(points: np.ndarray) -> np.ndarray:
    """All single choices and all pairs of choices, scaled so that unit weights have the prior's variances."""
    single = points * np.sqrt(SINGLE / DECISIONS)
    places = [
        (f, g)
        for d, e in itertools.combinations(range(DECISIONS), 2)
        for f in range(d * CHOICES, (d + 1) * CHOICES)
        for g in range(e * CHOICES, (e + 1) * CHOICES)
    ]
    pairs = np.stack([points[..., f] * points[..., g] for f, g in places], -1)
    return np.concatenate([single, pairs * np.sqrt(2 * PAIRS / (DECISIONS * (DECISIONS - 1)))], axis=-1)


@pytest.fixture
def trials() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return one_hot(rng.integers(CHOICES, size=(2, 20, DECISIONS))), rng.normal(size=(2, 20))


def model_of(points: np.ndarray, rewards: np.ndarray, batch: int, memory: int = 1000) -> PairModel:
    model = PairModel((DECISIONS, CHOICES), NOISE, memory, runs=2)
    for first in range(0, points.shape[1], batch):
        model.observe(points[:, first : first + batch], rewards[:, first : first + batch])
    return model


def test_the_kernel_is_that_of_the_features() -> None:
    every = one_hot(np.array(list(itertools.product(range(CHOICES), repeat=DECISIONS))))
    features = explicit_features(every)
    np.testing.assert_allclose(kernel(every @ every.T, DECISIONS), features @ features.T, atol=1e-9)


def test_the_mean_is_that_of_bayesian_linear_regression(trials: tuple[np.ndarray, np.ndarray]) -> None:
    points, rewards = trials
    every = one_hot(np.array([list(itertools.product(range(CHOICES), repeat=DECISIONS))] * 2))
    rngs = [np.random.default_rng(0)] * 2
    samples = model_of(points, rewards, batch=7).sample(rngs, [0.0])
    found = imagined_rewards(tf.constant(every, tf.float32), samples, DECISIONS)[:, 0]
    for run in range(2):
        x, y = explicit_features(points[run]), normal_scores(rewards)[run]
        weights = np.linalg.solve(x.T @ x + NOISE * np.eye(x.shape[1]), x.T @ y)
        np.testing.assert_allclose(found[run], explicit_features(every[run]) @ weights, atol=1e-4)


def test_samples_have_the_posterior_mean_and_covariance(trials: tuple[np.ndarray, np.ndarray]) -> None:
    points, rewards = trials
    asked = one_hot(np.random.default_rng(1).integers(CHOICES, size=(2, 6, DECISIONS)))
    rngs = [np.random.default_rng(seed) for seed in (3, 4)]
    samples = model_of(points, rewards, batch=20).sample(rngs, [1.0] * 6000)
    drawn = imagined_rewards(tf.constant(asked, tf.float32), samples, DECISIONS).numpy()
    x, a, y = explicit_features(points[0]), explicit_features(asked[0]), normal_scores(rewards)[0]
    gram = np.linalg.inv(x @ x.T + NOISE * np.eye(len(y)))
    mean = a @ x.T @ gram @ y
    covariance = a @ a.T - a @ x.T @ gram @ x @ a.T
    deviation = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(drawn[0].mean(axis=0), mean, atol=5 * deviation.max() / np.sqrt(6000))
    np.testing.assert_allclose(np.cov(drawn[0].T), covariance, atol=0.08 * covariance.max())


def test_trials_in_one_batch_or_many_are_the_same_model(trials: tuple[np.ndarray, np.ndarray]) -> None:
    one, many = (model_of(*trials, batch=batch).sample([np.random.default_rng(0)] * 2, [0.5]) for batch in (20, 1))
    np.testing.assert_allclose(one.weights, many.weights, atol=1e-4)


def test_a_full_memory_keeps_the_best_and_the_latest(trials: tuple[np.ndarray, np.ndarray]) -> None:
    points, rewards = trials
    model = model_of(points, rewards, batch=1, memory=12)
    assert len(model) <= 15
    for run in range(2):
        assert set(rewards[run, -6:]) <= set(model.rewards[run])
        assert rewards[run].max() in model.rewards[run]
    fresh = PairModel((DECISIONS, CHOICES), NOISE, 1000, runs=2)
    fresh.observe(model._points, model.rewards)
    np.testing.assert_allclose(fresh._factor, model._factor, atol=1e-8)


@pytest.mark.parametrize("memory", [12, 1000])
def test_a_state_has_no_factor_and_restores_it_to_the_bit(trials: tuple[np.ndarray, np.ndarray], memory: int) -> None:
    points, rewards = trials
    model = PairModel((DECISIONS, CHOICES), NOISE, memory, runs=2)
    for first, last in ((0, 7), (7, 8), (8, 13), (13, 17), (17, 20)):
        model.observe(points[:, first:last], rewards[:, first:last])
    state = unpack(pack(model.state()))
    assert state["factor"].size == 0
    restored = PairModel((DECISIONS, CHOICES), NOISE, memory, runs=2)
    restored.restore(state)
    np.testing.assert_array_equal(restored._factor, model._factor)
    assert pack(restored.state()) == pack(model.state())


def test_a_state_of_an_earlier_version_keeps_its_factor(trials: tuple[np.ndarray, np.ndarray]) -> None:
    points, rewards = trials
    before = model_of(points[:, :14], rewards[:, :14], batch=3)
    old = {"points": before._points, "rewards": before.rewards, "factor": before._factor}
    model, again = (PairModel((DECISIONS, CHOICES), NOISE, 1000, runs=2) for _ in range(2))
    model.restore(old)
    for each in (model, before):
        each.observe(points[:, 14:], rewards[:, 14:])
    again.restore(unpack(pack(model.state())))
    for each in (model, again):
        np.testing.assert_array_equal(each._factor, before._factor)


def test_a_state_whose_batches_are_not_its_trials_is_refused(trials: tuple[np.ndarray, np.ndarray]) -> None:
    model = model_of(*trials, batch=5)
    with pytest.raises(ValueError, match="20 trials, 20 rewards, batches of 15"):
        model.restore({**model.state(), "batches": [5, 5, 5]})


def test_normal_scores_are_of_ranks_only() -> None:
    scores = normal_scores(np.array([[3.0, -np.inf, 5.0, 4.0], [1.0, 1.0, 1.0, 1.0]]))
    quartiles = [-1.1503, -0.3186, 0.3186, 1.1503]  # of 1/8, 3/8, 5/8, 7/8
    np.testing.assert_allclose(scores[0], [quartiles[1], quartiles[0], quartiles[3], quartiles[2]], atol=1e-4)
    np.testing.assert_allclose(scores[1], 0, atol=1e-12)
    np.testing.assert_allclose(normal_scores(np.array([[1.0, 1.0, 2.0]])), [[-0.4307, -0.4307, 0.9674]], atol=1e-4)


def test_the_controller_proposes_nothing_twice_and_finds_the_best_of_a_small_table() -> None:
    """64 architectures of which 60 have a row, some sums of pairs: the best is found in 40, random would in 2 of 3."""
    rng = np.random.default_rng(2)
    ops = np.array(list(itertools.product(range(4), repeat=3)))
    single, pair = rng.normal(size=(3, 4)), rng.normal(size=(4, 4))
    values = sum(single[d, ops[:, d]] for d in range(3)) + pair[ops[:, 0], ops[:, 2]]
    order = rng.permutation(64)[:60]
    table = make_table("small", ops[order], [["a", "b", "c", "d"]] * 3, ["valid"], values[order][:, np.newaxis])
    learner = ModelBasedLearner(table.space, PRESETS["controller"], [0, 1, 2, 3, 4])
    fixed, seen, reward = np.full([1, 5, 3], FREE, np.int32), [], table.column("valid")
    for _ in range(8):
        seen.append(learner.propose(5, fixed))
        rows = table.lookup(seen[-1])
        assert (rows >= 0).all()
        learner.observe(seen[-1], reward[rows], fixed)
    for run, tokens in enumerate(np.concatenate(seen, axis=1)):
        assert len({tuple(a) for a in tokens}) == 40, run
        assert reward[table.lookup(tokens)].max() == reward.max(), run


def test_the_controller_goes_on_when_the_space_is_used_up() -> None:
    ops = np.array(list(itertools.product(range(2), repeat=3)))
    table = make_table("tiny", ops, [["a", "b"]] * 3, ["valid"], ops.sum(axis=1, keepdims=True))
    learner = ModelBasedLearner(table.space, PRESETS["controller"], [0])
    fixed = np.full([1, 5, 3], FREE, np.int32)
    for _ in range(4):
        tokens = learner.propose(5, fixed)
        learner.observe(tokens, tokens.sum(axis=2).astype(float), fixed)


def test_invalid_and_equivalent_graphs_are_not_proposed() -> None:
    space = nasbench101()
    learner = ModelBasedLearner(space, ControllerConfig(units=4, candidates=64), [0])
    (tokens,) = learner.propose(10, np.full([1, 10, len(space.decisions)], FREE, np.int32))
    genotypes = [space.decode(tuple(map(int, architecture))) for architecture in tokens]
    assert all(space.is_valid(genotype) for genotype in genotypes)
    assert len({genotype.canonical_key() for genotype in genotypes}) == 10


def test_a_batch_across_a_step_of_the_schedule_has_the_depths_of_both() -> None:
    space = nas_rl(3, start_layers=1, grow_every=15)
    learner = ModelBasedLearner(space, ControllerConfig(units=4, practice_steps=1, practice_batch=8), [0])
    for first in (0, 10):
        fixed = fixed_choices(space, first, 10)
        tokens = learner.propose(10, fixed)
        learner.observe(tokens, -tokens.sum(axis=2).astype(float), fixed)
    assert [len(space.decode(tuple(map(int, tokens))).layers) for tokens in tokens[0]] == [1] * 5 + [3] * 5


def test_the_entropy_is_led_to_its_target() -> None:
    ops = np.array(list(itertools.product(range(4), repeat=5)))
    values = np.random.default_rng(0).normal(size=(1024, 1))
    table = make_table("noise", ops, [["a", "b", "c", "d"]] * 5, ["valid"], values)
    config = ControllerConfig(units=8, learning_rate=0.05, entropy_weight=0.5, target_entropy=3.0)
    learner = ModelBasedLearner(table.space, config, [0, 1, 2])
    fixed, entropies = np.full([1, 5, 5], FREE, np.int32), []
    for _ in range(30):
        tokens = learner.propose(5, fixed)
        entropies.append(learner.figures()["entropy"])
        learner.observe(tokens, table.column("valid")[table.lookup(tokens)], fixed)
    assert entropies[0] == pytest.approx(5 * np.log(4), rel=1e-4)
    assert np.mean(entropies[-10:]) == pytest.approx(3.0, abs=1.0)


def test_mutations_find_what_a_policy_has_given_up() -> None:
    ops = np.array(list(itertools.product(range(4), repeat=4)))
    target = np.array([3, 1, 2, 3])
    values = (ops == target).sum(axis=1, keepdims=True).astype(float)
    table = make_table("distances", ops, [["a", "b", "c", "d"]] * 4, ["valid"], values)
    config = ControllerConfig(units=4, learning_rate=1e-9, mutated_candidates=512)
    learner = ModelBasedLearner(table.space, config, range(6))
    learner.policy.softmax_biases.assign(100.0 * tf.one_hot([[0, 0, -1, -1]] * 6, 4))  # -1: all zeros
    fixed, best = np.full([1, 5, 4], FREE, np.int32), np.zeros(6)
    for _ in range(14):
        tokens = learner.propose(5, fixed)
        rewards = table.column("valid")[table.lookup(tokens)]
        learner.observe(tokens, rewards, fixed)
        best = np.maximum(best, rewards.max(axis=1))
    assert (best == 4.0).all()  # 70 random ones of 256 would do this once in 2,000 times


def test_mutations_are_legal_near_and_reach_a_whole_space_with_conditions() -> None:
    space = SearchSpace(
        "conditional",
        (
            Decision("a", (0, 1, 2)),
            Decision("b", (0, 1), when=(("a", (1, 2)),)),
            Decision("c", (0, 1, 2, 3), when=(("b", (1,)),)),
        ),
        decoder=lambda values: Named(str(values)),
        encoder=lambda named: {},
    )
    learner = ModelBasedLearner(space, ControllerConfig(units=4, mutated_candidates=4000), [0])
    start = np.array([[0, 0, 0], [2, 1, 1]])
    fixed = np.array([[FREE, FREE, FREE], [FREE, 1, FREE]])
    mutations = learner._mutations(np.random.default_rng(0), start[:1], fixed[:1])
    assert len(np.unique(mutations, axis=0)) == space.size() == 11
    # Each of the three decisions is made anew with probability 7/12: (1/2 + 2/4 + 3/4) / 3.
    assert np.mean(mutations[:, 0] != 0) == pytest.approx(7 / 12 * 2 / 3, abs=0.03)
    mutations = learner._mutations(np.random.default_rng(0), start, fixed)
    for architecture in mutations:
        space.validate(architecture)
    given = np.isin(mutations[:, 0], [1, 2]) & (mutations[:, 1] == 1)
    assert 0.5 < given.mean() < 1.0


def test_what_a_mutation_switches_on_is_drawn_by_its_weights() -> None:
    rare = Decision("rare", (0, 1), when=(("on", (1,)),), weights=(1, 9))
    space = SearchSpace("rare", (Decision("on", (0, 1)), rare), lambda values: Named(str(values)), lambda named: {})
    learner = ModelBasedLearner(space, ControllerConfig(units=4, mutated_candidates=8000), [0])
    mutations = learner._mutations(np.random.default_rng(0), np.array([[0, 0]]), np.full([1, 2], FREE))
    switched_on = mutations[mutations[:, 0] == 1]
    assert len(switched_on) > 2000
    assert abs(switched_on[:, 1].mean() - 0.9) < 5 * np.sqrt(0.09 / 2000)


def test_mutations_keep_what_is_not_free() -> None:
    space = nas_rl()
    learner = ModelBasedLearner(space, ControllerConfig(units=4, mutated_candidates=500), [0])
    rng = np.random.default_rng(1)
    drawn = np.array([space.sample(rng, {0: 1, 3: 2}) for _ in range(20)])
    fixed = np.full(drawn.shape, FREE)
    fixed[:, [0, 3]] = [1, 2]
    mutations = learner._mutations(rng, drawn, fixed)
    assert (mutations[:, [0, 3]] == [1, 2]).all()
    nearest = (mutations[:, np.newaxis] != drawn).sum(axis=2).min(axis=1)
    assert np.median(nearest) <= 2
    assert nearest.max() >= 4
