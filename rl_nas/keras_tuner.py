"""Search spaces for Keras Tuner (extra `keras-tuner`): its tuners choose, and train, what rl_nas builds."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from rl_nas.errors import UsageError
from rl_nas.extras import check_installed
from rl_nas.networks.families.catalog import family_of
from rl_nas.networks.families.family import BACKBONE
from rl_nas.networks.network import plan_network
from rl_nas.networks.settings import NetworkSettings
from rl_nas.spaces.catalog import find_space
from rl_nas.spaces.decisions import Genotype, SearchSpace
from rl_nas.spaces.settings import SpaceSettings
from rl_nas.tasks.classification.head import ClassificationHead
from rl_nas.workflows.tensorflow_setup import load_tensorflow

check_installed("rl_nas.keras_tuner", "keras-tuner", ["keras_tuner"])
load_tensorflow()

import keras  # noqa: E402  (after TensorFlow's start-up messages)
import keras_tuner  # noqa: E402

from rl_nas.child.network.keras_model import build_model  # noqa: E402


class HyperModel(keras_tuner.HyperModel):
    """Classifiers of a search space, for the tuners of Keras Tuner: a `Choice` for each decision of the space.

    A tuner meets networks that are equal but for the order of their parts, and draws all choices alike, whatever the
    space's weights say.
    """

    def __init__(
        self,
        space: SearchSpace[Any] | str,
        input_shape: Sequence[int],
        classes: int,
        network: NetworkSettings | None = None,
        *,
        preprocessing: Sequence[Any] = (),
        optimizer: str | dict[str, Any] | Callable[[Any], Any] = "adam",
        loss: Any = "sparse_categorical_crossentropy",
        metrics: Sequence[Any] = ("accuracy",),
        seed: int = 0,
        **others: Any,
    ) -> None:
        """Takes what all networks have in common.

        Args:
            space: of backbones, such as `rl_nas.nasnet(blocks=3)`, or its name.
            input_shape: height, width, channels of the images.
            classes: number of classes.
            network: the network around the cells; None: that of a search by default.
            preprocessing: layers of Keras before the network, such as `keras.layers.Rescaling(1 / 255)`.
            optimizer: for `compile`: a name, a config, or a function from hyperparameters to an optimizer.
            loss: for `compile`, of probabilities [batch, classes].
            metrics: for `compile`.
            seed: of the initial weights.
            **others: those of `keras_tuner.HyperModel`.

        Raises:
            UsageError: the space is none of backbones.
        """
        super().__init__(**others)
        self.space = find_space(SpaceSettings(space=space)) if isinstance(space, str) else space
        self._shape, self._head = tuple(input_shape), ClassificationHead(classes)
        self._network = NetworkSettings() if network is None else network
        self._preprocessing, self._optimizer, self._seed = preprocessing, optimizer, seed
        self._compile = {"loss": loss, "metrics": list(metrics)}
        self._default = self.space.sample(np.random.default_rng(0))  # one that is valid; the first of all may not be
        part = family_of(self.space.decode(self._default)).part
        if part != BACKBONE:
            raise UsageError(f"space {self.space.name} is one of a {part}; expected one of backbones, such as nasnet")

    def genotype(self, hp: Any) -> Genotype:
        """The genotype of hyperparameters, such as of `tuner.get_best_hyperparameters()[0]`.

        Args:
            hp: of `keras_tuner.HyperParameters`; decisions that it lacks are added.

        Raises:
            keras_tuner.errors.FailedTrialError: the space has no such network.
        """
        architecture = tuple(self._choice(hp, index) for index in range(len(self.space.decisions)))
        genotype: Genotype = self.space.decode(architecture)
        if not self.space.is_valid(genotype):
            raise keras_tuner.errors.FailedTrialError(f"space {self.space.name} has no such network: {architecture}")
        return genotype

    def build(self, hp: Any) -> keras.Model:
        """The compiled network of hyperparameters: images [batch, height, width, channels] to class probabilities.

        Args:
            hp: as in `genotype`.

        Raises:
            keras_tuner.errors.FailedTrialError: there is no such network, or it cannot be built for these images.
        """
        genotype = self.genotype(hp)
        inputs = keras.Input(self._shape, name="image")
        images = inputs
        for layer in self._preprocessing:
            images = layer(images)
        try:
            plan = plan_network(genotype, self._network, tuple(images.shape[1:]), self._head)
        except UsageError as error:
            raise keras_tuner.errors.FailedTrialError(str(error)) from error
        logits = build_model(plan, seed=self._seed)(images)["logits"]
        model = keras.Model(inputs, keras.layers.Softmax(dtype="float32", name="probabilities")(logits))
        optimizer = self._optimizer(hp) if callable(self._optimizer) else keras.optimizers.get(self._optimizer)
        model.compile(optimizer=optimizer, **self._compile)
        return model

    def _choice(self, hp: Any, index: int) -> int:
        """The choice of a decision; 0 for one that is not active."""
        decision = self.space.decisions[index]
        names = list(map(str, decision.choices))  # a Choice has values of one type
        with ExitStack() as conditions:
            for parent, values in decision.when:
                conditions.enter_context(hp.conditional_scope(parent, list(map(str, values))))
            chosen = hp.Choice(decision.name, names, default=names[self._default[index]])
        return 0 if chosen is None else names.index(chosen)
