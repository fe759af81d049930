import os
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from itertools import combinations, cycle, islice, pairwise
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.text import Text

from rl_nas.networks.families.catalog import family_of
from rl_nas.report.cell_layout import Box, CellLayout, layout_cell
from rl_nas.report.cell_picture import cells_figure, op_label
from rl_nas.report.picture import DPI, draw_genotype
from rl_nas.spaces.cells import Block, Cell, CellGenotype
from rl_nas.spaces.nasnet import nasnet
from rl_nas.spaces.operations import OPERATIONS
from rl_nas.spaces.published import NASNET_A

TOLERANCE = 1e-6


def random_genotype(blocks: int, seed: int) -> CellGenotype:
    space = nasnet(blocks)
    return space.decode(space.sample(np.random.default_rng(seed)))


def drawing_of(genotype: CellGenotype) -> Mapping[str, Cell]:
    drawing = family_of(genotype).drawing(genotype)
    assert isinstance(drawing, Mapping)
    return drawing


def chain(blocks: int, concat: tuple[int, ...]) -> Cell:
    """Each block reads the one before it, and an input."""
    return Cell(tuple(Block((b + 1 if b else 0, b % 2), ("sep_3x3", "identity")) for b in range(blocks)), concat)


def flat(blocks: int) -> Cell:
    """No block reads another one; together they use all operations."""
    ops = cycle(OPERATIONS)
    pairs = [(next(ops), next(ops)) for _ in range(blocks)]
    combiners = islice(cycle(("add", "concat")), blocks)
    cell = (Block((b % 2, b // 2 % 2), pair, how) for b, (pair, how) in enumerate(zip(pairs, combiners, strict=True)))
    return Cell(tuple(cell), tuple(range(2, 2 + blocks)))


HAND_MADE = {
    "one block": Cell((Block((1, 1), ("sep_3x3", "sep_3x3")),), (2,)),
    "only an input": Cell((Block((0, 0), ("sep_3x3", "sep_3x3")),), (1,)),
    "unread block": Cell((Block((0, 1), ("sep_3x3", "identity")), Block((0, 0), ("identity", "sep_3x3"))), (3, 0)),
    "flat": flat(8),
    "chain": chain(8, (9,)),
    "chain, all concatenated": chain(8, tuple(range(10))),
    "published normal": NASNET_A.normal,
    "published reduction": NASNET_A.reduction,
}


@pytest.fixture(scope="module")
def laid_out() -> list[tuple[Cell, CellLayout]]:
    """Hand-made cells, and both cells of 60 random genotypes."""
    cells = list(HAND_MADE.values())
    for blocks in (1, 2, 3, 5, 8):
        for seed in range(12):
            cells += random_genotype(blocks, seed).cells().values()
    return [(cell, layout_cell(cell)) for cell in cells]


def sides(box: Box) -> tuple[float, float, float, float]:
    """Left, right, bottom, top."""
    return (
        box.x - box.width / 2,
        box.x + box.width / 2,
        box.y - box.height / 2,
        box.y + box.height / 2,
    )


def overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    across = min(a[1], b[1]) - max(a[0], b[0])
    along = min(a[3], b[3]) - max(a[2], b[2])
    return across > TOLERANCE and along > TOLERANCE


def test_a_users_style_changes_nothing(tmp_path: Path) -> None:
    draw_genotype(random_genotype(2, 0), tmp_path / "plain.png", title="two blocks")
    with matplotlib.rc_context({"text.usetex": True, "font.size": 30, "lines.linewidth": 9}):
        draw_genotype(random_genotype(2, 0), tmp_path / "styled.png", title="two blocks")
    assert (tmp_path / "styled.png").read_bytes() == (tmp_path / "plain.png").read_bytes()


def test_there_is_one_labelled_box_for_everything(laid_out: list[tuple[Cell, CellLayout]]) -> None:
    for cell, layout in laid_out:
        expected = {
            "state 0": ("state", "h[i]"),
            "state 1": ("state", "h[i-1]"),
            "concat": ("cell_concat", "concat"),
            "output": ("output", "h[i+1]"),
        }
        for state, block in enumerate(cell.blocks, start=2):
            expected[f"state {state}"] = (block.combine, str(state))
            expected[f"op {state}.0"] = ("op", block.ops[0])
            expected[f"op {state}.1"] = ("op", block.ops[1])
        assert len(layout.boxes) == len(expected)
        assert {box.key: (box.kind, box.label) for box in layout.boxes} == expected


def test_every_edge_of_the_cell_is_drawn_once(laid_out: list[tuple[Cell, CellLayout]]) -> None:
    for cell, layout in laid_out:
        expected = Counter({("concat", "output"): 1})
        for state, block in enumerate(cell.blocks, start=2):
            for slot in (0, 1):
                expected[f"state {block.inputs[slot]}", f"op {state}.{slot}"] += 1
                expected[f"op {state}.{slot}", f"state {state}"] += 1
        for state in cell.concat:
            expected[f"state {state}", "concat"] += 1
        assert Counter((edge.source, edge.target) for edge in layout.edges) == expected


def test_boxes_do_not_overlap(laid_out: list[tuple[Cell, CellLayout]]) -> None:
    for _, layout in laid_out:
        for a, b in combinations(layout.boxes, 2):
            assert not overlap(sides(a), sides(b)), (a, b)


def test_everything_lies_inside_the_frame(laid_out: list[tuple[Cell, CellLayout]]) -> None:
    for _, layout in laid_out:
        corners = [(x, y) for box in layout.boxes for x in sides(box)[:2] for y in sides(box)[2:]]
        points = corners + [point for edge in layout.edges for point in edge.points]
        assert min(x for x, _ in points) == pytest.approx(0.0)
        assert min(y for _, y in points) == pytest.approx(0.0)
        assert max(x for x, _ in points) == pytest.approx(layout.width)
        assert max(y for _, y in points) == pytest.approx(layout.height)


def test_edges_go_upward_from_box_to_box(laid_out: list[tuple[Cell, CellLayout]]) -> None:
    for _, layout in laid_out:
        boxes = {box.key: sides(box) for box in layout.boxes}
        for edge in layout.edges:
            (start_x, start_y), (end_x, end_y) = edge.points[0], edge.points[-1]
            source, target = boxes[edge.source], boxes[edge.target]
            assert source[0] < start_x < source[1]
            assert start_y == pytest.approx(source[3])
            assert target[0] < end_x < target[1]
            assert end_y == pytest.approx(target[2])
            assert all(below[1] < above[1] for below, above in pairwise(edge.points))


def test_no_edge_runs_through_a_box(laid_out: list[tuple[Cell, CellLayout]]) -> None:
    for _, layout in laid_out:
        for edge in layout.edges:
            for (x0, y0), (x1, y1) in pairwise(edge.points):
                # A curve stays inside the rectangle that its ends span; a line gets some width here.
                span = (min(x0, x1) - 0.02, max(x0, x1) + 0.02, y0, y1)
                assert not any(overlap(span, sides(box)) for box in layout.boxes), edge


def test_arrow_heads_are_apart(laid_out: list[tuple[Cell, CellLayout]]) -> None:
    for _, layout in laid_out:
        heads = [edge.points[-1] for edge in layout.edges]
        for (x0, y0), (x1, y1) in combinations(heads, 2):
            assert abs(x0 - x1) > 0.1 or abs(y0 - y1) > 0.1


def test_blocks_are_layered_by_depth(laid_out: list[tuple[Cell, CellLayout]]) -> None:
    for cell, layout in laid_out:
        depth = [0, 0]
        for block in cell.blocks:
            depth.append(1 + max(depth[state] for state in block.inputs))
        height = {box.key: box.y for box in layout.boxes}
        heights = {(level, round(height[f"state {state}"], 6)) for state, level in enumerate(depth)}
        assert len(heights) == len(set(depth))
        assert [y for _, y in sorted(heights)] == sorted(y for _, y in heights)


def test_blocks_are_put_above_what_they_read() -> None:
    blocks = [Block((state, state), ("identity", "sep_3x3")) for state in (0, 1, 2, 3)]

    x = {box.key: box.x for box in layout_cell(Cell(tuple(blocks), (4, 5))).boxes}

    assert x["state 1"] < x["state 0"]
    assert x["state 3"] < x["state 2"]
    assert x["state 5"] < x["state 4"]


def test_equal_cells_get_equal_layouts(laid_out: list[tuple[Cell, CellLayout]]) -> None:
    for cell, layout in laid_out[::7]:
        assert layout_cell(cell) == layout


@pytest.mark.parametrize(
    ("op", "label"),
    [
        ("identity", "identity"),
        ("sep_5x5", "sep\n5x5"),
        ("max_pool_3x3", "max\n3x3"),
        ("dil_conv_3x3", "dil\n3x3"),
        ("conv_1x1", "conv\n1x1"),
        ("conv_1x7_7x1", "conv\n1x7-7x1"),
    ],
)
def test_operations_are_abbreviated(op: str, label: str) -> None:
    assert op_label(op) == label


def test_operations_are_told_apart() -> None:
    assert len({op_label(op) for op in OPERATIONS}) == len(OPERATIONS)


def test_labels_fit_their_boxes() -> None:
    figure = cells_figure(drawing_of(CellGenotype(flat(8), flat(8))))
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    frames = {}
    texts = 0
    for artist in figure.get_children():
        if isinstance(artist, FancyBboxPatch):
            frames[artist.get_gid()] = artist.get_window_extent(renderer)
        elif isinstance(artist, Text) and artist.get_gid():
            frame, label = frames[artist.get_gid()], artist.get_window_extent(renderer)
            assert frame.x0 + 2 < label.x0 < label.x1 < frame.x1 - 2, artist
            assert frame.y0 + 1 < label.y0 < label.y1 < frame.y1 - 1, artist
            texts += 1
    assert texts >= 2 * len(frames)  # of both cells


def test_nothing_is_clipped_at_the_border() -> None:
    title = "a title that is longer than such a small picture is wide, with $ and _ in it: " + "x" * 99
    one_block = HAND_MADE["one block"]
    figure = cells_figure(drawing_of(CellGenotype(one_block, one_block)), title)
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]

    texts = {a.get_text(): a.get_window_extent(renderer) for a in figure.get_children() if isinstance(a, Text)}

    assert {"Normal cell", "Reduction cell"} <= set(texts)
    assert any("$ and _" in text.replace("\n", " ") for text in texts)
    width, height = figure.bbox.width, figure.bbox.height
    for text, extent in texts.items():
        assert 0 < extent.x0 < extent.x1 < width, text
        assert 0 < extent.y0 < extent.y1 < height, text
    boxes = [a.get_window_extent(renderer) for a in figure.get_children() if isinstance(a, FancyBboxPatch)]
    title_bottom = min(extent.y0 for text, extent in texts.items() if "title" in text)
    assert max(box.y1 for box in boxes) < title_bottom


def test_a_picture_is_written_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "cells.png"
    path.write_bytes(b"an older picture")

    draw_genotype(NASNET_A, path, title="NASNet-A")

    assert os.listdir(tmp_path) == ["cells.png"]
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert data.endswith(b"IEND\xaeB`\x82")
    inches = cells_figure(drawing_of(NASNET_A), "NASNet-A").get_size_inches()
    assert struct.unpack(">II", data[16:24]) == pytest.approx(inches * DPI, abs=1)


def test_equal_genotypes_get_equal_files(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        draw_genotype(random_genotype(2, 0), str(tmp_path / name))

    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_failure_leaves_the_folder_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cells.png"
    path.write_bytes(b"an older picture")

    def fail(self: Figure, name: Path, **options: object) -> None:
        name.write_bytes(b"half a pic")
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        draw_genotype(NASNET_A, path)

    assert os.listdir(tmp_path) == ["cells.png"]
    assert path.read_bytes() == b"an older picture"


def test_a_missing_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        draw_genotype(random_genotype(1, 0), tmp_path / "missing" / "cells.png")


def test_pyplot_stays_out_of_it() -> None:
    code = "import sys, rl_nas.report.picture; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
