"""What a search has proposed."""

from dataclasses import replace

import numpy as np

from rl_nas.spaces.nasbench201 import NASBENCH201_OPERATIONS, nasbench201
from rl_nas.store.states import pack, unpack
from rl_nas.surrogate.proposed import Proposed

SPACE = nasbench201()
NONE, CONVOLUTION = (NASBENCH201_OPERATIONS.index(name) for name in ("none", "nor_conv_3x3"))
CELL = np.array([NONE, NONE, NONE, CONVOLUTION, NONE, NONE])
EQUAL = np.array([NONE, CONVOLUTION, NONE, CONVOLUTION, NONE, NONE])  # nothing reads the result of its first one


def test_a_network_is_met_once_whichever_its_architecture() -> None:
    assert SPACE.canonical_key(tuple(CELL.tolist())) == SPACE.canonical_key(tuple(EQUAL.tolist()))
    met = Proposed(SPACE)
    assert met.meet(CELL)
    assert not met.meet(CELL)
    np.testing.assert_array_equal(met.unmet(np.array([CELL, EQUAL])), [EQUAL])
    assert not met.meet(EQUAL)
    assert len(met.unmet(np.array([CELL, EQUAL]))) == 0


def test_what_may_not_be_proposed_is_never_new() -> None:
    cell = SPACE.decode(tuple(CELL.tolist()))
    met = Proposed(replace(SPACE, is_affordable=lambda genotype: genotype != cell))
    assert not met.meet(CELL)
    assert met.meet(np.full(6, CONVOLUTION))


def test_a_state_is_all_of_it() -> None:
    rng, met, restored = np.random.default_rng(0), Proposed(SPACE), Proposed(SPACE)
    cells = [SPACE.sample(rng) for _ in range(50)]
    fresh = [met.meet(np.array(cell)) for cell in cells[:30]]
    assert sum(fresh) > 20
    met.wait_for(cells[:5])
    met.forget([cells[1], cells[40]])
    np.testing.assert_array_equal(met.waiting(), [cells[0], *cells[2:5]])
    restored.restore(unpack(pack(met.state())))
    np.testing.assert_array_equal(restored.waiting(), met.waiting())
    assert [restored.meet(np.array(cell)) for cell in cells] == [met.meet(np.array(cell)) for cell in cells]
