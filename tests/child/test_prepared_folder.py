"""Folders that TFDS prepared are read without their code, and nothing that they name is imported."""

import fcntl
import io
import json
import os
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

import image_bombs
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from classifying import image_data
from watchdog import TIMEOUT

from rl_nas.child.data import tfds_data
from rl_nas.child.data.settings import DataSettings
from rl_nas.child.data.tfds_data import PreparedExamples, open_tfds
from rl_nas.errors import UsageError
from rl_nas.tasks.sources import open_source

SHARED = Path(__file__).parents[3] / "shared/tfds"
MODULE = "imported_by_a_stranger"
IMAGE = {"pythonClassName": "tensorflow_datasets.core.features.image_feature.Image", "image": {}}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits, prepared; the folder of their version."""
    data_dir = tmp_path_factory.mktemp("tfds")
    open_tfds(DataSettings(dataset="digits", data_dir=str(data_dir)))
    return data_dir / "digits/1.0.0"


@pytest.fixture
def stranger(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy under a name that TFDS does not know, and a module that leaves a file when it is imported."""
    version = tmp_path / "data/photos/1.0.0"
    version.mkdir(parents=True)
    for file in prepared.iterdir():
        shutil.copy(file, version / file.name.replace("digits", "photos"))
    info = json.loads((version / "dataset_info.json").read_text())
    (version / "dataset_info.json").write_text(json.dumps({**info, "name": "photos"}))
    (tmp_path / f"{MODULE}.py").write_text(f"import pathlib\npathlib.Path({str(tmp_path / 'trace')!r}).touch()\n")
    monkeypatch.syspath_prepend(tmp_path)
    return version


@pytest.mark.parametrize("up", [0, 1])
def test_a_folder_gives_what_the_name_gives(prepared: Path, up: int) -> None:
    place = (prepared, prepared.parent)[up]
    by_name = image_data(DataSettings(dataset="digits", data_dir=str(prepared.parents[1]), train_images=300))
    found = image_data(DataSettings(dataset=f"dir:{place}", train_images=300))
    np.testing.assert_array_equal(found.train_images, by_name.train_images)
    np.testing.assert_array_equal(found.valid_targets, by_name.valid_targets)
    assert found.class_names == by_name.class_names


def test_a_name_without_code_is_found_in_the_folder(stranger: Path) -> None:
    examples = open_tfds(DataSettings(dataset="photos", data_dir=str(stranger.parents[1])))
    assert (examples.name, examples.sizes, examples.upright) == ("photos", {"train": 1500, "test": 297}, False)
    assert examples.names("train") is None


def test_of_two_first_runs_the_second_waits(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(builder: Any) -> None:
        raise AssertionError("it is prepared twice")

    monkeypatch.setattr(tfds_data, "_prepare", fail)
    asked, flock = threading.Event(), fcntl.flock

    def noted(*words: Any) -> None:
        asked.set()
        flock(*words)

    monkeypatch.setattr(tfds_data.fcntl, "flock", noted)
    found: list[PreparedExamples] = []
    settings = DataSettings(dataset="digits", data_dir=str(tmp_path / "new"))
    second = threading.Thread(target=lambda: found.append(open_tfds(settings)))
    (tmp_path / "new").mkdir()
    with open(tmp_path / "new/.digits.lock", "w") as lock:
        flock(lock, fcntl.LOCK_EX)
        second.start()
        assert asked.wait(TIMEOUT)
        shutil.copytree(prepared.parent, tmp_path / "whole")
        (tmp_path / "whole").rename(tmp_path / "new/digits")
        assert not found
    second.join()
    assert found[0].sizes == {"train": 1500, "test": 297}


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_images_of_other_types_are_refused(dtype: str, stranger: Path) -> None:
    features = json.loads((stranger / "features.json").read_text())
    features["featuresDict"]["features"]["image"]["image"]["dtype"] = dtype
    (stranger / "features.json").write_text(json.dumps(features))
    with pytest.raises(UsageError, match=f"images of .*photos.* are {dtype}; expected uint8"):
        open_source(DataSettings(dataset=f"dir:{stranger}"))


def test_examples_without_a_class_are_refused(stranger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def labels(examples: PreparedExamples, split: str, feature: str) -> np.ndarray:
        found = np.arange(examples.sizes[split]) % 10
        found[::500] = -1
        return found

    monkeypatch.setattr(PreparedExamples, "labels", labels)
    with pytest.raises(UsageError, match=r"3 of 1,500 training examples of .* have no class"):
        open_source(DataSettings(dataset=f"dir:{stranger}", stratify="no"))


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs shared/tfds beside the checkout")
@pytest.mark.parametrize("by", ["name", "folder"])
def test_camvid_opens(by: str) -> None:
    folder = DataSettings(dataset=f"dir:{SHARED / 'camvid'}")
    examples = open_tfds(DataSettings(dataset="camvid", data_dir=str(SHARED)) if by == "name" else folder)
    assert examples.sizes == {"train": 367, "validation": 101, "test": 233}
    assert list(examples.features) == ["image", "segmentation_label"]


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs shared/tfds beside the checkout")
def test_examples_are_named_by_their_files() -> None:
    examples = open_tfds(DataSettings(dataset=f"dir:{SHARED / 'bccd'}"))
    names = examples.names("train")
    assert names is not None
    assert len(set(names)) == examples.sizes["train"]
    reference = {}
    for number, example in examples.read("train", shuffle_seed=3):
        reference[int(number)] = example["image/filename"].numpy().decode()
    assert [reference[number] for number in range(len(names))] == names


HOSTILE: dict[str, Any] = {
    "a feature": {"features": {"image": {**IMAGE, "pythonClassName": f"{MODULE}.Image"}}},
    "the name of the field in its other spelling": {"python_class_name": f"{MODULE}.Features"},
    "a nested feature": {"sequence": {"feature": {"pythonClassName": f"{MODULE}.Image"}}},
    "an early version's feature": {"type": f"{MODULE}.Features", "content": {}},
    "an early version's feature in a text": {"jsonFeature": {"json": json.dumps({"a": {"type": f"{MODULE}.A"}})}},
    "a text in a text": {"json": json.dumps([{"json": json.dumps({"type": f"{MODULE}.A"})}])},
    "a module that begins like TFDS": {"pythonClassName": "tensorflow_datasets.core.features_.A"},
    "another module of TFDS": {"pythonClassName": "tensorflow_datasets.scripts.cli.main.A"},
}


@pytest.mark.parametrize("file", ["features.json", "dataset_info.json"])
@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_nothing_that_a_folder_names_is_imported(stranger: Path, tmp_path: Path, file: str, content: Any) -> None:
    whole = json.loads((stranger / file).read_text())
    (stranger / file).write_text(json.dumps({**whole, "features": content} if file[0] == "d" else content))
    for dataset in (f"dir:{stranger}", f"dir:{stranger.parent}", "photos", "photos:1.0.0", "Photos"):
        with pytest.raises(UsageError, match=rf"{file} names .*; expected classes of tensorflow_datasets"):
            open_tfds(DataSettings(dataset=dataset, data_dir=str(stranger.parents[1])))
    assert MODULE not in sys.modules
    assert not (tmp_path / "trace").exists()


def test_without_the_check_tfds_imports_what_a_folder_names(stranger: Path, tmp_path: Path) -> None:
    """The danger is real: this test fails when TFDS no longer does so."""
    (stranger / "features.json").write_text(json.dumps({"pythonClassName": f"{MODULE}.Features"}))
    with pytest.raises(Exception, match="Unrecognized FeatureConnector"):
        tfds.builder_from_directory(stranger)
    assert (tmp_path / "trace").exists()
    del sys.modules[MODULE]


def test_a_version_that_is_not_complete_does_not_hinder_others(stranger: Path) -> None:
    (stranger.parent / "2.0.0.incomplete").mkdir()
    shutil.copy(stranger / "features.json", stranger.parent / "2.0.0.incomplete")
    assert open_tfds(DataSettings(dataset="photos:1.0.0", data_dir=str(stranger.parents[1]))).sizes["train"] == 1500


def test_repeated_keys_hide_nothing(stranger: Path) -> None:
    (stranger / "features.json").write_text(
        f'{{"pythonClassName": "{MODULE}.A", "pythonClassName": "tensorflow_datasets.core.features.A"}}'
    )
    with pytest.raises(UsageError, match=f"names {MODULE}"):
        open_tfds(DataSettings(dataset=f"dir:{stranger}"))


@pytest.mark.parametrize("template", ["../../other-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}", "/etc/{DATASET}-{SPLIT}"])
def test_examples_lie_in_the_folder(stranger: Path, template: str) -> None:
    info = json.loads((stranger / "dataset_info.json").read_text())
    for split in info["splits"]:
        split["filepathTemplate"] = template
    (stranger / "dataset_info.json").write_text(json.dumps(info))
    with pytest.raises(UsageError, match=r"expected examples in .* alone"):
        open_tfds(DataSettings(dataset=f"dir:{stranger}"))


def test_a_broken_folder_is_one_line(stranger: Path) -> None:
    def refused(message: str, place: Path = stranger) -> None:
        with pytest.raises(UsageError, match=message) as raised:
            open_tfds(DataSettings(dataset=f"dir:{place}"))
        assert "\n" not in str(raised.value)

    refused("expected a folder that TFDS prepared", stranger / "nowhere")
    shutil.copytree(stranger, stranger.parent / "2.0.0")
    refused(r"holds .*1\.0\.0, .*2\.0\.0; give one", stranger.parent)
    shard = next(stranger.glob("*test.tfrecord*"))
    shard.rename(stranger / "away")
    refused("photos-test.tfrecord-00000-of-00001 is missing")
    good = (stranger / "features.json").read_text()
    for bad, message in (
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("{}", "cannot read"),
        ("3", "cannot read"),
    ):
        (stranger / "features.json").write_text(bad)
        refused(message)
    (stranger / "features.json").write_bytes(b"\xff")
    refused("is not JSON")
    (stranger / "features.json").write_text(good)
    (stranger / "dataset_info.json").write_text("{}")
    refused("cannot read")
    (stranger / "dataset_info.json").unlink()
    refused(r"dataset_info\.json cannot be read")


@pytest.mark.parametrize("lengths", [["1000000000000000"], ["-1500"], ["1500", "1500"]])
def test_examples_are_no_more_than_their_files_hold(stranger: Path, lengths: list[str]) -> None:
    info = json.loads((stranger / "dataset_info.json").read_text())
    for split in info["splits"]:
        split["shardLengths"] = lengths
    (stranger / "dataset_info.json").write_text(json.dumps(info))
    with pytest.raises(UsageError, match=r"examples in .* bytes; copy the folder again|is missing"):
        open_tfds(DataSettings(dataset=f"dir:{stranger}"))


@pytest.mark.parametrize("name", ["features.json", "dataset_info.json", "label.labels.txt", "photos-test.tfrecord"])
def test_files_that_never_end_are_not_read(stranger: Path, name: str) -> None:
    file = next(stranger.glob(f"{name}*"), stranger / name)
    file.unlink(missing_ok=True)
    os.mkfifo(file)
    for dataset in (f"dir:{stranger}", "photos"):
        with pytest.raises(UsageError, match=f"{file} is a pipe or a device"):
            open_tfds(DataSettings(dataset=dataset, data_dir=str(stranger.parents[1])))
    file.unlink(missing_ok=True)
    file.touch()
    os.truncate(file, 2**40)
    if name.endswith((".json", ".txt")):
        with pytest.raises(UsageError, match=f"{file} has 1,099,511,627,776 bytes"):
            open_tfds(DataSettings(dataset=f"dir:{stranger}"))


IMAGES = tfds.features.Image(shape=(None, None, 3))
LABEL = tfds.features.ClassLabel(num_classes=2)


def photos(folder: Path, features: dict[str, Any], examples: list[dict[str, Any]]) -> Path:
    """A data set whose images are stored as they are given, broken or not."""
    place = str(folder / "photos/1.0.0")
    os.makedirs(place)
    identity = tfds.core.dataset_info.DatasetIdentity("photos", tfds.core.Version("1.0.0"), place, module_name="photos")
    described = tfds.core.DatasetInfo(builder=identity, features=tfds.features.FeaturesDict(features))
    writer = tfds.core.SequentialWriter(described, 100)
    writer.initialize_splits(["train"])
    writer.add_examples({"train": examples})
    writer.close_all()
    (shard,) = Path(place).glob("photos-train*")  # this writer does not name their number
    shard.rename(f"{place}/photos-train.tfrecord-00000-of-00001")
    info = Path(place, "dataset_info.json")
    info.write_text(info.read_text().replace("SHARD_INDEX", "SHARD_X_OF_Y"))
    return Path(place)


def small_png() -> io.BytesIO:
    return io.BytesIO(tf.io.encode_png(np.zeros([3, 4, 3], np.uint8)).numpy())


def test_no_image_is_decoded_whatever_its_size(tmp_path: Path) -> None:
    bomb = image_bombs.cross_gif()
    example = {"image": small_png(), "other": io.BytesIO(bomb), "label": 1}
    photos(tmp_path, {"image": IMAGES, "other": IMAGES, "label": LABEL}, [example])
    examples = open_tfds(DataSettings(dataset=f"dir:{tmp_path / 'photos'}"))
    (found,) = examples.read("train")
    assert found[1]["other"].numpy() == bomb


def unread(broken: str) -> dict[str, tuple[Any, Any]]:
    """Features that no task reads, by name, and what fails, or takes any memory, where it is decoded."""
    return {
        "another image": (IMAGES, broken),
        "film": (tfds.features.Video(shape=(None, None, None, 3)), [broken, broken]),
        "frames": (tfds.features.Sequence(IMAGES), [broken]),
        "nested": (tfds.features.FeaturesDict({"image": IMAGES}), {"image": broken}),
        "packed": (tfds.features.Tensor(shape=(None,), dtype=np.int64, encoding="zlib"), np.zeros(9, np.int64)),
        "wide": (tfds.features.Tensor(shape=(3,), dtype=np.float32), np.zeros(3, np.float32)),
    }


def test_what_no_task_reads_is_not_decoded(tmp_path: Path) -> None:
    """TFDS decodes all features of an example, and makes room for fixed shapes before it looks how much is stored."""
    of_objects = {"bbox": tfds.features.BBoxFeature(), "label": LABEL, "mask": IMAGES}
    features = {"image": IMAGES, "label": LABEL, "objects": tfds.features.Sequence(of_objects)}
    (tmp_path / "broken.png").write_bytes(b"no image")
    (tmp_path / "small.png").write_bytes(small_png().read())
    others = unread(str(tmp_path / "broken.png"))
    features |= {name: feature for name, (feature, _) in others.items()}
    box = {"bbox": tfds.features.BBox(0.0, 0.0, 0.5, 1.0), "label": 1, "mask": str(tmp_path / "broken.png")}
    example = {"image": str(tmp_path / "small.png"), "label": 1, "objects": [box]}
    place = photos(tmp_path, features, [example | {name: value for name, (_, value) in others.items()}] * 3)
    file = place / "features.json"
    packed = json.loads(file.read_text())
    packed["featuresDict"]["features"]["wide"]["tensor"]["shape"]["dimensions"] = [str(2**30)]
    file.write_text(json.dumps(packed))
    settings = DataSettings(dataset=f"dir:{place}", image_size="4", valid_images=1)
    for task in ("classification", "detection"):
        source = open_source(settings, task, tell=lambda line: None).source
        assert len(list(source.encoded("train"))) == 3
        assert source.fingerprint()["splits"]["train"]["examples"] == 3
    (_, _, kept), *_ = source.encoded("train")
    assert (int(kept["count"]), float(kept["boxes"][0, 2])) == (1, 0.5)
    _, found = next(iter(open_tfds(settings).read("train")))
    assert sorted(found) == ["another image", "image", "label", "objects", "tfds_id"]
    assert sorted(found["objects"]) == ["bbox", "label"]


@pytest.mark.parametrize("name", ["digits/..", "../digits", "digits/data_dir=/tmp", "digits/a=b:1.0.0"])
def test_a_name_leads_to_no_other_folder(name: str) -> None:
    with pytest.raises(UsageError, match="is not one of TFDS's own"):
        open_tfds(DataSettings(dataset=name))
