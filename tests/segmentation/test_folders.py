"""Folders of images with masks."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from mask_files import palette_png, png, saved, write, write_pair
from PIL import Image

from rl_nas.child.data.image_decoding import decode_image
from rl_nas.child.data.input_pipeline import InputPipeline
from rl_nas.child.data.settings import DataSettings, InputPipelineSettings
from rl_nas.errors import UsageError
from rl_nas.tasks.segmentation.folders import MaskFolder, mask_folder
from rl_nas.tasks.segmentation.masks import decode_mask
from rl_nas.tasks.sources import open_source

SPLITS = {"train": 5, "val": 2, "test": 3}
PLACES = {
    "above": ("{split}/images", "{split}/masks"),
    "below": ("images/{split}", "masks/{split}"),
    "cities": ("images/{split}/town", "masks/{split}/town"),
}


def fill(root: Path, images: str, masks: str, splits: dict[str, int], ends: tuple[str, str] = (".jpg", ".png")) -> None:
    """Writes pairs whose value is their number."""
    for split, count in splits.items():
        for number in range(count):
            image = root / images.format(split=split) / f"{number:02}{ends[0]}"
            write_pair(image, root / masks.format(split=split) / f"{number:02}{ends[1]}", number)


def opened(root: Path, suffix: str | None = None) -> tuple[MaskFolder, list[str]]:
    """A folder, and what is told about it."""
    found = mask_folder(str(root), suffix)
    assert found is not None
    return found, list(found.remarks)


def values(folder: MaskFolder, split: str, seed: int | None = None) -> list[tuple[int, int, int]]:
    """Number of each example, the value of its image and that of its mask."""
    found = []
    for number, example in folder.read(split, seed).as_numpy_iterator():
        image = tf.io.decode_image(example["image"]).numpy()
        mask = decode_mask(example["mask"], example["mask/filename"].decode())
        assert image.shape[:2] == mask.shape
        found.append((int(number), round(image.mean()), round(mask.mean())))
    return found


def assert_numbered(found: Sequence[tuple[int, int, int]], count: int) -> None:
    """Each image is there once with its own mask; JPEG's error is one level."""
    assert sorted(number for number, _, _ in found) == list(range(count))
    assert all(abs(image - number) <= 1 and mask == number for number, image, mask in found)


@pytest.mark.parametrize("layout", PLACES)
@pytest.mark.parametrize("ends", [(".jpg", ".png"), (".png", "_L.png"), ("_leftImg8bit.png", "_gtFine_labelIds.png")])
def test_images_and_masks_are_found_in_every_layout(tmp_path: Path, layout: str, ends: tuple[str, str]) -> None:
    fill(tmp_path, *PLACES[layout], SPLITS, ends)
    folder, told = opened(tmp_path)
    assert (folder.sizes, told) == (SPLITS, [])
    assert (folder.name, folder.supervised, folder.upright) == (tmp_path.name, ("image", "mask"), True)
    for split, count in SPLITS.items():
        assert_numbered(values(folder, split), count)
        within = "town/" if layout == "cities" else ""
        assert folder.names(split) == [f"{within}{number:02}{ends[0]}" for number in range(count)]
    assert folder.unreadable() == {}


@pytest.mark.parametrize("ends", [(".bmp", ".tif"), (".tif", ".bmp"), (".gif", ".png"), (".webp", ".png")])
def test_images_and_masks_of_all_formats_are_trained_on(
    tmp_path: Path, ends: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path, *PLACES["below"], {"train": 5}, ends)
    source = open_source(DataSettings(dataset=str(tmp_path), valid_images=1), flags={"classes": "5"}).source
    assert "image size: 4x6, that of all 5 images" in capsys.readouterr().err.splitlines()
    decoded = list(source.part("train").map(source.decode_both).as_numpy_iterator())
    assert len(decoded) == 4
    for image, mask in decoded:
        assert abs(image.mean() - mask.mean()) <= 1  # WebP's error, as JPEG's, is one level
        assert len(np.unique(mask)) == 1


def test_lists_of_voc_find_images_of_other_types(tmp_path: Path) -> None:
    fill(tmp_path, "JPEGImages", "SegmentationClass", {"train": 3}, (".tif", ".bmp"))
    write_pair(tmp_path / "JPEGImages/02.jpg", tmp_path / "SegmentationClass/02.png", 9)  # the usual ones come first
    write(tmp_path / "ImageSets/Segmentation/train.txt", b"00\n01\n02")
    folder, _ = opened(tmp_path)
    assert folder.names("train") == ["00", "01", "02"]
    assert [mask for _, _, mask in values_of_any_type(folder)] == [0, 1, 9]


def values_of_any_type(folder: MaskFolder) -> list[tuple[int, int, int]]:
    read = folder.read("train").as_numpy_iterator()
    return [
        (
            int(number),
            round(decode_image(tf.constant(one["image"]), 3).numpy().mean()),
            round(decode_mask(one["mask"], "a").mean()),
        )
        for number, one in read
    ]


def test_all_broken_images_are_named_at_once(tmp_path: Path) -> None:
    fill(tmp_path, *PLACES["above"], SPLITS)
    for file in ("train/images/01.jpg", "test/images/02.jpg"):
        write(tmp_path / file, b"<html>")
    with pytest.raises(UsageError, match=r"^2 files cannot be decoded; .*test/images/02\.jpg, .*train/images/01\.jpg$"):
        opened(tmp_path)


def test_without_splits_all_is_for_training(tmp_path: Path) -> None:
    fill(tmp_path, "images", "masks", {"train": 4})
    folder, _ = opened(tmp_path)
    assert folder.sizes == {"train": 4}
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert folder.bytes("train") == sum(file.stat().st_size for file in files)


def test_a_seed_permutes_the_examples_and_keeps_their_numbers(tmp_path: Path) -> None:
    fill(tmp_path, "images", "masks", {"train": 20})
    folder, _ = opened(tmp_path)
    first, again, other = (values(folder, "train", seed) for seed in (1, 1, 2))
    assert_numbered(first, 20)
    assert first == again != other
    assert values(folder, "train") == sorted(first)


def test_images_of_one_size_tell_it(tmp_path: Path) -> None:
    fill(tmp_path, "images", "masks", {"train": 2})
    folder, _ = opened(tmp_path)
    assert folder.features["image"].shape == (4, 6, 3)
    write_pair(tmp_path / "images/z.jpg", tmp_path / "masks/z.png", size=(7, 5))
    folder, _ = opened(tmp_path)
    assert folder.features["image"].shape == (None, None, 3)


def test_classes_stand_beside_the_images(tmp_path: Path) -> None:
    fill(tmp_path, "images", "masks", {"train": 2})
    assert opened(tmp_path)[0].features["mask"].classes is None
    write(tmp_path / "classes.txt", b"sky\nground")
    assert opened(tmp_path)[0].features["mask"].classes.names == ("sky", "ground")
    write(tmp_path / "classes.txt", b"sky\nsky")
    with pytest.raises(UsageError, match=r"classes\.txt names class 'sky' twice"):
        opened(tmp_path)


def test_other_folders_are_none_of_ours(tmp_path: Path) -> None:
    assert mask_folder(str(tmp_path / "absent")) is None
    assert mask_folder("gs://bucket/folder") is None
    assert mask_folder(str(tmp_path)) is None
    write_pair(tmp_path / "train/cat/0.png", tmp_path / "train/dog/0.png")  # classification
    write(tmp_path / "images/0.png", b"")
    assert mask_folder(str(tmp_path)) is None


def test_what_is_left_out_is_told_once(tmp_path: Path) -> None:
    fill(tmp_path, *PLACES["below"], SPLITS)
    write(tmp_path / "masks/train/8.png", png(np.zeros([4, 6], np.uint8)))
    write(tmp_path / "masks/train/9.png", png(np.zeros([4, 6], np.uint8)))
    write(tmp_path / "images/val/notes.txt", b"")
    write(tmp_path / "images/val/.hidden", b"")
    shutil.rmtree(tmp_path / "masks/test")
    folder, told = opened(tmp_path)
    assert folder.sizes == {"train": 5, "val": 2}
    assert told == [
        f"{tmp_path}: split test has no masks and is left out",
        f"{tmp_path}: masks without an image: 2, such as {tmp_path}/masks/train/8.png; left out",
        f"{tmp_path}: left out what is no image: 1 .txt, such as {tmp_path}/images/val/notes.txt",
    ]


def test_files_beside_splits_and_links_to_folders_are_told(tmp_path: Path) -> None:
    fill(tmp_path, *PLACES["below"], SPLITS)
    write_pair(tmp_path / "images/loose.jpg", tmp_path / "masks/extra/0.png")
    (tmp_path / "images/train/more").symlink_to(tmp_path / "images/val")
    folder, told = opened(tmp_path)
    assert folder.sizes == SPLITS
    assert told == [
        f"{tmp_path}: files beside the folders of splits: 1, such as {tmp_path}/images/loose.jpg; left out",
        f"{tmp_path}: masks without an image: 1, such as {tmp_path}/masks/extra/0.png; left out",
        f"{tmp_path}: left out what is no image: 1 without an extension, such as {tmp_path}/images/train/more",
    ]


def test_splits_of_other_names_are_not_mixed(tmp_path: Path) -> None:
    fill(tmp_path, *PLACES["below"], {"training": 2, "validation": 1})
    assert opened(tmp_path)[0].sizes == {"train": 2, "validation": 1}


@pytest.mark.parametrize("place", ["above", "below"])
def test_numbers_and_capitals_of_splits_do_not_count(tmp_path: Path, place: str) -> None:
    fill(tmp_path, *PLACES[place], {"Train": 3, "val2017": 2})
    folder, told = opened(tmp_path)
    assert (folder.sizes, told) == ({"train": 3, "val": 2}, [])


def test_folders_that_may_have_been_meant_as_splits_are_told(tmp_path: Path) -> None:
    fill(tmp_path, *PLACES["below"], {"one": 3, "two": 2})
    folder, told = opened(tmp_path)
    assert folder.sizes == {"train": 5}
    assert told == [f"{tmp_path}: folders that are no splits: 2, such as {tmp_path}/images/one; all are for training"]


def test_an_image_without_a_mask_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, *PLACES["above"], SPLITS)
    (tmp_path / "val/masks/01.png").unlink()
    (tmp_path / "train/masks/04.png").unlink()
    with pytest.raises(UsageError, match=rf"{tmp_path}: images without a mask: 2, such as .*/04\.jpg; add masks"):
        opened(tmp_path)
    with pytest.raises(UsageError, match="images without a mask: 5, such as"):
        opened(tmp_path, suffix="_mask")


def test_one_folder_in_two_layouts_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, *PLACES["above"], {"train": 1})
    fill(tmp_path, *PLACES["below"], {"train": 1})
    with pytest.raises(UsageError, match="has images both in itself and in train; expected one of them"):
        opened(tmp_path)


def test_empty_folders_are_refused(tmp_path: Path) -> None:
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    with pytest.raises(UsageError, match="but no image in them"):
        opened(tmp_path)


def test_a_mask_of_another_size_or_kind_is_refused_by_its_header(tmp_path: Path) -> None:
    fill(tmp_path, "images", "masks", {"train": 3})
    mask = tmp_path / "masks/01.png"
    write(mask, png(np.zeros([6, 4], np.uint8)))
    with pytest.raises(UsageError, match=rf"mask {mask} has 6x4 pixels, its image 4x6; expected as many"):
        opened(tmp_path)
    write(mask, saved(Image.new("L", (6, 4)), "JPEG"))
    with pytest.raises(UsageError, match=rf"mask {mask} is a JPEG"):
        opened(tmp_path)
    mask.rename(mask.with_suffix(".jpg"))
    with pytest.raises(UsageError, match=r"masks/01\.jpg is a JPEG"):
        opened(tmp_path)


def test_a_mask_that_is_too_large_for_memory_is_not_read(tmp_path: Path) -> None:
    fill(tmp_path, "images", "masks", {"train": 3})
    mask = tmp_path / "masks/01.png"
    os.truncate(mask, 2**30 + 1)  # takes no room on the disk
    with pytest.raises(UsageError, match=f"{mask} cannot be read: has 1,073,741,825 bytes; expected at most"):
        opened(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no image", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n" + bytes(100)])
def test_a_broken_image_is_refused_by_its_header(tmp_path: Path, content: bytes) -> None:
    fill(tmp_path, "images", "masks", {"train": 2})
    image = write(tmp_path / "images/01.jpg", content)
    with pytest.raises(UsageError, match=f"^{image} cannot be decoded; fix or remove it$"):
        opened(tmp_path)


def test_a_file_that_breaks_off_is_named(tmp_path: Path) -> None:
    fill(tmp_path, "images", "masks", {"train": 3}, (".png", ".png"))
    folder, _ = opened(tmp_path)
    broken = [tmp_path / name for name in ("images/01.png", "images/02.png", "masks/02.png")]
    for file in broken:
        file.write_bytes(file.read_bytes()[:45])
    assert folder.unreadable() == {str(file): "cannot be decoded; fix or remove it" for file in broken}


def test_a_wrong_mask_of_a_final_test_is_found_without_a_training(tmp_path: Path) -> None:
    """Images and masks are decoded: a value that is no class, and pixels that break off after a right header."""
    fill(tmp_path, "{split}/images", "{split}/masks", {"train": 2, "val": 2, "test": 3}, (".png", ".png"))
    settings = DataSettings(dataset=f"folder:{tmp_path}", valid_split="val", image_size=16)
    source = open_source(settings, "segmentation", {"classes": 3}, tell=lambda line: None).source
    pipeline = InputPipeline(source, InputPipelineSettings(), seed=0)
    pipeline.check("valid")
    pipeline.check("test")
    mask, image = tmp_path / "test/masks/02.png", tmp_path / "val/images/01.png"
    mask.write_bytes(png(np.full((4, 6), 7, np.uint8)))
    with pytest.raises(UsageError, match=f"mask {mask} has value 7; expected 0 to 2"):
        pipeline.check("test")
    image.write_bytes(image.read_bytes()[:45])
    with pytest.raises(UsageError, match=f"{image} cannot be decoded; fix or remove it"):
        pipeline.check("valid")


def test_masks_are_of_images_as_they_are_stored(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    write(tmp_path / "images/a.jpg", saved(Image.new("RGB", (6, 4)), "JPEG", exif=exif))
    write(tmp_path / "masks/a.png", png(np.zeros([4, 6], np.uint8)))
    assert opened(tmp_path)[0].features["image"].shape == (6, 4, 3)
    write(tmp_path / "masks/a.png", png(np.zeros([6, 4], np.uint8)))
    expected = r"mask .*/masks/a\.png has 6x4 pixels, as its image turned upright; expected 4x6, those that are stored"
    with pytest.raises(UsageError, match=expected):
        opened(tmp_path)


def test_links_out_of_a_folder_are_not_followed(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    fill(root, "images", "masks", {"train": 2})
    write_pair(elsewhere / "a.jpg", elsewhere / "a.png")
    (root / "images/02.jpg").symlink_to(elsewhere / "a.jpg")
    (root / "masks/02.png").symlink_to(root / "masks/01.png")  # within the folder they are
    with pytest.raises(UsageError, match=r"images/02\.jpg is a link out of the folder"):
        opened(root)
    (root / "images/02.jpg").unlink()
    (root / "images/02.jpg").symlink_to(root / "images/01.jpg")
    assert opened(root)[0].sizes == {"train": 3}
    (tmp_path / "link").symlink_to(root)
    assert opened(tmp_path / "link")[0].sizes == {"train": 3}


def test_the_list_of_classes_is_no_link_to_elsewhere(tmp_path: Path) -> None:
    root = tmp_path / "root"
    fill(root, "images", "masks", {"train": 2})
    write(tmp_path / "secret.txt", b"sky\nground")
    for target in (tmp_path / "secret.txt", tmp_path / "absent.txt", Path("/etc/hostname")):
        (root / "classes.txt").unlink(missing_ok=True)
        (root / "classes.txt").symlink_to(target)
        with pytest.raises(UsageError, match=r"classes\.txt is a link out of the folder"):
            opened(root)
    write(root / "names.txt", b"sky\nground")
    (root / "images/circle.jpg").symlink_to("circle.jpg")
    write(root / "masks/circle.png", png(np.zeros([4, 6], np.uint8)))
    (root / "classes.txt").unlink()
    (root / "classes.txt").symlink_to("names.txt")
    with pytest.raises(UsageError, match=r"no file .*circle\.jpg"):
        opened(root)
    (root / "images/circle.jpg").unlink()
    assert opened(root)[0].features["mask"].classes.names == ("sky", "ground")


def test_a_broken_link_among_the_lists_of_voc_is_refused(tmp_path: Path) -> None:
    write_voc(tmp_path / "voc", {"train": ["1"]})
    (tmp_path / "voc/ImageSets/Segmentation/val.txt").symlink_to(tmp_path / "absent.txt")
    with pytest.raises(UsageError, match=r"val\.txt is a link out of the folder"):
        opened(tmp_path / "voc")


def write_voc(root: Path, splits: dict[str, list[str]]) -> None:
    palette = np.random.default_rng(0).integers(0, 256, [256, 3])
    for split, names in splits.items():
        write(root / f"ImageSets/Segmentation/{split}.txt", "".join(f"{name}\n" for name in names).encode())
        for name in names:
            write(root / f"JPEGImages/{name}.jpg", saved(Image.new("RGB", (3, 2)), "JPEG"))
            mask = palette_png(np.full([2, 3], int(name[-1])), palette)
            write(root / f"SegmentationClass/{name}.png", mask)


def test_voc_is_read_by_its_lists(tmp_path: Path) -> None:
    write_voc(tmp_path, {"train": ["2007_1", "2007_2"], "val": ["2008_3"], "trainval": ["2007_1", "2007_2", "2008_3"]})
    write(tmp_path / "JPEGImages/unlisted.jpg", b"")
    folder, told = opened(tmp_path)
    assert (folder.sizes, told) == ({"train": 2, "val": 1}, [])
    assert [mask for _, _, mask in values(folder, "train")] == [1, 2]
    assert folder.names("val") == ["2008_3"]


def test_a_secret_test_of_voc_is_left_out(tmp_path: Path) -> None:
    write_voc(tmp_path, {"train": ["1", "2"], "test": ["3"]})
    (tmp_path / "SegmentationClass/3.png").unlink()
    folder, told = opened(tmp_path)
    assert (folder.sizes, told) == ({"train": 2}, [f"{tmp_path}: split test has no masks and is left out"])
    (tmp_path / "SegmentationClass/2.png").unlink()
    with pytest.raises(UsageError, match=r"images without a mask: 1 of split train, such as .*2\.jpg"):
        opened(tmp_path)


@pytest.mark.parametrize("entry", ["../a", "/etc/passwd", "a/b", "..", ".", r"..\a", ".hidden", "a\0b"])
def test_a_list_leads_nowhere_else(tmp_path: Path, entry: str) -> None:
    write_voc(tmp_path, {"train": ["1"]})
    write(tmp_path / "ImageSets/Segmentation/train.txt", f"1\n{entry}\n".encode())
    with pytest.raises(UsageError, match="expected names of images, without a folder") as caught:
        opened(tmp_path)
    assert "\n" not in str(caught.value)


def test_broken_lists_are_one_line(tmp_path: Path) -> None:
    write_voc(tmp_path, {"train": ["1"]})
    file = tmp_path / "ImageSets/Segmentation/train.txt"
    write(file, b"1\n1\n")
    with pytest.raises(UsageError, match="names 1 images more than once"):
        opened(tmp_path)
    write(file, b"1\n2\n")
    write(tmp_path / "SegmentationClass/2.png", png(np.zeros([2, 3], np.uint8)))
    with pytest.raises(UsageError, match=r"no file .*2\.jpg"):
        opened(tmp_path)
    write(file, b"\xff\xfe")
    with pytest.raises(UsageError, match=r"cannot be read .*; expected a name of an image in each line"):
        opened(tmp_path)
    file.unlink()
    file.symlink_to("/etc/hostname")
    with pytest.raises(UsageError, match="is a link out of the folder"):
        opened(tmp_path)
    file.unlink()
    with pytest.raises(UsageError, match=r"has none of train\.txt, val\.txt, test\.txt"):
        opened(tmp_path)


def test_names_of_files_need_not_be_utf_8(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    for number, stem in enumerate((name, "b")):
        write_pair(tmp_path / f"images/{stem}.png", tmp_path / f"masks/{stem}.png", number)
    folder, _ = opened(tmp_path)
    assert_numbered([(image, image, mask) for _, image, mask in values_of_any_type(folder)], 2)
    write(tmp_path / f"images/{name}.png", b"no image")
    assert list(folder.unreadable()) == [f"{tmp_path}/images/{name}.png"]


def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its images would be missing without a word."""
    fill(tmp_path, "images/{split}/town", "masks/{split}/town", SPLITS)
    scandir = os.scandir

    def closed(path: Path) -> object:
        if Path(path) == tmp_path / "images/train/town":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(UsageError, match=r"/images/train/town cannot be read: Permission denied; its files would be"):
        mask_folder(str(tmp_path))
