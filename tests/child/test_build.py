"""Built Keras models against their plans."""

import numpy as np
import pytest

from rl_nas.child.build import build_model
from rl_nas.networks.skeleton import NetworkSettings, plan_network
from rl_nas.spaces.nasnet import nasnet


@pytest.mark.parametrize(("seed", "size"), [(0, 8), (1, 9), (2, 7)])
def test_model_has_the_planned_parameters_and_shapes(seed: int, size: int) -> None:
    genotype = nasnet(3).decode(nasnet(3).sample(np.random.default_rng(seed)))
    plan = plan_network(genotype, NetworkSettings(cells=1, filters=4), (size, size, 3), 5)
    model = build_model(plan)
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == plan.cost().trainable
    assert model.output_shape == (None, 5)
    for node in plan.nodes:
        if node.output.size != (1, 1) and "shift" not in node.name:
            assert model.get_layer(node.name).output.shape[1:] == node.output.shape
