"""Every number of every verb has bounds, and so have flagfiles: nothing on a command line takes all time or memory."""

import math
import os
from pathlib import Path

import pytest

from rl_nas.child.data.settings import DataSettings
from rl_nas.commands.bench import BENCH
from rl_nas.commands.describe import DESCRIBE
from rl_nas.commands.doctor import DOCTOR
from rl_nas.commands.export import EXPORT
from rl_nas.commands.predict import PREDICT
from rl_nas.commands.proxy import PROXY
from rl_nas.commands.runs import RUNS
from rl_nas.commands.search import SEARCH
from rl_nas.commands.train import TRAIN
from rl_nas.errors import UsageError
from rl_nas.flags.lists import budgets_of
from rl_nas.flags.parsing import Command, parse
from rl_nas.regular_files import MIB
from rl_nas.settings import MAX_SEED, Settings, declaration, expectation, field_types
from rl_nas.tasks.segmentation.predict_settings import TileSettings

VERBS = (SEARCH, TRAIN, PROXY, BENCH, DESCRIBE, DOCTOR, EXPORT, PREDICT, RUNS)
GROUPS = sorted({group for verb in VERBS for group in verb.all_groups}, key=lambda group: group.__qualname__)
NUMBERS = [
    pytest.param(group, name, id=group.prefix + name)
    for group in GROUPS
    for name, kind in field_types(group).items()
    if kind.type in (int, float)
]
EXTREMES = (0, -1, -1e300, -(10**30), 2**31, 2**63, 10**30, 1e300, math.inf, math.nan)

GROWING = {
    "cells": 65536,
    "update_every": 2**31 - 1,
    "rand_augment": 1000,
    "workers": 100_000,
    "trials": 10**18,
    "filters": 10**9,
    "epochs": 10**12,
    "batch_size": 10**9,
    "reductions": 1000,
    "tower_layers": 10**6,
    "neck_repeats": 10**6,
    "blocks": 10**6,
    "layers": 10**6,
    "branches": 10**6,
    "merges": 10**6,
    "head_filters": 10**9,
    "neck_filters": 10**9,
    "tower_filters": 10**9,
    "decoder_filters": 10**9,
    "max_detections": 10**9,
    "max_boxes": 10**9,
    "reward_seeds": 10**6,
    "then_seeds": 10**6,
    "crop_margin": 10**6,
    "controller_units": 10**6,
    "controller_memory": 10**6,
    "controller_mutated_candidates": 10**9,
    "evolution_population": 10**9,
    "shared_samples": 10**9,
    "logical_cpus": 10**6,
    "pretrain_epochs": 10**9,
}
"""Flags whose work or memory grows with their value -> a value that is refused."""


def verb_of(group: type[Settings]) -> Command:
    return next(verb for verb in VERBS if group in verb.all_groups)


@pytest.mark.parametrize(("group", "name"), NUMBERS)
def test_extreme_numbers_are_refused_or_within_bounds(group: type[Settings], name: str) -> None:
    flag, bounds, whole = group.prefix + name, declaration(group, name).metadata, field_types(group)[name].type is int
    largest = 2**31 - 1 if whole else 1e18
    most = bounds["maximum"] if bounds["maximum"] is not None else largest
    assert most <= MAX_SEED
    for value in EXTREMES:
        assert expectation(group, name, value) is not None or -largest <= value <= most
    for text in ("9" * 5000, "1e300"):
        with pytest.raises(UsageError, match=rf"{flag}.*: expected a (whole )?number"):
            parse(verb_of(group), [f"--{flag}={text}"])


def test_what_grows_with_a_number_has_a_bound_of_its_own() -> None:
    groups = {group.prefix + name: group for group in GROUPS for name in field_types(group)}
    assert groups.keys() >= GROWING.keys()
    for flag, value in GROWING.items():
        with pytest.raises(UsageError, match=rf"{flag}.*expected a whole number.*<= \d+"):
            parse(verb_of(groups[flag]), [f"--{flag}={value}"])


@pytest.mark.parametrize("text", ["1000000x1000000", "9" * 5000, "32769", "1x32769"])
def test_sizes_of_images_have_bounds(text: str) -> None:
    for group, flag in ((DataSettings, "image_size"), (TileSettings, "tile")):
        with pytest.raises(UsageError, match=f"--{flag}=.*: expected pixels, as N for a square or HxW"):
            group.from_flags({**group().flags(), flag: text}).size  # noqa: B018


def test_budgets_have_bounds() -> None:
    with pytest.raises(UsageError, match="expected whole numbers above 0 and below 10\\^8"):
        budgets_of("100," + "9" * 5000)


def test_flagfiles_that_are_no_files_or_too_large_are_refused(tmp_path: Path) -> None:
    pipe, large, nested = tmp_path / "pipe.cfg", tmp_path / "large.cfg", tmp_path / "nested.cfg"
    os.mkfifo(pipe)
    with large.open("wb") as file:
        file.truncate(10 * 2**30)  # sparse
    for inner, message in ((pipe, "no such file"), (large, f"10,737,418,240 bytes; expected at most {MIB:,}")):
        nested.write_text(f"--trials=3\n--flagfile={inner}\n")
        for name in (inner, nested):
            with pytest.raises(UsageError, match=message):
                parse(SEARCH, [f"--flagfile={name}"])


def test_flagfiles_that_name_each_other_again_and_again_are_refused(tmp_path: Path) -> None:
    """Ten levels of ten lines each would be ten billion files."""
    for level in range(10):
        (tmp_path / f"{level}.cfg").write_text(f"--flagfile={tmp_path}/{level + 1}.cfg\n" * 10)
    (tmp_path / "10.cfg").write_text("--trials=3\n")
    with pytest.raises(UsageError, match="names more than 20 other flagfiles"):
        parse(SEARCH, [f"--flagfile={tmp_path}/0.cfg"])
    assert parse(SEARCH, [f"--flagfile={tmp_path}/10.cfg"]).values["trials"] == 3


def test_a_flagfile_may_name_another(tmp_path: Path) -> None:
    (tmp_path / "inner.cfg").write_text("// inner\n--seed=4\n--trials=5\n")
    (tmp_path / "outer.cfg").write_text(f"--seed=3\n-flagfile={tmp_path}/inner.cfg\n--trials=6\n")
    parsed = parse(SEARCH, [f"--flagfile={tmp_path}/outer.cfg"])
    assert (parsed.values["seed"], parsed.values["trials"]) == (4, 6)
