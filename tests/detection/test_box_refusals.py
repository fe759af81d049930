"""Folders of boxes with which something is wrong: a line for each, and nothing of a stranger's is followed."""

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from box_files import Scene, coco, scenes, voc, write, write_coco, write_image, write_voc, write_yolo, yolo
from PIL import Image

from rl_nas.child.data.settings import DataSettings
from rl_nas.errors import UsageError
from rl_nas.tasks.detection import folders
from rl_nas.tasks.detection.data_settings import DetectionDataSettings
from rl_nas.tasks.detection.folders import box_folder
from rl_nas.tasks.detection.image_index import ImageIndex
from rl_nas.tasks.detection.listed import Oddities
from rl_nas.tasks.sources import open_source

SPLITS = scenes(train=4, val=2)
JSON = "annotations/instances_train.json"

Change = Callable[[dict[str, Any]], None]


def refusal(root: Path, **settings: Any) -> str:
    """What a user is told, in one line, without the folder's path."""
    with pytest.raises(UsageError) as caught:
        box_folder(str(root), DetectionDataSettings(**settings))
    line = str(caught.value)
    assert "\n" not in line
    return line.replace(f"{root}/", "").replace(str(root), "ROOT")


def bbox(*values: Any) -> Change:
    return lambda content: content["annotations"][0].update(bbox=list(values))


def of_image(place: int, **values: Any) -> Change:
    return lambda content: content["images"][place].update(values)


def of_box(**values: Any) -> Change:
    return lambda content: content["annotations"][0].update(values)


def twin(content: dict[str, Any]) -> None:
    content["images"].append({**content["images"][1], "id": 999})


def second_name(content: dict[str, Any]) -> None:
    content["images"].append({**content["images"][1], "file_name": "train2.jpg"})


def as_fractions(content: dict[str, Any]) -> None:
    for one in content["annotations"]:
        one["bbox"] = [0.1, 0.2, 0.5, 0.25]


COCO: dict[str, tuple[Change, str]] = {
    "corners": (bbox(30, 20, -10, 10), f"{JSON}: annotation 1 has a box from (30, 20) to (20, 30); expected a bbox [x"),
    "three numbers": (bbox(1, 2, 3), f"{JSON}: annotation 1 has a bbox of 3 numbers; expected x, y, width and height"),
    "text": (bbox(1, 2, 3, "4"), f"{JSON}: 'bbox'[3] is \"4\", not a number; expected images, annotations with a bbox"),
    "nan": (bbox(1, 2, 3, float("nan")), f"{JSON}: annotation 1 has 'nan' for a number; expected a finite one"),
    "infinity": (bbox(1, 2, float("inf"), 3), f"{JSON}: annotation 1 has 'inf' for a number; expected a finite one"),
    "category": (of_box(category_id=8), f"{JSON}: annotation 1 has category 8, which is not listed"),
    "image": (of_box(image_id=8), f"{JSON}: annotation 1 is of image 8, which is not listed"),
    "missing": (of_image(2, file_name="absent.jpg"), f"{JSON} annotates images that are not there: 1 of 4, such as ab"),
    "outside": (of_image(2, file_name="../x.jpg"), f"{JSON} annotates images that are not there: 1 of 4, such as ../x"),
    "absolute": (of_image(2, file_name="/etc/hostname"), f"{JSON} annotates images that are not there: 1 of 4, such a"),
    "size": (of_image(2, height=7, width=9), f"{JSON}: image 102: images/train/train2.jpg is 9x7, but has "),
    "twin": (twin, f"{JSON}: image 999 is images/train/train1.jpg too, as {JSON}: image 101, with other boxes or size"),
    "two names": (second_name, f"{JSON}: image 101 is listed with two names, train1.jpg is one; expected one"),
    "two lines": (of_image(2, file_name="a\nb"), f"{JSON} annotates images that are not there: 1 of 4, such as a\\nb"),
    "in val too": (of_image(2, file_name="../val/val1.jpg", height=0), "ROOT: images/val/val1.jpg is in splits train "),
    "no categories": (lambda content: content.pop("categories"), f"{JSON}: it has no 'categories'; expected images, a"),
    "names": (lambda content: content["categories"][0].update(name="cat"), "two classes have the name 'cat'; expected"),
    "other ids": (lambda content: content["categories"][0].update(id=77), f"{JSON} has other categories than annotati"),
    "mixed ids": (lambda content: content["categories"][0].update(id="a"), f"{JSON} mixes numbers and texts as ids"),
    "fractions": (as_fractions, "ROOT: all boxes lie within the first pixel of their images; expected pixels, not fra"),
}  # fmt: skip


@pytest.mark.parametrize("what", COCO)
def test_a_json_file_with_which_something_is_wrong(tmp_path: Path, what: str) -> None:
    change, line = COCO[what]
    splits = {"train": SPLITS["train"]} if what in ("names", "fractions") else SPLITS
    content = coco(SPLITS["train"])
    write_coco(tmp_path, splits)
    change(content)
    write(tmp_path / JSON, json.dumps(content))
    found = refusal(tmp_path)
    if what == "other ids":
        assert "has category 7, which is not listed" in found or "has other categories than" in found
    else:
        assert found.startswith(line), found


def test_json_that_is_broken_or_of_no_split(tmp_path: Path) -> None:
    write_coco(tmp_path, SPLITS)
    text = (tmp_path / JSON).read_text()
    write(tmp_path / JSON, text[:-50])
    assert refusal(tmp_path).startswith(f"{JSON} is not JSON (")
    write(tmp_path / JSON, '{"images": [], "annotations": ' + "[" * 100_000)
    assert refusal(tmp_path).startswith(f"{JSON} is not JSON (")
    write(tmp_path / JSON, text)
    write(tmp_path / "annotations/instances_more.json", text)
    assert refusal(tmp_path).startswith("ROOT: the name of annotations/instances_more.json says no split; expected")
    (tmp_path / "annotations/instances_more.json").rename(tmp_path / "annotations/instances_train2.json")
    assert refusal(tmp_path).startswith(f"ROOT has annotations/instances_train2.json and {JSON} for split train") or (
        refusal(tmp_path).startswith(f"ROOT has {JSON} and annotations/instances_train2.json for split train")
    )


def test_a_name_that_several_images_have(tmp_path: Path) -> None:
    write_coco(tmp_path, {"train": [Scene("a", (20, 30), [(0, 1, 2, 3, 4)])]}, "images/one", "./train.json")
    (tmp_path / "images/one/a.jpg").rename(tmp_path / "images/one/A.JPG")
    write_image(tmp_path / "images/two/A.jpg", (20, 30))
    line = "train.json: image 100 names 'a.jpg', which could be images/one/A.JPG and images/two/A.jpg; expected paths"
    assert refusal(tmp_path).startswith(line)


OBJECT = (
    "<object><name>cat</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"
)
XML = {
    "entities": ('<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>', " declares a document type or entities"),
    "lower case": ("<!doctype a SYSTEM 'file:///etc/hostname'><annotation/>", " declares a document type or entities"),
    "broken": ("<annotation><object>", " is not XML (no element found"),
    "other": ("<kml></kml>", " holds <kml>; expected an annotation as PASCAL VOC has them"),
    "no box": ("<annotation><object><name>cat</name></object></annotation>", ": object 1: xmin has 'None' for a numbe"),
    "no name": ("<annotation><object></object></annotation>", ": object 1 has no name; expected an annotation"),
    "sizes": (f"<annotation>{OBJECT.format(20, 9, 5, 9)}</annotation>", ": object 1 has a box from (20, 9) to (5, 9);"),
    "words": (f"<annotation>{OBJECT.format('a', 1, 1, 1)}</annotation>", ": object 1: xmin has 'a' for a number; expe"),
    "size": ("<annotation><size><width>9</width><height>7</height></size></annotation>", ": JPEGImages/train1.jpg is "),
}  # fmt: skip


@pytest.mark.parametrize("what", XML)
def test_an_xml_file_with_which_something_is_wrong(tmp_path: Path, what: str) -> None:
    text, line = XML[what]
    write_voc(tmp_path, SPLITS)
    write(tmp_path / "Annotations/train1.xml", text)
    assert refusal(tmp_path).startswith(f"Annotations/train1.xml{line}"), refusal(tmp_path)


def test_xml_cannot_hide_entities_in_another_encoding(tmp_path: Path) -> None:
    write_voc(tmp_path, SPLITS)
    text = '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>'
    write(tmp_path / "Annotations/train1.xml", text.encode("utf-16"))
    assert refusal(tmp_path).startswith("Annotations/train1.xml is not UTF-8 text")
    text = '<?xml version="1.0" encoding="utf-7"?>+ADwAIQ-DOCTYPE a+AD4-<annotation/>'
    write(tmp_path / "Annotations/train1.xml", text)
    assert refusal(tmp_path).startswith("Annotations/train1.xml is not XML")


def test_lists_and_files_of_voc_that_do_not_fit(tmp_path: Path) -> None:
    write_voc(tmp_path, SPLITS)
    lists, names = tmp_path / "ImageSets/Main/train.txt", "train0\ntrain1\ntrain2\ntrain3\n"
    write(lists, names + "../../secret\n")
    assert refusal(tmp_path).startswith(
        "ImageSets/Main/train.txt has an entry '../../secret'; expected names of images"
    )
    write(lists, names + "train1\n")
    assert refusal(tmp_path).startswith("ImageSets/Main/train.txt names 1 images more than once")
    write(lists, names + "new\n")
    assert refusal(tmp_path).startswith("ROOT: split train has images without an annotation: 1 of 5, such as new; add")
    write(tmp_path / "Annotations/new.xml", voc(SPLITS["train"][0]))
    line = "ROOT: split train annotates images that are not there: 1 of 5, such as Annotations/new.xml; add the"
    write(lists, names + "new\n")
    assert refusal(tmp_path).startswith(line)
    write(lists, names + "val1\n")
    assert refusal(tmp_path).startswith("ROOT: JPEGImages/val1.jpg is in splits train and val; expected one of them")


LINES = {
    "0 0.5 0.5 0.2": " has 4 columns, no box; expected CLASS X Y WIDTH HEIGHT",
    "0 0.5 0.5 0.2 0.2 0.9": " has 6 columns, no box; expected CLASS X Y WIDTH HEIGHT",
    "0 0.1 0.1 0.2 0.1 0.2 0.2": " has 7 columns, a polygon or a turned box; expected CLASS X Y WIDTH HEIGHT",
    "0 0.1 0.1 0.2 0.1 0.2 0.2 0.1 0.2": " has 9 columns, a polygon or a turned box; expected CLASS",
    "3 0.5 0.5 0.2 0.2": " has class '3'; expected a number from 0 to 2",
    "-1 0.5 0.5 0.2 0.2": " has class '-1'; expected a number from 0 to 2",
    "0000000009 0.5 0.5 0.2 0.2": " has class '0000000009'; expected a number from 0 to 2",
    "0000000000 0.5 0.5 0.2 0.2": " has class '0000000000'; expected a number from 0 to 2",
    f"1{'0' * 5000} 0.5 0.5 0.2 0.2": " has class '10000",
    "cat 0.5 0.5 0.2 0.2": " has class 'cat'; expected a number from 0 to 2",
    "0 0.5 0.5 0.2 wide": " has 'wide' for a number; expected a finite one",
    "0 0.5 nan 0.2 0.2": " has 'nan' for a number; expected a finite one",
    "0 20 15 10 12": " has 20 15 10 12; expected CLASS X Y WIDTH HEIGHT, the centre and the size of a box in fractions",
    "0 0.5 0.5 -0.2 0.2": " has 0.5 0.5 -0.2 0.2; expected CLASS X Y WIDTH HEIGHT",
    "0 1.0 0.5 1.2 0.2": " has 1.0 0.5 1.2 0.2; expected CLASS X Y WIDTH HEIGHT",
}


@pytest.mark.parametrize("line", LINES)
def test_a_line_of_yolo_with_which_something_is_wrong(tmp_path: Path, line: str) -> None:
    write_yolo(tmp_path, SPLITS)
    write(tmp_path / "labels/train/train1.txt", f"0 0.5 0.5 0.2 0.2\n\n{line}\n")
    assert refusal(tmp_path).startswith(f"labels/train/train1.txt: line 3{LINES[line]}"), refusal(tmp_path)


def test_folders_of_yolo_that_do_not_fit(tmp_path: Path) -> None:
    write_yolo(tmp_path, SPLITS)
    extra = write(tmp_path / "labels/train/more.txt", "")
    line = "labels/train annotates images that are not there: 1 of 5, such as labels/train/more.txt; add the images"
    assert refusal(tmp_path).startswith(line)
    extra.unlink()
    write(tmp_path / "images/train/train1.png", b"")
    assert "images/train/train1.png have the same name; rename or remove one" in refusal(tmp_path)
    (tmp_path / "images/train/train1.png").unlink()
    write(tmp_path / "data.yaml", "train: images/train\nval: images/train\nnames: [a, b, c]")
    assert refusal(tmp_path).startswith("ROOT: data.yaml has images/train for both train and val; expected one folder")
    write(tmp_path / "data.yaml", "nc: 3")
    assert refusal(tmp_path).startswith("ROOT: nothing tells the classes; expected names in data.yaml, classes.txt, or")
    write(tmp_path / "data.yaml", "names: {1: a, 2: b}")
    assert refusal(tmp_path).startswith("ROOT: names of data.yaml are numbered 1, 2; expected 0, 1, 2 and so on")
    write(tmp_path / "data.yaml", "names: !!python/object/apply:os.system [ls]")
    assert refusal(tmp_path).startswith("data.yaml: line 1 has '!!python/object/apply:os.system [ls]'; expected keys")
    for path in (tmp_path / "labels/train").iterdir():
        path.unlink()
    write(tmp_path / "data.yaml", "names: [a, b, c]")
    assert refusal(tmp_path).startswith("labels/train has no labels for the 4 images of images/train; add them")


DESCRIBED = {
    "train: images/absent\nval: images/val": "ROOT: data.yaml has 'images/absent' for train, which is not there; exp",
    "train: [images/train, images/absent]": "ROOT: data.yaml has 'images/absent' for train, which is not there; exp",
    "train: ../../images/x/../train": "ROOT: data.yaml has '../../images/x/../train' for train, which is not there",
    "train: absent.txt\nval: images/val": "ROOT: data.yaml has 'absent.txt' for train, which is not there; expected a",
    "train: {a: images/train}": "ROOT: data.yaml has a map for train; expected a folder of images, or a list of them",
    "train: images/train\nval: images": "ROOT: images/train/train0.jpg is in splits train and val; expected one of",
    "train: [images, images/train]": "ROOT: data.yaml names images/train/train0.jpg twice for one split; expected fol",
    "train: list.txt": "list.txt: line 3 names images/train/train1.jpg again; expected each image once",
    "train: other.txt": "other.txt annotates images that are not there: 2 of 3, such as ../etc/passwd; add the images",
}


@pytest.mark.parametrize("description", DESCRIBED)
def test_splits_of_data_yaml_that_do_not_fit(tmp_path: Path, description: str) -> None:
    write_yolo(tmp_path, SPLITS, description=description)
    write(tmp_path / "list.txt", "images/train/train1.jpg\n\n./images/train/train1.jpg\n")
    write(tmp_path / "other.txt", "images/train/train1.jpg\n../etc/passwd\n/etc/hostname\n")
    assert refusal(tmp_path).startswith(DESCRIBED[description]), refusal(tmp_path)


def test_one_image_cannot_make_room_for_its_boxes_in_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Targets have as many rows for each image as the one with the most boxes."""
    write_yolo(tmp_path, SPLITS)
    images, most = sum(map(len, SPLITS.values())), max(len(one.boxes) for some in SPLITS.values() for one in some)
    monkeypatch.setattr(folders, "_MOST_BYTES", images * most * folders._ROW)
    folder = box_folder(str(tmp_path), DetectionDataSettings())
    assert folder is not None
    assert folder.features["objects"].most == most
    rows = sum(array.nbytes for array in folder._boxes["train"][0]) / max(1, len(folder._boxes["train"][0].labels))
    assert rows in (0, folders._ROW)
    monkeypatch.setattr(folders, "_MOST_BYTES", images * most * folders._ROW - 1)
    with pytest.raises(UsageError, match=rf"has {most} boxes; for as many of each of {images} images, expected at mo"):
        box_folder(str(tmp_path), DetectionDataSettings())


def test_ids_of_any_size_do_not_meet_in_one_place(tmp_path: Path) -> None:
    write_coco(tmp_path, SPLITS)
    content = json.loads((tmp_path / JSON).read_text())
    content["images"][1]["id"] = 5 * (2**61 - 1)
    (tmp_path / JSON).write_text(json.dumps(content))
    assert refusal(tmp_path) == f"{JSON} has the id 11529215046068469755; expected at most 9223372036854775807"


def test_a_path_of_many_folders_is_not_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_yolo(tmp_path, SPLITS, description="train: " + "a/" * 1900 + "images/train\n")
    monkeypatch.setattr(Path, "joinpath", None)
    assert refusal(tmp_path).endswith("or a list of images")


def test_an_image_is_compared_with_given_names_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many images and names have the same ending."""
    files = {f"d{place}/a.jpg": Path(f"/d{place}/a.jpg") for place in range(50)}
    compared: list[str] = []
    own = ImageIndex._endings
    monkeypatch.setattr(ImageIndex, "_endings", lambda self, name: compared.append(name) or own(self, name))
    index = ImageIndex(Path(), Oddities(), files)
    index.begin([f"e{place}/d{place}/a.jpg" for place in range(50)] + ["/d7/a.jpg", "d7/a.jpg"])
    assert index.find("x/d7/a.jpg", [Path("d8")], "") == ("a.jpg", files["d8/a.jpg"])
    for place in range(50):
        assert index.find(f"d{place}/a.jpg", [Path()], "") == (f"d{place}/a.jpg", files[f"d{place}/a.jpg"])
    assert index.find("b/a.jpg", [Path("d9")], "") == ("a.jpg", files["d9/a.jpg"])
    assert sorted(compared) == sorted(files)


def test_a_description_without_end_is_not_read(tmp_path: Path) -> None:
    write_yolo(tmp_path, SPLITS)
    write(tmp_path / "data.yaml", "a" * 200_000)
    assert refusal(tmp_path) == "data.yaml: line 1 has 200000 characters; expected at most 131072"
    write(tmp_path / "data.yaml", "names: [a, b, c]\n" + "#\n" * 600_000)
    assert refusal(tmp_path) == "data.yaml has 1200017 bytes; expected at most 1048576"


def test_two_folders_for_one_split_are_refused(tmp_path: Path) -> None:
    write_yolo(tmp_path, {"train2014": SPLITS["train"], "train2017": SPLITS["val"]})
    assert refusal(tmp_path).startswith("ROOT has folders train2014 and train2017 for split train; expected one for ea")


def test_the_format_is_chosen_where_a_folder_has_several(tmp_path: Path) -> None:
    write_coco(tmp_path, SPLITS)
    assert refusal(tmp_path, box_format="voc").startswith("--box_format=voc: ROOT has boxes in the format coco; give")
    write_yolo(tmp_path, SPLITS)
    assert refusal(tmp_path) == "ROOT has boxes in several formats: coco, yolo; say which with --box_format=coco"
    for name in ("coco", "yolo"):
        folder = box_folder(str(tmp_path), DetectionDataSettings(box_format=name))
        assert folder is not None
        assert folder.sizes == {"train": 4, "val": 2}


@pytest.mark.parametrize("link", ["images/train/train2.jpg", JSON, "JPEGImages/train2.jpg", "Annotations/train2.xml",
                                  "ImageSets/Main/train.txt", "labels/train/train2.txt", "data.yaml"])  # fmt: skip
def test_links_out_of_the_folder_are_refused(tmp_path: Path, link: str) -> None:
    root = tmp_path / "data"
    {
        "i": write_coco,
        "a": write_coco,
        "J": write_voc,
        "A": write_voc,
        "I": write_voc,
        "l": write_yolo,
        "d": write_yolo,
    }[link[0]](root, SPLITS)
    path = root / link
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert refusal(root) == f"{link} is a link out of the folder ROOT; put the file itself there"


def test_folders_that_lead_out_by_links_are_not_read(tmp_path: Path) -> None:
    write_yolo(tmp_path / "elsewhere", SPLITS)
    root = tmp_path / "data"
    root.mkdir()
    for name in ("images", "labels"):
        (root / name).symlink_to(tmp_path / "elsewhere" / name)
    assert re.search(r"is a link out of the folder ROOT", refusal(root, classes=3))


def test_boxes_of_a_photo_turned_upright_are_refused(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, size in (("coco", (48, 72)), ("voc", (48, 72))):
        upright = Scene("a", size[::-1], [(0, 1, 1, 9, 9)])
        (write_coco if name == "coco" else write_voc)(tmp_path / name, {"train": [upright]})
        file = tmp_path / name / ("images/train/a.jpg" if name == "coco" else "JPEGImages/a.jpg")
        write_image(file, size, exif=exif)
        assert "is 48x72 as it is turned upright; expected 72x48, the pixels that are stored" in refusal(
            tmp_path / name
        )


def test_classes_that_the_data_has_not(tmp_path: Path) -> None:
    write_coco(tmp_path, SPLITS)
    names = write(tmp_path / "names.txt", "cat\nhorse\n")
    line = "--classes=names.txt has 'horse'; expected some of the data set's classes: cat, dog, rabbit"
    assert refusal(tmp_path, classes=str(names)) == line
    assert refusal(tmp_path, classes=2).startswith("--classes=2, but the data set has 3: cat, dog, rabbit; give a file")
    write_voc(tmp_path / "empty", {"train": [Scene("a", (20, 30))]})
    assert refusal(tmp_path / "empty").startswith("the data set has no class, as no box has one")


def test_numbers_of_yolo_beyond_its_image_are_clipped(tmp_path: Path) -> None:
    write_yolo(tmp_path, {"train": [Scene("a", (40, 40), [(0, 0, 0, 40, 40)])]})
    write(tmp_path / "labels/train/a.txt", yolo(Scene("a", (40, 40), [(0, -4, 0, 44, 40)])))
    folder = box_folder(str(tmp_path), DetectionDataSettings())
    assert folder is not None
    (line,) = folder.remarks
    assert line == f"{tmp_path}: boxes that reach beyond their image: 1, such as {tmp_path}/labels/train/a.txt; clipped"
    ((_, example),) = folder.read("train")
    assert example["objects"]["bbox"].numpy().tolist() == [[0, 0, 1, 1]]


NAME = "a\n\x1b[2J\u202e.jpg"
SAFE = r"a\n\x1b[2J\u202e.jpg"


@pytest.mark.parametrize("kind", ["coco", "voc", "yolo", "broken"])
def test_names_of_files_cannot_steer_a_terminal(tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    {"coco": write_coco, "voc": write_voc}.get(kind, write_yolo)(tmp_path, SPLITS)
    folder = "JPEGImages" if kind == "voc" else "images/train"
    write_image(tmp_path / folder / NAME, (20, 30))
    if kind == "broken":
        write(tmp_path / folder / NAME, b"")
        assert refusal(tmp_path) == f"{folder}/{SAFE} cannot be decoded; fix or remove it"
        return
    open_source(DataSettings(f"folder:{tmp_path}", valid_split="val", image_size="32"), "detection")
    (line,) = (line for line in capsys.readouterr().err.splitlines() if SAFE in line)
    assert line.isprintable()


PIECES = (
    b"null",
    b"-1",
    b"1e999",
    b"[]",
    b"{}",
    b"true",
    b"\0",
    b"\xff",
    b"9" * 5000,
    b"\n",
    b"<",
    b"&x;",
    b"../",
    b"'",
    b"[",
)
FILES = {
    "coco": (write_coco, (JSON,)),
    "voc": (write_voc, ("Annotations/train1.xml", "ImageSets/Main/train.txt")),
    "yolo": (write_yolo, ("labels/train/train1.txt", "data.yaml")),
}


@pytest.mark.parametrize("kind", FILES)
def test_broken_files_are_read_or_refused_in_a_line(tmp_path: Path, kind: str) -> None:
    write_all, files = FILES[kind]
    write_all(tmp_path, SPLITS)
    rng, refused = random.Random(kind), 0
    for file in files:
        original = (tmp_path / file).read_bytes()
        for _ in range(120):
            place = rng.randrange(len(original) + 1)
            piece = rng.choice(PIECES)
            (tmp_path / file).write_bytes(original[:place] + piece + original[place + rng.choice((0, 1, 9)) :])
            try:
                box_folder(str(tmp_path), DetectionDataSettings())
            except UsageError as error:
                refused += 1
                line = str(error)
                assert "\n" not in line
                assert len(line) < 600
        (tmp_path / file).write_bytes(original)
    assert refused > 30
