"""What trainings and descriptions take from the run of their genotype, and what they do not. No TensorFlow."""

import json
from pathlib import Path
from typing import Any

import pytest

from rl_nas.commands.describe import DESCRIBE
from rl_nas.commands.search import SEARCH
from rl_nas.commands.train import TRAIN
from rl_nas.errors import UsageError
from rl_nas.flags.parsing import Command, Parsed, parse
from rl_nas.store.run_folder import RunFolder
from rl_nas.store.search_folder import SearchFolder
from rl_nas.workflows.origin import Origin, for_training
from rl_nas.workflows.run_config import DATA, config, portable

PHOTOS = ("--dataset=folder:photos", "--image_size=24", "--task=classification")
FOUND = {"classes": ["cat", "dog"], "splits": {}, "image": [24, 24, 3]}


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def started(*words: str, path: str = "run", command: Command = SEARCH, data: Any = FOUND) -> Origin:
    """The origin of a genotype of a run with these flags."""
    folder = RunFolder(path)
    (folder.path / "best").mkdir(parents=True)
    folder.write_config(config(parse(command, words).values, data))
    origin = Origin.of(path)
    assert origin is not None
    return origin


def trained(origin: Origin, *words: str) -> tuple[dict[str, Any], str]:
    """The values of a training that are not the default, and what is told."""
    parsed, line = origin.for_training(parse(TRAIN, words))
    usual = parse(TRAIN, []).values
    return {name: value for name, value in parsed.values.items() if value != usual[name]}, line


def described(origin: Origin, *words: str) -> Parsed:
    return origin.for_description(parse(DESCRIBE, words))[0]


def test_a_training_takes_data_splits_and_task() -> None:
    splits = ("--valid_images=30", "--test_fraction=0.2", "--group_by=(.)_", "--split_seed=3", "--data_dir=tfds")
    others = ("--train_images=50", "--epochs=9", "--filters=4", "--flip", "--trials=3", "--label_smoothing=0.1")
    values, line = trained(started(*PHOTOS, *splits, *others))
    assert values == {
        "dataset": f"folder:{Path.cwd() / 'photos'}",
        "image_size": "24",
        "task": "classification",
        "valid_images": 30,
        "test_fraction": 0.2,
        "group_by": "(.)_",
        "split_seed": 3,
        "data_dir": str(Path.cwd() / "tfds"),
        "label_smoothing": 0.1,
    }
    assert line.startswith(f"data of run: folder:{Path.cwd() / 'photos'}, 24x24, ")
    assert "--valid_images=30" in line.split(", ")


def test_what_the_run_tells_does_not_follow_the_data() -> None:
    origin = started(*PHOTOS, "--valid_fraction=0.25")
    auto = "--auto=image_size,valid_fraction,test_fraction,epochs"
    assert trained(origin, auto)[0]["auto"] == "epochs"
    assert trained(origin, auto, "--dataset=folder:others")[0]["auto"] == auto.removeprefix("--auto=")


def test_normalization_is_that_of_a_training() -> None:
    origin = started("--genotype=NASNet-A", "--dataset=digits", "--normalization=unit", command=TRAIN)
    assert trained(origin)[0] == {"dataset": "digits", "normalization": "unit"}
    assert trained(origin, "--dataset=shapes")[0] == {"dataset": "shapes"}


@pytest.mark.parametrize(
    ("recorded", "given", "taken"),
    [
        (["--valid_split=dev"], ["--valid_images=5"], {"valid_images": 5}),
        (["--valid_images=5"], ["--valid_split=dev"], {"valid_split": "dev"}),
        (["--group_size=4"], ["--group_by=(.)"], {"group_by": "(.)"}),
        (["--group_size=4"], ["--valid_split=dev"], {"valid_split": "dev"}),
        (
            ["--group_size=4", "--test_fraction=0.1"],
            ["--valid_split=dev"],
            {"valid_split": "dev", "group_size": 4, "test_fraction": 0.1},
        ),
        (["--image_size=8"], ["--image_size=16"], {"image_size": "16"}),
        (["--split_seed=1"], ["--split_seed=0"], {}),
        (["--label_map=a.txt"], ["--classes=3"], {"classes": "3"}),
        (["--label_smoothing=0.1"], ["--task=mine:Task"], {"task": "mine:Task"}),
    ],
)
def test_what_a_call_gives_wins_with_all_that_it_replaces(
    recorded: list[str], given: list[str], taken: dict[str, Any]
) -> None:
    values, _ = trained(started("--dataset=digits", *recorded), *given)
    assert values == {"dataset": "digits", **taken}


def test_a_size_that_is_given_is_not_told_as_the_run_s() -> None:
    assert trained(started("--dataset=digits"), "--image_size=16")[1] == "data of run: digits"


def test_of_other_data_nothing_is_taken_and_that_is_told() -> None:
    values, line = trained(started(*PHOTOS, "--valid_images=30"), "--dataset=digits")
    assert values == {"dataset": "digits"}
    photos = f"folder:{Path.cwd() / 'photos'}"
    assert line == f"run is a run on {photos}: with --dataset=digits, its splits and image size are not taken"


def test_data_that_are_given_by_another_name_of_their_folder_are_the_same() -> None:
    values, _ = trained(started(*PHOTOS, "--valid_images=30"), "--dataset=folder:./photos/")
    assert values["valid_images"] == 30


def test_other_parts_and_pretraining_are_taken() -> None:
    parts = ("--task=detection", "--dataset=bccd", "--backbone=NASNet-A", "--levels=2-4", "--neck_filters=8")
    values, _ = trained(started(*parts))
    assert (values["backbone"], values["levels"], values["neck_filters"]) == ("NASNet-A", "2-4", 8)
    own, _ = trained(started(*parts, path="other"), "--backbone=PNASNet-5", "--dataset=shapes")
    assert own == {"backbone": "PNASNet-5", "dataset": "shapes"}
    origin = started("--dataset=bccd", "--pretrain_epochs=5", "--pretrain_dataset=digits", path="third")
    values, _ = trained(origin)
    pretrained = str(SearchFolder("third").pretrained)
    expected = {"pretrain_epochs": 5, "pretrain_dataset": "digits", "pretrain_dir": pretrained}
    assert {name: value for name, value in values.items() if "pretrain" in name} == expected
    values, _ = trained(origin, "--init=elsewhere")
    assert values == {"dataset": "bccd", "init": "elsewhere"}


def test_a_second_stage_takes_the_same_for_a_recipe_without_a_data_set() -> None:
    searched = portable(parse(SEARCH, [*PHOTOS, "--valid_fraction=0.3"]).values)
    taken = for_training(searched, SearchFolder("run"), parse(TRAIN, ["--network=proxy"]))
    assert (taken["dataset"], taken["valid_fraction"]) == (f"folder:{Path.cwd() / 'photos'}", 0.3)


class TestTrust:
    def test_a_strangers_data_are_not_opened_by_its_record_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        origin = started(*PHOTOS, "--group_by=(a+)+b", "--operations=evil:x")
        monkeypatch.setenv("XDG_STATE_HOME", "others")
        for take in (origin.for_training, origin.for_description):
            with pytest.raises(UsageError, match=r"which you did not start here, has .*--operations=evil:x"):
                take(parse(TRAIN if take == origin.for_training else DESCRIBE, []))
        with pytest.raises(
            UsageError, match=r"has --dataset=folder:\S*photos --group_by=\(a\+\)\+b; if you trust that"
        ):
            trained(origin, "--operations=mine:x")
        again = ("--operations=mine:x", "--dataset=folder:photos", "--group_by=x")
        assert trained(origin, *again)[0]["image_size"] == "24"
        assert trained(origin, "--trust")[0]["group_by"] == "(a+)+b"
        assert described(origin, "--trust").values["operations"] == "evil:x"

    def test_names_that_come_with_rl_nas_need_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        origin = started("--dataset=cifar10", "--task=classification", "--backbone=NASNet-A")
        monkeypatch.setenv("XDG_STATE_HOME", "others")
        assert trained(origin)[0]["dataset"] == "cifar10"


class TestDescription:
    def test_image_classes_and_network_are_those_of_the_run(self) -> None:
        origin = started(*PHOTOS, "--filters=4", "--cells=1", "--label_smoothing=0.1")
        values = described(origin).values
        assert (values["image_size"], values["channels"], values["task"]) == ("24x24", 3, "classification")
        assert (values["filters"], values["cells"], values["label_smoothing"]) == (4, 1, 0.1)
        assert (origin.classes, origin.preset) == (("cat", "dog"), "proxy")
        training = started("--genotype=NASNet-A", path="training", command=TRAIN)
        assert training.preset == "cifar"

    @pytest.mark.parametrize(
        ("given", "taken"),
        [
            ("--image_size=48", {"image_size": "48", "channels": 3, "filters": 4, "cells": 2}),
            ("--target_params=1e6", {"filters": None, "target_params": 1e6, "cells": 2}),
            ("--size=4@1056", {"filters": None, "size": "4@1056", "cells": None}),
            ("--network=cifar", {"image_size": "24x24", "network": "cifar", "filters": None, "cells": None}),
        ],
    )
    def test_flags_win(self, given: str, taken: dict[str, Any]) -> None:
        values = described(started(*PHOTOS, "--filters=4", "--cells=2"), given).values
        assert {name: values[name] for name in taken} == taken

    def test_a_run_of_a_version_that_did_not_record_its_images_says_so(self) -> None:
        origin = started("--dataset=digits", data=None)
        parsed, line = origin.for_description(parse(DESCRIBE, []))
        assert (parsed.values["image_size"], origin.classes) == (None, None)
        assert line == "network of run: images of unrecorded size"

    @pytest.mark.parametrize("image", [["8"], "8x8", [[8]], {}])
    def test_a_broken_record_is_one_line(self, image: object) -> None:
        origin = started("--dataset=digits", data={**FOUND, "image": image})
        with pytest.raises(UsageError, match=r"config\.json: it"):
            described(origin)


def test_the_run_of_a_genotype() -> None:
    started(*PHOTOS)
    place = Path("run").absolute()
    for path in (place / "best/genotype.json", place / "genotype.json", place / "other.json", Path("genotype.json")):
        path.touch()
    for name in ("run", "run/", "run/best", "run/best/genotype.json", "run/genotype.json", str(place)):
        origin = Origin.of(name)
        assert origin is not None
        assert (origin.folder.path, origin.name) == (place, name)
    for name in (None, "NASNet-A", "nowhere", "x" * 300, "run/other.json", "genotype.json", "."):
        assert Origin.of(name) is None


def test_a_config_that_is_none_of_a_run_is_refused() -> None:
    Path("config.json").write_text(json.dumps({DATA: 3}))
    with pytest.raises(UsageError, match=r"config\.json: it has no 'flags'"):
        Origin.of(".")


@pytest.mark.parametrize("value", ["_m\n--operations=evil:x", "_m\r--init=/srv/x", "_\udce9"])
def test_a_strangers_value_becomes_no_further_flag(value: str) -> None:
    """The new run's flags.cfg has a line for each flag."""
    origin = started("--dataset=shapes", "--task=segmentation")
    path = origin.folder.config
    written = json.loads(path.read_text())
    path.write_text(json.dumps({**written, "flags": {**written["flags"], "mask_suffix": value}}))
    found = Origin.of("run")
    assert found is not None
    with pytest.raises(UsageError, match=r"config\.json: flag mask_suffix is .*; expected a line of UTF-8 text; "):
        found.for_training(parse(TRAIN, []))


def test_a_recorded_value_of_another_type_is_told_with_its_file() -> None:
    origin = started(*PHOTOS)
    document = json.loads(origin.folder.config.read_text())
    for name, value, expected, given in (
        ("valid_fraction", "half", "a number", "0.5"),
        ("split_seed", 2.5, "a whole number", "1"),
    ):
        changed = {**document, "flags": {**document["flags"], name: value}}
        origin.folder.config.write_text(json.dumps(changed))
        again = Origin.of("run")
        assert again is not None
        met = rf"^{origin.folder.config}: flag {name} is '{value}'; expected {expected}.*; restore the file"
        with pytest.raises(UsageError, match=met):
            again.for_training(parse(TRAIN, ("--trust",)))
        again.for_training(parse(TRAIN, ("--trust", f"--{name}={given}")))
