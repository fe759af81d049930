"""The size of images is found by looking at them, or one is proposed."""

from pathlib import Path

import PIL.Image
import pytest
from classifying import image_data, image_source

from rl_nas.child.data.image_sizes import found_size, proposed_side
from rl_nas.child.data.settings import DataSettings
from rl_nas.errors import UsageError


@pytest.mark.parametrize(
    ("sizes", "side"),
    [
        ({(28, 28): 9, (30, 30): 2}, 28),  # small: exactly the median
        ({(20, 45): 1}, 30),  # the square of as many pixels
        ({(63, 63): 1}, 63),
        ({(64, 64): 1}, 64),
        ({(100, 100): 3, (90, 90): 2}, 96),  # a multiple of 32
        ({(150, 150): 1, (170, 170): 1}, 160),
        ({(3000, 4000): 9, (20, 20): 1}, 224),  # what most networks of photos read
        ({(1, 1): 1}, 1),
    ],
)
def test_the_proposal_is_about_the_median_side(sizes: dict[tuple[int, int], int], side: int) -> None:
    assert proposed_side(sizes) == side


def test_one_size_is_the_size_and_several_are_refused_with_a_proposal() -> None:
    settings = DataSettings(dataset="folder:photos")
    assert found_size(settings, {(28, 30): 9}) == (28, 30)
    with pytest.raises(UsageError, match=r"folder:photos differ in size; give one to all with --image_size$"):
        found_size(settings, {})
    message = r"differ in size, 20x30 to 480x640 .* give one to all with --image_size, such as --image_size=224$"
    with pytest.raises(UsageError, match=message):
        found_size(settings, {(20, 30): 1, (480, 640): 5, (300, 300): 2})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(9):
            PIL.Image.new("RGB", (28, 24), (number, 0, 0)).save(tmp_path / name / f"{number}.png")
    return tmp_path


def test_a_common_size_needs_no_flag(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = image_source(DataSettings(dataset=f"folder:{folder}"))
    assert source.shape == (24, 28, 3)
    assert source.settings.image_size is None  # nothing is resized
    assert "image size: 24x28, that of all 18 images" in capsys.readouterr().err.splitlines()
    image_source(DataSettings(dataset=f"folder:{folder}", image_size=16))
    assert "image size" not in capsys.readouterr().err


def test_of_many_images_the_size_of_those_looked_at_is_given_to_all(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rl_nas.tasks.classification.folder._LOOKED_AT", 9)
    settings = DataSettings(dataset=f"folder:{folder}", valid_images=2)
    source = image_source(settings)
    assert (source.shape, source.settings.image_size) == ((24, 28, 3), "24x28")
    told = "image size: 24x28, that of the 9 of 18 images that were looked at"
    assert told in capsys.readouterr().err.splitlines()
    PIL.Image.new("RGB", (90, 80)).save(folder / "dog/large.png")
    assert image_data(settings).train_images.shape == (17, 24, 28, 3)


def test_sizes_that_differ_are_refused_with_the_flag_to_add(folder: Path) -> None:
    PIL.Image.new("RGB", (90, 80)).save(folder / "dog/large.png")
    with pytest.raises(UsageError, match=r"24x28 to 80x90 .* --image_size=26$"):
        image_source(DataSettings(dataset=f"folder:{folder}"))
