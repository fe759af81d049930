"""Genotypes in the notations of DARTS and ENAS: the networks that were published, and nothing that is executed."""

import re
from pathlib import Path

import pytest

from rl_nas.errors import UsageError
from rl_nas.networks.lookup import find_genotype
from rl_nas.networks.network import plan_network
from rl_nas.networks.settings import NetworkSettings
from rl_nas.spaces.cells import CellGenotype
from rl_nas.spaces.published import PUBLISHED
from rl_nas.tasks.classification.head import ClassificationHead

DARTS_V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1),"
    " ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5],"
    " reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0),"
    " ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=range(2, 6))"
)
ENAS = "0 2 0 0 0 4 0 1 0 4 1 1 1 0 0 1 0 2 1 1  1 0 1 0 0 3 0 2 1 1 3 1 1 0 0 4 0 3 1 1"
"""Of the script of the released code's final training."""


def test_darts_has_the_published_number_of_parameters() -> None:
    """Its code prints `param size = 3.349342MB`, without the auxiliary head, on CIFAR-10."""
    settings = NetworkSettings(network="darts", auxiliary=False)
    assert plan_network(find_genotype(DARTS_V2), settings, (32, 32, 3), ClassificationHead(10)).cost().trainable == (
        3_349_342
    )


def test_the_arc_of_enas_is_its_published_cells() -> None:
    assert find_genotype(ENAS) == PUBLISHED["ENAS-micro"]
    assert find_genotype(str([int(number) for number in ENAS.split()])) == PUBLISHED["ENAS-micro"]


def test_an_input_that_no_block_of_enas_reads_is_concatenated() -> None:
    genotype = find_genotype("1 0 1 1  0 0 1 1")
    assert isinstance(genotype, CellGenotype)
    assert (genotype.normal.concat, genotype.cells()["reduction"].concat) == ((1, 2), (2,))


def test_states_are_counted_from_the_older_cell() -> None:
    genotype = find_genotype(DARTS_V2)
    assert isinstance(genotype, CellGenotype)
    assert [block.inputs for block in genotype.normal.blocks] == [(1, 0), (1, 0), (0, 1), (1, 2)]
    assert genotype.normal.blocks[3].ops == ("identity", "dil_sep_once_3x3")
    assert genotype.normal.concat == genotype.cells()["reduction"].concat == (2, 3, 4, 5)


def test_forms_of_one_genotype_are_equal() -> None:
    named = find_genotype(DARTS_V2)
    positional = re.sub(r"(normal|reduce)(_concat)?=", "", DARTS_V2)
    for text in (positional, f"genotypes.{DARTS_V2}", f"  {DARTS_V2} ", DARTS_V2.replace("[2, 3, 4, 5]", "range(2,6)")):
        assert find_genotype(text) == named


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (DARTS_V2.replace("'sep_conv_3x3', 0", "'none', 0"), "normal[0]: operation 'none'; expected one of skip_"),
        (DARTS_V2.replace("('skip_connect', 0), ", "", 1), "normal has 7 operations; expected two for each node"),
        (DARTS_V2.replace("('dil_conv_3x3', 2)", "('dil_conv_3x3', 5)"), "normal cell: block 3 reads state 5"),
        (DARTS_V2.replace("range(2, 6)", "range(2, 10**9)"), "reduce_concat is range(2, 10 ** 9); expected a list"),
        (DARTS_V2.replace("range(2, 6)", "range(2, 1000000000)"), "expected at most 100 states"),
        (DARTS_V2.replace("range(2, 6)", "[2, True]"), "reduce_concat is [2, True]; expected numbers"),
        (DARTS_V2.replace("reduce=", "also="), "genotype has normal, normal_concat, also, reduce_concat; expected"),
        (DARTS_V2.replace("0)", "-1)", 1), "normal[0] is ('sep_conv_3x3', -1); expected a pair"),
        (DARTS_V2.replace("('sep_conv_3x3', 0)", "__import__('os').system('touch made')", 1), "expected a pair"),
        (f"{DARTS_V2}.normal", "expected Genotype(normal="),
        (DARTS_V2[:-1], "cannot be read; expected Genotype(normal="),
        ("Genotype(" + "(" * 9000, "cannot be read"),
        ("Genotype(" + "1," * 10_000, "has 20,009 characters; expected at most 10,000"),
        (f"{ENAS} 1", "an arc of 41 numbers; expected those of ENAS' micro space"),
        (ENAS.replace("4", "5"), "normal cell: operation 5; expected one of 0 sep_3x3, 1 sep_5x5"),
        (ENAS.replace("0 2", "9 2", 1), "normal cell: block 0 reads state 9"),
        ("3 / 1 0 / 4 1 1", "is an arc of ENAS' macro space, which rl_nas has no networks for"),
    ],
)
def test_others_are_refused_in_a_line(text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        find_genotype(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "made").exists()


def test_files_and_long_texts_are_no_notations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("12", "2024", "1/2", "x" * 5000):
        with pytest.raises(UsageError, match="is neither a file nor a published name"):
            find_genotype(name)
