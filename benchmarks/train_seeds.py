"""Full trainings repeated with other seeds, of one recipe or of several, as the rows of a table.

    python benchmarks/train_seeds.py --genotype=runs/digits --flagfile=flags/digits_final.cfg --out=runs/seeds

A training is `rl_nas train` with these flags, in a folder under --out, with --seed and the numbers after it. Each line
of --variants has a name and flags that win over the others:

    momentum: --optimizer=sgd
    adam: --optimizer=adam --learning_rate=0.003

All recipes are trained with a seed before the next one. Finished trainings are read, so that the same command goes on
where it was stopped, and --parts=N stops after so many. The table has the means over seeds of the figures after the
last epoch, on the held-out images and on the test split, with bootstrapped 95% intervals, and seconds of a training.
"""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from frame import Table, estimate_text, remark, run
from kept import check_same

from rl_nas.errors import RunError, UsageError
from rl_nas.exit_codes import INTERRUPTED
from rl_nas.flags.parsing import Command, Parsed, flag_words, parse
from rl_nas.metrics import metrics_of
from rl_nas.networks.lookup import find_genotype
from rl_nas.networks.own_operations import find_operations
from rl_nas.settings import Settings, setting
from rl_nas.statistics import estimate
from rl_nas.store.training_folder import TrainingFolder
from rl_nas.workflows.config import TrainConfig
from rl_nas.workflows.trust import doors

SPLITS = {"valid": "held-out", "final_test": "test"}
"""Part of results.json -> its images."""
_OWN = ("run_dir", "resume")
"""Flags of each training that are given by this benchmark."""


@dataclass(frozen=True)
class SeedsSettings(Settings):
    """What is repeated."""

    title: ClassVar[str] = "Repetition"

    runs: int = setting(3, "trainings of each recipe, with other seeds", minimum=1)
    variants: str | None = setting(
        None, "file with a recipe in each line, NAME: FLAGS; left out: the flags are the only"
    )
    figures: str | None = setting(
        None, "figures that are shown, with commas between; left out: all but the loss and those of parts, with a slash"
    )
    parts: int | None = setting(None, "stop after so many trainings of this call", minimum=0)
    out: str = setting("runs/seeds", "folder of the trainings")


_TRAIN = Command(name="rl_nas train", summary="", examples=(), groups=TrainConfig.groups())
COMMAND = Command(
    name="python benchmarks/train_seeds.py",
    summary="repeats full trainings with other seeds.",
    examples=(
        "python benchmarks/train_seeds.py --genotype=NASNet-A --flagfile=flags/digits_final.cfg --runs=5",
        "python benchmarks/train_seeds.py --genotype=FPN --task=detection --dataset=folder:cells --image_size=240x320"
        " --backbone=lite0.keras --variants=recipes.txt",
    ),
    groups=(SeedsSettings, *TrainConfig.groups()),
)


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns its exit code."""
    return run(COMMAND, _table, argv)


def _table(parsed: Parsed) -> Table:
    settings = parsed.group(SeedsSettings)
    recipes, out = recipes_of(parsed), Path(settings.out)
    done: dict[str, list[Mapping[str, Any]]] = {name: [] for name in recipes}
    for name, results in _trained(settings, recipes, out):
        done[name].append(results)
    measured = [results for of_name in done.values() for results in of_name]
    figures = _figures(measured, settings.figures)
    columns: dict[str, Callable[[Any], str]] = {"training": str, "runs": str}
    columns |= {f"{SPLITS[part]} {figure.replace('_', ' ')}": estimate_text for part, figure in figures}
    columns["seconds"] = "{:,.0f}".format
    return Table(columns, [_row(name, of_name, figures) for name, of_name in done.items() if of_name])


def recipes_of(parsed: Parsed) -> dict[str, dict[str, Any]]:
    """The flags of trainings by the names of recipes.

    Raises:
        UsageError: a flag, or a line of --variants, is invalid.
    """
    settings = parsed.group(SeedsSettings)
    common = {name: parsed.values[name] for name in TrainConfig().flags()}
    recipes = {"training": common}
    if settings.variants is not None:
        recipes = {name: {**common, **flags} for name, flags in _lines(Path(settings.variants))}
    for name, flags in recipes.items():
        where = "" if settings.variants is None else f"{settings.variants}, {name}: "
        if given := [f"--{own}" for own in _OWN if flags[own] != TrainConfig().flags()[own]]:
            raise UsageError(f"{where}{given[0]} is for each training; give --out, the folder of all")
        if flags["genotype"] is None:
            raise UsageError(f"{where}--genotype is missing; give a name, a file or a run's folder")
        find_operations(TrainConfig.from_flags(flags).operations)
        find_genotype(flags["genotype"])
    return recipes


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Names and given flags of a file of recipes."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"--variants={path} cannot be read; expected a text file with NAME: FLAGS in each line"
        ) from error
    known = set[str]()
    for number, line in enumerate(lines, start=1):
        name, colon, words = line.partition(":")
        if not line.strip() or line.startswith("#"):
            continue
        if not colon or not re.fullmatch(r"\w[\w.-]*", name) or name in known:
            raise UsageError(f"{path}, line {number}: {line[:60]!r}; expected NAME: FLAGS, each name once")
        known.add(name)
        try:
            parsed = parse(_TRAIN, shlex.split(words))
        except (UsageError, ValueError) as error:
            raise UsageError(f"{path}, line {number}: {error}") from error
        yield name, {flag: parsed.values[flag] for flag in parsed.given}
    if not known:
        raise UsageError(f"--variants={path} has no recipe; expected NAME: FLAGS in each line")


def _trained(
    settings: SeedsSettings, recipes: Mapping[str, Mapping[str, Any]], out: Path
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yields names and results of trainings, those that are not finished after they are."""
    wanted = [
        (name, {**flags, "seed": flags["seed"] + number})
        for number in range(settings.runs)
        for name, flags in recipes.items()
    ]
    folders = [TrainingFolder(out / f"{name}-{flags['seed']}") for name, flags in wanted]
    for folder, (_, flags) in zip(folders, wanted, strict=True):
        if folder.config.exists():
            wanted_flags = {name: value for name, value in flags.items() if name not in _OWN}
            check_same(folder.path, folder.read_config()["flags"], wanted_flags, TrainConfig().flags())
    done = 0
    for folder, (name, flags) in zip(folders, wanted, strict=True):
        if not folder.results.exists():
            if done == settings.parts:
                remark(f"stopped after {done} trainings; the same command goes on")
                return
            remark(f"training {name}, seed {flags['seed']}")
            _train(folder, flags)
            done += 1
        yield name, folder.read_results()


def _train(folder: TrainingFolder, flags: Mapping[str, Any]) -> None:
    again = ["--resume", *flag_words(doors(flags))]
    words = again if folder.config.exists() else flag_words(flags)
    verb = [sys.executable, "-m", "rl_nas", "train", *words, f"--run_dir={folder.path}"]
    done = subprocess.run(verb, stdout=sys.stderr, check=False)
    if done.returncode == INTERRUPTED:
        raise KeyboardInterrupt
    if done.returncode:
        raise RunError(f"the training in {folder.path} failed; see the lines above")


def _figures(measured: Sequence[Mapping[str, Any]], chosen: str | None) -> list[tuple[str, str]]:
    """Parts of results.json and the figures in them that are shown.

    Raises:
        UsageError: no training has one that is chosen.
    """
    known = {part: dict.fromkeys(f for one in measured for f in metrics_of(one[part] or {})) for part in SPLITS}
    everywhere = list(dict.fromkeys(figure for figures in known.values() for figure in figures))
    if chosen is None:
        names = [figure for figure in everywhere if "/" not in figure and figure != "loss"]
    else:
        names = [name.strip() for name in chosen.split(",")]
        if unknown := [name for name in names if measured and name not in everywhere]:
            raise UsageError(f"--figures: no {unknown[0]!r}; expected some of {', '.join(everywhere)}")
    return [(part, figure) for part in SPLITS for figure in names if figure in known[part]]


def _row(name: str, done: Sequence[Mapping[str, Any]], figures: Sequence[tuple[str, str]]) -> tuple[Any, ...]:
    values = [[metrics_of(one[part] or {}).get(figure) for one in done] for part, figure in figures]
    found = [[value for value in of_figure if value is not None] for of_figure in values]
    means = (estimate(np.array(of_figure)) if of_figure else None for of_figure in found)
    return name, len(done), *means, float(np.mean([one["seconds"] for one in done]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
