"""The results of `rl_nas bench` as Markdown, CSV and JSON."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rl_nas.bench.comparison import Comparison, Line
from rl_nas.bench.published import PUBLISHED_ROWS
from rl_nas.report.tables import csv_cell
from rl_nas.statistics import Estimate


def bench_text(comparisons: Sequence[Comparison], budgets: Sequence[int]) -> str:
    """Markdown tables: the reward that strategies are compared on, the report, published results."""
    return "\n\n".join(_comparison_text(comparison, budgets) for comparison in comparisons) + "\n"


def _comparison_text(comparison: Comparison, budgets: Sequence[int]) -> str:
    setup, lines = comparison.setup, comparison.lines(budgets)
    population, sample = comparison.evolution
    flying = f" {comparison.in_flight} batches are in flight." if comparison.in_flight > 1 else ""
    evolution = f" aging_evolution has a population of {population}, of which it draws {sample}."
    parts = [
        f"## {setup.table}: {setup.reward_column}" + (f" -> {setup.report_column}" if comparison.reports else ""),
        f"{setup.runs} runs of each strategy from seed {setup.seed}; mean±std over runs, [95% bootstrap"
        f" interval of the mean]. A repeated proposal counts as an evaluation.{flying}"
        + (evolution if "aging_evolution" in comparison.curves else ""),
        f"**Reward**: best {setup.reward_column} so far (maximum of the table {setup.maximum:.3f}), by number of"
        " evaluations:",
        _grid(comparison, lines, budgets, [_interval(line.reward) for line in lines]),
        "Runs that have found that maximum:",
        _grid(comparison, lines, budgets, [f"{line.at_maximum:.1%}" for line in lines]),
    ]
    if len(comparison.curves) > 1:
        parts += _differences(comparison, budgets)
    if comparison.reports:
        parts += [
            f"**Report**: {setup.report_column} of the architecture with that reward (the best reward's is"
            f" {setup.report_of_maximum:.3f}):",
            _grid(comparison, lines, budgets, [_interval(line.report) for line in lines]),
        ]
    published = [row for row in PUBLISHED_ROWS.get(setup.table, ()) if row.report == setup.report_column]
    if published:
        parts += [
            "Published:",
            "\n".join(f"- {r.strategy} {r.mean:.2f}±{r.std:.2f}, {r.protocol} ({r.source})" for r in published),
        ]
    return "\n\n".join(parts)


def _differences(comparison: Comparison, budgets: Sequence[int]) -> list[str]:
    """How far the first strategy is ahead of the others, and where it is behind beyond the noise."""
    differences = comparison.differences(budgets)
    cells = {
        name: [f"{value.mean:+.3f} [{value.low:+.3f}, {value.high:+.3f}]" for value in values]
        for name, values in differences.items()
    }
    behind = [
        f"{name} at {budget}"
        for name, values in differences.items()
        for budget, value in zip(budgets, values, strict=True)
        if value.high < 0
    ]
    first, count = next(iter(comparison.curves)), len(differences) * len(budgets)
    return [
        f"**Difference**: the reward of {first} less that of the other, paired by seed (95% interval of the mean):",
        _table([["strategy", *map(str, budgets)], *([name, *row] for name, row in cells.items())]),
        f"{len(behind)} of {count} intervals lie wholly below 0" + (f": {', '.join(behind)}." if behind else "."),
    ]


def _grid(comparison: Comparison, lines: Sequence[Line], budgets: Sequence[int], cells: Sequence[str]) -> str:
    rows = [["strategy", "batch", *map(str, budgets), "repeats", "seconds"]]
    for first in range(0, len(lines), len(budgets)):
        name = lines[first].strategy
        own = cells[first : first + len(budgets)]
        repeats, seconds = comparison.curves[name].repeats, comparison.seconds[name]
        rows.append([name, str(comparison.batches[name]), *own, f"{repeats:.0%}", f"{seconds:.0f}"])
    return _table(rows)


def _table(rows: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |" for row in rows
    )


def _interval(value: Estimate) -> str:
    return f"{value.mean:.3f}±{value.std:.3f} [{value.low:.3f}, {value.high:.3f}]"


def bench_csv(comparisons: Sequence[Comparison], budgets: Sequence[int]) -> str:
    """One row for each pair of columns, strategy and budget; `lead_...`: that of the first strategy, paired by seed."""
    rows = list(_rows(comparisons, budgets))
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: csv_cell(value) if isinstance(value, str) else value for name, value in row.items()})
    return out.getvalue()


def bench_json(comparisons: Sequence[Comparison], budgets: Sequence[int]) -> list[dict[str, Any]]:
    """The rows of the CSV, each with the published results on its table."""
    published = {name: [asdict(row) for row in rows] for name, rows in PUBLISHED_ROWS.items()}
    return [{**row, "published": published.get(row["table"], [])} for row in _rows(comparisons, budgets)]


def _rows(comparisons: Sequence[Comparison], budgets: Sequence[int]) -> list[dict[str, Any]]:
    rows = []
    for comparison in comparisons:
        leads = comparison.differences(budgets)
        for line in comparison.lines(budgets):
            row = {**asdict(comparison.setup), "strategy": line.strategy, "batch": comparison.batches[line.strategy]}
            row |= {"batches_in_flight": comparison.in_flight, "evaluations": line.evaluations}
            row |= {"at_maximum": line.at_maximum}
            for name, value in (("reward", line.reward), ("report", line.report)):
                row |= {f"{name}_{part}": number for part, number in asdict(value).items()}
            lead = leads[line.strategy][budgets.index(line.evaluations)] if line.strategy in leads else None
            row |= {f"lead_{part}": None if lead is None else getattr(lead, part) for part in ("mean", "low", "high")}
            row["repeats"] = comparison.curves[line.strategy].repeats
            row["seconds"] = comparison.seconds[line.strategy]
            rows.append(row)
    return rows
