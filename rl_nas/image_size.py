"""Sizes of images in flags: `32` for a square, `24x32` for height and width."""

import re

from rl_nas.errors import UsageError

MAX_SIDE = 32_768


def parse_image_size(text: str, flag: str = "image_size") -> tuple[int, int]:
    """Height and width in pixels; raises `UsageError`, which names the flag, for other text."""
    match = re.fullmatch(r"(\d{1,6})(?:x(\d{1,6}))?", text)
    size = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if min(size) < 1 or max(size) > MAX_SIDE:
        raise UsageError(
            f"--{flag}={text[:40]}: expected pixels, as N for a square or HxW for height and width, 1 to {MAX_SIDE}"
        )
    return size
