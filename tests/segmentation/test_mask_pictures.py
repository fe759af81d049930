"""Masks in colors and as files."""

import io

import numpy as np
import PIL.Image
import pytest
from mask_files import png

from rl_nas.tasks.colors import cielab, distinct_colors
from rl_nas.tasks.display import Key
from rl_nas.tasks.segmentation.confusion import confusion, figures
from rl_nas.tasks.segmentation.display import MaskDisplay
from rl_nas.tasks.segmentation.label_map import LabelMap
from rl_nas.tasks.segmentation.masks import COLOR, IGNORE, MAX_CLASSES, decode_mask
from rl_nas.tasks.segmentation.metric import SegmentationMetric
from rl_nas.tasks.segmentation.overlay import mask_png, overlay_png
from rl_nas.tasks.segmentation.palette import make_palette


def opened(content: bytes) -> np.ndarray:
    return np.asarray(PIL.Image.open(io.BytesIO(content)).convert("RGB"))


def test_known_colors_have_their_places_in_cielab() -> None:
    """Values of sRGB's primaries, white D65, as they are published (Lindbloom), to a tenth."""
    colors = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0]], np.uint8)
    expected = [[53.2, 80.1, 67.2], [87.7, -86.2, 83.2], [32.3, 79.2, -107.9], [100, 0, 0], [0, 0, 0]]
    np.testing.assert_allclose(cielab(colors), expected, atol=0.15)


@pytest.mark.parametrize(("classes", "distance"), [(7, 25), (21, 25), (60, 20), (MAX_CLASSES, 12)])
def test_colors_differ_from_each_other_and_from_what_is_ignored(classes: int, distance: float) -> None:
    """A difference of about 2.3 can just be seen (Mahy et al. 1994)."""
    ignored = np.array([[0, 0, 0], [128, 128, 128]], np.uint8)
    places = cielab(np.concatenate([ignored, make_palette(classes)[:classes]]))
    apart = np.linalg.norm(places[:, np.newaxis] - places, axis=-1) + np.eye(len(places)) * 1e3
    assert apart.min() > distance


def test_a_class_has_the_same_color_however_many_there_are() -> None:
    assert distinct_colors().shape == (MAX_CLASSES, 3)
    np.testing.assert_array_equal(make_palette(5)[:5], make_palette(50)[:5])
    assert not make_palette(5)[5:].any()


def test_colors_of_a_data_set_win_if_every_class_has_one() -> None:
    labels = LabelMap(("road", "sky"), {COLOR + 0x804080: 0, COLOR + 0x4682B4: 1, COLOR: IGNORE, COLOR + 1: 0})
    assert labels.colors == {0: 0x804080, 1: 0x4682B4}
    assert MaskDisplay(labels.names, labels).palette[:3].tolist() == [[0x80, 0x40, 0x80], [0x46, 0x82, 0xB4], [0, 0, 0]]
    part = LabelMap(("road", "sky"), {COLOR + 0x804080: 0, 1: 1})
    np.testing.assert_array_equal(MaskDisplay(part.names, part).palette, make_palette(2))


def test_a_mask_file_has_class_numbers_as_its_values() -> None:
    mask = np.random.default_rng(0).integers(0, 30, [7, 9]).astype(np.uint8)
    palette = make_palette(30)
    content = mask_png(mask, palette)
    np.testing.assert_array_equal(decode_mask(content, "mask"), mask)
    np.testing.assert_array_equal(opened(content), palette[mask])


def test_an_overlay_is_half_image_and_half_mask_with_a_legend_beside_it() -> None:
    image = np.full([400, 300, 3], 101, np.uint8)
    colored = np.zeros([400, 300, 3], np.uint8)
    colored[:, 150:] = (200, 0, 50)
    legend = [(Key(0, "road", (200, 0, 50)), "road 50.0%")]
    found = opened(overlay_png(image, colored, legend))
    assert found.shape[0] == 400
    assert found[0, 0].tolist() == [51, 51, 51]
    assert found[0, 299].tolist() == [151, 51, 76]
    beside = found[:, 300:].reshape(-1, 3)
    assert (beside == (200, 0, 50)).all(axis=1).any()
    assert (beside == 255).all(axis=1).mean() > 0.9


def test_small_images_are_enlarged_and_long_legends_fit() -> None:
    image = np.zeros([10, 12, 3], np.uint8)
    keys = [Key(number, f"class {number}", (number, 0, 0)) for number in range(200)]
    found = opened(overlay_png(image, image, [(key, key.name) for key in keys]))
    assert found.shape[0] == 360
    assert not found[:360, : 12 * 36].any()
    colors = {tuple(color) for color in found[:, 12 * 36 :].reshape(-1, 3).tolist()}
    assert {key.color for key in keys} <= colors


@pytest.mark.parametrize("size", [(1, 20000), (20000, 1), (2, 700), (359, 1500), (1, 1)])
def test_overlays_of_narrow_images_stay_small(size: tuple[int, int]) -> None:
    image = np.zeros([*size, 3], np.uint8)
    legend = [(Key(number, f"class {number}", (number, 0, 0)), f"class {number}") for number in range(9)]
    found = PIL.Image.open(io.BytesIO(overlay_png(image, image, legend)))
    assert max(found.size) < max(size) + 1440 + 1000
    assert found.width * found.height < 360 * max(2 * 1440, 2 * max(size))


def test_ignored_pixels_are_striped_in_black_and_gray() -> None:
    target = np.full([12, 12], IGNORE, np.uint8)
    target[:4] = 1
    display = MaskDisplay(("road", "sky"))
    colored = display.colored(target)
    assert (colored[:4] == display.palette[1]).all()
    stripes = colored[4:].reshape(-1, 3)
    assert {tuple(color) for color in stripes.tolist()} == {(0, 0, 0), (130, 130, 130)}
    assert 0.3 < (stripes == 0).mean() < 0.7
    assert [(key.name, key.striped) for key in display.keys(target)] == [("ignored", True), ("sky", False)]


def test_the_quality_of_an_image_is_the_metric_on_it_alone() -> None:
    rng = np.random.default_rng(0)
    names = ("a", "b", "c", "d")
    for _ in range(20):
        target = rng.choice([0, 1, 2, IGNORE], [6, 5]).astype(np.uint8)
        predicted = rng.integers(0, 4, [6, 5]).astype(np.uint8)
        ious = []
        for number in range(4):
            is_target, is_predicted = target == number, (predicted == number) & (target != IGNORE)
            if (is_target | is_predicted).any():
                ious.append((is_target & is_predicted).sum() / (is_target | is_predicted).sum())
        display = MaskDisplay(names)
        assert display.quality(target, {"classes": predicted}) == pytest.approx(np.mean(ious))
        matrix = confusion(target, predicted, 4)
        metric = SegmentationMetric(names)
        metric.add({"confusion": matrix, "loss": np.zeros(())})
        assert figures(matrix, names) == {k: v for k, v in metric.result().items() if k != "loss"}


def test_an_image_without_labels_has_no_quality() -> None:
    target, predicted = np.full([3, 3], IGNORE, np.uint8), np.zeros([3, 3], np.uint8)
    display = MaskDisplay(("a", "b"))
    assert display.quality(target, {"classes": predicted}) is None
    shown = display.show(opened(png(predicted)), target, {"classes": predicted})
    assert shown.caption == "no labeled pixel"
    assert {key.name for key in shown.keys} == {"a", "ignored"}
