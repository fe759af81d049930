"""Parts of networks by several strategies, confirmed with fresh seeds: what is kept is read, nothing is trained."""

import importlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rl_nas.errors import UsageError
from rl_nas.exit_codes import DONE, WRONG_USE
from rl_nas.flags.parsing import parse
from rl_nas.networks.families.catalog import neck_family
from rl_nas.spaces.catalog import find_space
from rl_nas.spaces.dpc_space import dpc, rates_of
from rl_nas.spaces.nas_fpn_space import nas_fpn
from rl_nas.spaces.published import PUBLISHED
from rl_nas.spaces.settings import SpaceSettings
from rl_nas.store.search_folder import SearchFolder
from rl_nas.store.trials import TrialStore
from rl_nas.tasks.detection.head_settings import DetectionHeadSettings
from rl_nas.trial import Measurement, Trial, TrialState
from rl_nas.workflows import run_config
from rl_nas.workflows.config import SearchConfig

FOLDER = Path(__file__).parents[2] / "benchmarks"
NECKS = ["--task=detection", "--dataset=boxed_shapes", "--space=nas_fpn", "--trials=4", "--epochs=2"]
PART = "1 2 3"


@pytest.fixture(name="script")
def _script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.chdir(tmp_path)
    return importlib.import_module("part_search")


def config_of(script: Any, words: list[str]) -> SearchConfig:
    return SearchConfig.from_flags(parse(script.COMMAND, words).values)


def confirmation() -> Any:
    return importlib.import_module("confirmation")


def start(config: SearchConfig, strategy: str = "random", seed: int = 0, **changed: Any) -> SearchFolder:
    """Writes the config of a search by other flags, as if it had been started."""
    folder = SearchFolder(f"runs/parts/{strategy}-{seed}")
    folder.path.mkdir(parents=True)
    flags = {**config.flags(), "strategy": strategy, "seed": seed, "run_dir": str(folder.path), **changed}
    folder.write_config(run_config.config(flags))
    return folder


def image_folder(**splits: int) -> None:
    """Writes images of two classes, so many of each in every split."""
    for split, count in splits.items():
        for name in ("cat", "dog"):
            folder = Path("photos", split, name)
            folder.mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / f"{number}.png")


def box_folder(**splits: int) -> None:
    """Writes images with a box each, as YOLO does."""
    for split, count in splits.items():
        images, labels = Path("boxes/images", split), Path("boxes/labels", split)
        images.mkdir(parents=True)
        labels.mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (8, 8), (number, 0, 0)).save(images / f"{number}.png")
            (labels / f"{number}.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    Path("boxes/data.yaml").write_text("names: [cell]\n")


@pytest.mark.long
def test_a_table_of_what_is_kept(script: Any, capsys: pytest.CaptureFixture[str]) -> None:
    box_folder(train=4, test=1)
    words = [*NECKS, "--dataset=folder:boxes", "--strategies=random", "--runs=2", "--confirmations=2", "--also=FPN"]
    config, space, rng = config_of(script, words), nas_fpn(), np.random.default_rng(0)
    kept: dict[str, float] = {}
    for seed, best in ((0, 0.5), (1, 0.3)):
        folder = start(config, seed=seed)
        (folder.best / "saved_model").mkdir(parents=True)
        with TrialStore(folder.trials) as store:
            for index, quality in enumerate((0.1, best, 0.0, 0.2)):
                architecture = space.sample(rng)
                store.record(
                    Trial(
                        index, architecture, TrialState.OK, quality, Measurement(quality, {"mAP": quality, "AP50": 0.9})
                    )
                )
                if quality == best:
                    for number, (held_out, test) in enumerate(((best, 0.1), (best + 0.1, 0.3))):
                        decisions = " ".join(map(str, architecture))
                        kept[f"valid, 2 epochs, seed {number}: {decisions}"] = held_out
                        kept[f"test, 2 epochs, seed {number}: {decisions}"] = test
    for split in ("valid", "test"):
        for number in range(2):
            kept[f"{split}, 2 epochs, seed {number}: FPN"] = 0.25
    document = {"flags": confirmation().recipe_of(config), "qualities": kept}
    Path("runs/parts/confirmed.json").write_text(json.dumps(document))
    assert script.main(words) == DONE
    assert capsys.readouterr().out.splitlines() == [
        "| neck of | runs | reward | reward of the last quarter | held-out mAP, fresh seeds | test mAP |",
        "| --- | --- | --- | --- | --- | --- |",
        "| random | 2 | 0.4000 [0.3000, 0.5000] | 0.2000 | 0.4500 [0.3500, 0.5500] | 0.2000 |",
        "| FPN | 1 | - | - | 0.2500 | 0.2500 |",
    ]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"learning_rate": 0.5}, "random-0 was made with --learning_rate=0.5, not 0.1; give that, or another --out"),
        ({"dataset": "shapes"}, "random-0 was made with --dataset=shapes, not boxed_shapes"),
        ({"merges": 5}, "random-0 was made with --merges=5, not 7"),
        ({"trials": 5}, "random-0 was made with --trials=5, not 4"),
    ],
)
def test_searches_of_other_flags_are_refused(
    changed: dict[str, Any], message: str, script: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    start(config_of(script, NECKS), **changed)
    assert script.main([*NECKS, "--strategies=random", "--runs=1", "--parts=0"]) == WRONG_USE
    output, errors = capsys.readouterr()
    assert (output, len(errors.splitlines())) == ("", 1)
    assert message in errors


def test_searches_are_the_same_wherever_they_run_and_whatever_a_flag_is_by_default(script: Any) -> None:
    config = config_of(script, ["--dataset=folder:photos", "--workers=2"])
    folder = start(config, workers=1, feature_dir="elsewhere", task="classification", freeze="none")
    document = json.loads(folder.config.read_text())
    del document["flags"]["anchor_sizes"]  # newer than the search
    folder.write_config(document)
    found = {"random": [folder.path]}
    script._check_searches(config, found)
    with pytest.raises(UsageError, match="--anchor_sizes=auto, not 8;"):
        script._check_searches(config_of(script, ["--dataset=folder:photos", "--anchor_sizes=8"]), found)


def test_a_search_without_its_config_is_refused(script: Any) -> None:
    config = config_of(script, NECKS)
    folder = start(config)
    folder.trials.touch()
    folder.config.unlink()
    with pytest.raises(UsageError, match=r"config\.json: No such file"):
        script._check_searches(config, {"random": [folder.path]})


def test_qualities_are_used_again_for_the_same_flags_alone(script: Any) -> None:
    config, file = config_of(script, NECKS), Path("runs/parts/confirmed.json")
    confirmed, part = confirmation().Confirmed, confirmation().Part((1, 2, 3), config)
    qualities = {f"{split}, 2 epochs, seed 0: {PART}": 0.5 for split in ("valid", "test")}
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"flags": confirmation().recipe_of(config), "qualities": qualities}))
    longer = replace(config, training=replace(config.training, epochs=9))  # which the name of a quality tells
    for same in (config, longer, config_of(script, [*NECKS, "--strategy=random", "--trials=9", "--seed=3"])):
        for split in (None, "test"):
            assert confirmed(file, same, split, 1).mean_of(part) == 0.5
    for word in ("--dataset=shapes", "--optimizer=adam", "--image_size=32", "--merges=5", "--tower_layers=1"):
        with pytest.raises(
            UsageError, match=rf"confirmed\.json was made with {word.partition('=')[0]}=.*another --out"
        ):
            confirmed(file, config_of(script, [*NECKS, word]), None, 1)


def test_qualities_without_flags_are_of_the_searches_beside_them(script: Any) -> None:
    config, file = config_of(script, NECKS), Path("runs/parts/confirmed.json")
    part = confirmation().Part((1, 2, 3), config)
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({f"valid, 2 epochs, seed 0: {PART}": 0.5}))
    with pytest.raises(UsageError, match="tells no flags, nor does a search beside it"):
        confirmation().Confirmed(file, config, None, 1)
    start(config)
    assert confirmation().Confirmed(file, config, None, 1).mean_of(part) == 0.5
    start(config, strategy="controller", optimizer="adam")
    with pytest.raises(UsageError, match="controller-0 was made with --optimizer=adam, not sgd"):
        confirmation().Confirmed(file, config, None, 1)


@pytest.mark.parametrize("text", ["[]", '{"flags": {}}', '{"valid": "much"}', "{"])
def test_broken_qualities_are_told_in_a_line(text: str, script: Any) -> None:
    file = Path("confirmed.json")
    file.write_text(text)
    with pytest.raises(UsageError, match=r"confirmed\.json.*; give another --out"):
        confirmation().Confirmed(file, config_of(script, NECKS), None, 1)


@pytest.mark.parametrize(
    ("splits", "word", "expected"),
    [
        ({"train": 4, "test": 1}, "", "test"),
        ({"train": 4, "val": 1}, "", "val"),
        ({"train": 4, "validation": 1, "test": 1}, "--valid_split=validation", "test"),
        ({"train": 4, "validation": 1, "test": 1}, "--valid_split=test", "validation"),
        ({"train": 4}, "", None),
        ({"train": 4, "val": 1}, "--valid_split=val", None),
    ],
)
def test_the_split_of_the_test_is_known_before_a_search(
    splits: dict[str, int], word: str, expected: str | None, script: Any
) -> None:
    image_folder(**splits)
    flags = config_of(script, ["--dataset=folder:photos", "--image_size=8", *filter(None, [word])]).flags()
    if expected is None:
        with pytest.raises(UsageError, match="folder:photos has no split test, validation, val, valid that is not"):
            confirmation().task_and_test_split(flags)
    else:
        assert confirmation().task_and_test_split(flags) == ("classification", expected)


@pytest.mark.slow
def test_a_data_set_without_a_test_is_refused_before_a_search(script: Any, capsys: pytest.CaptureFixture[str]) -> None:
    image_folder(train=4)
    assert script.main(["--dataset=folder:photos", "--image_size=8", "--runs=1"]) == WRONG_USE
    assert "has no split test" in capsys.readouterr().err
    assert not Path("runs").exists()


def test_a_part_of_the_training_images_is_no_test(script: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main([*NECKS, "--test_fraction=0.2"]) == WRONG_USE
    assert "--test_fraction=0.2: parts are measured at the end on a split of its own" in capsys.readouterr().err


def test_published_genotypes_are_of_the_part_that_is_searched(script: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for part, names in (("neck", ["FPN", "NAS-FPN"]), ("head", ["ASPP", "DPC-top1"])):
        assert script.published(script.PartsSettings(), part) == names
        assert script.published(script.PartsSettings(also=""), part) == []
    assert script.main([*NECKS, "--also=ASPP", "--parts=0"]) == WRONG_USE
    assert "--also: no 'ASPP'; expected some of FPN, NAS-FPN" in capsys.readouterr().err


def test_what_a_space_holds_is_an_architecture_of_it(script: Any) -> None:
    words = ["--space=dpc", "--branches=5"]
    part = script.published_part("DPC-top1", config_of(script, words), dpc(5, rates_of(SpaceSettings().rates)))
    assert dpc(5, rates_of(SpaceSettings().rates)).decode(part.architecture) == PUBLISHED["DPC-top1"]
    assert part.name is None


@pytest.mark.parametrize(("name", "merges"), [("FPN", 7), ("NAS-FPN", 9)])
def test_what_a_space_does_not_hold_is_alone_in_one(name: str, merges: int, script: Any) -> None:
    """On the levels of the space, by the same recipe."""
    config = config_of(script, [*NECKS, f"--merges={merges}"])
    part = script.published_part(name, config, nas_fpn(merges))
    space = find_space(part.config.space)
    assert (part.name, space.size()) == (name, 1)
    neck = space.decode(part.architecture)
    assert neck == PUBLISHED[name]
    settings = DetectionHeadSettings.from_flags(part.config.flags())
    assert settings.strides(neck_family(neck).levels(neck)) == (8, 16, 32, 64, 128)
    assert part.config.training == config.training


def test_levels_that_are_given_stay(script: Any) -> None:
    config = config_of(script, [*NECKS, "--levels=3-7"])
    assert script.published_part("FPN", config, nas_fpn()).config.flags()["levels"] == "3-7"
