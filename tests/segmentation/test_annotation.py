"""Masks of data sets become targets."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from mask_files import palette_png, png, saved, write
from PIL import Image, ImageOps

from rl_nas.child.data.annotation import Annotation, Frame
from rl_nas.child.data.geometry import Geometry
from rl_nas.child.data.image_header import read_image_header
from rl_nas.child.data.refusal import refused
from rl_nas.child.data.settings import DataSettings
from rl_nas.child.data.source import ImageSource
from rl_nas.commands.search import SEARCH
from rl_nas.errors import UsageError
from rl_nas.flags.parsing import parse
from rl_nas.tasks.segmentation.annotation import find_masks, masks_of, nearest
from rl_nas.tasks.segmentation.folders import mask_folder
from rl_nas.tasks.segmentation.label_map import MASK_VALUES, parse_label_map
from rl_nas.tasks.segmentation.mask_settings import MaskSettings
from rl_nas.tasks.segmentation.masks import IGNORE
from rl_nas.tasks.segmentation.task import Segmentation

SHARED = Path(__file__).parents[3] / "shared/tfds"
PICTURE = tfds.features.Image(encoding_format="jpeg")
PREDICT = {name: value for group in Segmentation.predict_settings for name, value in group().flags().items()}
GRAY = tfds.features.Image(shape=(None, None, 1))


def annotated(features: Any, supervised: Sequence[str] = (), **settings: Any) -> Annotation:
    found = masks_of(features, supervised, MaskSettings(**settings))
    assert found is not None
    return found


def decoded(
    annotation: Annotation, content: bytes, size: tuple[int, int], original: tuple[int, int] | None = None
) -> Any:
    """The target of a feature `mask`, decoded in a pipeline; raises what a user is told."""
    frame = (tf.constant(original or size), size)
    dataset = tf.data.Dataset.from_tensors({"mask": content, "tfds_id": "test-7"})
    dataset = dataset.map(lambda example: annotation.decode(annotation.read(example), Frame(*frame)))
    try:
        (target,) = dataset.as_numpy_iterator()
    except tf.errors.InvalidArgumentError as error:
        problem = refused(error)
        assert problem is not None
        raise problem from error
    return target


def test_the_mask_is_the_target_or_what_its_name_says() -> None:
    for name in ("segmentation_label", "segmentation_mask", "segmentation_output", "annotation", "mask", "label_image"):
        assert find_masks({"image": PICTURE, name: GRAY}, ()) == ("image", name)
        assert find_masks({name: PICTURE, "image": PICTURE}, ()) == ("image", name)
    features = {"annotation": GRAY, "image": PICTURE, "segmentation_mask": GRAY}
    assert find_masks(features, ()) == ("image", "segmentation_mask")
    assert find_masks(features, ("image", "annotation")) == ("image", "annotation")
    assert find_masks({"image": PICTURE, "target": GRAY}, ("image", "target")) == ("image", "target")
    assert find_masks({"x": PICTURE, "left": PICTURE, "mask": GRAY}, ("left", "mask")) == ("left", "mask")


def test_other_images_and_labels_are_no_masks() -> None:
    label = tfds.features.ClassLabel(num_classes=3)
    assert find_masks({"image": PICTURE, "label": label}, ("image", "label")) is None
    assert find_masks({"image": PICTURE, "high_res": PICTURE}, ("image", "high_res")) is None
    assert find_masks({"image": PICTURE, "depth": GRAY}, ()) is None
    assert find_masks({"segmentation_mask": GRAY}, ()) is None
    assert masks_of({"image": PICTURE, "label": label}, (), MaskSettings()) is None


def stand_in(folder: Path, features: dict[str, Any], examples: Sequence[dict[str, Any]]) -> Any:
    """A prepared TFDS data set, read as from another machine."""
    stored = tfds.dataset_builders.store_as_tfds_dataset(
        *("stand_in", "1.0.0"),
        features=tfds.features.FeaturesDict(features),
        split_datasets={"train": list(enumerate(examples))},
        data_dir=folder,
        file_format="tfrecord",
        disable_shuffling=True,
    )
    return tfds.builder_from_directory(stored.data_dir)


def targets_of(builder: Any, size: tuple[int, int], **settings: Any) -> list[np.ndarray]:
    annotation = annotated(builder.info.features, builder.info.supervised_keys or (), **settings)
    masks = find_masks(builder.info.features, builder.info.supervised_keys or ())
    assert masks is not None
    decoders = {masks[1]: tfds.decode.SkipDecoding()}
    dataset = builder.as_dataset("train", decoders=decoders, read_config=tfds.ReadConfig(add_tfds_id=True))

    def decode(example: dict[str, tf.Tensor]) -> tf.Tensor:
        return annotation.decode(annotation.read(example), Frame(tf.shape(example[annotation.image])[:2], size))

    return list(dataset.map(decode, num_parallel_calls=2).as_numpy_iterator())


def recipe(dataset: str) -> dict[str, Any]:
    """What masks mean, by the flags of the command for a data set in the documentation."""
    lines = (Path(__file__).parents[2] / "docs/segmentation.md").read_text(encoding="utf-8").splitlines()
    (line,) = [line for line in lines if f" --dataset={dataset} " in line]
    parsed = parse(SEARCH, line.split()[2:])
    assert parsed.values["task"] == "segmentation"
    return parsed.group(MaskSettings).flags()


def test_the_recipes_of_known_data_sets(tmp_path: Path) -> None:
    """Features as TFDS declares them for cityscapes/semantic_segmentation, scene_parse150 and oxford_iiit_pet."""
    image = np.zeros([2, 3, 3], np.uint8)
    street = {"image_id": tfds.features.Text(), "image_left": tfds.features.Image(shape=(2, 3, 3))}
    street["segmentation_label"] = tfds.features.Image(shape=(2, 3, 1))
    ids = np.array([[7, 8, 0], [33, 31, 255]], np.uint8)
    examples = [{"image_id": "a", "image_left": image, "segmentation_label": ids[..., np.newaxis]}]
    builder = stand_in(tmp_path / "cityscapes", street, examples)
    (target,) = targets_of(builder, (2, 3), **recipe("cityscapes/semantic_segmentation"))
    np.testing.assert_array_equal(target, [[0, 1, IGNORE], [18, 16, IGNORE]])

    scene = {"image": PICTURE, "annotation": tfds.features.Image(encoding_format="png")}
    gray = write(tmp_path / "gray.png", png(np.array([[0, 1, 150], [2, 0, 75]], np.uint8)))  # of one channel
    builder = stand_in(tmp_path / "scene", scene, [{"image": image, "annotation": str(gray)}])
    (target,) = targets_of(builder, (2, 3), **recipe("scene_parse150"))
    np.testing.assert_array_equal(target, [[IGNORE, 0, 149], [1, IGNORE, 74]])

    pet = {"image": PICTURE, "label": tfds.features.ClassLabel(num_classes=37)}
    pet["segmentation_mask"] = tfds.features.Image(shape=(None, None, 1), use_colormap=True)
    trimap = np.array([[1, 2, 3], [3, 2, 1]], np.uint8)[..., np.newaxis]
    builder = stand_in(tmp_path / "pet", pet, [{"image": image, "label": 1, "segmentation_mask": trimap}])
    meaning = recipe("oxford_iiit_pet")
    (target,) = targets_of(builder, (2, 3), **meaning)
    assert annotated(builder.info.features, **meaning).class_names == ("pet", "background", "border")
    np.testing.assert_array_equal(target, [[0, 1, 2], [2, 1, 0]])


def test_a_labeled_image_brings_its_classes(tmp_path: Path) -> None:
    features = {"image": PICTURE, "mask": tfds.features.LabeledImage(labels=["sky", "ground"], shape=(None, None, 1))}
    example = {"image": np.zeros([1, 2, 3], np.uint8), "mask": np.array([[[1], [0]]], np.uint8)}
    builder = stand_in(tmp_path, features, [example])
    assert annotated(builder.info.features).class_names == ("sky", "ground")
    np.testing.assert_array_equal(targets_of(builder, (1, 2))[0], [[1, 0]])
    unnamed = tfds.features.LabeledImage(labels=None, shape=(None, None, 1))
    with pytest.raises(UsageError, match="masks do not tell how many classes there are; give --classes=N"):
        masks_of({"image": PICTURE, "mask": unnamed}, (), MaskSettings())


def test_names_of_the_data_set_stay_with_their_values(tmp_path: Path) -> None:
    names = ["other", "sky", "ground", "void"]
    mask = tfds.features.LabeledImage(labels=names, shape=(None, None, 1))
    example = {"image": np.zeros([1, 4, 3], np.uint8), "mask": np.array([[[0], [1], [2], [3]]], np.uint8)}
    builder = stand_in(tmp_path, {"image": PICTURE, "mask": mask}, [example])
    for ignored in ("none", "0", "3", "0,3", "1", "200"):
        annotation = annotated(builder.info.features, ignore_label=ignored)
        (target,) = targets_of(builder, (1, 4), ignore_label=ignored)
        found = [None if number == IGNORE else annotation.class_names[number] for number in target[0]]
        assert found == [None if str(value) in ignored.split(",") else name for value, name in enumerate(names)]
        assert len(annotation.class_names) == sum(name is not None for name in found)
    with pytest.raises(UsageError, match="the data set's own names without those that are ignored: 1 classes"):
        annotated(builder.info.features, ignore_label="0,1,2")


@pytest.mark.parametrize("name", ["ignore", "", " a", "a ", "\u00a0a", "a\nb", "a\x0bb", "a\u2028b", "# a", "#"])
def test_names_that_cannot_be_written_are_refused_before_anything_is_read(name: str) -> None:
    features = {"image": PICTURE, "mask": tfds.features.LabeledImage(labels=["sky", name], shape=(None, None, 1))}
    with pytest.raises(UsageError, match="cannot be written into a list of classes") as caught:
        masks_of(features, (), MaskSettings())
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["3", "#a", "a  b", "ignored", "1 road", "#102030 x", "0-6", "été", "a 1 2 3"])
def test_names_that_are_taken_come_back_from_files(name: str) -> None:
    features = {"image": PICTURE, "mask": tfds.features.LabeledImage(labels=["sky", name], shape=(None, None, 1))}
    text = annotated(features).extras[MASK_VALUES]
    labels = parse_label_map(text, ("sky", name), "file")
    assert labels.classes_of(np.array([[0, 1, 255]], np.uint8), "mask").tolist() == [[0, 1, IGNORE]]
    assert labels.names == ("sky", name)


@pytest.mark.parametrize("seed", range(3))
def test_every_kind_of_file_gives_the_same_target(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = tuple(int(side) for side in rng.integers(1, 12, 2))
    classes = rng.integers(0, 5, size)
    colors = rng.choice(2**24, 5, replace=False)
    channels = np.stack([colors >> 16, (colors >> 8) & 255, colors & 255], axis=1).astype(np.uint8)
    lines = "".join(f"class {number} #{color:06x}\n" for number, color in enumerate(colors))
    listed = write(tmp_path / "classes.txt", lines.encode())
    annotation = annotated({"image": PICTURE, "mask": GRAY}, classes=str(listed))
    for content in (
        png(classes.astype(np.uint8)),
        png(classes.astype(np.uint16)),
        png(channels[classes]),
        palette_png(classes, rng.integers(0, 256, [256, 3])),
        palette_png(classes, rng.integers(0, 256, [8, 3]), bits=4),
    ):
        target = decoded(annotation, content, size)
        assert target.dtype == np.uint8
        np.testing.assert_array_equal(target, classes)


@pytest.mark.parametrize("seed", range(10))
def test_nearest_resizing_yields_values_of_the_mask_alone(seed: int) -> None:
    """They are those under the centres of the new pixels."""
    rng = np.random.default_rng(seed)
    old, new = rng.integers(1, 30, 2), tuple(int(side) for side in rng.integers(1, 30, 2))
    mask = rng.integers(0, 256, old).astype(np.uint8)
    found = nearest(tf.constant(mask), new).numpy()
    assert set(np.unique(found)) <= set(np.unique(mask))
    places = [
        [int((2 * i + 1) * before // (2 * after)) for i in range(after)] for before, after in zip(old, new, strict=True)
    ]
    np.testing.assert_array_equal(found, mask[np.ix_(*places)])
    np.testing.assert_array_equal(nearest(tf.constant(mask), tuple(map(int, old))), mask)


@pytest.mark.parametrize("factor", [3, 5])
def test_a_mask_is_resized_as_its_image(factor: int) -> None:
    """The middle of an enlarged pixel has the pixel's own color, where resizing is bilinear too."""
    mask = np.random.default_rng(factor).integers(0, 256, [5, 7]).astype(np.uint8)
    size, middle = (5 * factor, 7 * factor), slice(factor // 2, None, factor)
    large = nearest(tf.constant(mask), size)
    np.testing.assert_array_equal(large, mask.repeat(factor, 0).repeat(factor, 1))
    image = tf.image.resize(mask[..., np.newaxis], size, antialias=True)[..., 0]
    np.testing.assert_allclose(image[middle, middle], mask, atol=1e-4)
    np.testing.assert_array_equal(nearest(large, (5, 7)), mask)


def test_a_target_has_the_size_of_the_resized_image() -> None:
    annotation = annotated({"image": PICTURE, "mask": GRAY}, classes=2)
    mask = np.array([[0, 1], [255, 0]], np.uint8)
    target = decoded(annotation, png(mask), (4, 6), original=(2, 2))
    np.testing.assert_array_equal(target, mask.repeat(2, 0).repeat(3, 1))


def test_what_is_wrong_with_a_mask_is_one_line_with_its_name() -> None:
    annotation = annotated({"image": PICTURE, "mask": GRAY}, classes=3)
    wrong = {
        "mask test-7 has value 3; expected 0 to 2, or 255 to be ignored": png(np.array([[0, 3]], np.uint8)),
        "mask test-7 has value 700; expected 0 to 2": png(np.array([[0, 700]], np.uint16)),
        "mask test-7 has color #010203; expected values": png(np.array([[[1, 2, 3]] * 2], np.uint8)),
        "mask test-7 has 2x1 pixels, its image 1x2; expected as many": png(np.zeros([2, 1], np.uint8)),
        "mask test-7 is a JPEG": saved(Image.new("L", (2, 1)), "JPEG"),
        "mask test-7 is not a PNG image": b"",
    }
    for problem, content in wrong.items():
        with pytest.raises(UsageError, match=f"^{problem}") as caught:
            decoded(annotation, content, (1, 2))
        assert "\n" not in str(caught.value)


def test_a_folder_is_read_with_the_classes_beside_it(tmp_path: Path) -> None:
    write(tmp_path / "classes.txt", b"sky\nground\n")
    write(tmp_path / "images/a.png", png(np.zeros([2, 2, 3], np.uint8)))
    write(tmp_path / "masks/a.png", palette_png(np.array([[0, 1], [1, 255]]), np.zeros([256, 3])))
    folder = mask_folder(str(tmp_path))
    assert folder is not None
    annotation = annotated(folder.features, folder.supervised)
    assert (annotation.image, annotation.class_names) == ("image", ("sky", "ground"))
    frame = Frame(tf.constant([2, 2]), (2, 2))
    dataset = folder.read("train")
    decode = dataset.map(lambda _, example: annotation.decode(annotation.read(example), frame))
    np.testing.assert_array_equal(next(iter(decode)), [[0, 1], [1, IGNORE]])
    write(tmp_path / "masks/a.png", png(np.full([2, 2], 9, np.uint8)))
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        list(decode)
    assert str(refused(caught.value)).startswith(f"mask {tmp_path}/masks/a.png has value 9; expected 0 to 1")


@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize("colored", [False, True], ids=["gray", "in palette"])
def test_masks_of_photos_are_turned_as_their_images(tmp_path: Path, number: int, colored: bool) -> None:
    """A pixel is of class 1 where the image is white: in what networks read too, and in what predictions are."""
    stored = (np.random.default_rng(number).random([6, 9]) < 0.5).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = number
    for name in "abc":
        photo = Image.fromarray(stored.repeat(8, 0).repeat(8, 1) * 255).convert("RGB")
        write(tmp_path / f"photos/images/{name}.jpg", saved(photo, "JPEG", exif=exif))
        values = stored.repeat(8, 0).repeat(8, 1)
        write(
            tmp_path / f"photos/masks/{name}.png", palette_png(values, np.zeros([256, 3])) if colored else png(values)
        )
    folder = mask_folder(str(tmp_path / "photos"))
    assert folder is not None
    annotation = annotated(folder.features, folder.supervised, classes=2)
    source = ImageSource(DataSettings(dataset="photos", image_size="24x36", valid_images=1), folder, annotation)
    for image, target in source.part("train").map(source.decode_both):
        assert image.shape == ((72, 48, 3) if number > 4 else (48, 72, 3))
        resized = nearest(tf.cast(image[..., 0] > 127, tf.uint8), (24, 36))
        np.testing.assert_array_equal(target, resized)
    predictor = Segmentation().predictor(("black", "white"), {}, PREDICT)
    for file in predictor.images(tmp_path / "photos", print) or []:
        header = read_image_header(file.path, ("JPEG",))
        predictor.check(file, header)
        white = np.asarray(ImageOps.exif_transpose(Image.open(file.path)))[..., 0] > 127
        predictor.measure(file, {"classes": white.astype(np.uint8)}, header.orientation)
    assert predictor.figures()["mIoU"] == 1


def test_other_errors_are_no_refusals() -> None:
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        tf.io.decode_png(b"no image")
    assert refused(caught.value) is None


def test_a_mask_is_mirrored_with_its_image_and_what_was_beyond_it_is_ignored() -> None:
    annotation = annotated({"image": PICTURE, "mask": GRAY}, classes=3)
    masks = tf.constant([[[0, 1], [2, 0]]], tf.uint8)
    mirrored = Geometry((2, 2), None, tf.constant([True]), 0, upsampled=False)
    np.testing.assert_array_equal(annotation.warped(masks, mirrored), [[[1, 0], [0, 2]]])
    moved = Geometry((2, 2), tf.constant([[0, 1]]), None, 1, upsampled=False)
    np.testing.assert_array_equal(annotation.warped(masks, moved), [[[IGNORE, IGNORE], [0, 1]]])


@pytest.mark.skipif(not (SHARED / "camvid").exists(), reason="needs the images of CamVid")
def test_camvid_has_eleven_classes_and_one_to_ignore() -> None:
    builder = tfds.builder_from_directory(SHARED / "camvid/1.0.0")
    targets = np.stack(targets_of(builder, (90, 120), classes=11, ignore_label=11))
    assert targets.shape == (367, 90, 120)
    assert set(np.unique(targets)) == {*range(11), IGNORE}
    shares = np.bincount(targets.ravel(), minlength=256)[:11] / targets.size
    np.testing.assert_allclose(shares[[9, 10]], [0.006, 0.0029], atol=5e-4)
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        targets_of(builder, (90, 120), classes=11)
    assert "has value 11; expected 0 to 10, or 255 to be ignored" in str(refused(caught.value))
