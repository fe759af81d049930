"""Pictures of chains and graphs."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.transforms import Bbox

from rl_nas.networks.families.catalog import family_of
from rl_nas.networks.families.family import Diagram
from rl_nas.networks.lookup import find_genotype
from rl_nas.report.graph_picture import graph_figure
from rl_nas.report.picture import draw_genotype
from rl_nas.spaces.catalog import find_space
from rl_nas.spaces.decisions import Genotype
from rl_nas.spaces.settings import SpaceSettings


def graph_of(genotype: Genotype) -> Diagram:
    drawing = family_of(genotype).drawing(genotype)
    assert isinstance(drawing, Diagram)
    return drawing


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["nas_rl", "nasbench101", "nasbench201", "dpc", "nas_fpn"])
def test_every_text_is_inside_its_box_and_the_picture(name: str, seed: int) -> None:
    space = find_space(SpaceSettings(space=name, layers=12, strides=True, branches=8, merges=12))
    genotype = space.decode(space.sample(np.random.default_rng(seed)))
    figure = graph_figure(graph_of(genotype), "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|" * (1 + seed))
    FigureCanvasAgg(figure).draw()
    (axes,) = figure.axes
    boxes = [patch.get_window_extent() for patch in axes.patches if isinstance(patch, FancyBboxPatch)]
    page = Bbox([[0, 0], figure.canvas.get_width_height()])
    texts = [text.get_window_extent() for text in axes.texts if text.get_text()]
    assert sum(any(box.x0 <= t.x0 and t.x1 <= box.x1 and box.y0 <= t.y0 for box in boxes) for t in texts) >= len(boxes)
    for extent in [*boxes, *texts]:
        assert page.x0 <= extent.x0 < extent.x1 <= page.x1
        assert page.y0 <= extent.y0 < extent.y1 <= page.y1
    for first, second in pairwise(boxes):
        assert not first.overlaps(second)


def test_one_arrow_per_operation_but_none() -> None:
    text = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|none~2|"
    (axes,) = graph_figure(graph_of(find_genotype(text))).axes
    assert sum(isinstance(patch, FancyArrowPatch) for patch in axes.patches) == 4
    labels = {t.get_text() for t in axes.texts}
    assert {"nor_conv_3x3", "skip_connect", "avg_pool_3x3", "nor_conv_1x1"} <= labels
    assert "none" not in labels


def test_inputs_of_branches_pass_on_the_left_and_outputs_on_the_right() -> None:
    """Of atrous spatial pyramid pooling, four inputs and four outputs pass other branches; one of each is straight."""
    (axes,) = graph_figure(graph_of(find_genotype("ASPP"))).axes
    arrows = [patch for patch in axes.patches if isinstance(patch, FancyArrowPatch)]
    extents = [arrow.get_path().get_extents() for arrow in arrows]
    assert sum(extent.x0 < -1 for extent in extents) == sum(extent.x1 > 1 for extent in extents) == 4
    assert len(arrows) == 10


def test_a_png_is_written(tmp_path: Path) -> None:
    space = find_space(SpaceSettings(space="nas_rl", layers=3))
    draw_genotype(space.decode(space.sample(np.random.default_rng(0))), tmp_path / "chain.png")
    assert (tmp_path / "chain.png").read_bytes().startswith(b"\x89PNG")
