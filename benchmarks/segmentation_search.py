"""Heads of segmentation networks that strategies find at equal budgets, confirmed with fresh seeds and on the test.

    python benchmarks/camvid_folder.py --data_dir=PREPARED --out=camvid
    python benchmarks/segmentation_search.py --flagfile=flags/camvid_dpc.cfg --dataset=folder:camvid --backbone=RUN

Each run is `rl_nas search` with these flags, in a folder under --out, with another seed. The reward of a search's last
quarter of children tells what its strategy has learned. The best head of each run, and the heads of --also, are trained
again by the same recipe, or for --confirm_epochs, with seeds that no search has used, and measured on the held-out
images; and, trained on all training images, on the test split. Everything is kept in --out: the same command goes on
where it was stopped, and --parts=N stops after so many searches. Intervals are those of the mean over runs.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from frame import Table, remark, run

from rl_nas.child.data.settings import DataSettings
from rl_nas.errors import RunError
from rl_nas.flags.lists import names_of
from rl_nas.flags.parsing import Command, Parsed, flag_words
from rl_nas.settings import Settings, setting
from rl_nas.spaces.decisions import Architecture
from rl_nas.spaces.published import PUBLISHED
from rl_nas.statistics import Estimate, estimate
from rl_nas.store.files import write_text
from rl_nas.store.run_folder import SearchFolder
from rl_nas.store.trials import read_trials
from rl_nas.strategies.catalog import STRATEGIES
from rl_nas.trial import Job, best_trials
from rl_nas.workflows.config import SearchConfig
from rl_nas.workflows.space import search_space
from rl_nas.workflows.tensorflow_setup import load_tensorflow

_FRESH = 10**6
"""First seed of the confirmations."""


@dataclass(frozen=True)
class HeadsSettings(Settings):
    """What is compared."""

    title: ClassVar[str] = "Comparison"

    strategies: str = setting("controller,aging_evolution,random", "with commas between")
    also: str = setting("ASPP,DPC-top1", "published heads that are confirmed too, with commas between")
    runs: int = setting(3, "searches of each strategy, with seeds 0, 1, ...", minimum=1)
    confirmations: int = setting(3, "trainings of each head that is confirmed, on each split", minimum=1)
    confirm_epochs: int | None = setting(None, "epochs of these; left out: those of the searches' children", minimum=1)
    parts: int | None = setting(None, "stop after so many searches of this call", minimum=0)
    out: str = setting("runs/heads", "folder of the searches and of confirmed.json")


COMMAND = Command(
    name="python benchmarks/segmentation_search.py",
    summary="compares strategies by the heads of segmentation networks that they find.",
    examples=(
        "python benchmarks/segmentation_search.py --flagfile=flags/camvid_dpc.cfg --dataset=folder:camvid"
        " --backbone=runs/backbone --out=runs/heads",
    ),
    groups=(HeadsSettings, *SearchConfig.groups()),
)


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns its exit code."""
    return run(COMMAND, _table, argv)


def _table(parsed: Parsed) -> Table:
    settings, config = parsed.group(HeadsSettings), SearchConfig.from_flags(parsed.values)
    columns: dict[str, Callable[[Any], str]] = {
        "head of": str,
        "runs": str,
        "reward": _shown,
        "reward of the last quarter": _shown,
        "held-out mIoU, fresh seeds": _shown,
        "test mIoU": _shown,
    }
    return Table(columns, _rows(settings, config))


def _rows(settings: HeadsSettings, config: SearchConfig) -> Iterator[tuple[Any, ...]]:
    out, strategies = Path(settings.out), names_of(settings.strategies, list(STRATEGIES), "strategies")
    if not _search_all(settings, config, strategies, out):
        return
    space = search_space(config)
    heads = {name: [_best(out / f"{name}-{seed}") for seed in range(settings.runs)] for name in strategies}
    for name in names_of(settings.also, list(PUBLISHED), "also"):
        heads[name] = [(space.encode(PUBLISHED[name]), None)]
    architectures = [architecture for found in heads.values() for architecture, _ in found]
    epochs = settings.confirm_epochs or config.training.epochs
    single = replace(config.reward, reward_seeds=1)  # each training of a confirmation is kept by itself
    config = replace(config, training=replace(config.training, epochs=epochs), reward=single)
    held_out = _Confirmed(out / "confirmed.json", "valid", config, settings.confirmations)
    test = _Confirmed(out / "confirmed.json", "test", tested_on(config), settings.confirmations)
    load_tensorflow()
    for confirmed in (held_out, test):
        confirmed.measure(architectures)
    for name, found in heads.items():
        rewards = [reward for _, reward in found if reward is not None]
        last = [_last_quarter(out / f"{name}-{seed}") for seed in range(settings.runs)] if rewards else []
        means = ([part.mean_of(architecture) for architecture, _ in found] for part in (held_out, test))
        yield (name, len(found), _over(rewards), _over(last), *map(_over, means))


def tested_on(config: SearchConfig) -> SearchConfig:
    """The config of trainings on all training images that are measured on the test split."""
    data = replace(
        config.data, group_by=None, group_size=None, valid_images=None, valid_fraction=DataSettings.valid_fraction
    )
    return replace(config, data=replace(data, valid_split="test"))


def _search_all(settings: HeadsSettings, config: SearchConfig, strategies: Sequence[str], out: Path) -> bool:
    """Runs the searches that are not finished; returns whether all are."""
    done = 0
    for seed in range(settings.runs):
        for name in strategies:
            folder = SearchFolder(out / f"{name}-{seed}")
            if (folder.best / "saved_model").exists() and len(read_trials(folder.trials)) >= config.run.trials:
                continue
            if done == settings.parts:
                remark(f"stopped after {done} searches; the same command goes on")
                return False
            words = {**config.flags(), "strategy": name, "seed": seed, "run_dir": str(folder.path)}
            again = ["--resume", f"--run_dir={folder.path}"]
            command = again if folder.config.exists() else flag_words(words)
            remark(f"search by {name}, seed {seed}")
            verb = [sys.executable, "-m", "rl_nas", "search"]
            if subprocess.run([*verb, *command], stdout=sys.stderr, check=False).returncode:
                raise RunError(f"the search in {folder.path} failed; see the lines above")
            done += 1
    return True


def _best(folder: Path) -> tuple[Architecture, float | None]:
    (trial,) = best_trials(read_trials(SearchFolder(folder).trials), 1)
    return trial.architecture, trial.reward


def _last_quarter(folder: Path) -> float:
    """The mean reward of the last quarter of a search's children."""
    trials = sorted(read_trials(SearchFolder(folder).trials), key=lambda trial: trial.index)
    last = [trial.reward for trial in trials[-max(len(trials) // 4, 1) :] if trial.reward is not None]
    return float(np.mean(last))


class _Confirmed:
    """Qualities of heads with fresh seeds on one split, kept in a file.

    Args:
        file: with the qualities of all splits.
        split: name in the file.
        config: of the trainings.
        count: trainings of a head.
    """

    def __init__(self, file: Path, split: str, config: SearchConfig, count: int) -> None:
        self._file, self._split, self._config, self._count = file, split, config, count

    def measure(self, architectures: Sequence[Architecture]) -> None:
        """Trains what is not in the file yet."""
        from rl_nas.workflows.children import Children

        kept = self._read()
        wanted = {self._name(one, number): (one, number) for one in architectures for number in range(self._count)}
        missing = [pair for name, pair in wanted.items() if name not in kept]
        if not missing:
            return
        jobs = [Job(place, one, _FRESH + number) for place, (one, number) in enumerate(missing)]
        with tempfile.TemporaryDirectory() as scratch:
            folder = SearchFolder(scratch)
            for path in folder.folders:
                path.mkdir()
            with Children(self._config.execution, folder).executor(self._config) as executor:
                for outcome in executor.run(jobs):
                    if outcome.measurement is None:
                        raise RunError(f"a confirmation failed: {outcome.failures[-1].error}")
                    one, number = missing[outcome.job.index]
                    kept = {**self._read(), self._name(one, number): outcome.measurement.quality}
                    write_text(self._file, json.dumps(kept, indent=2) + "\n")

    def mean_of(self, architecture: Architecture) -> float:
        """The mean quality of a head."""
        kept = self._read()
        return float(np.mean([kept[self._name(architecture, number)] for number in range(self._count)]))

    def _name(self, architecture: Architecture, number: int) -> str:
        decisions = " ".join(map(str, architecture))
        return f"{self._split}, {self._config.training.epochs} epochs, seed {number}: {decisions}"

    def _read(self) -> Mapping[str, float]:
        found: Mapping[str, float] = json.loads(self._file.read_text("utf-8")) if self._file.exists() else {}
        return found


def _over(values: Sequence[float]) -> Estimate | None:
    return estimate(np.array(values)) if values else None


def _shown(one: Estimate) -> str:
    return f"{one.mean:.4f}" if one.low == one.high else f"{one.mean:.4f} [{one.low:.4f}, {one.high:.4f}]"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
