"""Plans of necks: layers of the published ones, sizes of any, and what is the same network."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl_nas.errors import UsageError
from rl_nas.networks.families.catalog import family_of, neck_family
from rl_nas.networks.families.nas_fpn import NAS_FPN as FAMILY
from rl_nas.networks.layers import Add, BatchNorm, Conv, GlobalAttention, Pool, Relu, Resize
from rl_nas.networks.operations import Ops
from rl_nas.networks.plan import Plan
from rl_nas.spaces.nas_fpn import FeaturePyramid, MergingNeck
from rl_nas.spaces.nas_fpn_space import nas_fpn
from rl_nas.spaces.published import ASPP, NAS_FPN, PUBLISHED

STRIDES = (8, 16, 32, 64, 128)


def planned(
    neck: FeaturePyramid | MergingNeck,
    size: tuple[int, int] = (100, 75),
    filters: int = 6,
    repeats: int = 1,
    offered: tuple[int, ...] = STRIDES[:3],
    strides: tuple[int, ...] = STRIDES,
) -> Plan:
    plan = Plan({f"C{s}": (-(-size[0] // s), -(-size[1] // s), 2 + s % 7) for s in offered}, size)
    levels = dict(zip(offered, plan.inputs.values(), strict=True))
    made = neck_family(neck).plan(Ops(plan, BatchNorm(0.9, 1e-3)), neck, levels, strides, filters, repeats)
    plan.outputs = {f"P{stride}": tensor for stride, tensor in made.items()}
    return plan


def sample(seed: int, merges: int = 7) -> MergingNeck:
    space = nas_fpn(merges)
    return space.decode(space.sample(np.random.default_rng(seed)))


class TestSizes:
    @pytest.mark.parametrize("name", ["FPN", "NAS-FPN"])
    def test_levels_are_halved_and_rounded_up(self, name: str) -> None:
        """100 x 75 pixels: most sides are odd, and no level is exactly twice the next."""
        shapes = {name: tensor.shape for name, tensor in planned(PUBLISHED[name]).outputs.items()}
        assert list(shapes.values()) == [(13, 10, 6), (7, 5, 6), (4, 3, 6), (2, 2, 6), (1, 1, 6)]
        assert list(shapes) == [f"P{stride}" for stride in STRIDES]

    @given(st.integers(0, 2**32), st.integers(5, 12), st.integers(8, 300), st.integers(8, 300), st.integers(1, 5))
    def test_any_neck_keeps_the_sizes_of_any_image(
        self, seed: int, merges: int, height: int, width: int, offered: int
    ) -> None:
        for neck in (sample(seed, merges), FeaturePyramid()):
            plan = planned(neck, (height, width), offered=STRIDES[:offered])
            for stride in STRIDES:
                assert plan.outputs[f"P{stride}"].shape == (-(-height // stride), -(-width // stride), 6)
            assert len({node.name for node in plan.nodes}) == len({node.key for node in plan.nodes}) == len(plan.nodes)
            before = plan.cost()
            plan.prune()
            assert plan.cost() == before  # each merging cell counts


class TestFeaturePyramid:
    def test_of_retinanet(self) -> None:
        """Lateral and output convolutions, two upsamplings; P6 and P7 by stride 2, with a ReLU between them."""
        nodes = planned(FeaturePyramid()).nodes
        lateral, output, coarser = (
            Conv(6, (1, 1), bias=True),
            Conv(6, (3, 3), bias=True),
            Conv(6, (3, 3), (2, 2), bias=True),
        )
        assert [node.layer for node in nodes] == [
            *(lateral, output),
            *(lateral, Resize((7, 5), method="nearest"), Add(), output),
            *(lateral, Resize((13, 10), method="nearest"), Add(), output),
            *(coarser, Relu(), coarser),
        ]
        assert nodes[-3].inputs == (nodes[1].output,)  # P6 reads P5

    @pytest.mark.parametrize("strides", [(8, 16, 32), (8, 16), (4, 8)])
    def test_on_other_levels(self, strides: tuple[int, ...]) -> None:
        plan = planned(FeaturePyramid(), offered=strides, strides=strides)
        assert list(plan.outputs) == [f"P{stride}" for stride in strides]
        assert plan.cost().trainable == sum(6 * (2 + s % 7) + 6 + 9 * 6 * 6 + 6 for s in strides)

    def test_repeats_are_refused(self) -> None:
        with pytest.raises(UsageError, match="--neck_repeats=2 has no effect with --neck=FPN; leave it out"):
            planned(FeaturePyramid(), repeats=2)


class TestMergingNecks:
    def test_layers_of_the_published_one(self) -> None:
        nodes = planned(NAS_FPN).nodes
        conv, norm = Conv(6, (3, 3), bias=True), BatchNorm(0.9, 1e-3)
        layers = {n: [node.layer for node in nodes if f"merge{n}." in node.name] for n in range(7)}
        up, attention = Resize((7, 5), method="nearest"), GlobalAttention()
        rest = [Relu(), conv, norm]
        assert layers[0] == [up, attention, *rest]  # P6 for P4
        assert layers[1] == [Add(), *rest]
        assert layers[2] == [Resize((13, 10), method="nearest"), Add(), *rest]
        assert layers[3] == [Pool("max", 2, 2), Add(), *rest]
        assert layers[4] == [Pool("max", 2, 2), Pool("max", 4, 4), attention, Add(), *rest]  # P5 is added
        assert layers[5] == [Pool("max", 4, 4), Pool("max", 8, 8), attention, Add(), *rest]  # P7 is added
        assert layers[6] == [Resize((2, 2), method="nearest"), Pool("max", 2, 2), attention, *rest]
        pooled = [node.layer for node in nodes if node.name in ("stride64.pool", "stride128.pool")]
        assert pooled == [Pool("max", 2, 2)] * 2

    def test_the_coarser_feature_is_pooled_by_an_attention(self) -> None:
        nodes = {node.output.node: node for node in planned(NAS_FPN).nodes}
        for node in nodes.values():
            if isinstance(node.layer, GlobalAttention) and "merge4." in node.name:
                assert [nodes[tensor.node].layer for tensor in node.inputs] == [Pool("max", 2, 2), Pool("max", 4, 4)]

    def test_repeats_have_weights_of_their_own(self) -> None:
        costs = [planned(NAS_FPN, repeats=repeats).cost().trainable for repeats in (1, 2, 3)]
        assert costs[1] - costs[0] == costs[2] - costs[1] == 7 * (9 * 6 * 6 + 6 + 2 * 6)

    @given(st.integers(0, 2**32), st.integers(5, 9))
    def test_a_canonical_form_has_the_same_cost_and_layers(self, seed: int, merges: int) -> None:
        neck = sample(seed, merges)
        plans = [planned(one) for one in (neck, neck.canonical())]
        assert plans[0].cost() == plans[1].cost()
        kinds = [sorted(repr(node.layer) for node in plan.nodes if not isinstance(node.layer, Pool)) for plan in plans]
        assert kinds[0] == kinds[1]

    def test_keys_tell_what_a_merging_cell_reads(self) -> None:
        keys = [node.key for node in planned(NAS_FPN).nodes if node.name == "repeat0.merge4.conv"]
        assert keys == ["repeat0.merge4(attention.5.7.8).conv"]


def test_other_parts_are_no_necks() -> None:
    with pytest.raises(UsageError, match="of kind 'dpc' describes a head; expected a neck, of kind nas_fpn, fpn"):
        neck_family(ASPP)
    assert family_of(NAS_FPN) is FAMILY
    assert list(FAMILY.levels(NAS_FPN) or ()) == [3, 4, 5, 6, 7]


def test_text_tells_every_merging_cell() -> None:
    assert FAMILY.text(NAS_FPN).splitlines()[:8] == [
        "neck of merging cells, levels 3 to 7",
        "       5: level 4 = attention( P6, P4 )",
        "       6: level 4 = sum( P4, 5 )",
        "       7: level 3 = sum( P3, 6 )  (output)",
        "       8: level 4 = sum( 6, 7 )  (output)",
        "       9: level 5 = attention( 8, 7 ) + P5  (output)",
        "      10: level 7 = attention( 9, 6 ) + P7  (output)",
        "      11: level 6 = attention( 10, 9 )  (output)",
    ]
    for name in ("FPN", "NAS-FPN"):
        assert max(map(len, family_of(PUBLISHED[name]).text(PUBLISHED[name]).splitlines())) <= 80
