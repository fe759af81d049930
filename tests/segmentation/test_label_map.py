"""The meaning of the values of masks."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mask_files import png

from rl_nas.errors import UsageError
from rl_nas.tasks.segmentation.absent import absent_classes
from rl_nas.tasks.segmentation.class_list import ClassList, read_classes
from rl_nas.tasks.segmentation.label_map import LabelMap, make_label_map
from rl_nas.tasks.segmentation.mask_settings import MaskSettings
from rl_nas.tasks.segmentation.masks import COLOR, IGNORE, decode_mask


def written(folder: Path, text: str, name: str = "classes.txt") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def meanings(labels: LabelMap, *values: int) -> list[int]:
    return labels.classes_of(np.array([values], np.uint16), "a.png")[0].tolist()


def labels_of(**settings: Any) -> LabelMap:
    return make_label_map(MaskSettings(**settings))


def test_values_are_classes_from_0_on_and_255_is_ignored() -> None:
    labels = labels_of(classes=3)
    assert labels.names == ("0", "1", "2")
    assert meanings(labels, 0, 1, 2, 255) == [0, 1, 2, IGNORE]


def test_ignored_values_are_no_classes_so_that_the_others_move_up() -> None:
    """The masks of ADE20K (Zhou et al. 2017): 0 is other, 1 to 150 are the classes."""
    labels = labels_of(classes=150, ignore_label="0")
    assert meanings(labels, 0, 1, 150) == [IGNORE, 0, 149]
    assert meanings(labels_of(classes=4, ignore_label="1, 3,255"), 0, 1, 2, 3, 4, 5, 255) == [0, 255, 1, 255, 2, 3, 255]
    assert meanings(labels_of(classes=11, ignore_label=11), 10, 11) == [10, IGNORE]


def test_nothing_is_ignored_if_the_flag_says_so() -> None:
    labels = labels_of(classes=2, ignore_label="none")
    with pytest.raises(UsageError, match=r"a\.png has value 255; expected 0 to 1: give"):
        meanings(labels, 0, 255)


def test_a_value_without_a_meaning_is_named_with_its_file_and_what_would_help() -> None:
    with pytest.raises(
        UsageError,
        match=r"mask x/a\.png has value 11; expected 0 to 10, or 255 to be ignored: give the number of --classes, the"
        r" values of --ignore_label, or a --label_map",
    ):
        labels_of(classes=11).classes_of(np.array([[0, 11]], np.uint8), "x/a.png")


def test_a_file_names_classes_and_may_have_comments(tmp_path: Path) -> None:
    path = written(tmp_path, "# what we saw\n\nroad\n  traffic light \nélan\n#\n")
    assert read_classes(path) == ClassList(("road", "traffic light", "élan"))
    assert labels_of(classes=path).names == ("road", "traffic light", "élan")


@pytest.mark.parametrize("seed", range(10))
def test_a_colored_mask_of_random_classes_comes_back(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 40))
    numbers = rng.choice(2**24, count + 2, replace=False)
    colors = np.stack([numbers >> 16, (numbers >> 8) & 255, numbers & 255], axis=1)
    lines = [
        f"class {i} #{number:06x}" if i % 2 else f"class {i}\t{r} {g} {b}"
        for i, (number, (r, g, b)) in enumerate(zip(numbers[:-2], colors[:-2], strict=True))
    ]
    lines += ["ignore " + " ".join(map(str, color)) for color in colors[-2:]]
    labels = labels_of(classes=written(tmp_path, "\n".join(lines)))
    assert labels.names == tuple(f"class {i}" for i in range(count))
    classes = rng.integers(0, count + 2, rng.integers(1, 30, 2))
    mask = decode_mask(png(colors[classes].astype(np.uint8)), "a.png")
    np.testing.assert_array_equal(labels.classes_of(mask, "a.png"), np.where(classes < count, classes, IGNORE))


def test_colors_without_a_meaning_are_named(tmp_path: Path) -> None:
    mask = np.array([[COLOR + 0x102030]], np.int32)
    with pytest.raises(UsageError, match=r"a\.png has color #102030; expected values, as no colors are listed: list"):
        labels_of(classes=2).classes_of(mask, "a.png")
    labels = labels_of(classes=written(tmp_path, "a 0 0 0\nb 255 255 255"))
    with pytest.raises(UsageError, match="has color #102030; expected one of the 2 colors that are listed"):
        labels.classes_of(mask, "a.png")
    assert labels_of(classes=str(tmp_path / "classes.txt"), ignore_label="255,#102030").classes_of(mask, "a") == IGNORE


def test_a_label_map_gives_values_their_classes_and_the_classes_their_names(tmp_path: Path) -> None:
    path = written(tmp_path, "7 road\n8 sidewalk\n0-6 ignore\n#0a0b0c road\n20 traffic light", "map.txt")
    labels = labels_of(label_map=path)
    assert labels.names == ("road", "sidewalk", "traffic light")
    assert meanings(labels, *range(7), 7, 8, 20, 255) == [IGNORE] * 7 + [0, 1, 2, IGNORE]
    assert labels.classes_of(np.array([[COLOR + 0x0A0B0C]], np.int32), "a") == 0
    with pytest.raises(UsageError, match="has value 9; expected 7 to 8, 20, or 0 to 6, 255 to be ignored"):
        meanings(labels, 9)


def test_a_label_map_may_number_listed_classes_and_use_255(tmp_path: Path) -> None:
    """Masks of two classes are often black and white."""
    path = written(tmp_path, "0 background\n255 1", "map.txt")
    labels = labels_of(label_map=path, classes=written(tmp_path, "background\nthing"))
    assert meanings(labels, 0, 255) == [0, 1]


def test_the_labels_of_cityscapes_are_its_19_classes() -> None:
    """Their order is that of the train ids (Cordts et al. 2016)."""
    for name in ("cityscapes_labels.txt", "flags/cityscapes_labels.txt"):
        labels = labels_of(label_map=name)
        assert len(labels.names) == 19
        ids = [7, 8, 11, 12, 13, 17, *range(19, 29), 31, 32, 33]
        assert meanings(labels, *ids) == list(range(19))
        assert meanings(labels, *sorted({*range(34), 255} - set(ids))) == [IGNORE] * 16


def test_the_classes_of_voc_and_of_pets_come_along() -> None:
    voc = labels_of(classes="voc_classes.txt")
    assert (len(voc.names), voc.names[0], voc.names[20]) == (21, "background", "tv monitor")
    assert meanings(voc, 0, 20, 255) == [0, 20, IGNORE]
    assert meanings(labels_of(classes="oxford_pet_classes.txt", ignore_label=0), 1, 2, 3) == [0, 1, 2]


def test_the_classes_of_the_data_set_are_a_default_alone() -> None:
    own = ClassList(("a", "b"))
    assert make_label_map(MaskSettings(), own).names == ("a", "b")
    assert make_label_map(MaskSettings(classes="3"), own).names == ("0", "1", "2")
    with pytest.raises(UsageError, match="masks do not tell how many classes there are; give --classes=N, or a file"):
        make_label_map(MaskSettings())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "has no entries"),
        ("# a\n\n", "has no entries"),
        ("a", "1 classes; expected 2 to 254"),
        ("\n".join(map(str, range(255))), "255 classes; expected 2 to 254"),
        ("a\nb\na", "names class 'a' twice"),
        ("a\nignore", "line ignore without a color; give the value with --ignore_label"),
        ("a 1 2 3\nb", "line 'b' has no color and others have"),
        ("a 1 2 3\nb 4 5 256", "color 4 5 256 of 'b'; expected numbers from 0 to 255"),
        ("a 1 2 3\nb #010203", "gives color #010203 twice"),
    ],
)
def test_a_wrong_list_of_classes_is_one_line(tmp_path: Path, text: str, problem: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UsageError, match=problem) as caught:
        read_classes(path)
    assert str(caught.value).startswith(f"--classes={path}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("count", ["0", "1", "255", "9" * 9])
def test_a_wrong_number_of_classes_is_one_line(count: str) -> None:
    with pytest.raises(UsageError, match=f"--classes={count}: {int(count)} classes; expected 2 to 254"):
        read_classes(count)


def test_files_that_cannot_be_read_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"\xff\xfe\x00")
    for path, problem in ((tmp_path, "directory"), (tmp_path / "a", "No such file"), (tmp_path / "b", "not UTF-8")):
        for flags in ({"classes": str(path)}, {"label_map": str(path)}):
            with pytest.raises(UsageError, match=rf"--\w+={path}.*{problem}"):
                labels_of(**flags)
    with pytest.raises(UsageError, match=r"No such file|File name too long"):
        labels_of(classes="9" * 300)


@pytest.mark.parametrize(
    ("text", "classes", "problem"),
    [
        ("7", None, "line '7' has no class; expected VALUE CLASS"),
        ("road a\n1 b", None, "'road' is no value; expected 0 to 65535"),
        ("65536 0", "2", "'65536' is no value"),
        ("6-3 0", "2", "'6-3' is no value"),
        ("1 a\n1 b", None, "lists value 1 twice"),
        ("0-4 a\n3 b", None, "lists value 3 twice"),
        ("1 a\n2 3", None, "class number 3, and there are no names; give --classes too"),
        ("1 a\n2 ignore", None, "1 classes; expected 2 to 254"),
        ("1 0\n2 2", "2", "no class '2'; expected a name of --classes, a number below 2 or ignore"),
        ("1 0", "2", "no value for class '1'"),
    ],
)
def test_a_wrong_label_map_is_one_line(tmp_path: Path, text: str, classes: str | None, problem: str) -> None:
    path = written(tmp_path, text, "map.txt")
    with pytest.raises(UsageError, match=problem) as caught:
        labels_of(label_map=path, classes=classes)
    assert str(caught.value).startswith(f"--label_map={path}")
    assert "\n" not in str(caught.value)


def test_contradictions_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "0 a\n255 b", "map.txt")
    with pytest.raises(UsageError, match="has a class for value 255, which --ignore_label ignores"):
        labels_of(label_map=path, ignore_label="255")
    path = written(tmp_path, "a 0 0 0\nb 255 255 255")
    with pytest.raises(UsageError, match="#000000 is the color of a class"):
        labels_of(classes=path, ignore_label="#000000")
    for text in ("x", "1,,2", "-1", "70000"):
        with pytest.raises(UsageError, match=f"--ignore_label={text}: .* is no value; expected 0 to 65535"):
            labels_of(classes=2, ignore_label=text)


def test_absent_classes_are_named_in_one_line() -> None:
    assert absent_classes(np.array([1, 2]), ("a", "b")) is None
    line = absent_classes(np.array([1, 0]), ("a", "b"))
    assert line is not None
    assert line.startswith("class b has no pixel in the training masks")
    names = tuple("abcdefgh")
    line = absent_classes(np.zeros(8), names)
    assert line is not None
    assert "8 classes have no pixel in the training masks (a, b, c, d, e, ...)" in line


def test_numbers_of_many_digits_are_no_classes(tmp_path: Path) -> None:
    label_map = written(tmp_path, f"0 0\n1 {'9' * 5000}\n", "map.txt")
    with pytest.raises(UsageError, match="no class '9999"):
        labels_of(classes="2", label_map=label_map)
