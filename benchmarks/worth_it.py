"""Cells that a search has found beside random ones, published ones and networks of a library, in equal seconds of CPU.

    python benchmarks/worth_it.py --flagfile=flags/cifar10_cells.cfg --found=runs/controller,runs/random --seconds=60

Everything is trained by the recipe of the search (its optimizer, schedule, batch size, augmentation), from nothing, on
all training images or the same --images of them, for the same seconds of CPU, and measured once on the test split.
Epochs therefore differ: networks whose steps are cheap see the images more often. A row has the means over --runs seeds
with bootstrapped 95% intervals; each random cell is trained once. Results are kept in --out, so that the same command
goes on where it was stopped.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from confirmation import recipe_of, task_and_test_split, tested_on
from cpu_training import Make, Trained, train_for
from frame import Table, estimate_text, remark, run
from kept import check_same
from random_children import RandomChildren, tensorflow_with_threads
from stock_networks import STOCK, classifier, flat, multiply_adds

from rl_nas.errors import UsageError
from rl_nas.flags.lists import names_of
from rl_nas.flags.parsing import Command, Parsed
from rl_nas.networks.lookup import find_genotype
from rl_nas.settings import Settings, setting
from rl_nas.spaces.decisions import Genotype
from rl_nas.spaces.published import PUBLISHED
from rl_nas.statistics import estimate
from rl_nas.store.files import write_text
from rl_nas.store.json_files import OTHERS, SCALAR, read_json
from rl_nas.workflows.config import SearchConfig

_RESNET = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"
GENOTYPES = {"resnet_cell": _RESNET, "nasnet_a": "NASNet-A"}
"""Name in the table -> what nobody has to search: a residual block (He et al. 2016), a published cell."""
_FORM = {"flags": {OTHERS: SCALAR}, "trainings": {OTHERS: dict.fromkeys((*Trained._fields, "madds"), float)}}


@dataclass(frozen=True)
class WorthSettings(Settings):
    """What is compared, and by how much training."""

    title: ClassVar[str] = "Comparison"

    found: str | None = setting(
        None, "folders of searches whose best cells are trained, or genotypes, with commas between"
    )
    random_cells: int = setting(6, "random cells of the space, each trained once", minimum=0)
    networks: str = setting(",".join((*GENOTYPES, *STOCK)), "other networks, with commas between")
    images: int | None = setting(None, "training images, whatever the search had; left out: all", minimum=1)
    seconds: float = setting(60.0, "of CPU, for the train steps of a training", above=0)
    runs: int = setting(3, "trainings of each network, with other seeds", minimum=1)
    threads: int = setting(1, "CPU threads", minimum=1)
    parts: int | None = setting(None, "stop after so many trainings of this call", minimum=0)
    out: str = setting("worth.json", "file with the results")


COMMAND = Command(
    name="python benchmarks/worth_it.py",
    summary="compares found cells with random ones and with stock networks, in equal seconds of CPU.",
    examples=(
        "python benchmarks/worth_it.py --flagfile=flags/cifar10_cells.cfg --found=runs/controller --runs=5",
        "python benchmarks/worth_it.py --flagfile=flags/cifar10_cells.cfg --networks=resnet_cell --random_cells=0",
    ),
    groups=(WorthSettings, *SearchConfig.groups()),
)


class _Training(NamedTuple):
    """A training that is wanted.

    Attributes:
        row: of the table.
        network: a genotype, or a name in `STOCK`.
        seed: of the initial weights, the order of the images and their augmentation.
    """

    row: str
    network: Genotype | str
    seed: int

    @property
    def key(self) -> str:
        """Name in the file; the same network has one, whatever its row."""
        published = (name for name, genotype in PUBLISHED.items() if genotype == self.network)
        return f"seed {self.seed}: {next(published, self.network)}"


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns its exit code."""
    return run(COMMAND, _table, argv)


def _table(parsed: Parsed) -> Table:
    settings = parsed.group(WorthSettings)
    names = names_of(settings.networks, (*GENOTYPES, *STOCK), "networks") if settings.networks else []
    found = {_row_of(one): find_genotype(one) for one in (settings.found or "").split(",") if one}
    tensorflow_with_threads(settings.threads)
    flags = {**parsed.values, "task": "classification", "train_images": settings.images}
    _, split = task_and_test_split(flags)
    config = SearchConfig.from_flags(flags)
    children = RandomChildren(tested_on(config, split), settings.random_cells)
    cells = [children.genotype(job) for job in children.jobs]
    fixed = {**found, **{name: find_genotype(GENOTYPES[name]) if name in GENOTYPES else name for name in names}}
    kept = _Kept(config, settings)
    wanted = [_Training(row, network, seed) for row, network in fixed.items() for seed in range(settings.runs)]
    wanted += [_Training("random cells", cell, number) for number, cell in enumerate(cells)]
    for genotype in (one.network for one in wanted if not isinstance(one.network, str)):
        children.plan_other(genotype, 1)  # what cannot be built fails before anything is trained
    _train(wanted, kept, children, settings)
    columns: dict[str, Callable[[Any], str]] = {
        "network": str,
        "trainings": str,
        "parameters": "{:,.0f}".format,
        "multiply-adds": "{:,.0f}".format,
        "epochs": "{:.1f}".format,
        "seconds of CPU": "{:,.0f}".format,
        "test images": "{:,}".format,
        "test accuracy": estimate_text,
    }
    return Table(columns, _rows(wanted, kept.trainings()))


def _row_of(found: str) -> str:
    """Name in the table of one of `--found`."""
    path = Path(found)
    return f"best of {path.name}" if path.is_dir() else found


class _Kept:
    """Finished trainings in a file.

    Args:
        config: of the search.
        settings: of the comparison.

    Raises:
        UsageError: the file is broken, or of other flags, or its folder is not there.
    """

    def __init__(self, config: SearchConfig, settings: WorthSettings) -> None:
        self._file = Path(settings.out)
        own = {"seconds": settings.seconds, "images": settings.images}
        self._flags = {name: value for name, value in recipe_of(config).items() if name != "train_images"} | own
        if not self._file.parent.is_dir():
            raise UsageError(f"--out={self._file}: no folder {self._file.parent}; make it, or give another")
        if self._file.exists():
            usual = {**SearchConfig().flags(), "seconds": WorthSettings.seconds, "images": WorthSettings.images}
            check_same(self._file, self._read()["flags"], self._flags, usual)

    def trainings(self) -> dict[str, dict[str, Any]]:
        """Results by the key of a training."""
        found: dict[str, dict[str, Any]] = self._read()["trainings"] if self._file.exists() else {}
        return found

    def add(self, key: str, result: Mapping[str, Any]) -> None:
        """Writes the result of a training."""
        document = {"flags": self._flags, "trainings": {**self.trainings(), key: result}}
        write_text(self._file, json.dumps(document, indent=2) + "\n")

    def _read(self) -> Any:
        return read_json(self._file, _FORM, "give another --out")


def _train(wanted: Sequence[_Training], kept: _Kept, children: RandomChildren, settings: WorthSettings) -> None:
    """Trains what is not kept yet, all networks with a seed before the next one."""
    done, known = 0, set(kept.trainings())
    for one in sorted(wanted, key=lambda training: training.seed):
        if one.key in known:
            continue
        if done == settings.parts:
            remark(f"stopped after {done} trainings; the same command goes on")
            return
        remark(f"training {one.row}, seed {one.seed}")
        make, madds = _network(one, children)
        trained = train_for(make, settings.seconds, one.seed, children)
        kept.add(one.key, {**trained._asdict(), "madds": madds})
        known.add(one.key)
        done += 1


def _network(one: _Training, children: RandomChildren) -> tuple[Make, int]:
    """What makes a network for some steps, and its multiply-adds."""
    if isinstance(one.network, str):
        stock, images = STOCK[one.network], children.images
        return (
            lambda _: flat(classifier(stock, images.image_shape, images.classes, one.seed)),
            multiply_adds(classifier(stock, images.image_shape, images.classes, one.seed)),
        )
    from rl_nas.child.network.planned_model import PlannedModel

    genotype = one.network
    madds = children.plan_other(genotype, 1).cost().madds
    return lambda steps: PlannedModel(children.plan_other(genotype, steps), seed=one.seed), madds


def _rows(wanted: Sequence[_Training], kept: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[Any, ...]]:
    for row in dict.fromkeys(one.row for one in wanted):
        done = [kept[one.key] for one in wanted if one.row == row and one.key in kept]
        if not done:
            yield row, 0, *[None] * 6
            continue
        means = (float(np.mean([one[name] for one in done])) for name in ("parameters", "madds", "epochs", "seconds"))
        quality = estimate(np.array([one["quality"] for one in done]))
        yield row, len(done), *means, done[0]["images"], quality


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
