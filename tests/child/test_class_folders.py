"""What a folder of classes holds, and what of it is no class and no image."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from rl_nas.errors import UsageError
from rl_nas.tasks.classification.folder import ClassFolder, class_folder


def write(path: Path, size: tuple[int, int] = (6, 4)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.new("RGB", size).save(path)
    return path


def fill(root: Path, classes: Sequence[str] = ("cat", "dog"), count: int = 3) -> Path:
    for name in classes:
        for number in range(count):
            write(root / name / f"{number}.png")
    return root


def opened(root: Path | str, **options: bool) -> ClassFolder:
    found = class_folder(str(root), **options)
    assert found is not None
    return found


def told(root: Path) -> str:
    return "\n".join(opened(root).remarks)


def class_names(folder: ClassFolder) -> list[str]:
    names: list[str] = folder.features["label"].names
    return names


def refusal(root: Path) -> str:
    with pytest.raises(UsageError) as raised:
        class_folder(str(root))
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_folders_of_classes_are_the_training_split_of_the_other_layout(tmp_path: Path) -> None:
    flat, split = opened(fill(tmp_path / "flat", count=20)), opened(fill(tmp_path / "split/train", count=20).parent)
    assert flat.sizes == split.sizes == {"train": 40}
    assert flat.names("train") == split.names("train")  # and so the held-out images
    assert list(flat.listing("train")) == list(split.listing("train"))
    assert flat.remarks == [f"{tmp_path}/flat: 2 folders are classes: cat, dog"]
    assert split.remarks == []
    files = [example["image/filename"].numpy().decode() for _, example in flat.read("train")]
    assert files == [f"{tmp_path}/flat/{name}" for name in flat.names("train")]


def test_a_bucket_has_both_layouts(tmp_path: Path) -> None:
    content = write(tmp_path / "a.png").read_bytes()
    for place in ("flat", "split/train"):
        for name in ("cat/0.png", "cat/more/1.png", "dog/0.png", "dog/notes.txt", ".git/0.png"):
            tf.io.gfile.makedirs(f"ram://{place}/{name.rpartition('/')[0]}")
            tf.io.gfile.GFile(f"ram://{place}/{name}", "wb").write(content)
    flat, split = opened("ram://flat"), opened("ram://split")
    assert flat.names("train") == split.names("train")
    assert sorted(flat.names("train")) == ["cat/0.png", "cat/more/1.png", "dog/0.png"]
    assert flat.image_sizes == {}
    assert [example["image"].numpy() for _, example in flat.read("train")] == [content] * 3


@pytest.mark.parametrize("name", ["train", "Train", "TRAIN", "training", "train2017"])
def test_splits_are_found_by_their_names(tmp_path: Path, name: str) -> None:
    for split in (name, "Val", "testing"):
        fill(tmp_path / split)
    assert opened(tmp_path).sizes == {"train": 6, "val": 6, "test": 6}


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    """A folder called as a split is one where it has folders, not images."""
    folder = opened(fill(tmp_path, ("train", "tram", "test")))
    assert (class_names(folder), folder.sizes) == (["test", "train", "tram"], {"train": 9})


def test_splits_without_one_to_train_on_or_with_two_are_one_line(tmp_path: Path) -> None:
    fill(tmp_path / "one/val"), fill(tmp_path / "one/test")
    assert "has folders test, val of splits; expected one named train, too" in refusal(tmp_path / "one")
    fill(tmp_path / "two/train"), fill(tmp_path / "two/Train")
    assert "has folders Train and train for split train; expected one for each" in refusal(tmp_path / "two")


def test_hidden_folders_and_files_are_no_classes_and_no_images(tmp_path: Path) -> None:
    fill(tmp_path)
    for name in (".ipynb_checkpoints/0.png", ".git/a.png", "__MACOSX/cat/0.png", "@eaDir/0.png", "cat/._0.png"):
        write(tmp_path / name)
    for name in (".DS_Store", "Thumbs.db", "cat/.DS_Store", "cat/Thumbs.db", "cat/desktop.ini"):
        (tmp_path / name).write_bytes(b"")
    folder = opened(tmp_path)
    assert (class_names(folder), folder.sizes) == (["cat", "dog"], {"train": 6})
    assert folder.remarks[1:] == [
        f"{tmp_path}: left out what is no image in the folder of a class: 4 hidden folders, 1 hidden files"
    ]


def test_empty_folders_are_no_classes(tmp_path: Path) -> None:
    fill(tmp_path / "train"), fill(tmp_path / "test")
    (tmp_path / "train/emu").mkdir()
    (tmp_path / "test/fox").mkdir()
    (tmp_path / "train/gnu/more").mkdir(parents=True)
    (tmp_path / "train/gnu/notes.txt").write_text("")
    assert class_names(opened(tmp_path)) == ["cat", "dog"]
    assert f"{tmp_path}: folders without an image, which are no classes: test/fox, train/emu, train/gnu" in told(
        tmp_path
    )


def test_what_is_left_out_is_told_once_by_kind(tmp_path: Path) -> None:
    fill(tmp_path / "train")
    for number in range(3):
        (tmp_path / f"train/dog/{number}.avif").write_bytes(b"")
    for name in ("train/dog/a.csv", "train/cat/LICENSE", "train/labels.csv", "train/loose.png"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "train/cat/link").symlink_to(tmp_path / "train/dog")
    assert told(tmp_path) == (
        f"{tmp_path}: left out what is no image in the folder of a class: 3 .avif, 1 .csv, 1 .csv beside the folders of"
        " classes, 1 .png beside the folders of classes, 1 links to folders, 1 without an extension"
    )


def test_images_in_deeper_folders_are_those_of_their_class(tmp_path: Path) -> None:
    fill(tmp_path)
    write(tmp_path / "dog/2024/may/0.png")
    folder = opened(tmp_path)
    assert "dog/2024/may/0.png" in folder.names("train")
    assert folder.labels("train", "label").sum() == 4


def test_classes_that_only_another_split_has_are_refused(tmp_path: Path) -> None:
    fill(tmp_path / "train"), fill(tmp_path / "test", ("cat", "fox"))
    assert "test has images of fox, which train has not; expected the same classes" in refusal(tmp_path)


def test_other_folders_beside_splits_are_told(tmp_path: Path) -> None:
    fill(tmp_path / "train"), fill(tmp_path / "extra"), fill(tmp_path / "docs", ("figures",))
    folder = opened(tmp_path)
    assert folder.sizes == {"train": 6, "extra": 6}
    assert folder.remarks[0] == f"{tmp_path}: folders that are neither splits nor classes, left out: docs"
    assert len(folder.remarks) == 2  # and one on `extra`


def test_a_folder_above_or_below_the_classes_is_no_layout(tmp_path: Path) -> None:
    fill(tmp_path / "photos")
    assert "has images, such as 0.png, and no folder of a class" in refusal(tmp_path / "photos/cat")
    assert f"has one folder with images, photos; give --dataset=folder:{tmp_path}/photos" in refusal(tmp_path)
    (tmp_path / "empty").mkdir()
    assert class_folder(str(tmp_path / "empty")) is None


def test_links_within_the_folder_are_followed(tmp_path: Path) -> None:
    fill(tmp_path / "all"), fill(tmp_path / "few", ("cat",), count=1)
    root = tmp_path / "data"
    root.mkdir()
    (tmp_path / "all").rename(root / "cat")
    (root / "dog").mkdir()
    (root / "dog/0.png").symlink_to(root / "cat/cat/0.png")
    (tmp_path / "place").symlink_to(root)  # the folder itself may be a link
    assert opened(tmp_path / "place").sizes == {"train": 7}


@pytest.mark.parametrize("what", ["image", "class", "split"])
def test_links_out_of_the_folder_are_refused_or_trusted(tmp_path: Path, what: str) -> None:
    """They could lead to any image on the machine."""
    fill(tmp_path / "elsewhere"), fill(tmp_path / "data/train")
    place = {"image": "train/cat/link.png", "class": "train/emu", "split": "test"}[what]
    target = {"image": "cat/0.png", "class": "cat", "split": ""}[what]
    (tmp_path / "data" / place).symlink_to(tmp_path / "elsewhere" / target)
    message = refusal(tmp_path / "data")
    assert f"links out of the folder: 1, such as {tmp_path}/data/{place}; put the files themselves there" in message
    assert "--trust" in message
    folder = opened(tmp_path / "data", trust=True)
    assert sum(folder.sizes.values()) == {"image": 7, "class": 9, "split": 12}[what]
    assert f"{place}; followed" in folder.remarks[-1]


def test_a_link_to_what_is_no_image_shows_nothing_of_it(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "cat/a.png").symlink_to("/etc/hostname")
    assert "links out of the folder" in refusal(tmp_path)
    with pytest.raises(UsageError, match=rf"^{tmp_path}/cat/a\.png cannot be decoded; fix or remove it$"):
        class_folder(str(tmp_path), trust=True)
    (tmp_path / "cat/a.png").unlink()
    (tmp_path / "cat/a.png").symlink_to(tmp_path / "nothing.png")
    assert f"{tmp_path}/cat/a.png cannot be read: No such file or directory" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["validate", "tests", "extra"])
def test_a_split_of_another_name_is_told(tmp_path: Path, name: str) -> None:
    fill(tmp_path / "train"), fill(tmp_path / name), fill(tmp_path / "val")
    assert opened(tmp_path).sizes == {"train": 6, name: 6, "val": 6}
    line = f"{tmp_path}: splits of other names, read only where --valid_split names one: {name}"
    assert line in told(tmp_path).splitlines()


def test_one_class_alone_is_told(tmp_path: Path) -> None:
    fill(tmp_path, ["cat"])
    assert refusal(tmp_path) == f"--dataset=folder:{tmp_path} has images of one class alone, cat; expected at least two"


def test_transparency_is_told(tmp_path: Path) -> None:
    fill(tmp_path)
    assert "images with transparency" not in told(tmp_path)
    PIL.Image.new("RGBA", (6, 4)).save(tmp_path / "cat/0.png")
    PIL.Image.new("P", (6, 4)).save(tmp_path / "dog/1.png", transparency=0)
    assert "images with transparency, which is dropped: 2, such as" in told(tmp_path)


def test_all_broken_files_are_named_at_once(tmp_path: Path) -> None:
    fill(tmp_path / "train"), fill(tmp_path / "test")
    broken = [tmp_path / f"{name}.jpg" for name in ("test/cat/a", "train/cat/b", "train/dog/c")]
    for file in broken:
        file.write_bytes(b"<html>")
    links = [tmp_path / "train/cat/circle.jpg", tmp_path / "train/dog/dead.jpg"]
    for link in links:
        link.symlink_to(link if link.stem == "circle" else "nowhere.jpg")
    message = refusal(tmp_path)
    assert "circle.jpg (cannot be read: Too many levels of symbolic links)" in message
    assert "dead.jpg (cannot be read: No such file or directory)" in message
    for link in links:
        link.unlink()
    message = refusal(tmp_path)
    assert message.startswith("3 files cannot be decoded; fix or remove them: ")
    assert all(str(file) in message for file in broken)
    whole = next(file for file in sorted((tmp_path / "train/dog").iterdir()) if file not in broken)
    content = whole.read_bytes()
    whole.write_bytes(content[: len(content) * 2 // 3])  # its header is right
    assert "4 files cannot be decoded; fix or remove them: " in refusal(tmp_path)
    assert str(whole) in refusal(tmp_path)
    whole.write_bytes(content)
    for number in range(20):
        (tmp_path / f"train/dog/{number}.gif").write_bytes(b"")
    message = refusal(tmp_path)
    assert message.startswith("23 files cannot be decoded; ")
    assert message.endswith(" and 13 more")


def test_images_of_one_size_tell_it(tmp_path: Path) -> None:
    folder = opened(fill(tmp_path))
    assert (folder.image_sizes, folder.features["image"].shape) == ({(4, 6): 6}, (4, 6, 3))
    write(tmp_path / "cat/large.png", (60, 40))
    folder = opened(tmp_path)
    assert (folder.image_sizes, folder.features["image"].shape) == ({(4, 6): 6, (40, 60): 1}, (None, None, 3))


def test_of_very_many_images_some_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rl_nas.tasks.classification.folder._LOOKED_AT", 4)
    folder = opened(fill(tmp_path, count=5))
    assert folder.image_sizes == {(4, 6): 4}  # every third one
    assert folder.features["image"].shape == (None, None, 3)
    np.testing.assert_array_equal(np.bincount(folder.labels("train", "label")), [5, 5])


def test_files_that_are_not_looked_at_are_no_larger_than_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rl_nas.tasks.classification.folder._LOOKED_AT", 1)
    fill(tmp_path)
    names = opened(tmp_path).names("train")  # of which the first is looked at
    with (tmp_path / names[3]).open("wb") as file:
        file.truncate(10 * 2**30)  # sparse
    assert refusal(tmp_path).startswith(f"{tmp_path / names[3]} has 10,737,418,240 bytes; expected at most")
