"""A folder of photos with the faults that such folders have: `python tests/own_photos.py FOLDER` makes one."""

import sys
from pathlib import Path

import numpy as np
import PIL.Image

COLORS = {"apple": (200, 40, 40), "leaf": (40, 180, 60), "sky": (60, 90, 220)}
ENDINGS = ("png", "jpg", "webp", "bmp", "gif", "tif")
BROKEN = "leaf/broken.jpg"


def make_photos(folder: Path, images: int = 12) -> Path:
    """Images of three classes, of one with a single image and of one without, beside other files.

    Args:
        folder: new.
        images: of each of the three classes, of several formats and sizes.
    """
    rng = np.random.default_rng(0)
    for name, color in COLORS.items():
        (folder / name).mkdir(parents=True)
        for number in range(images):
            _photo(rng, color).save(folder / name / f"{number}.{ENDINGS[number % len(ENDINGS)]}")
    (folder / "moon").mkdir()
    _photo(rng, (120, 120, 120)).save(folder / "moon/only.png")
    (folder / "empty").mkdir()
    _photo(rng, COLORS["sky"]).save(
        folder / "sky/film.jpg", "GIF", save_all=True, append_images=[_photo(rng, (0, 0, 9))]
    )
    _photo(rng, COLORS["apple"]).convert("RGBA").save(folder / "apple/transparent.png")
    (folder / "apple/notes.txt").write_text("taken in May\n")
    (folder / "list.csv").write_text("1.png,apple\n")
    hidden = folder / ".ipynb_checkpoints"
    hidden.mkdir()
    _photo(rng, COLORS["sky"]).save(hidden / "1-checkpoint.png")
    (folder / "sky/._1.jpg").write_bytes(b"\0\5\x16\7")
    whole = (folder / "leaf/1.jpg").read_bytes()
    (folder / BROKEN).write_bytes(whole[: len(whole) // 2])
    return folder


def _photo(rng: np.random.Generator, color: tuple[int, int, int]) -> PIL.Image.Image:
    """A noisy image of about a color, of 14 to 18 pixels a side; some are hard to tell from others."""
    size = rng.integers(14, 19, 2)
    pixels = np.asarray(color) + rng.normal(0, 45, 3) + rng.normal(0, 40, [*size, 3])
    return PIL.Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


if __name__ == "__main__":
    make_photos(Path(sys.argv[1]))
