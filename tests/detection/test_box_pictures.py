"""Boxes on images: where the lines are, in which colors, and what becomes of odd boxes."""

import io
from typing import Any

import numpy as np
import PIL.Image
import pytest

from rl_nas.tasks.colors import distinct_colors
from rl_nas.tasks.detection.display import SHOWN_SCORE, BoxDisplay
from rl_nas.tasks.detection.drawing import DASHED, DOTTED, SOLID, Outline, Style, draw_boxes
from rl_nas.tasks.detection.overlay import overlay_png
from rl_nas.tasks.detection.records import Detections

RED = (255, 0, 0)
GROUND = np.full([120, 160, 3], 200, np.uint8)


def drawn(*outlines: Outline, scale: float = 1) -> np.ndarray:
    return draw_boxes(GROUND, outlines, scale)


def is_color(picture: np.ndarray, color: Any) -> np.ndarray:
    return (picture == color).all(axis=-1)


def test_a_solid_line_lies_on_the_edges_with_dark_beside_it() -> None:
    picture = drawn(Outline((20, 30, 80, 130), RED), scale=2)  # 3 pixels wide
    red = is_color(picture, RED)
    expected = np.zeros_like(red)
    expected[19:82, 29:132] = True
    expected[22:79, 32:129] = False
    np.testing.assert_array_equal(red, expected)
    assert is_color(picture[18, 28:133], 0).all()
    assert is_color(picture[22:79, 32], 0).all()
    changed = ~is_color(picture, 200)
    assert changed[18:83, 28:133].sum() == changed.sum()
    assert not changed[23:78, 33:128].any()
    assert (GROUND == 200).all()


@pytest.mark.parametrize("style", [DASHED, DOTTED])
def test_other_lines_have_gaps_but_whole_corners(style: Style) -> None:
    red = is_color(drawn(Outline((20, 30, 80, 130), RED, style), scale=2), RED)
    assert red[[20, 20, 80, 80], [30, 130, 30, 130]].all()
    for side in (red[20, 30:131], red[80, 30:131], red[20:81, 30], red[20:81, 130]):
        assert 0.2 < side.mean() < 0.95
        np.testing.assert_array_equal(side, side[::-1])
    solid = is_color(drawn(Outline((20, 30, 80, 130), RED, SOLID), scale=2), RED)
    assert not (red & ~solid).any()


@pytest.mark.parametrize("style", [SOLID, DASHED, DOTTED])
@pytest.mark.parametrize(
    "box",
    [
        (-50, -50, 500, 500),
        (0, 0, 120, 160),
        (-1e30, 3, 1e30, 4),
        (10, 10, 10, 10),
        (50, 60, 40, 20),
        (300, 300, 400, 400),
        (5.4, 5.6, 7.9, 8.2),
    ],
)
def test_odd_boxes_are_drawn_inside_of_the_image(style: Style, box: tuple[float, ...]) -> None:
    picture = drawn(Outline(box, RED, style, "a long label " * 20))
    assert picture.shape == GROUND.shape
    assert is_color(picture, RED).any()
    drawn(Outline(box, RED, style, "é\n"), scale=7)


@pytest.mark.parametrize("box", [(40, 50, 80, 90), (0, 0, 50, 60), (60, 140, 119, 159), (2, 100, 40, 159)])
def test_labels_lie_in_the_image_beside_their_box(box: tuple[float, ...]) -> None:
    bare, labeled = drawn(Outline(box, (0, 0, 255))), drawn(Outline(box, (0, 0, 255), label="cat 0.5"))
    rows, columns = np.nonzero((bare != labeled).any(axis=-1))
    assert 8 <= np.ptp(rows) <= 20
    assert 25 <= np.ptp(columns) <= 70
    assert rows.max() <= box[0] + 1 or rows.min() >= box[0] - 2
    letters = labeled[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1, 0]
    assert letters.max() > 150  # light ones on blue


def target_of(*boxes: tuple[float, ...], ignore: int = 0) -> dict[str, np.ndarray]:
    """Padded to 9; the last ones may be ignored."""
    count = len(boxes)
    padded = np.zeros([9, 4], np.float32)
    padded[:count] = np.reshape(boxes, [count, 4])
    return {
        "boxes": padded,
        "labels": np.array([0] * count + [-1] * (9 - count), np.int32),
        "ignore": np.arange(9) >= count - ignore,
        "area": np.ones(9, np.float32),
        "size": np.array([120, 160], np.float32),
    }


def outputs_of(*found: tuple[tuple[float, ...], float]) -> dict[str, np.ndarray]:
    boxes, scores = np.zeros([20, 4], np.float32), np.zeros(20, np.float32)
    for number, (box, score) in enumerate(found):
        boxes[number], scores[number] = box, score
    return {"boxes": boxes, "scores": scores, "classes": np.zeros(20, np.int32), "count": np.int32(len(found))}


def test_examples_show_what_is_right_false_and_missed() -> None:
    display, image = BoxDisplay(("cat", "dog")), np.full([120, 160, 1], 90, np.uint8)
    one, two, crowd, wrong = (20, 20, 60, 60), (70, 20, 110, 60), (20, 90, 110, 150), (5, 70, 110, 88)
    target = target_of(one, two, crowd, ignore=1)
    outputs = outputs_of((one, 0.9), (wrong, 0.8), ((30, 100, 80, 140), 0.7), (two, SHOWN_SCORE - 0.01))
    assert display.quality(target, outputs) == pytest.approx(2 / (2 + 1 + 1))
    shown = display.show(image, target, outputs)
    assert shown.caption == "1 right, 1 false, 1 missed"
    colors = {key.name: key.color for key in shown.keys}
    assert sorted(colors) == ["false positive (dashed)", "ignored", "missed (dotted)", "right"]
    assert list(shown.panels) == ["target", "prediction"]
    for name, panel in shown.panels.items():
        assert panel.shape == (600, 800, 3)
        assert is_color(panel[100, 200:], colors["right"]).any()  # right side of the first box
        assert is_color(panel[550, 150:250], colors["missed (dotted)"]).any()
        assert is_color(panel[550, 360:430], colors["false positive (dashed)"]).any() == (name == "prediction")
        assert is_color(panel, colors["ignored"]).any()


def test_an_image_with_nothing_has_no_quality() -> None:
    display, nothing = BoxDisplay(("cat",)), outputs_of()
    assert display.quality(target_of(), nothing) is None
    shown = display.show(np.zeros([7, 3000, 3], np.uint8), target_of(), nothing)
    assert (shown.caption, shown.keys) == ("0 right, 0 false, 0 missed", frozenset())
    assert display.quality(target_of(), outputs_of(((0, 0, 9, 9), 0.9))) == 0


def opened(content: bytes) -> np.ndarray:
    return np.asarray(PIL.Image.open(io.BytesIO(content)).convert("RGB"))


def test_an_overlay_has_the_images_size_and_a_legend_beside_it() -> None:
    image = np.full([400, 600, 3], 128, np.uint8)
    found = Detections(
        np.array([[50.0, 60, 250, 300], [100, 350, 380, 500]]), np.array([0.9, 0.4]), np.array([300, 300])
    )
    names = [f"class {number}" for number in range(301)]
    picture = opened(overlay_png(image, found, names))
    assert picture.shape[0] == 400
    color = distinct_colors()[300 % len(distinct_colors())]
    assert is_color(picture[250, 60:300], color).all()
    assert is_color(picture[100:380, 500], color).all()
    assert is_color(picture[:, 600:], color).any()
    assert (picture[300:, :300] == 128).all()


def test_small_images_are_enlarged_and_may_hold_nothing() -> None:
    image = np.random.default_rng(0).integers(0, 255, [30, 40, 3], np.uint8)
    nothing = Detections(np.zeros([0, 4]), np.zeros(0), np.zeros(0, int))
    picture = opened(overlay_png(image, nothing, ("cat",)))
    np.testing.assert_array_equal(picture[:360:12, :480:12], image)
