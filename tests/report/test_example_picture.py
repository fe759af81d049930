"""The picture of held-out images: nothing is clipped, nothing overlaps."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from rl_nas.evaluation.examples import Examples
from rl_nas.report.example_picture import draw_examples, examples_figure
from rl_nas.tasks.display import Key, Shown

COLOR = (200, 30, 60)


def examples(size: tuple[int, int], panels: tuple[str, ...], caption: str, keys: int = 0, scale: float = 1) -> Examples:
    picture = np.full([*size, 3], COLOR, np.uint8)
    shown = Shown(caption, dict.fromkeys(panels, picture), scale=scale)
    legend = [Key(number, f"some class {number}", COLOR, striped=number == 3) for number in range(keys)]
    return Examples({"The worst of 96": [shown] * 4, "Random ones": [shown] * 3}, legend)


SHEETS = {
    "masks": examples((90, 120), ("image", "target", "prediction"), "mIoU 0.123", keys=12),
    "tall": examples((400, 100), ("image", "target", "prediction"), "no labeled pixel", keys=60),
    "large": examples((600, 800), ("target", "prediction"), "10 right, 12 false, 11 missed", keys=4, scale=2),
    "wide": examples((100, 800), ("image", "target", "prediction"), "mIoU 0.123"),
    "tiny": examples((8, 8), ("image",), "golden retriever, predicted Chesapeake Bay retriever 0.99"),
    "one": Examples({"Random ones": [Shown("7", {"image": np.zeros([8, 8, 3], np.uint8)})]}, ()),
}


@pytest.mark.parametrize("name", SHEETS)
@pytest.mark.parametrize("title", ["trial 1, held-out mIoU 0.1590", "a title with " + "very " * 40 + "many words"])
def test_texts_lie_in_the_picture_and_apart(name: str, title: str) -> None:
    figure = examples_figure(SHEETS[name], title)
    renderer = FigureCanvasAgg(figure).get_renderer()
    (axes,) = figure.axes
    width, height = figure.get_size_inches() * figure.dpi
    boxes = [text.get_window_extent(renderer) for text in axes.texts if text.get_text()]
    boxes += [image.get_window_extent(renderer) for image in axes.images]
    for box in boxes:
        assert 0 <= box.x0 < box.x1 <= width, box
        assert 0 <= box.y0 < box.y1 <= height, box
    for place, box in enumerate(boxes):
        for other in boxes[:place]:
            over = min(box.x1, other.x1) - max(box.x0, other.x0), min(box.y1, other.y1) - max(box.y0, other.y0)
            assert min(over) < 1.5, (box, other)


def test_images_have_their_shape_and_colors(tmp_path: Path) -> None:
    draw_examples(SHEETS["masks"], tmp_path / "examples.png", "title")
    picture = np.asarray(PIL.Image.open(tmp_path / "examples.png").convert("RGB")).astype(int)
    is_color = np.abs(picture - COLOR).max(axis=-1) <= 1
    rows = np.flatnonzero(is_color.sum(axis=1) > 600)  # the panels, without the legend
    heights = [len(run) for run in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)]
    columns = np.flatnonzero(is_color[rows[0]])
    widths = [len(run) for run in np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)]
    assert len(heights) == 4
    assert len(widths) == 6
    assert np.array(heights).mean() / np.array(widths).mean() == pytest.approx(90 / 120, abs=0.02)
    assert [path.name for path in tmp_path.iterdir()] == ["examples.png"]
