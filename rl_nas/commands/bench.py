"""`rl_nas bench`: strategies on a tabular benchmark, equal budgets, many runs, intervals."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from rl_nas import __version__
from rl_nas.bench.comparing import Comparing, Progress
from rl_nas.bench.comparison import Comparison
from rl_nas.bench.kept_runs import KeptRuns
from rl_nas.bench.prior import TablePriorSettings, earlier_searches
from rl_nas.bench.table import Table
from rl_nas.bench.table_files import PACKAGED, check_table_name, is_packaged, load_table, save_table
from rl_nas.bench.warm_start import TableWarmStartSettings, first_proposals, table_scores
from rl_nas.commands import cli
from rl_nas.controller.settings import ControllerSettings
from rl_nas.errors import RunError, UsageError, first_line
from rl_nas.exit_codes import DONE
from rl_nas.extras import install_command, is_installed
from rl_nas.flags.lists import budgets_of, names_of
from rl_nas.flags.parsing import Command, OutputSettings, Parsed
from rl_nas.report.bench_text import bench_csv, bench_json, bench_text
from rl_nas.settings import MAX_SEED, Settings, setting
from rl_nas.store.files import check_can_make, make_folder, write_atomically, write_text
from rl_nas.strategies.catalog import EXTRAS, LEARNED, MODELED, ONLY_SEVERAL, STRATEGIES, StrategyOptions
from rl_nas.strategies.settings import EvolutionSettings
from rl_nas.surrogate.earlier import EarlierTrials
from rl_nas.workflows.devices import device_line
from rl_nas.workflows.tensorflow_setup import load_tensorflow
from rl_nas.workflows.trust import TrustSettings

_BUDGETS, _RUNS = "30,50,100", 50
_QUICK_BUDGETS, _QUICK_RUNS = "20,50", 20
"""Of the small table that comes with rl_nas: enough to see how strategies differ there, in well under a minute."""


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
        "proposals between two updates; left out: 5 for bananas, controller and gp, 10 for ppo, 1 for the others",
        minimum=1,
        maximum=10_000,
    )
    batches_in_flight: int = setting(
        1,
        "batches of --update_every proposals that are made before the first of them is learned from, as in rl_nas"
        " search",
        minimum=1,
        maximum=1000,
    )
    out: str = setting("bench", "folder for results.md, results.csv and plot.png")
    resume: bool = setting(
        False,
        "keep every run's results in --out, and compute only those that are not there yet: more runs, or another"
        " strategy; for the same version of the code alone",
    )
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
    groups=(
        BenchSettings,
        TableWarmStartSettings,
        TablePriorSettings,
        TrustSettings,
        EvolutionSettings,
        ControllerSettings,
    ),
)


class _Shown(Progress):
    """Shows progress on standard error."""

    def evaluations(self, what: str, chunk: range, runs: int, count: int) -> None:
        if sys.stderr.isatty():
            text = f"\r{what}: runs {chunk.start + 1} to {chunk.stop} of {runs}, {count} evaluations "
            print(text, end="", file=sys.stderr, flush=True)

    def done(self, what: str, runs: int, seconds: float) -> None:
        print(f"{what}: {runs} runs in {seconds:.0f} s", file=sys.stderr)


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
    first, earlier = _first_proposals(parsed, table, seeds), _earlier(parsed, table, strategies, seeds)
    out = Path(settings.out)
    check_can_make("--out", out)
    if set(strategies) & set(LEARNED):
        load_tensorflow(debug=parsed.group(OutputSettings).debug)
        cli.tell(device_line())
    kept = KeptRuns(out / "runs" if settings.resume else None, table)
    comparing = Comparing(
        table,
        kept,
        strategies,
        max(budgets),
        settings.seed,
        seeds,
        settings.update_every,
        settings.batches_in_flight,
        options,
        first,
        earlier,
        _key(parsed),
        _Shown(),
    )
    comparisons, failed = [], dict[str, str]()
    for pair in pairs:
        try:
            comparisons.append(comparing.on(*pair))
        except Exception as error:  # of a column; the others are worth as much as without it
            failed[pair[0]] = f"{pair[0]}: {type(error).__name__}: {first_line(error)}"
            if len(failed) == len(pairs):
                raise
    _write(comparisons, budgets, out)
    if parsed.group(OutputSettings).json:
        print(json.dumps(bench_json(comparisons, budgets)))
    else:
        print(bench_text(comparisons, budgets))
        print(f"Written to {out}: results.md, results.csv, plot.png")
    if failed:
        raise RunError(f"columns that failed, and are left out: {'; '.join(failed.values())}")
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


def _key(parsed: Parsed) -> dict[str, str]:
    """What the results of runs depend on beside the strategy, by flags."""
    groups = (EvolutionSettings, ControllerSettings, TableWarmStartSettings, TablePriorSettings)
    return {"version": __version__, **{group.title: repr(parsed.group(group)) for group in groups}}


def _first_proposals(parsed: Parsed, table: Table, seeds: Sequence[int]) -> np.ndarray | None:
    """The first proposals of a warm start, int [runs, children, decisions]; None: there is none."""
    settings = parsed.group(TableWarmStartSettings)
    if settings.columns is None:
        if settings.table is not None:
            raise UsageError("--warm_start_table has no effect without --warm_start_columns; give some of its columns")
        return None
    trust = parsed.group(TrustSettings).trust
    other = table if settings.table is None else load_table(settings.table, trust=trust)
    scores = table_scores(table, other, names_of(settings.columns, other.columns, "warm_start_columns"))
    return np.stack([first_proposals(table, scores, seed, settings.children, settings.sample) for seed in seeds])


def _earlier(parsed: Parsed, table: Table, strategies: Sequence[str], seeds: Sequence[int]) -> list[EarlierTrials]:
    """The trials of an earlier search for each run; none if no column is given."""
    settings = parsed.group(TablePriorSettings)
    if settings.column is None:
        return []
    without = [name for name in strategies if name not in MODELED]
    if without:
        raise UsageError(
            f"--prior_column={settings.column}: {without[0]} has no model of the rewards; give --strategies="
            f"{','.join(MODELED)}, or leave it out"
        )
    return earlier_searches(table, settings.column, seeds, settings.trials)


def _seeds(seed: int, runs: int) -> list[int]:
    states = np.random.SeedSequence(seed).generate_state(runs, np.uint32)
    return [int(state) for state in states]


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
