"""Tabular benchmarks: what is read, what is refused, and the public NAS-Bench-201 table where it is at hand."""

import sys
import types
from pathlib import Path

import numpy as np
import pytest

import rl_nas
from rl_nas.bench.table import Table, make_table
from rl_nas.bench.table_files import load_table
from rl_nas.errors import UsageError
from rl_nas.spaces.nasbench201 import NASBENCH201_OPERATIONS, EdgeCell, nasbench201
from rl_nas.statistics import spearman

PUBLIC = Path(__file__).parents[3] / "shared" / "benchmarks" / "nasbench201.npz"


def uneven() -> dict[str, np.ndarray]:
    """Decisions of 2, 3 and 4 choices, of which 20 of 24 combinations have a row."""
    every = np.stack(np.meshgrid(range(2), range(3), range(4), indexing="ij"), -1).reshape(-1, 3)
    ops = np.random.default_rng(0).permutation(every)[:20].astype(np.uint8)
    names = {f"op_names_{i}": np.array([f"{i}-{choice}" for choice in range(size)]) for i, size in enumerate((2, 3, 4))}
    values = np.arange(40, dtype=np.float32).reshape(20, 2)
    return {"ops": ops, "columns": np.array(["valid", "test"]), "values": values, **names}


def saved(path: Path, **arrays: np.ndarray) -> str:
    np.savez(path, **arrays)
    return str(path)


def test_decisions_may_differ_in_size(tmp_path: Path) -> None:
    arrays = uneven()
    table = load_table(saved(tmp_path / "uneven.npz", **arrays))
    assert (table.name, table.columns) == ("uneven", ("valid", "test"))
    assert [decision.choices for decision in table.space.decisions][1] == ("1-0", "1-1", "1-2")
    np.testing.assert_array_equal(table.lookup(arrays["ops"]), np.arange(20))
    np.testing.assert_array_equal(table.column("test"), np.arange(1, 41, 2))
    assert table.space.size() == 24


def test_combinations_without_a_row_are_invalid(tmp_path: Path) -> None:
    table = load_table(saved(tmp_path / "t.npz", **uneven()))
    rng, valid = np.random.default_rng(0), 0
    for architecture in np.ndindex(2, 3, 4):
        row = table.space.decode(architecture)
        assert table.space.is_valid(row) == (table.lookup(np.array(architecture)) >= 0)
        assert table.space.encode(row) == architecture
        valid += table.space.is_valid(row)
    assert valid == 20
    for _ in range(50):
        assert table.lookup(np.array(table.space.sample(rng))) >= 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": np.zeros([19, 2])}, r"values \(19, 2\); expected ops \[rows, decisions\]"),
        ({"columns": np.array(["one"])}, "1 columns"),
        ({"ops": np.full([20, 3], 9)}, "choices outside op_names"),
        ({"ops": np.zeros([20, 3], int)}, "an architecture has two rows"),
        ({"op_names_1": None}, "lacks op_names, or op_names_0 to op_names_2"),
        ({"values": None, "ops": None}, "lacks ops, values; give an .npz file with the arrays"),
        ({"ops": np.full([20, 3], np.nan)}, "choices outside op_names"),
        ({"ops": np.array(0)}, r"ops \(\); expected \[rows, decisions\]"),
    ],
)
def test_malformed_tables_are_one_line(tmp_path: Path, change: dict[str, np.ndarray | None], message: str) -> None:
    arrays = {name: array for name, array in {**uneven(), **change}.items() if array is not None}
    with pytest.raises(UsageError, match=message):
        load_table(saved(tmp_path / "t.npz", **arrays))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"ops": np.zeros([1, 40], np.uint8), "op_names": np.array(["a", "b"])}, "268,435,456 architectures"),
        ({"ops": np.zeros([1, 64], np.uint8), "op_names": np.array(["a", "b"])}, "268,435,456 architectures"),
        ({"ops": np.zeros([0, 10**11], np.uint8), "op_names": np.array(["a"])}, "at most 1000 decisions"),
        ({"ops": np.zeros([1, 1001], np.uint8), "op_names": np.array(["a"])}, "at most 1000 decisions"),
        ({"ops": np.zeros([1, 1], np.uint8), "op_names": np.zeros(10**6, "S1")}, "at most 100,000 columns and choices"),
        ({"columns": np.zeros(10**6, "S1"), "values": np.zeros([1, 10**6], "f2")}, "100,000 columns and choices"),
    ],
)
def test_small_files_do_not_become_large_tables(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    one = {"ops": np.zeros([1, 1], np.uint8), "op_names": np.array(["a"]), "columns": np.array(["valid"])}
    file = tmp_path / "t.npz"
    np.savez_compressed(file, **{"values": np.zeros([1, 1]), **one, **arrays})
    assert file.stat().st_size < 10_000
    with pytest.raises(UsageError, match=message):
        load_table(str(file))


def test_absent_and_foreign_files_say_where_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no table .*/none\.npz; give an \.npz file"):
        load_table(str(tmp_path / "none.npz"))
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(UsageError, match="cannot be read"):
        load_table(str(tmp_path / "text.npz"))
    table = make_table("t", np.array([[0], [1]]), [["a", "b"]], ["valid"], np.zeros([2, 1]))
    with pytest.raises(UsageError, match="no column 'test'; it has valid"):
        table.column("test")


def test_the_table_that_comes_with_rl_nas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real measurements: equal cells have equal rows, and the reward says much of the report, not all."""
    monkeypatch.chdir(tmp_path)
    table = load_table("digits")
    assert (table.columns, table.values.shape, table.space.size()) == (("valid", "test"), (729, 2), 729)
    names = [d.name for d in nasbench201().decisions]
    keys = {}
    for architecture in np.ndindex(*(3,) * 6):
        row = table.space.decode(architecture)
        cell = nasbench201().decoder(dict(zip(names, row.choices, strict=True)))
        keys.setdefault(cell.canonical_key(), set()).add(tuple(table.values[row.number]))
    assert len(keys) == 127
    assert all(len(values) == 1 for values in keys.values())
    valid, test = table.column("valid"), table.column("test")
    assert 0 <= min(valid.min(), test.min()) < max(valid.max(), test.max()) <= 100
    assert 0.3 < spearman(valid, test) < 0.99
    assert (Path(rl_nas.__file__).parent / "bench/tables/digits.npz").stat().st_size < 50_000
    (tmp_path / "digits").mkdir()  # one's own comes first
    with pytest.raises(UsageError, match="table digits: the files of a NATS-Bench archive"):
        load_table("digits")


def test_an_archive_without_its_package_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nats_bench", None)
    with pytest.raises(UsageError, match="needs the package nats_bench: pip install nats_bench"):
        load_table(str(tmp_path), trust=True)


def test_an_archive_is_read_through_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the package's interface stood in for: its archive of gigabytes is not at hand."""
    cells = [
        EdgeCell((a, b, "none", "none", "none", a)) for a in NASBENCH201_OPERATIONS for b in NASBENCH201_OPERATIONS
    ]

    class Archive:
        def __len__(self) -> int:
            return len(cells)

        def arch(self, index: int) -> str:
            return str(cells[index])

        def get_more_info(self, index: int, dataset: str, hp: str, is_random: bool) -> dict[str, float]:
            assert is_random is False
            key = "valid-accuracy" if hp == "12" else "test-accuracy"
            return {
                key: index + {"cifar10-valid": 0.1, "cifar10": 0.2, "cifar100": 0.3, "ImageNet16-120": 0.4}[dataset]
            }

        def clear_params(self, index: int) -> None:
            pass

    package = types.ModuleType("nats_bench")
    package.create = lambda path, space, fast_mode, verbose: Archive()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "nats_bench", package)
    with pytest.raises(UsageError, match="are pickles, which may execute anything; give --trust"):
        load_table(str(tmp_path))
    table = load_table(str(tmp_path), trust=True)
    assert table.name == "nasbench201"
    np.testing.assert_allclose(table.column("ep12_cifar10_valid"), np.arange(25) + 0.1)
    np.testing.assert_allclose(table.column("ep200_cifar10_test"), np.arange(25) + 0.2)
    np.testing.assert_allclose(table.column("ep200_imagenet16_test"), np.arange(25) + 0.4)
    (row,) = table.lookup(np.array([[1, 2, 0, 0, 0, 1]]))
    assert cells[row].ops == ("skip_connect", "nor_conv_1x1", "none", "none", "none", "skip_connect")


@pytest.fixture(scope="module")
def public() -> Table:
    if not PUBLIC.exists():
        pytest.skip("the NAS-Bench-201 table is not at hand")
    return load_table(str(PUBLIC))


def test_the_public_table_has_the_published_maxima(public: Table) -> None:
    assert public.space.size() == len(public.values) == 15_625
    for column, best, row in (("cifar100", 73.5133, 9930), ("imagenet16", 47.3111, 857)):
        values = public.column(f"ep200_{column}_test")
        assert (values.max(), values.argmax()) == (pytest.approx(best, abs=1e-4), row)
    assert public.column("ep200_cifar10_test").max() == pytest.approx(94.3733, abs=1e-4)
    assert public.column("ep12_cifar10_valid").max() == pytest.approx(84.892, abs=1e-3)
