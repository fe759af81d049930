"""The RNN policy against analytic values, in every space."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from classifying import measured

from rl_nas.controller.agent import Reinforce, fixed_choices
from rl_nas.controller.lstm import LSTM
from rl_nas.controller.policy import RNNPolicy, Rollout
from rl_nas.controller.settings import PRESETS, ControllerConfig, ControllerSettings
from rl_nas.spaces.catalog import SPACES, find_space
from rl_nas.spaces.decisions import FREE, Decision, SearchSpace
from rl_nas.spaces.dpc_space import dpc
from rl_nas.spaces.nas_rl import nas_rl
from rl_nas.spaces.nasnet import nasnet
from rl_nas.spaces.settings import SpaceSettings
from rl_nas.trial import Trial, TrialState

UNITS = 8


def policies(space: SearchSpace[Any], **settings: Any) -> RNNPolicy:
    return RNNPolicy(space, ControllerConfig(units=UNITS, **settings), seeds=[0, 1])


def sample(policy: RNNPolicy, space: SearchSpace[Any], batch: int, seed: int = 0) -> Rollout:
    decisions = len(space.decisions)
    uniforms = np.random.default_rng(seed).random((2, batch, decisions), np.float32)
    return policy.sample(uniforms, tf.fill([1, batch, decisions], FREE))


def scramble(policy: RNNPolicy) -> None:
    """Gives the weights before the softmaxes, which start at zero, values."""
    for number, variable in enumerate(policy.trainable_variables):
        if not np.any(variable.numpy()):
            variable.assign(tf.random.stateless_normal(variable.shape, [3, number]))


def of_random_search(space: SearchSpace[Any], tokens: tf.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities and entropies of decisions in `SearchSpace.sample`, [replicas, batch, decisions]."""
    log_probs, entropies = np.zeros(tokens.shape), np.zeros(tokens.shape)
    for place in np.ndindex(*tokens.shape[:2]):
        architecture = tokens.numpy()[place].tolist()
        for i, decision in enumerate(space.decisions):
            if space.is_active(i, architecture):
                weights = np.array(decision.weights or [1] * len(decision.choices))
                p = weights / weights.sum()
                log_probs[(*place, i)], entropies[(*place, i)] = np.log(p[architecture[i]]), -np.sum(p * np.log(p))
    return log_probs, entropies


OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "two layers": {"layers": 2},
    "pointers": {"pointers": True},
    "squashed": {"temperature": 2.0, "tanh": 1.1},
}


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("options", OPTIONS)
def test_fresh_policy_is_random_search_and_scores_what_it_samples(name: str, options: str) -> None:
    space = find_space(SpaceSettings(space=name, blocks=2, layers=4, branches=3))
    policy = policies(space, **OPTIONS[options])
    rollout = sample(policy, space, 3)
    np.testing.assert_allclose(rollout.log_probs, of_random_search(space, rollout.tokens)[0], rtol=1e-5)
    np.testing.assert_allclose(rollout.entropies, of_random_search(space, rollout.tokens)[1], rtol=1e-5)
    scramble(policy)
    rollout = sample(policy, space, 3, seed=1)
    scored = policy.score(rollout.tokens)
    np.testing.assert_allclose(scored.log_probs, rollout.log_probs, atol=1e-5)
    np.testing.assert_allclose(scored.entropies, rollout.entropies, atol=1e-5)
    for architecture in rollout.tokens.numpy().reshape(-1, len(space.decisions)):
        space.validate([int(token) for token in architecture])


def test_samples_have_the_probabilities_that_are_told() -> None:
    """Frequencies of all 12 architectures in 20,000 draws; the deviation of one is below 0.0036."""
    space = SearchSpace("small", (Decision("a", (0, 1, 2)), Decision("b", (0, 1, 2, 3))), dict, dict)
    policy = policies(space)
    scramble(policy)
    every = [(a, b) for a in range(3) for b in range(4)]
    probabilities = np.exp(tf.reduce_sum(policy.score(tf.constant([every, every])).log_probs, -1))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    tokens = sample(policy, space, 20_000).tokens.numpy()
    for replica in range(2):
        counts = [np.mean((tokens[replica] == architecture).all(axis=1)) for architecture in every]
        np.testing.assert_allclose(counts, probabilities[replica], atol=0.018)


def test_skip_connections_are_sigmoids_of_their_anchors(monkeypatch: pytest.MonkeyPatch) -> None:
    """P(j feeds i) = sigmoid(v . tanh(W_prev h_j + W_curr h_i)), and all of a layer's are made at one step."""
    space = nas_rl(4)
    policy = policies(space)
    scramble(policy)
    names = [decision.name for decision in space.decisions]
    rollout = sample(policy, space, 2)
    states: list[tf.Tensor] = []

    class Recorded(LSTM):
        def sequence(self, x: tf.Tensor) -> tf.Tensor:
            hidden = super().sequence(x)
            states.extend(tf.unstack(hidden, axis=2))
            return hidden

    monkeypatch.setattr("rl_nas.controller.policy.LSTM", Recorded)
    log_probs = policy.score(rollout.tokens).log_probs.numpy()
    assert len(states) == 3 * 4 + 3  # three decisions a layer, and a step for the anchors of all but the first
    step = {name: policy._step_of[number] for number, name in enumerate(names)}
    assert step["4/from/1"] == step["4/from/2"] == step["4/from/3"]
    attention = policy.attention
    for later, earlier, anchor in ((4, 1, "1/filters"), (4, 3, "3/from/1"), (3, 2, "2/from/1")):
        number = names.index(f"{later}/from/{earlier}")
        for replica in range(2):
            keys = states[step[anchor]][replica].numpy() @ attention.previous[replica].numpy()
            query = states[step[f"{later}/from/1"]][replica].numpy() @ attention.current[replica].numpy()
            logits = np.tanh(keys + query) @ attention.vector[replica].numpy()
            chosen = rollout.tokens[replica, :, number].numpy()
            expected = -np.log1p(np.exp(np.where(chosen == 1, -logits, logits)))
            np.testing.assert_allclose(log_probs[replica, :, number], expected, atol=1e-5)


def test_tempering_leads_back_to_random_search() -> None:
    """Weights of choices are no preferences of the policy: they stay as it forgets."""
    space = dpc(2)
    policy = policies(space)
    scramble(policy)
    for _ in range(40):
        policy.temper()
    rollout = sample(policy, space, 4)
    np.testing.assert_allclose(rollout.log_probs, of_random_search(space, rollout.tokens)[0], atol=1e-5)


def test_pointers_attend_to_blocks_and_to_nothing_later() -> None:
    space = nasnet(3)
    policy = policies(space, pointers=True)
    scramble(policy)
    pointing = [d.name for d in space.decisions if d.points_to]
    assert [space.decisions[i].name for i in policy._pointing] == pointing
    assert {name.split("/")[2] for name in pointing} == {"input1", "input2"}
    # The first state of the reduction cell is chosen among its two inputs only: no block of the normal cell counts.
    first = next(d for d in space.decisions if d.name == "reduction/0/input1")
    assert first.points_to == (None, None)
    last = next(d for d in space.decisions if d.name == "normal/2/input2")
    assert last.points_to == (None, None, "normal/0/combine", "normal/1/combine")


def test_branches_of_a_dense_prediction_cell_are_pointed_to() -> None:
    space = dpc(4)
    policy = policies(space, pointers=True)
    assert [space.decisions[i].name for i in policy._pointing] == ["2/input", "3/input"]
    assert not policies(space)._pointing


def test_presets_are_those_of_the_papers() -> None:
    nasnet_preset, paper = PRESETS["nasnet"], PRESETS["nas_rl"]
    assert (nasnet_preset.units, nasnet_preset.layers, nasnet_preset.learning_rate) == (100, 1, 3.5e-4)
    assert (nasnet_preset.entropy_weight, nasnet_preset.baseline_decay, nasnet_preset.ppo_minibatch) == (1e-5, 0.95, 20)
    assert (paper.units, paper.layers, paper.learning_rate, paper.init_scale) == (35, 2, 6e-4, 0.08)
    given = ControllerSettings(preset="nas_rl", units=7).config("nasnet")
    assert (given.units, given.layers) == (7, 2)


def test_what_a_schedule_fixes_counts_for_nothing() -> None:
    space = nas_rl(4, start_layers=2, grow_every=3)
    agent = Reinforce(space, ControllerSettings(units=8), seed=0)
    proposals = agent.propose(6)
    assert [len(space.decode(a).layers) for a in proposals] == [2, 2, 2, 4, 4, 4]
    policy = agent.learner.policy
    rollout = policy.score(tf.constant([proposals]), fixed_choices(space, 0, 6))
    free = [[d for i, d in enumerate(space.decisions) if space.is_active(i, a) and i > 0] for a in proposals]
    expected = [-sum(np.log(len(d.choices)) for d in decisions) for decisions in free]
    np.testing.assert_allclose(tf.reduce_sum(rollout.log_probs, -1)[0], expected, rtol=1e-5)
    before = policy.softmax_kernels.numpy()
    measurement = measured(0.5)
    agent.observe([Trial(i, a, TrialState.OK, i / 5, measurement) for i, a in enumerate(proposals)])
    changed = np.any(policy.softmax_kernels.numpy() != before, axis=(0, 2, 3))
    assert not changed[0]
    assert all(changed[number] for number, d in enumerate(space.decisions) if number and not d.points_to)
    assert np.any(policy.attention.vector)


@pytest.mark.parametrize("name", ["nasnet", "nasbench101"])
def test_choices_of_a_fresh_policy_have_their_weights(name: str) -> None:
    space = find_space(SpaceSettings(space=name, blocks=1))
    agent, other = (Reinforce(space, ControllerSettings(units=UNITS), seed=0) for _ in range(2))
    for number, (decision, row) in enumerate(zip(space.decisions, agent.choice_probabilities(), strict=True)):
        assert row.shape == (len(decision.choices),)
        if not space.conditions(number):  # the draws are spread evenly over those of a decision that is always made
            np.testing.assert_allclose(row, decision.probabilities, atol=0.02)
    assert agent.propose(5) == other.propose(5)  # looking changes nothing


@pytest.mark.parametrize("wanted", [0, 1])
def test_choices_of_a_trained_policy_are_those_that_it_makes(wanted: int) -> None:
    decisions = Decision("first", ("a", "b")), Decision("second", ("x", "y"), when=(("first", ("b",)),))
    space = SearchSpace("s", decisions, lambda values: values, lambda genotype: genotype)
    agent = Reinforce(space, ControllerSettings(units=UNITS, learning_rate=0.1), seed=0)
    for _ in range(10):
        drawn = agent.propose(20)
        agent.observe([Trial(n, a, TrialState.OK, float(a[0] == wanted), measured(0.5)) for n, a in enumerate(drawn)])
    first, second = agent.choice_probabilities()
    assert first[wanted] > 0.6
    assert abs(np.mean([a[0] == wanted for a in agent.propose(1000)]) - first[wanted]) < 0.06
    assert second.sum() == pytest.approx(1 if first[1] else 0)  # of the draws in which it is made
