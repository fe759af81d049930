"""The controller that practices on a model of the rewards."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from rl_nas.bench.table import make_table
from rl_nas.checkpoint import OutdatedStateError
from rl_nas.controller.agent import fixed_choices
from rl_nas.controller.entropy import fresh_entropy
from rl_nas.controller.model_based import ModelBasedLearner
from rl_nas.controller.policy_gradient import ReinforceLearner
from rl_nas.controller.settings import PRESETS, ControllerConfig
from rl_nas.spaces.decisions import FREE, Decision, SearchSpace
from rl_nas.spaces.nas_rl import nas_rl
from rl_nas.spaces.nasbench101 import nasbench101


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


@pytest.mark.parametrize(("reward", "up"), [(10.0, True), (-10.0, False)])
def test_the_policy_learns_from_a_trial_that_is_observed_alone(reward: float, up: bool) -> None:
    space = make_table("tiny", np.array([[0, 0], [1, 1]]), [["a", "b"]] * 2, ["valid"], np.zeros((2, 1))).space
    learner = ModelBasedLearner(space, ControllerConfig(units=8, learning_rate=0.05), [0])
    fixed = np.full([1, 1, 2], FREE, np.int32)

    def observe(tokens: list[int], value: float) -> None:
        learner.observe(np.array([[tokens]], np.int32), np.array([[value]]), fixed)

    def log_prob() -> float:
        return float(learner.policy.score(tf.constant([[[1, 1]]]), tf.constant(fixed)).log_prob[0, 0].numpy())

    for value in (0.1, -0.1, 0.2, -0.2):
        observe([0, 0], value)
    before = log_prob()
    observe([1, 1], reward)
    assert (log_prob() > before) == up


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


def test_a_fresh_policy_has_the_entropy_of_its_active_and_free_decisions() -> None:
    """By hand, and by the policy's own figure, in a space where most decisions are inactive at first."""
    decisions = (
        Decision("kind", ("plain", "deep"), weights=(3.0, 1.0)),
        Decision("width", (1, 2, 3), when=(("kind", ("deep",)),)),
        Decision("last", (1, 2, 3, 4)),
    )
    space = SearchSpace("conditional", decisions, dict, dict)
    kind = -0.75 * np.log(0.75) - 0.25 * np.log(0.25)
    assert fresh_entropy(space, (FREE,) * 3) == pytest.approx(kind + 0.25 * np.log(3) + np.log(4), abs=0.05)
    assert fresh_entropy(space, (1, FREE, 2)) == pytest.approx(np.log(3))
    assert fresh_entropy(space, (0, FREE, FREE)) == pytest.approx(np.log(4))
    growing = nas_rl(7, start_layers=1)
    fixed = growing.fixed_choices(0, 300)[np.newaxis]
    learner = ReinforceLearner(growing, ControllerConfig(units=4), [0])
    learner.propose(300, fixed)
    (entropy,) = learner.figures()["entropy"]
    assert fresh_entropy(growing, tuple(fixed[0, 0].tolist())) == pytest.approx(float(entropy), rel=0.05)


def test_the_entropy_can_reach_its_target_where_most_decisions_are_inactive() -> None:
    """One layer of seven: a target beyond its entropy would leave the policy uniform for good."""
    space = nas_rl(7, start_layers=1)
    learner = ModelBasedLearner(space, PRESETS["controller"], [0])
    for first in range(0, 60, 10):
        fixed = space.fixed_choices(first, 10)[np.newaxis]
        tokens = learner.propose(10, fixed)
        learner.observe(tokens, (tokens == 1).sum(axis=2).astype(float), fixed)
    most = fresh_entropy(space, tuple(fixed[0, 0].tolist()))
    assert learner.figures()["entropy"] < 0.95 * most


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


@pytest.mark.parametrize("part", ["models", "met"])
def test_a_state_of_the_former_model_is_outdated(part: str) -> None:
    ops = np.array(list(itertools.product(range(2), repeat=3)))
    table = make_table("tiny", ops, [["a", "b"]] * 3, ["valid"], ops.sum(axis=1, keepdims=True))
    learner = ModelBasedLearner(table.space, ControllerConfig(units=4), [0])
    state = learner.state()
    state["former"] = state.pop(part)
    with pytest.raises(OutdatedStateError):
        learner.restore(state)
