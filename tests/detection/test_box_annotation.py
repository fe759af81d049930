"""Boxes of data sets become targets, and follow the changes of their images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from box_files import Scene, write_yolo

from rl_nas.child.data.annotation import Annotation, Frame
from rl_nas.child.data.geometry import Geometry, draw_geometry, warp_masks
from rl_nas.child.data.image_cache import image_cache, load_image_cache
from rl_nas.child.data.images import load_images
from rl_nas.child.data.refusal import refused
from rl_nas.child.data.settings import AugmentSettings, DataSettings
from rl_nas.child.data.source import ImageSource
from rl_nas.child.data.tfds_data import open_tfds
from rl_nas.errors import UsageError
from rl_nas.flags.parsing import Command, help_text, parse
from rl_nas.tasks.catalog import check_unread
from rl_nas.tasks.classification.task import Classification
from rl_nas.tasks.detection.annotation import LEAST_LEFT, MAX_BOXES, BoxFeatures, box_annotation, find_boxes, warp_boxes
from rl_nas.tasks.detection.counts import BoxCounts, count_boxes
from rl_nas.tasks.detection.data_settings import DetectionDataSettings
from rl_nas.tasks.detection.folders import box_folder
from rl_nas.tasks.detection.matching import NEITHER, match
from rl_nas.tasks.segmentation.mask_settings import MaskSettings
from rl_nas.tasks.segmentation.task import Segmentation

BCCD = Path(__file__).parents[3] / "shared/tfds/bccd"
PICTURE = tfds.features.Image(encoding_format="jpeg")
LABEL = tfds.features.ClassLabel(names=["a", "b", "c"])
FLAG = tfds.features.Scalar(np.bool_)


def objects(**parts: Any) -> tfds.features.Sequence:
    return tfds.features.Sequence({"bbox": tfds.features.BBoxFeature(), **parts})


def annotated(features: Any, supervised: Sequence[str] = (), **settings: Any) -> Annotation:
    found = box_annotation(features, supervised, DetectionDataSettings(**settings))
    assert found is not None
    return found


def target_of(annotation: Annotation, example: Any, original: tuple[int, int], size: tuple[int, int]) -> Any:
    """The target of an example, decoded in a pipeline; raises what a user is told."""

    def decode(example: Any) -> Any:
        return annotation.decode(annotation.read(example), Frame(tf.constant(original), size))

    try:
        (target,) = tf.data.Dataset.from_tensors(example).map(decode).as_numpy_iterator()
    except tf.errors.InvalidArgumentError as error:
        problem = refused(error)
        assert problem is not None
        raise problem from error
    return target


def test_boxes_are_found_by_their_types() -> None:
    """As TFDS declares coco, voc, open_images_v4, wider_face and kitti."""
    level = tfds.features.ClassLabel(num_classes=4)
    coco = {"image": PICTURE, "objects": objects(label=LABEL, is_crowd=FLAG, id=tfds.features.Scalar(np.int64))}
    voc = {"labels": tfds.features.Sequence(LABEL), "image": PICTURE, "objects": objects(label=LABEL, pose=level)}
    open_images = {
        "bobjects": objects(label=LABEL),
        "image": PICTURE,
        "objects": tfds.features.Sequence({"label": LABEL}),
    }
    faces = {"image": PICTURE, "faces": objects(blur=tfds.features.Scalar(np.uint8), invalid=FLAG)}
    kitti = {"image": PICTURE, "objects": objects(type=LABEL, occluded=level)}
    bare = {"image": PICTURE, "boxes": tfds.features.Sequence(tfds.features.BBoxFeature())}
    assert find_boxes(coco, ()) == find_boxes(voc, ()) == BoxFeatures("image", "objects", "bbox", "label")
    assert find_boxes(open_images, ()) == BoxFeatures("image", "bobjects", "bbox", "label")
    assert find_boxes(faces, ()) == BoxFeatures("image", "faces", "bbox", None)
    assert find_boxes(kitti, ()) == BoxFeatures("image", "objects", "bbox", "type")
    assert find_boxes(bare, ()) == BoxFeatures("image", "boxes", None, None)
    assert annotated(faces).class_names == ("faces",)
    several = {"left": PICTURE, "right": PICTURE, "a": objects(label=LABEL), "b": objects(label=LABEL)}
    assert find_boxes(several, ("right", "b")) == BoxFeatures("right", "b", "bbox", "label")
    several["objects"] = objects(label=LABEL)
    assert find_boxes(several, ()) == BoxFeatures("left", "objects", "bbox", "label")


def test_other_features_are_no_boxes() -> None:
    twice = objects(label=LABEL, other=tfds.features.BBoxFeature())
    for feature in (twice, LABEL, tfds.features.Sequence(LABEL), tfds.features.BBoxFeature()):
        assert find_boxes({"image": PICTURE, "objects": feature}, ()) is None
    assert find_boxes({"objects": objects(label=LABEL)}, ()) is None
    assert box_annotation({"image": PICTURE, "label": LABEL}, (), DetectionDataSettings()) is None
    pixels = tfds.features.BBoxFeature(bbox_format=tfds.features.bounding_boxes.bb_utils.BBoxFormat.YXYX)
    features = {"image": PICTURE, "objects": tfds.features.Sequence({"bbox": pixels, "label": LABEL})}
    with pytest.raises(UsageError, match="boxes of feature objects are YXYX; expected REL_YXYX"):
        box_annotation(features, (), DetectionDataSettings())


def example_of(boxes: Sequence[Sequence[float]], labels: Sequence[int], **others: Any) -> dict[str, Any]:
    parts = {"bbox": np.array(boxes, np.float32).reshape(-1, 4), "label": np.array(labels, np.int64)}
    return {"image": b"", "objects": {**parts, **others}}


def test_rows_hold_the_boxes_in_pixels_and_then_padding() -> None:
    features = {"image": PICTURE, "objects": objects(label=LABEL, is_crowd=FLAG, area=tfds.features.Scalar(np.int64))}
    annotation = annotated(features, max_boxes=4)
    assert annotation.class_names == ("a", "b", "c")
    boxes = [[0, 0, 1, 1], [0.25, 0.5, 0.75, 1], [0.5, 0.5, 0.5, 0.75]]
    example = example_of(boxes, [2, 0, 1], is_crowd=np.array([False, True, False]), area=np.array([7, 8, 9]))
    target = target_of(annotation, example, (100, 60), (20, 40))
    expected = [[0, 0, 20, 40], [5, 20, 15, 40], [10, 20, 10, 30], [0, 0, 0, 0]]
    np.testing.assert_array_equal(target["boxes"], np.array(expected, np.float32))
    np.testing.assert_array_equal(target["labels"], np.array([2, 0, -1, -1], np.int32))
    assert target["ignore"].tolist() == [False, True, False, False]
    assert target["area"].tolist() == [7, 8, 9, 0]
    assert target["size"].tolist() == [100, 60]
    assert {name: (values.shape, values.dtype.name) for name, values in target.items()} == {
        "boxes": ((4, 4), "float32"),
        "labels": ((4,), "int32"),
        "ignore": ((4,), "bool"),
        "area": ((4,), "float32"),
        "size": ((2,), "float32"),
    }
    batch = {name: values[np.newaxis] for name, values in target.items()}
    assert count_boxes([batch, batch], 3) == BoxCounts((0, 0, 2), ignored=2, empty=2, images=2, negatives=0)


def test_areas_that_are_not_given_are_those_of_boxes() -> None:
    annotation = annotated({"image": PICTURE, "objects": objects(label=LABEL)}, max_boxes=3)
    target = target_of(annotation, example_of([[0.25, 0.5, 0.75, 1]], [0]), (100, 60), (20, 20))
    assert target["area"].tolist() == [1500, 0, 0]
    none = target_of(annotation, example_of([], []), (100, 60), (20, 20))
    assert none["labels"].tolist() == [-1] * 3
    assert count_boxes([{name: values[np.newaxis] for name, values in none.items()}], 3).negatives == 1


def test_more_boxes_than_rows_are_refused_not_dropped() -> None:
    features = {"image": PICTURE, "objects": objects(label=LABEL)}
    example = example_of([[0, 0, 1, 1]] * 5, [0, 1, 2, 0, 0])
    assert target_of(annotated(features, max_boxes=5), example, (9, 9), (9, 9))["labels"].tolist() == [0, 1, 2, 0, 0]
    with pytest.raises(UsageError, match="an image has 5 boxes; expected at most 4: give --max_boxes=5, or more"):
        target_of(annotated(features, max_boxes=4), example, (9, 9), (9, 9))
    assert target_of(annotated(features), example, (9, 9), (9, 9))["labels"].shape == (MAX_BOXES,)


def test_boxes_of_other_classes_need_no_row(tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("c\na\n")
    annotation = annotated({"image": PICTURE, "objects": objects(label=LABEL)}, classes=str(names), max_boxes=3)
    boxes = [[0, 0, 1, 0.1 * number] for number in range(1, 6)]
    target = target_of(annotation, example_of(boxes, [1, 0, 1, 2, 1]), (10, 10), (10, 10))
    assert annotation.class_names == ("c", "a")
    assert target["labels"].tolist() == [1, 0, -1]
    np.testing.assert_allclose(target["boxes"][:, 3], [2, 4, 0], rtol=1e-6)


def test_folders_say_how_many_boxes_they_have(tmp_path: Path) -> None:
    write_yolo(tmp_path, {"train": [Scene("a", (40, 40), [(0, 0, 0, 9, 9)] * 130), Scene("b", (40, 40))]})
    folder = box_folder(str(tmp_path), DetectionDataSettings())
    assert folder is not None
    annotation = annotated(folder.features, folder.supervised)
    source = ImageSource(DataSettings(dataset="folder:x", valid_images=1), folder, annotation)
    ((_, target),) = source.part("train").map(source.decode_both)
    assert target["labels"].shape == (130,)
    with pytest.raises(UsageError, match="--max_boxes=129, but an image has 130 boxes; leave it out"):
        annotated(folder.features, folder.supervised, max_boxes=129)
    data = load_images(source)
    with image_cache(data, tmp_path / "cache", pytest.fail):
        again = load_image_cache(tmp_path / "cache")
        assert again is not None
        for name, values in data.train_targets.items():
            np.testing.assert_array_equal(again.train_targets[name], values)


@pytest.mark.skipif(not BCCD.exists(), reason=f"{BCCD} is absent")
def test_boxes_of_blood_cells_are_as_many_and_as_large_as_was_counted() -> None:
    """Counts by an independent program; sizes are medians at 640x480."""
    settings = DataSettings(dataset=f"dir:{BCCD}", image_size="240x320", valid_split="validation")
    examples = open_tfds(settings)
    source = ImageSource(settings, examples, annotated(examples.features, examples.supervised))
    assert source.class_names == ("RBC", "WBC", "Platelets")
    targets = list(source.part("train").map(source.decode_both).map(lambda image, target: target).batch(32))
    arrays = [{name: values.numpy() for name, values in batch.items()} for batch in targets]
    assert count_boxes(arrays, 3) == BoxCounts((2381, 214, 209), ignored=0, empty=0, images=205, negatives=0)
    boxes, labels = (np.concatenate([batch[name] for batch in arrays]) for name in ("boxes", "labels"))
    sides = 2 * (boxes[..., 2:] - boxes[..., :2])
    medians = [np.median(sides[labels == number], axis=0).tolist() for number in range(3)]
    np.testing.assert_allclose(medians, [[101, 105], [179, 204], [38, 39]], atol=0.01)
    np.testing.assert_allclose(np.prod(sides, -1), np.concatenate([batch["area"] for batch in arrays]), atol=0.01)


def random_targets(seed: int, images: int, boxes: int, size: tuple[int, int]) -> dict[str, tf.Tensor]:
    """Boxes with corners at whole pixels."""
    rng = np.random.default_rng(seed)
    corners = np.stack([rng.integers(0, side + 1, [images, boxes, 2]) for side in size], -1)  # [images, boxes, 2, 2]
    found = np.concatenate([corners.min(2), corners.max(2)], -1).astype(np.float32)
    return {
        "boxes": tf.constant(found),
        "labels": tf.constant(rng.integers(0, 3, [images, boxes]), tf.int32),
        "ignore": tf.constant(rng.random([images, boxes]) < 0.3),
        "area": tf.constant(rng.random([images, boxes]), tf.float32),
        "size": tf.constant(rng.integers(9, 99, [images, 2]), tf.float32),
    }


def test_two_flips_are_the_identity() -> None:
    targets = random_targets(0, 6, 20, (30, 44))
    geometry = Geometry((30, 44), None, tf.constant([True, False] * 3), 0, False)
    once = warp_boxes(targets, geometry)
    twice = warp_boxes(once, geometry)
    np.testing.assert_array_equal(twice["boxes"], targets["boxes"])
    for name in ("ignore", "area", "size"):
        np.testing.assert_array_equal(once[name], targets[name])
    has_area = (targets["boxes"][..., 2:] > targets["boxes"][..., :2]).numpy().all(-1)
    np.testing.assert_array_equal(twice["labels"], np.where(has_area, targets["labels"], -1))
    assert not np.array_equal(once["boxes"][0], targets["boxes"][0])
    np.testing.assert_array_equal(once["boxes"][1], targets["boxes"][1])


AUGMENTATIONS = {
    "flip": AugmentSettings(flip=True),
    "crop of padded": AugmentSettings(crop_margin=9, flip=True),
    "crop of upsampled": AugmentSettings(crop_margin=8, crop="upsample", flip=True),
    "scale": AugmentSettings(scale_min=0.5, scale_max=2.0, flip=True),
    "all": AugmentSettings(scale_min=0.5, scale_max=2.0, crop_margin=6, flip=True),
}


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_moved_boxes_are_around_the_moved_masks_of_boxes(name: str) -> None:
    """Both are computed in different ways: points are moved there, pixels are looked up here."""
    size, images = (64, 80), 48
    targets = random_targets(5, images, 1, size)
    boxes = targets["boxes"].numpy()[:, 0].astype(int)
    masks = np.zeros([images, *size], np.uint8)
    for mask, (top, left, bottom, right) in zip(masks, boxes, strict=True):
        mask[top:bottom, left:right] = 1
    geometry = draw_geometry(tf.zeros([images, *size, 3]), tf.constant([3, 7]), AUGMENTATIONS[name])
    warped = warp_boxes(targets, geometry)
    moved, kept = warped["boxes"].numpy()[:, 0], 0
    for mask, box, label in zip(warp_masks(masks, geometry, 0).numpy(), moved, warped["labels"].numpy(), strict=True):
        if label[0] >= 0 and mask.any():
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            around = [rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]
            np.testing.assert_allclose(box, around, atol=1.01)
            kept += 1
    assert kept > images / 2
    assert (moved >= 0).all()
    assert (moved <= [*size, *size]).all()


@pytest.mark.parametrize("left", [0, 0.1, 0.2, 0.3, 0.9, 1])
def test_boxes_of_which_little_is_left_are_neither_learned_nor_background(left: float) -> None:
    """A box of 20 pixels is shifted out to the left until this fraction is in the image."""
    offset = round(30 + 20 * (1 - left))
    none = tf.zeros([1], bool)
    geometry = Geometry((40, 80), None, none, 0, False, tf.constant([1.0]), tf.constant([[0, offset]]))
    targets = {
        **random_targets(0, 1, 1, (40, 80)),
        "boxes": tf.constant([[[5.0, 30.0, 25.0, 50.0]]]),
        "ignore": none[:, tf.newaxis],
    }
    warped = warp_boxes(targets, geometry)
    assert (warped["labels"].numpy()[0, 0] >= 0) == (left > 0)
    assert warped["ignore"].numpy()[0, 0] == (0 < left < LEAST_LEFT)
    np.testing.assert_allclose(warped["boxes"][0, 0], [5, max(0, 30 - offset), 25, max(0, 50 - offset)], atol=1e-5)


def test_no_anchor_in_a_crowd_that_fills_a_scaled_image_is_background() -> None:
    """A ninth of the crowd is left, which is all of what is seen."""
    geometry = Geometry((30, 30), None, tf.zeros([1], bool), 0, False, tf.constant([3.0]), tf.constant([[30, 30]]))
    targets = {
        "boxes": tf.constant([[[0.0, 0.0, 30.0, 30.0]]]),
        "labels": tf.constant([[1]]),
        "ignore": tf.constant([[True]]),
    }
    anchors = tf.constant([[0.0, 0.0, 10.0, 10.0], [5.0, 5.0, 25.0, 25.0], [0.0, 0.0, 30.0, 30.0]])
    warped = warp_boxes(targets, geometry)
    assert match(warped["boxes"], warped["labels"], warped["ignore"], anchors).numpy().tolist() == [[NEITHER] * 3]


def test_tasks_share_the_names_of_flags() -> None:
    command = Command("x", "does it", (), (MaskSettings, DetectionDataSettings))
    parsed = parse(command, ["--classes=names.txt"])
    assert parsed.group(MaskSettings).classes == parsed.group(DetectionDataSettings).classes == "names.txt"
    assert help_text(command).count("--classes=TEXT") == 2
    given = [DetectionDataSettings(classes="names.txt"), MaskSettings(classes="names.txt")]
    check_unread(Segmentation(), given)
    with pytest.raises(UsageError, match=r"--classes=names\.txt has no effect with --task=classification"):
        check_unread(Classification(), given)
    with pytest.raises(UsageError, match="--max_boxes=4 has no effect with --task=segmentation"):
        check_unread(Segmentation(), [DetectionDataSettings(max_boxes=4)])
