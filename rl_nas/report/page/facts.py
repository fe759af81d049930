"""The tables of a search on its page: the front, failures, longer trainings, shared weights, classes."""

from collections import Counter
from collections.abc import Sequence

from rl_nas.evaluation.retraining import FOUND, RANDOM, agreement, of_kind, ranked, spread
from rl_nas.metrics import metrics_of, quality_of
from rl_nas.objectives import Objectives
from rl_nas.one_shot.result import FEWEST
from rl_nas.report.front_text import FIGURES, figure
from rl_nas.report.page.classes import class_tables
from rl_nas.report.page.curves import epoch_agreements
from rl_nas.report.page.pareto import COSTS, front
from rl_nas.report.page.run import PageRun
from rl_nas.report.page.table import Cell, Table, correlation_text, number
from rl_nas.report.tables import counted

_MOST_ROWS = 200
_MOST_ERRORS = 20


def tables(run: PageRun) -> list[Table]:
    """All tables that a search has something for."""
    made = [_front_of_objectives(run), _front(run), _retrained(run), _shared(run), _epochs(run)]
    if not any(measured.results.unit == "pixels" for measured in run.classes):  # which have the same figures
        made.append(_figures_of_classes(run))
    made += [table for measured in run.classes for table in class_tables(measured)]
    made.append(_failures(run))
    return [table for table in made if table is not None]


def _front_of_objectives(run: PageRun) -> Table | None:
    """The networks that no other equals or exceeds in all objectives of the search."""
    objectives = Objectives.recorded(run.flags)
    front = [] if objectives is None else objectives.front(run.trials)
    if objectives is None or not front:
        return None
    rows = [
        [number(trial.index, "d"), *(Cell(figure(trial.measurement, name)) for name in objectives.names)]
        for trial in front[:_MOST_ROWS]
        if trial.measurement is not None
    ]
    measured = sum(trial.measurement is not None for trial in run.trials)
    notes = [f"{len(front):,} of {counted(measured, 'network')}, which no other equals or exceeds in all objectives."]
    notes += [f"The {_MOST_ROWS} of the highest quality are shown."] if len(front) > _MOST_ROWS else []
    heads = ["trial", *(FIGURES[name][0] for name in objectives.names)]
    return Table(f"Front of {', '.join(objectives.names)}", heads, rows, notes)


def _front(run: PageRun) -> Table | None:
    """The networks that no other beats in quality and in every kind of cost."""
    on = {name: {trial.index for trial in front(run.trials, name)} for name in COSTS}
    shown = [trial for trial in run.trials if trial.measurement and any(trial.index in found for found in on.values())]
    if not shown:
        return None
    shown.sort(key=lambda trial: -trial.measurement.quality if trial.measurement else 0.0)
    costs = [name for name in COSTS if on[name]]
    heads = ["trial", run.quality_name, *(COSTS[name] for name in costs), "on the front of"]
    rows = []
    for trial in shown[:_MOST_ROWS]:
        measured = trial.measurement
        assert measured is not None
        of = ", ".join(COSTS[name].partition(",")[0] for name in costs if trial.index in on[name])
        values = [number(getattr(measured, name), ".2e" if name == "latency" else ",") for name in costs]
        rows.append([number(trial.index, "d"), number(measured.quality), *values, Cell(of)])
    notes = [f"Of {len(shown):,} networks the best {_MOST_ROWS} are shown."] if len(shown) > _MOST_ROWS else []
    return Table("Front: no network is better and costs less", heads, rows, notes)


def _retrained(run: PageRun) -> Table | None:
    """Networks that were trained longer, beside their rewards in the search."""
    if not run.retrained:
        return None
    finished = ranked(run.retrained)
    heads = ["network", "reward in the search", "held out", "test", "parameters", "multiply-adds", "seconds"]
    rows = []
    for one in finished[:_MOST_ROWS]:
        network = one.results[0]["network"]
        rows.append(
            [
                Cell(one.name),
                number(one.proxy),
                _spread(one.qualities("valid")),
                _spread(one.qualities("final_test")),
                number(network["trainable_parameters"], ","),
                number(network["multiply_adds"], ","),
                number(one.seconds, ",.0f"),
            ]
        )
    failed = [one.name for one in run.retrained if not one.results]
    notes = ["Means ± deviation of one training." if any(len(one.results) > 1 for one in finished) else ""]
    notes.append(f"Failed: {', '.join(failed)}." if failed else "")
    kinds = {"found": of_kind(finished, FOUND), "drawn at random": of_kind(finished, RANDOM)}
    if all(kinds.values()):
        means = (f"of the {len(of)} {kind} {_spread([one.quality for one in of]).text}" for kind, of in kinds.items())
        notes.append(f"Means on the held-out images: {', '.join(means)}.")
    found = agreement(finished)
    notes.append(
        "Rank correlation of reward and longer training: needs at least three found networks."
        if found is None
        else f"Rank correlation (Spearman) of reward and longer training: {found.spearman:.2f} over {found.cells}"
        " networks."
    )
    if run.full is not None and run.full.get("results"):
        results = run.full["results"]
        final = results["final_test"]
        if final:
            name, value = quality_of(metrics_of(final))
            notes.append(
                f"Full training of {run.full['name']}, {results['epochs']} epochs: {name} {value:.4f} on"
                f" {final['images']:,} images of split {final['split']}: final."
            )
    return Table("Trained longer", heads, rows, [note for note in notes if note])


def _spread(values: Sequence[float]) -> Cell:
    found = spread(values)
    if found is None:
        return Cell("-")
    return Cell(f"{found.mean:.4f}" + ("" if found.deviation is None else f" ± {found.deviation:.4f}"), found.mean)


def _shared(run: PageRun) -> Table | None:
    """Networks that shared weights ranked and that were then trained alone."""
    if run.shared is None:
        return None
    rows = []
    for one in sorted(run.shared.confirmed, key=lambda one: one.place)[:_MOST_ROWS]:
        alone = Cell("failed") if one.alone is None else number(one.alone)
        chosen = Cell("at random" if one.random else "by rank")
        rows.append([number(one.place, "d"), number(one.trial, "d"), number(one.shared), alone, chosen])
    found = run.shared.correlations()
    notes = [f"Shared weights ranked {run.shared.ranked:,} networks."]
    notes += [f"{correlation_text(f'Rank correlation ({name})', one)}." for name, one in found.items()]
    if not found:
        notes.append(f"Rank correlation: needs {FEWEST} networks chosen at random.")
    elif not found["spearman"].low > 0:
        notes.append("This may be chance: the shared weights are not shown to rank better than random.")
    heads = ["place", "trial", "with shared weights", "trained alone", "chosen"]
    return Table("Shared weights", heads, rows, notes)


def _epochs(run: PageRun) -> Table | None:
    """How many children were trained on, and what their first epochs tell of the last."""
    found = epoch_agreements(run.trials)
    if not found:
        return None
    rows = []
    for one in found:
        text = Cell("-") if one.spearman is None else Cell(str(one.spearman), one.spearman.value)
        rows.append([number(one.epoch, "d"), number(one.reached, ",d"), text])
    rule = run.flags.get("early_stop_rule")
    notes = [
        f"Spearman's rank correlation over the {found[0].compared} children that were trained to the end, with its 95%"
        " interval: what a proxy of so many epochs would be worth."
    ]
    if rule not in (None, "none", "record"):
        notes.append(f"Children were stopped early by --early_stop_rule={rule}.")
    return Table("Epochs of children", ["epoch", "children", "agreement with the last epoch"], rows, notes)


def _figures_of_classes(run: PageRun) -> Table | None:
    """Figures of the best child that are too many for a line, such as those of each class."""
    best = run.best
    if best is None or best.measurement is None:
        return None
    parts = {name: value for name, value in best.measurement.metrics.items() if "/" in name}
    if not parts:
        return None
    kinds = list(dict.fromkeys(name.partition("/")[0] for name in parts))
    of = list(dict.fromkeys(name.partition("/")[2] for name in parts))
    rows = [[Cell(one), *(number(parts.get(f"{kind}/{one}")) for kind in kinds)] for one in of[:_MOST_ROWS]]
    notes = [f"The first {_MOST_ROWS} of {len(of):,} are shown."] if len(of) > _MOST_ROWS else []
    return Table(f"Results of trial {best.index} by class", ["class", *kinds], rows, notes)


def _failures(run: PageRun) -> Table | None:
    """The commonest errors of failed attempts."""
    errors = Counter((failure.state, failure.error) for trial in run.trials for failure in trial.failures)
    if not errors:
        return None
    rows = [
        [Cell(str(state)), number(count, ",d"), Cell(error)]
        for (state, error), count in errors.most_common(_MOST_ERRORS)
    ]
    left = len(errors) - len(rows)
    notes = [f"{left:,} rarer errors are left out."] if left > 0 else []
    notes.append("A click on a failed trial in the table of trials shows what it printed.")
    return Table("Failed attempts", ["state", "attempts", "error"], rows, notes)
