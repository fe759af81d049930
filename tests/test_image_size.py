"""Sizes of images: a square, or height and width."""

import pytest

from rl_nas.errors import UsageError
from rl_nas.image_size import parse_image_size


@pytest.mark.parametrize(("text", "size"), [("32", (32, 32)), ("24x32", (24, 32)), ("1x7", (1, 7))])
def test_a_number_is_a_square(text: str, size: tuple[int, int]) -> None:
    assert parse_image_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "0x3", "3x", "x3", "3x4x5", "-3", "3.5", "3X4", "many", "3x0"])
def test_others_are_one_line(text: str) -> None:
    with pytest.raises(UsageError, match=f"--image_size={text}: expected pixels, as N for a square or HxW"):
        parse_image_size(text)
