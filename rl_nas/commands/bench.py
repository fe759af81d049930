"""`rl_nas bench`: strategies on a tabular benchmark, equal budgets, many runs, intervals."""

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from rl_nas.bench import runs as bench_runs
from rl_nas.bench.comparison import Comparison, ComparisonSetup
from rl_nas.bench.many_runs import BATCHES, make_runs
from rl_nas.bench.runs import Curves
from rl_nas.bench.table import Table
from rl_nas.bench.table_files import PACKAGED, check_table_name, is_packaged, load_table, save_table
from rl_nas.commands import cli
from rl_nas.controller.settings import ControllerSettings
from rl_nas.errors import UsageError
from rl_nas.exit_codes import DONE
from rl_nas.extras import install_command, is_installed
from rl_nas.flags.lists import budgets_of, names_of
from rl_nas.flags.parsing import Command, OutputSettings, Parsed
from rl_nas.report.bench_text import bench_csv, bench_json, bench_text
from rl_nas.settings import MAX_SEED, Settings, setting
from rl_nas.store.files import check_can_make, make_folder, write_atomically, write_text
from rl_nas.strategies.catalog import EXTRAS, LEARNED, ONLY_SEVERAL, STRATEGIES, StrategyOptions
from rl_nas.strategies.settings import EvolutionSettings
from rl_nas.workflows.devices import device_line
from rl_nas.workflows.tensorflow_setup import load_tensorflow
from rl_nas.workflows.trust import TrustSettings

_BUDGETS, _RUNS = "30,50,100", 50
_QUICK_BUDGETS, _QUICK_RUNS = "20,50", 20
"""Of the small table that comes with rl_nas: enough to see how strategies differ there, in well under a minute."""
_MEMORY = 2e8
"""Most elements of the covariances of runs side by side."""


@dataclass(frozen=True)
class BenchSettings(Settings):
    """The comparison."""

    title: ClassVar[str] = "Comparison"

    table: str = setting(
        "digits",
        "an .npz table, or the folder of a NATS-Bench topology archive; digits comes with rl_nas",
    )
    reward_column: str | None = setting(
        None,
        "column that strategies maximize, several separated by commas; needed, except for the table that comes with"
        " rl_nas",
    )
    report_column: str | None = setting(
        None,
        "column that is reported of the best row, one for each reward column; left out: none, or that of the table that"
        " comes with rl_nas",
    )
    strategies: str = setting("all", f"separated by commas, of {', '.join(STRATEGIES)}")
    budgets: str | None = setting(
        None,
        f"evaluations after which results are shown, separated by commas; left out: {_BUDGETS}; for the small table"
        f" that comes with rl_nas {_QUICK_BUDGETS}",
    )
    runs: int | None = setting(
        None,
        f"independent runs of each strategy; left out: {_RUNS}; for the small table that comes with rl_nas"
        f" {_QUICK_RUNS}",
        minimum=1,
        maximum=100_000,
    )
    seed: int = setting(0, "seed of all runs, the same for every strategy", minimum=0, maximum=MAX_SEED)
    update_every: int | None = setting(
        None,
        "proposals between two updates; left out: 5 for controller and gp, 10 for ppo, 1 for the others",
        minimum=1,
        maximum=10_000,
    )
    out: str = setting("bench", "folder for results.md, results.csv and plot.png")
    save_table: str | None = setting(
        None, "write the table, such as an archive's, into this .npz file, which is read at once, and compare nothing"
    )


BENCH = Command(
    name="rl_nas bench",
    summary=(
        "compares strategies on a tabular benchmark, where an evaluation is a lookup,\n"
        "by the best reward after equal numbers of evaluations, over many runs."
    ),
    examples=(
        "rl_nas bench",
        "rl_nas bench --table=nasbench201.npz --reward_column=ep12_cifar10_valid --report_column=ep200_cifar10_test",
        "rl_nas bench --table=nasbench201.npz --reward_column=ep12_cifar10_valid --strategies=controller,local_search"
        " --budgets=100,300 --runs=50",
        "rl_nas bench --table=NATS-tss-v1_0-3ffb9-simple --trust --save_table=nasbench201.npz",
    ),
    groups=(BenchSettings, TrustSettings, EvolutionSettings, ControllerSettings),
)


def main(argv: Sequence[str]) -> int:
    """Runs the verb; returns its exit code."""
    return cli.run(BENCH, _run, argv, only_prints=lambda parsed: True)


def _run(parsed: Parsed) -> int:
    settings = parsed.group(BenchSettings)
    strategies = _strategies(settings.strategies)
    quick = is_packaged(settings.table)
    budgets = budgets_of(settings.budgets or (_QUICK_BUDGETS if quick else _BUDGETS))
    seeds = _seeds(settings.seed, settings.runs or (_QUICK_RUNS if quick else _RUNS))
    if settings.save_table is not None:
        check_table_name(Path(settings.save_table))
    table = load_table(settings.table, trust=parsed.group(TrustSettings).trust)
    if settings.save_table is not None:
        save_table(table, Path(settings.save_table))
        print(f"Written to {settings.save_table}: {len(table.values):,} rows of {', '.join(table.columns)}")
        return DONE
    pairs = _columns(settings, table)
    options = _options(parsed, strategies, budgets)
    out = Path(settings.out)
    check_can_make("--out", out)
    if set(strategies) & set(LEARNED):
        load_tensorflow(debug=parsed.group(OutputSettings).debug)
        cli.tell(device_line())
    comparisons = [_compare(table, pair, strategies, max(budgets), settings, options, seeds) for pair in pairs]
    _write(comparisons, budgets, out)
    if parsed.group(OutputSettings).json:
        print(json.dumps(bench_json(comparisons, budgets)))
    else:
        print(bench_text(comparisons, budgets))
        print(f"Written to {out}: results.md, results.csv, plot.png")
    return DONE


def _strategies(text: str) -> Sequence[str]:
    """The named strategies; all are those whose packages are installed, and what is left out is told."""
    if text != "all":
        return names_of(text, tuple(STRATEGIES), "strategies")
    offered = [name for name in STRATEGIES if name not in ONLY_SEVERAL]
    missing = {name: EXTRAS[name] for name in offered if name in EXTRAS and not is_installed(EXTRAS[name][1])}
    for name, (extra, _) in missing.items():
        cli.tell(f"without {name}: {install_command(extra)}")
    return [name for name in offered if name not in missing]


def _options(parsed: Parsed, strategies: Sequence[str], budgets: Sequence[int]) -> StrategyOptions:
    """Settings of the strategies; warns of an evolution that is random search at some budget.

    Its population is that of a search of the largest budget, if it is full by half of the smallest.
    """
    evolution = parsed.group(EvolutionSettings).sized(min(max(budgets), 2 * min(budgets)))
    warnings = [evolution.warning(budget) for budget in reversed(budgets)] if "aging_evolution" in strategies else []
    for warning in list(filter(None, warnings))[:1]:
        print(warning, file=sys.stderr)
    return StrategyOptions(parsed.group(ControllerSettings), evolution)


def _compare(
    table: Table,
    columns: tuple[str, str],
    strategies: Sequence[str],
    evaluations: int,
    settings: BenchSettings,
    options: StrategyOptions,
    seeds: Sequence[int],
) -> Comparison:
    reward, report = (table.column(name) for name in columns)
    best = int(reward.argmax())
    setup = ComparisonSetup(table.name, *columns, len(seeds), settings.seed, float(reward[best]), float(report[best]))
    curves, seconds, batches = {}, {}, {}
    for name in strategies:
        started = time.monotonic()
        batches[name] = settings.update_every or BATCHES.get(name, 1)
        parts: list[Curves] = []
        for chunk in _chunks(seeds, evaluations):
            show = _progress(f"{columns[0]}  {name}", sum(len(part.best) for part in parts), len(chunk), len(seeds))
            parts.append(
                bench_runs.run(
                    make_runs(name, table.space, options, chunk, preset="bench"),
                    table,
                    reward,
                    report,
                    evaluations=evaluations,
                    batch=batches[name],
                    progress=show,
                )
            )
        curves[name], seconds[name] = bench_runs.join(parts), time.monotonic() - started
        print(f"{columns[0]}  {name}: {len(seeds)} runs in {seconds[name]:.0f} s", file=sys.stderr)
    return Comparison(setup, curves, seconds, batches, options.evolution.sizes)


def _seeds(seed: int, runs: int) -> list[int]:
    states = np.random.SeedSequence(seed).generate_state(runs, np.uint32)
    return [int(state) for state in states]


def _chunks(seeds: Sequence[int], evaluations: int) -> list[Sequence[int]]:
    """Groups of runs that are computed side by side, as many as memory allows."""
    size = max(1, min(100, int(_MEMORY / evaluations**2)))
    return [seeds[first : first + size] for first in range(0, len(seeds), size)]


def _progress(what: str, done: int, chunk: int, runs: int) -> Callable[[int], None]:
    def show(evaluations: int) -> None:
        if sys.stderr.isatty():
            text = f"\r{what}: runs {done + 1} to {done + chunk} of {runs}, {evaluations} evaluations "
            print(text, end="", file=sys.stderr, flush=True)

    return show


def _write(comparisons: Sequence[Comparison], budgets: Sequence[int], out: Path) -> None:
    from rl_nas.report.bench_plot import draw_bench  # imports matplotlib

    make_folder(out)
    write_text(out / "results.md", bench_text(comparisons, budgets))
    write_text(out / "results.csv", bench_csv(comparisons, budgets))
    write_atomically(out / "plot.png", lambda draft: draw_bench(comparisons, draft))


def _columns(settings: BenchSettings, table: Table) -> list[tuple[str, str]]:
    reward, report = settings.reward_column, settings.report_column
    if reward is None and is_packaged(settings.table):
        reward, usual = PACKAGED[settings.table]
        report = report or usual
    if reward is None:
        raise UsageError(f"--reward_column is missing; table {table.name} has {', '.join(table.columns)}")
    rewards = names_of(reward, table.columns, "reward_column")
    reports = names_of(report or reward, table.columns, "report_column")
    if len(rewards) != len(reports):
        raise UsageError(f"{len(rewards)} reward columns, but {len(reports)} report columns; give equally many")
    return list(zip(rewards, reports, strict=True))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
