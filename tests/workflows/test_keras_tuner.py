"""A search space in Keras Tuner, with its own tuner and oracle."""

from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest
from sklearn.datasets import load_digits

import rl_nas
from rl_nas.errors import UsageError
from rl_nas.keras_tuner import HyperModel
from rl_nas.spaces.decisions import Decision, SearchSpace

pytestmark = pytest.mark.filterwarnings(  # of Keras Tuner
    "ignore:currentThread",
    "ignore:getName",
    "ignore:Skipping variable loading",
    "ignore:::keras_tuner",
    "ignore:::kt_legacy",
)
TINY = rl_nas.NetworkSettings(cells=1, filters=2, reductions=0)
SPACE = rl_nas.nasnet(blocks=1)
DIGITS = load_digits()


def tuner(model: HyperModel, folder: Path) -> Any:
    return keras_tuner.RandomSearch(model, "val_accuracy", max_trials=2, seed=0, directory=folder, project_name="p")


def test_a_tuner_trains_networks_of_the_space(tmp_path: Path) -> None:
    scale = keras.layers.Rescaling(1 / 16)
    hyper = HyperModel(SPACE, (8, 8, 1), 10, TINY, preprocessing=[scale])
    search = tuner(hyper, tmp_path)
    images, labels = DIGITS.images[:120, ..., None], DIGITS.target[:120]
    search.search(images, labels, validation_split=0.3, epochs=1, verbose=0)
    trials = search.oracle.get_best_trials(2)
    assert [trial.status for trial in trials] == ["COMPLETED", "COMPLETED"]
    genotypes = [hyper.genotype(trial.hyperparameters) for trial in trials]
    for genotype, trial in zip(genotypes, trials, strict=True):
        chosen = SPACE.values(SPACE.encode(genotype))
        assert trial.hyperparameters.values == {name: str(choice) for name, choice in chosen.items()}
    model = search.get_best_models(1)[0]
    plan = rl_nas.plan_network(genotypes[0], TINY, (8, 8, 1), rl_nas.ClassificationHead(10))
    assert model.count_params() == plan.cost().trainable + plan.cost().other
    assert np.allclose(model.predict(images[:5], verbose=0).sum(axis=1), 1, atol=1e-5)


def test_an_optimizer_may_be_chosen_too() -> None:
    hyper = HyperModel("nasnet", (8, 8, 1), 3, TINY, optimizer=lambda hp: keras.optimizers.SGD(hp.Float("rate", 1, 2)))
    hp = keras_tuner.HyperParameters()
    assert float(hyper.build(hp).optimizer.learning_rate) == 1
    assert {decision.name for decision in hyper.space.decisions} | {"rate"} == hp.values.keys()


def test_networks_that_are_none_are_failed_trials(tmp_path: Path) -> None:
    hyper = HyperModel("nasbench101", (8, 8, 1), 3, rl_nas.NetworkSettings(filters=2))
    hp = keras_tuner.HyperParameters()
    assert hyper.space.is_valid(hyper.genotype(hp))  # what a tuner tries before it searches
    none = {name: "0" for name in hp.values if str(hp.values[name]) in ("0", "1")}
    hp.values.update(none)
    with pytest.raises(keras_tuner.errors.FailedTrialError, match="space nasbench101 has no such network"):
        hyper.build(hp)
    small = HyperModel(SPACE, (8, 8, 1), 3, rl_nas.NetworkSettings(target_params=1))
    with pytest.raises(keras_tuner.errors.FailedTrialError, match="one filter already exceeds it"):
        small.build(keras_tuner.HyperParameters())


def test_decisions_under_conditions_are_active_under_them_alone() -> None:
    decoded: list[dict[str, Any]] = []

    def decode(values: dict[str, Any]) -> Any:
        decoded.append(values)
        return rl_nas.PUBLISHED["NASNet-A"]

    decisions = (
        Decision("kind", ("plain", 7)),
        Decision("size", (3, 5), when=(("kind", (7,)),)),
        Decision("detail", ("a", "b"), when=(("kind", (7,)), ("size", (5,)))),
    )
    hyper = HyperModel(SearchSpace("own", decisions, decode, lambda genotype: {}), (8, 8, 1), 3, TINY)
    hp = keras_tuner.HyperParameters()
    for values in ({"kind": "plain"}, {"kind": "7", "size": "5", "detail": "b"}, {"kind": "7", "size": "3"}):
        hp.values = values
        hyper.genotype(hp)
    assert decoded[-3:] == [
        {"kind": "plain", "size": 3, "detail": "a"},
        {"kind": 7, "size": 5, "detail": "b"},
        {"kind": 7, "size": 3, "detail": "a"},
    ]


def test_parts_of_other_networks_are_refused() -> None:
    with pytest.raises(UsageError, match="space dpc is one of a head; expected one of backbones"):
        HyperModel("dpc", (32, 32, 3), 3)
