import numpy as np
import pytest

from rl_nas.networks.families.cell_text import cell_lines, cells_text, state_name
from rl_nas.spaces.cells import Block, Cell, CellGenotype
from rl_nas.spaces.nasnet import nasnet
from rl_nas.spaces.published import NASNET_A

SMALL = Cell(
    blocks=(
        Block((0, 1), ("sep_5x5", "identity")),
        Block((2, 2), ("conv_1x7_7x1", "max_pool_3x3"), "concat"),
    ),
    concat=(1, 3),
)


def random_genotype(blocks: int, seed: int) -> CellGenotype:
    space = nasnet(blocks)
    return space.decode(space.sample(np.random.default_rng(seed)))


def test_a_small_cell() -> None:
    assert cell_lines(SMALL, "normal cell") == [
        "normal cell",
        "       2 = add(    sep_5x5(h[i]),   identity(h[i-1]) )",
        "       3 = concat( conv_1x7_7x1(2), max_pool_3x3(2)  )",
        "  h[i+1] = concat( h[i-1], 3 )",
    ]


def test_a_genotype_shows_both_cells_and_explains_its_names() -> None:
    other = Cell((Block((1, 1), ("sep_3x3", "sep_7x7")),), (2,))

    assert cells_text(CellGenotype(SMALL, other)).split("\n") == [
        *cell_lines(SMALL, "normal cell"),
        "",
        "reduction cell",
        "       2 = add( sep_3x3(h[i-1]), sep_7x7(h[i-1]) )",
        "  h[i+1] = concat( 2 )",
        "",
        "h[i] is the output of the previous cell, h[i-1] that of the cell before it,",
        "h[i+1] the output of this cell. A number stands for the result of its line.",
    ]


def test_the_published_normal_cell_concatenates_an_input() -> None:
    assert cell_lines(NASNET_A.normal, "normal cell")[-1] == "  h[i+1] = concat( h[i-1], 2, 3, 4, 5, 6 )"


@pytest.mark.parametrize("blocks", [1, 2, 5, 8, 12])
def test_every_block_is_one_line_that_says_all_of_it(blocks: int) -> None:
    for seed in range(20):
        cell = random_genotype(blocks, seed).normal
        title, *lines, output = cell_lines(cell, "cell")
        assert title == "cell"
        assert len(lines) == blocks
        for state, (block, line) in enumerate(zip(cell.blocks, lines, strict=True), start=2):
            first, second = (f"{op}({state_name(read)})" for op, read in zip(block.ops, block.inputs, strict=True))
            assert line.split() == [str(state), "=", f"{block.combine}(", f"{first},", second, ")"]
        names = [state_name(state) for state in cell.concat]
        assert output.split(" = ")[1] == f"concat( {', '.join(names)} )"


def test_columns_are_aligned() -> None:
    for seed in range(20):
        lines = cell_lines(random_genotype(12, seed).normal, "cell")[1:]
        assert len({line.index("=") for line in lines}) == 1
        assert len({len(line) for line in lines[:-1]}) == 1
        assert len({line.index("(") for line in lines[:-1]}) <= 2  # add( and concat(
        assert len({line.rindex(",") - len(line[: line.rindex(",")].split()[-1]) for line in lines[:-1]}) == 1


def test_lines_fit_a_terminal() -> None:
    widest = Block((1, 1), ("conv_1x7_7x1", "conv_1x3_3x1"), "concat")
    cell = Cell((widest,) * 40, tuple(range(42)))

    lines = cell_lines(cell, "cell")

    assert max(map(len, lines)) <= 80
    # The long output goes on below its own first state, and no state is lost or torn apart.
    output = lines[41:]
    assert len(output) > 1
    assert {len(line) - len(line.lstrip()) for line in output[1:]} == {output[0].index("h[i],")}
    words = " ".join(output).replace(",", "").split()
    assert words == ["h[i+1]", "=", "concat(", *(state_name(state) for state in cell.concat), ")"]


def test_states_are_named_alike_everywhere() -> None:
    assert [state_name(state) for state in range(4)] == ["h[i]", "h[i-1]", "2", "3"]
