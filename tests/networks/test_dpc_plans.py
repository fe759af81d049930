"""Plans of dense prediction cells: published costs, names, sizes, and what is the same on small maps."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl_nas.errors import UsageError
from rl_nas.networks.families.catalog import family_of
from rl_nas.networks.families.dpc import POOLING_FORMS, merged, plan_dense_prediction_cell
from rl_nas.networks.layers import AveragePool, BatchNorm, Conv, DepthwiseConv, GridPool, Relu, Resize
from rl_nas.networks.operations import Ops
from rl_nas.networks.plan import Plan
from rl_nas.spaces.dpc import ATROUS, CONV, POOLING, Branch, DenseOperation, DensePredictionCell
from rl_nas.spaces.dpc_space import GRIDS, RATES, canonical_count, dpc
from rl_nas.spaces.published import ASPP, DPC_TOP1

POSITIONS = 65 * 129  # of a Cityscapes image at stride 16

OPERATIONS = [
    DenseOperation(CONV),
    *(DenseOperation(ATROUS, *rates) for rates in product(RATES, RATES)),
    *(DenseOperation(POOLING, *grid) for grid in product(GRIDS, GRIDS)),
]


def planned(
    cell: DensePredictionCell, shape: tuple[int, int, int], filters: int = 256, pooling: str = POOLING_FORMS[0]
) -> Plan:
    plan = Plan({"features": shape})
    ops = Ops(plan, BatchNorm(0.9997, 1e-5))
    plan.outputs["cell"] = plan_dense_prediction_cell(ops, cell, plan.inputs["features"], filters, pooling)
    return plan


def alone(op: DenseOperation) -> DensePredictionCell:
    return DensePredictionCell((Branch(-1, op),))


def kernels(plan: Plan) -> int:
    """Weights of all convolutions."""
    weights = (w for node in plan.nodes for w in node.layer.weights(*(t.shape for t in node.inputs)))
    return sum(weight.size for weight in weights if weight.name == "kernel")


class TestPublishedCosts:
    """On the 2,048 channels of Xception and the 320 of MobileNet-v2, with 256 filters.

    Chen et al. 2018 print billions of multiply-adds that are 0.5 % larger at most.
    """

    @pytest.mark.parametrize(
        ("channels", "weights", "billions", "printed"), [(2048, 814_080, 6.826, 6.84), (320, 356_160, 2.986, 3.00)]
    )
    def test_the_best_cell(self, channels: int, weights: int, billions: float, printed: float) -> None:
        plan = planned(DPC_TOP1, (65, 129, channels))
        assert kernels(plan) == weights
        assert plan.cost().madds == weights * POSITIONS
        assert round(plan.cost().madds / 1e9, 3) == billions
        assert plan.cost().madds / 1e9 == pytest.approx(printed, rel=0.005)
        assert plan.cost().trainable == weights + 2 * (5 * 256 + channels + 4 * 256)  # scales and offsets

    @pytest.mark.parametrize(("channels", "billions", "printed"), [(2048, 18.05, 18.12), (320, 2.82, 2.82)])
    def test_atrous_spatial_pyramid_pooling(self, channels: int, billions: float, printed: float) -> None:
        """The 1x1 convolution behind the pooling, at a single position, does not show in these digits."""
        plan = planned(ASPP, (65, 129, channels))
        weights = channels * 256 + 3 * (9 * channels + channels * 256)
        assert plan.cost().madds == weights * POSITIONS + channels * 256
        assert float(f"{plan.cost().madds / 1e9:.4g}") == billions
        assert plan.cost().madds / 1e9 == pytest.approx(printed, rel=0.005)


class TestPlans:
    def test_grids_may_be_finer_than_a_map(self) -> None:
        """The paper's grid of 8x8 on a map of 6x6, as small images have it."""
        assert planned(alone(DenseOperation(POOLING, 8, 8)), (6, 6, 3), 4).outputs["cell"].shape == (6, 6, 4)

    @given(st.integers(0, 2**32), st.integers(1, 8), st.integers(1, 70), st.integers(1, 70))
    def test_any_cell_keeps_the_size_of_any_map(self, seed: int, branches: int, height: int, width: int) -> None:
        space = dpc(branches)
        cell = space.decode(space.sample(np.random.default_rng(seed)))
        for pooling in POOLING_FORMS:
            plan = planned(cell, (height, width, 7), 4, pooling)
            assert plan.outputs["cell"].shape == (height, width, 4 * branches)
            for node in plan.nodes:
                assert min(node.output.shape) >= 1, node.name
            assert len({node.name for node in plan.nodes}) == len({node.key for node in plan.nodes}) == len(plan.nodes)
            before = len(plan.nodes)
            plan.prune()
            assert len(plan.nodes) == before  # every branch counts

    def test_layers_of_the_operations(self) -> None:
        """Normalization and ReLU behind both parts of a separable convolution; its rates in the first."""
        norm, relu, conv = BatchNorm(0.9997, 1e-5), Relu(), Conv(6, (1, 1))
        expected = {
            DenseOperation(CONV): [conv, norm, relu],
            DenseOperation(ATROUS, 6, 21): [DepthwiseConv(3, (6, 21)), norm, relu, conv, norm, relu],
            DenseOperation(POOLING, 4, 2): [GridPool((4, 2)), conv, norm, relu, Resize((12, 15))],
        }
        for op, layers in expected.items():
            assert [node.layer for node in planned(alone(op), (12, 15, 8), 6).nodes] == layers
        # Windows of int((side - 1) / grid + 1) pixels.
        released = [AveragePool((3, 8)), conv, norm, relu, Resize((12, 15), align_corners=True)]
        plan = planned(alone(DenseOperation(POOLING, 4, 2)), (12, 15, 8), 6, "released")
        assert [node.layer for node in plan.nodes] == released

    def test_names_tell_operations_and_keys_inputs_too(self) -> None:
        nodes = planned(DPC_TOP1, (12, 15, 8), 6).nodes
        assert nodes[0].name == "branch0.atrous_1x6.depthwise.conv"
        assert nodes[-1].name == "concat"
        assert [node.key for node in nodes if node.name == "branch4.atrous_6x21.pointwise.bn"] == [
            "branch4(0).atrous_6x21.pointwise.bn"
        ]

    def test_an_unknown_form_of_pooling_is_refused(self) -> None:
        with pytest.raises(UsageError, match="in the form 'max'; expected one of grid, released"):
            planned(ASPP, (12, 15, 8), pooling="max")


def depthwise(image: np.ndarray, kernel: np.ndarray, rates: tuple[int, int]) -> np.ndarray:
    """The atrous convolution of one channel with zeros around it, by its definition."""
    height, width = image.shape
    padded = np.pad(image, [(rates[0],) * 2, (rates[1],) * 2])
    taps = product(range(3), range(3))
    return sum(
        kernel[i, j] * padded[i * rates[0] : i * rates[0] + height, j * rates[1] : j * rates[1] + width]
        for i, j in taps
    )


class TestMerging:
    @pytest.mark.parametrize("size", [(12, 15), (5, 40), (1, 1), (33, 33)])
    def test_merged_are_exactly_the_rates_that_compute_the_same(self, size: tuple[int, int]) -> None:
        rng = np.random.default_rng(0)
        image, kernel = rng.normal(size=size), rng.normal(size=(3, 3))
        outputs: dict[DensePredictionCell, set[bytes]] = {}
        for rates in product(RATES, RATES):
            computed = depthwise(image, kernel, rates).round(9).tobytes()
            outputs.setdefault(merged(alone(DenseOperation(ATROUS, *rates)), size), set()).add(computed)
        assert all(len(same) == 1 for same in outputs.values())
        assert len(set.union(*outputs.values())) == len(outputs)

    def test_number_of_different_operations_of_a_small_map(self) -> None:
        different = {merged(alone(op), (12, 15)) for op in OPERATIONS}
        assert (len(OPERATIONS), len(different)) == (81, 47)
        assert canonical_count(len(different), 5) == 2_503_263_992

    @given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 40))
    def test_merging_keeps_all_but_rates(self, seed: int, height: int, width: int) -> None:
        cell = dpc().decode(dpc().sample(np.random.default_rng(seed)))
        same = family_of(cell).merged(cell, (height, width))
        assert family_of(cell).merged(same, (height, width)) == same
        assert [b.input for b in same.branches] == [b.input for b in cell.branches]
        assert planned(same, (height, width, 3), 2).cost() == planned(cell, (height, width, 3), 2).cost()
        if min(height, width) > max(RATES):
            assert same == cell


def test_text_tells_every_branch() -> None:
    assert family_of(DPC_TOP1).text(DPC_TOP1).splitlines()[:7] == [
        "dense prediction cell",
        "       0 = atrous 1x6   ( features )",
        "       1 = atrous 18x15 ( 0 )",
        "       2 = atrous 6x3   ( 1 )",
        "       3 = atrous 1x1   ( 0 )",
        "       4 = atrous 6x21  ( 0 )",
        "  output = concat( 0 to 4 )",
    ]
    assert max(map(len, family_of(ASPP).text(ASPP).splitlines())) <= 80
    assert "conv 1x1     ( features )" in family_of(ASPP).text(ASPP)
