"""Parts of networks that strategies find at equal budgets, confirmed with fresh seeds and on the test split.

    python benchmarks/camvid_folder.py --data_dir=PREPARED --out=camvid
    python benchmarks/part_search.py --flagfile=flags/camvid_dpc.cfg --dataset=folder:camvid --backbone=RUN

The parts are those of --space: heads of segmentation networks, necks of detectors, or backbones. Each run is `rl_nas
search` with these flags, in a folder under --out, with another seed. The reward of a search's last quarter of children
tells what its strategy has learned. The best part of each run, and the published ones of --also, are trained again by
the same recipe, or for --confirm_epochs, with seeds that no search has used, and measured on the held-out images; and,
trained on all training images, on the test split of the data set, which needs one (test, validation or val). Everything
is kept in --out: the same command goes on where it was stopped, one with another recipe or data set is refused, and
--parts=N stops after so many searches. Parts that are drawn at random (--random_parts) are confirmed beside them.
Intervals are those of the mean over runs.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from confirmation import Confirmed, Part, published_part, task_and_test_split
from frame import Table, estimate_text, in_new_process, remark, run
from kept import check_same

from rl_nas.commands.search import CHANGEABLE
from rl_nas.errors import RunError, UsageError
from rl_nas.flags.lists import names_of
from rl_nas.flags.parsing import Command, Parsed, flag_words
from rl_nas.metrics import quality_of
from rl_nas.networks.families.catalog import family_of
from rl_nas.settings import Settings, setting
from rl_nas.spaces.decisions import SearchSpace
from rl_nas.spaces.published import PUBLISHED
from rl_nas.statistics import Estimate, estimate
from rl_nas.store.search_folder import SearchFolder
from rl_nas.store.trials import read_trials
from rl_nas.strategies.catalog import STRATEGIES
from rl_nas.trial import Trial, best_trials
from rl_nas.workflows.checks import with_one_shot_defaults
from rl_nas.workflows.config import SearchConfig
from rl_nas.workflows.space import any_genotype, search_space
from rl_nas.workflows.trust import doors

_FREE = {*CHANGEABLE, "feature_dir", "pretrain_dir"} - {"trials"}
"""Flags that finished searches may have had other values of."""


@dataclass(frozen=True)
class PartsSettings(Settings):
    """What is compared."""

    title: ClassVar[str] = "Comparison"

    strategies: str = setting("controller,aging_evolution,random", "with commas between")
    also: str | None = setting(
        None, "published genotypes that are confirmed too, with commas between; left out: all of this part"
    )
    random_parts: int = setting(0, "parts drawn at random from the space that are confirmed too", minimum=0)
    runs: int = setting(3, "searches of each strategy, with seeds 0, 1, ...", minimum=1)
    confirmations: int = setting(3, "trainings of each part that is confirmed, on each split", minimum=1)
    confirm_epochs: int | None = setting(None, "epochs of these; left out: those of the searches' children", minimum=1)
    parts: int | None = setting(None, "stop after so many searches of this call", minimum=0)
    out: str = setting("runs/parts", "folder of the searches and of confirmed.json, of one recipe and data set")


_DRAWN = 1_000_003
"""Seed of the parts that are drawn at random: no search's."""

COMMAND = Command(
    name="python benchmarks/part_search.py",
    summary="compares strategies by the heads, necks or backbones that they find.",
    examples=(
        "python benchmarks/part_search.py --flagfile=flags/camvid_dpc.cfg --dataset=folder:camvid"
        " --backbone=runs/backbone --out=runs/heads",
        "python benchmarks/part_search.py --flagfile=flags/shapes_nas_fpn.cfg --out=runs/necks",
        "python benchmarks/part_search.py --flagfile=flags/cifar10_cells.cfg --also=NASNet-A --random_parts=6",
    ),
    groups=(PartsSettings, *SearchConfig.groups()),
)


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns its exit code."""
    folders = (os.environ.get("PYTHONPATH"), str(Path(__file__).parent))  # workers find `published_space` there
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, folders))
    return run(COMMAND, _table, argv)


def _table(parsed: Parsed) -> Table:
    settings = parsed.group(PartsSettings)
    config = with_one_shot_defaults(SearchConfig.from_flags(parsed.values))
    if config.data.test_fraction is not None:
        raise UsageError(
            f"--test_fraction={config.data.test_fraction:g}: parts are measured at the end on a split of its own, such"
            " as test; leave it out, and give a data set with one"
        )
    space, out = search_space(config), Path(settings.out)
    strategies = names_of(settings.strategies, list(STRATEGIES), "strategies")
    part = family_of(any_genotype(space)).part
    found = {name: [_folder(out, name, seed) for seed in range(settings.runs)] for name in strategies}
    also = published(settings, part)
    _check_searches(config, found)
    task, test = in_new_process(task_and_test_split, config.flags())
    config = replace(config, task=replace(config.task, task=task))
    kept = [Confirmed(out / "confirmed.json", config, split, settings.confirmations) for split in (None, test)]
    finished = _search_all(settings, config, found)
    quality = _quality_name(folder for folders in found.values() for folder in folders)
    columns: dict[str, Callable[[Any], str]] = {
        f"{part} of": str,
        "runs": str,
        "reward": estimate_text,
        "reward of the last quarter": estimate_text,
        f"held-out {quality}, fresh seeds": estimate_text,
        f"{test} {quality}": estimate_text,
    }
    epochs = settings.confirm_epochs or config.training.epochs
    single = replace(config.reward, reward_seeds=1)  # each training of a confirmation is kept by itself
    config = replace(config, training=replace(config.training, epochs=epochs), reward=single)
    fixed = {name: [published_part(name, config, space)] for name in also}
    if settings.random_parts:
        fixed[f"random {part}s"] = random_parts(config, space, settings.random_parts)
    return Table(columns, _rows(config, found, fixed, kept) if finished else ())


def published(settings: PartsSettings, part: str) -> list[str]:
    """Names of the published genotypes that are confirmed.

    Raises:
        UsageError: there is none of a name that is the part of a network that is searched.
    """
    known = sorted(name for name, genotype in PUBLISHED.items() if family_of(genotype).part == part)
    if settings.also is None:
        return known
    return names_of(settings.also, known, "also") if settings.also else []


def random_parts(config: SearchConfig, space: SearchSpace[Any], count: int) -> list[Part]:
    """Parts drawn at random, the same ones whatever the seeds of the searches."""
    rng = np.random.default_rng(_DRAWN)
    return [Part(space.sample(rng), config) for _ in range(count)]


def _rows(
    config: SearchConfig,
    found: Mapping[str, Sequence[Path]],
    fixed: Mapping[str, Sequence[Part]],
    kept: Sequence[Confirmed],
) -> Iterator[tuple[Any, ...]]:
    chosen = {name: [_best(folder) for folder in folders] for name, folders in found.items()}
    parts = {name: [Part(trial.architecture, config) for trial in trials] for name, trials in chosen.items()} | fixed
    for one in kept:
        one.measure([part for of_name in parts.values() for part in of_name])
    for name, of_name in parts.items():
        rewards = [trial.reward for trial in chosen.get(name, ()) if trial.reward is not None]
        last = [_last_quarter(folder) for folder in found.get(name, ())]
        means = ([one.mean_of(part) for part in of_name] for one in kept)
        yield (name, len(of_name), _over(rewards), _over(last), *map(_over, means))


def _folder(out: Path, strategy: str, seed: int) -> Path:
    return out / f"{strategy}-{seed}"


def _check_searches(config: SearchConfig, found: Mapping[str, Sequence[Path]]) -> None:
    """Raises `UsageError` if a search that was started has other flags."""
    for name, folders in found.items():
        for seed, folder in enumerate(map(SearchFolder, folders)):
            if folder.config.exists() or folder.trials.exists():
                flags = _flags(config, name, seed)
                wanted = {flag: value for flag, value in flags.items() if flag not in _FREE}
                check_same(folder.path, folder.read_config()["flags"], wanted, SearchConfig().flags())


def _flags(config: SearchConfig, strategy: str, seed: int) -> dict[str, Any]:
    """The flags of a search."""
    return {**config.flags(), "strategy": strategy, "seed": seed}


def _search_all(settings: PartsSettings, config: SearchConfig, found: Mapping[str, Sequence[Path]]) -> bool:
    """Runs the searches that are not finished; returns whether all are."""
    done = 0
    for seed in range(settings.runs):
        for name, folders in found.items():
            folder = SearchFolder(folders[seed])
            if (folder.best / "saved_model").exists() and len(read_trials(folder.trials)) >= config.run.trials:
                continue
            if done == settings.parts:
                remark(f"stopped after {done} searches; the same command goes on")
                return False
            flags = {**_flags(config, name, seed), "run_dir": str(folder.path)}
            if folder.config.exists():  # the others are recorded
                may_change = {flag: flags[flag] for flag in CHANGEABLE if flag in flags}
                flags = {**may_change, **doors(flags), "resume": True}
            remark(f"search by {name}, seed {seed}")
            verb = [sys.executable, "-m", "rl_nas", "search"]
            if subprocess.run([*verb, *flag_words(flags)], stdout=sys.stderr, check=False).returncode:
                raise RunError(f"the search in {folder.path} failed; see the lines above")
            done += 1
    return True


def _best(folder: Path) -> Trial:
    (trial,) = best_trials(read_trials(SearchFolder(folder).trials), 1)
    return trial


def _last_quarter(folder: Path) -> float:
    """The mean reward of the last quarter of a search's children."""
    trials = sorted(read_trials(SearchFolder(folder).trials), key=lambda trial: trial.index)
    last = [trial.reward for trial in trials[-max(len(trials) // 4, 1) :] if trial.reward is not None]
    return float(np.mean(last))


def _quality_name(folders: Iterable[Path]) -> str:
    """What the searches call the quality; `quality` before the first of them has measured one."""
    for folder in folders:
        trials = SearchFolder(folder).trials
        measured = [trial.measurement for trial in (read_trials(trials) if trials.exists() else ())]
        for measurement in measured:
            if measurement is not None:
                return quality_of(measurement.metrics).name.replace("_", " ")
    return "quality"


def _over(values: Sequence[float]) -> Estimate | None:
    return estimate(np.array(values)) if values else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
