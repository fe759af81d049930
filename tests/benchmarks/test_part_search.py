"""Parts of networks by several strategies, confirmed with fresh seeds: what is kept is read, nothing is trained."""

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rl_nas.exit_codes import DONE, WRONG_USE
from rl_nas.flags.parsing import parse
from rl_nas.networks.families.catalog import neck_family
from rl_nas.spaces.catalog import find_space
from rl_nas.spaces.dpc_space import dpc, rates_of
from rl_nas.spaces.nas_fpn_space import nas_fpn
from rl_nas.spaces.published import PUBLISHED
from rl_nas.spaces.settings import SpaceSettings
from rl_nas.store.run_folder import SearchFolder
from rl_nas.store.trials import TrialStore
from rl_nas.tasks.detection.head_settings import DetectionHeadSettings
from rl_nas.trial import Measurement, Trial, TrialState
from rl_nas.workflows.config import SearchConfig

FOLDER = Path(__file__).parents[2] / "benchmarks"
NECKS = ["--task=detection", "--space=nas_fpn", "--trials=4", "--epochs=2"]


@pytest.fixture(name="script")
def _script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.chdir(tmp_path)
    return importlib.import_module("part_search")


def config_of(script: Any, words: list[str]) -> SearchConfig:
    return SearchConfig.from_flags(parse(script.COMMAND, words).values)


def test_a_table_of_what_is_kept(script: Any, capsys: pytest.CaptureFixture[str]) -> None:
    space, rng = nas_fpn(), np.random.default_rng(0)
    kept: dict[str, float] = {}
    for seed, best in ((0, 0.5), (1, 0.3)):
        folder = SearchFolder(f"runs/parts/random-{seed}")
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
    Path("runs/parts/confirmed.json").write_text(json.dumps(kept))
    words = [*NECKS, "--strategies=random", "--runs=2", "--confirmations=2", "--also=FPN"]
    assert script.main(words) == DONE
    assert capsys.readouterr().out.splitlines() == [
        "| neck of | runs | reward | reward of the last quarter | held-out mAP, fresh seeds | test mAP |",
        "| --- | --- | --- | --- | --- | --- |",
        "| random | 2 | 0.4000 [0.3000, 0.5000] | 0.2000 | 0.4500 [0.3500, 0.5500] | 0.2000 |",
        "| FPN | 1 | - | - | 0.2500 | 0.2500 |",
    ]


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
