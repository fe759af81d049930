"""Masks are found by their names."""

import numpy as np
import pytest

from rl_nas.errors import UsageError
from rl_nas.tasks.segmentation.matching import match_names


def test_equal_names_belong_together_whatever_the_type_of_the_file() -> None:
    found = match_names(["a.jpg", "b/a.JPEG", "c.png"], ["a.png", "b/a.png", "c.png"])
    assert found.masks == {"a.jpg": "a.png", "b/a.JPEG": "b/a.png", "c.png": "c.png"}
    assert (found.images_left, found.masks_left) == ([], [])


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("{}.jpg", "{}_L.png"),
        ("{}.jpg", "{}_mask.png"),
        ("{}.jpg", "{}-mask.png"),
        ("{}.jpg", "{}.mask.png"),
        ("{}_leftImg8bit.png", "{}_gtFine_labelIds.png"),
        ("{}_leftImg8bit.png", "{}.png"),
        ("{}_rgb.png", "{}_rgb_seg.png"),
    ],
)
@pytest.mark.parametrize("seed", range(5))
def test_the_suffix_of_a_data_set_is_found(image: str, mask: str, seed: int) -> None:
    """Names may begin like others, and have the separators of suffixes within them."""
    rng = np.random.default_rng(seed)
    drawn = {"".join(rng.choice(list("ab_1"), rng.integers(1, 6))) for _ in range(30)}
    names = ["aachen_000000_000019", "aachen_000001_000019"]
    names += sorted(name for name in drawn if not name.startswith("_"))
    found = match_names([image.format(name) for name in names], [mask.format(name) for name in names])
    assert found.masks == {image.format(name): mask.format(name) for name in names}


def test_of_two_suffixes_the_one_that_fits_more_images_wins_and_the_rest_is_left() -> None:
    images = ["a.jpg", "b.jpg", "c.jpg"]
    found = match_names(images, ["a_mask.png", "b_mask.png", "a_old.png", "d_mask.png"])
    assert found.masks == {"a.jpg": "a_mask.png", "b.jpg": "b_mask.png"}
    assert (found.images_left, found.masks_left) == (["c.jpg"], ["a_old.png", "d_mask.png"])


def test_several_suffixes_that_fit_alike_are_a_question() -> None:
    """Cityscapes has three images in the folder of its masks for each picture."""
    images = [f"{name}_leftImg8bit.png" for name in "ab"]
    masks = [f"{name}_gtFine_{kind}.png" for name in "ab" for kind in ("color", "instanceIds", "labelIds")]
    with pytest.raises(UsageError, match="_gtFine_color, _gtFine_instanceIds, _gtFine_labelIds fit 2 images each"):
        match_names(images, masks)
    found = match_names(images, masks, "_gtFine_labelIds")
    assert found.masks == {f"{name}_leftImg8bit.png": f"{name}_gtFine_labelIds.png" for name in "ab"}
    assert match_names(["a.jpg"], ["a.png", "a_color.png"]).masks == {"a.jpg": "a.png"}


def test_a_longer_name_is_no_suffix() -> None:
    found = match_names(["img1.jpg"], ["img11.png"])
    assert (dict(found.masks), found.images_left, found.masks_left) == ({}, ["img1.jpg"], ["img11.png"])


def test_two_images_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match=r"images a\.jpg and a\.png have the same name; rename or remove one"):
        match_names(["a.jpg", "a.png"], ["a.png"])


def test_nothing_matches_nothing() -> None:
    assert match_names([], []).masks == {}
    assert match_names([], ["a.png"]).masks_left == ["a.png"]
