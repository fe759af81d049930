"""Flags that follow the data: few images and many, small ones and large."""

from typing import Any

import pytest

from rl_nas.child.data.settings import DataSettings
from rl_nas.commands.search import SEARCH
from rl_nas.commands.train import TRAIN
from rl_nas.errors import UsageError
from rl_nas.flags.parsing import parse
from rl_nas.workflows.sizing import AUTO, CHILD, FULL, AutoSettings, Budget, Seen, found_flags, without_given

SIZES = {(300, 400): 60, (1200, 900): 40}


def found(train: int, budget: Budget = CHILD, sizes: Any = None, **others: int) -> dict[str, Any]:
    seen = Seen({"train": train, **others}, SIZES if sizes is None else sizes)
    return found_flags(AUTO, DataSettings("folder:photos"), seen, budget)


def test_few_images_are_held_out_in_larger_parts_and_seen_more_often() -> None:
    assert found(100) == {
        "image_size": "64",
        "valid_fraction": 0.25,
        "test_fraction": 0.25,
        "batch_size": 8,
        "epochs": 30,
        "filters": 8,
        "reductions": 3,
        "crop_margin": 4,
    }
    assert found(20_000) == {
        "image_size": "64",
        "valid_fraction": 0.1,
        "test_fraction": 0.1,
        "train_images": 4000,
        "batch_size": 64,
        "epochs": 3,
        "filters": 8,
        "reductions": 3,
        "crop_margin": 4,
    }


def test_about_500_images_are_held_out_where_a_tenth_is_less_and_a_quarter_more() -> None:
    assert [found(images)["valid_fraction"] for images in (1000, 2500, 10_000)] == [0.25, 0.2, 0.1]


def test_a_full_training_takes_all_images_longer_and_in_a_wider_network() -> None:
    few, many = found(100, FULL), found(20_000, FULL)
    assert (few["epochs"], few["filters"], many["epochs"], many["filters"]) == (60, 16, 10, 32)
    assert "train_images" not in many
    assert found(1000, FULL)["epochs"] == 40  # of the 500 that are trained on


def test_splits_of_the_data_are_used() -> None:
    assert found(100, test=50).keys() >= {"valid_fraction"}
    assert "test_fraction" not in found(100, test=50)
    both = found(100, test=50, val=40)
    assert (both["valid_split"], both.keys() & {"valid_fraction", "test_fraction"}) == ("val", set())
    grouped = DataSettings("folder:photos", group_size=2)
    assert found_flags(["valid_fraction"], grouped, Seen({"train": 100, "test": 9, "val": 9}, {}), CHILD).keys() == {
        "valid_fraction"
    }
    only = found(100, val=40)  # which is the final test
    assert only.keys() & {"valid_split", "valid_fraction", "test_fraction"} == {"valid_fraction"}


@pytest.mark.parametrize(
    ("sizes", "size", "reductions"),
    [
        ({(48, 64): 9}, "48x64", 3),
        ({(28, 28): 9}, "28x28", 2),
        ({(8, 8): 9}, "8x8", 1),
        ({(1, 1): 9}, "1x1", 0),
        ({(65, 65): 9}, "64", 3),
        ({(30, 30): 5, (40, 30): 4}, "30", 2),
        ({}, None, None),
    ],
)
def test_small_images_of_one_size_stay_as_they_are(sizes: Any, size: str | None, reductions: int | None) -> None:
    values = found(100, sizes=sizes)
    assert (values.get("image_size"), values.get("reductions")) == (size, reductions)


def test_given_flags_are_not_found_nor_what_they_say() -> None:
    data = DataSettings("folder:photos", valid_images=10, image_size="32")
    values = found_flags(["reductions", "batch_size", "epochs"], data, Seen({"train": 400}, SIZES), CHILD)
    assert values == {"reductions": 2, "batch_size": 16, "epochs": 26}  # 390 images of 32 pixels
    flags = {"auto": ",".join(AUTO)}
    left = without_given(flags, {"valid_images", "size", "epochs"})["auto"]
    assert left == "image_size,test_fraction,train_images,batch_size,reductions,crop_margin"
    assert without_given({"auto": "epochs"}, {"epochs"})["auto"] is None


def test_wrong_names_are_refused() -> None:
    with pytest.raises(UsageError, match=r"--auto: no 'seed'; expected some of image_size, "):
        AutoSettings("epochs,seed")


@pytest.mark.parametrize(("command", "recipe"), [(SEARCH, "own_images"), (TRAIN, "own_images_final")])
def test_recipes_leave_to_the_data_what_they_do_not_say(command: Any, recipe: str) -> None:
    parsed = parse(command, [f"--flagfile={recipe}"])
    names = AutoSettings(parsed.values["auto"]).names
    assert not set(names) & parsed.given
    assert {"filters", *names} >= set(AUTO) - {"train_images"}
    assert parsed.values["dataset"] is None
