"""The NASNet space."""

import numpy as np
import pytest

from rl_nas.errors import UsageError
from rl_nas.networks.genotypes import from_json, to_json
from rl_nas.spaces.nasnet import nasnet
from rl_nas.spaces.published import NASNET_A


def test_published_size() -> None:
    assert nasnet(5).size() == 2_286_906_949_584_691_200**2
    assert len(nasnet(5).decisions) == 50


@pytest.mark.parametrize("seed", range(50))
def test_samples_survive_decoding_and_json(seed: int) -> None:
    space = nasnet(1 + seed % 6)
    architecture = space.sample(np.random.default_rng(seed))
    genotype = space.decode(architecture)
    assert space.encode(genotype) == architecture
    assert from_json(to_json(genotype)) == genotype


def test_cells_with_another_concat_rule_are_outside() -> None:
    with pytest.raises(UsageError, match="concatenate"):
        nasnet(5).encode(NASNET_A)


def test_later_schema_is_refused() -> None:
    with pytest.raises(UsageError, match="newer"):
        from_json({**to_json(NASNET_A), "schema": 99})
