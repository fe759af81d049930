"""Results of each class on the page: tables, the confusion matrix, precision over recall."""

import numpy as np
from bokeh.models import FactorRange, LinearColorMapper, Range1d
from bokeh.plotting import figure

from rl_nas.report.page.chart_parts import (
    COLORS,
    SHADES,
    add_hover,
    chart_of,
    factors,
    plain,
    quiet_legend,
    source_of,
)
from rl_nas.report.page.run import MeasuredClasses
from rl_nas.report.page.table import Cell, Table, number, words
from rl_nas.store.class_results import ClassCounts, ClassResults

MOST_IN_MATRIX = 60
"""Classes of a confusion matrix that is drawn; of more, the most frequent confusions are listed."""
FEW_CLASSES = 15
"""Classes whose chart needs half the page, and whose matrix shows its numbers."""
_MOST_ROWS, _MOST_PAIRS, _MOST_CURVES = 200, 50, 100
_LONGEST = 24
_BOXES = "boxes"


def class_tables(measured: MeasuredClasses) -> list[Table]:
    """The classes, and the most frequent confusions of those that are too many for a matrix."""
    results = measured.results
    if results.unit == _BOXES:
        return [_of_boxes(measured)]
    tables = [_of_counts(measured)]
    if len(results.classes) > MOST_IN_MATRIX and results.confused:
        tables.append(_of_pairs(measured))
    return tables


def class_chart(results: ClassResults) -> figure | None:
    """The confusion matrix, or precision over recall; None where there is nothing to draw."""
    if results.unit == _BOXES:
        return _curves(results) if any(one.precision for one in results.classes) else None
    return _matrix(results) if 1 < len(results.classes) <= MOST_IN_MATRIX else None


def class_caption(measured: MeasuredClasses) -> str:
    """What the chart shows, in words."""
    if measured.results.unit == _BOXES:
        shown = min(_MOST_CURVES, sum(bool(one.precision) for one in measured.results.classes))
        return f"Of {measured.of}: precision at 101 recalls, at an intersection over union of 0.5; {shown} classes."
    return (
        f"Of {measured.of}: the {measured.results.unit} of a class (row), and what they are taken for (column). Colors"
        " follow the root of their share of the row, so that rare confusions show."
    )


def _of_counts(measured: MeasuredClasses) -> Table:
    results = measured.results
    pixels, taken = results.unit == "pixels", _most_often_taken_for(results)
    heads = ["class", results.unit, "accuracy", "precision", "IoU" if pixels else "F1", "most often taken for"]
    shown = list(enumerate(results.classes))
    notes = ["Accuracy: the share of the class that is found (recall)."]
    if len(shown) > _MOST_ROWS:
        shown = sorted(shown, key=lambda one: _share(one[1].right, one[1].actual) or 0.0)[:_MOST_ROWS]
        notes.append(f"Of {len(results.classes):,} classes the {_MOST_ROWS} with the lowest accuracy are shown.")
    rows = []
    for place, one in shown:
        both = one.actual + one.predicted
        overlap = _share(one.right, both - one.right) if pixels else _share(2 * one.right, both)
        shares = (_share(one.right, one.actual), _share(one.right, one.predicted), overlap)
        rows.append([words(one.name), number(one.actual, ",d"), *map(number, shares), taken.get(place, Cell("-"))])
    return Table(f"Classes of {measured.of}", heads, rows, notes)


def _of_pairs(measured: MeasuredClasses) -> Table:
    classes, confused = measured.results.classes, measured.results.confused
    rows = []
    for actual, predicted, count in confused[:_MOST_PAIRS]:
        names = (words(classes[actual].name), words(classes[predicted].name))
        rows.append([*names, number(count, ",d"), number(_share(count, classes[actual].actual))])
    left = len(confused) - len(rows)
    notes = [f"{left:,} rarer pairs are left out."] if left > 0 else []
    heads = ["class", "taken for", measured.results.unit, "share of the class"]
    return Table(f"Most frequent confusions of {measured.of}", heads, rows, notes)


def _of_boxes(measured: MeasuredClasses) -> Table:
    classes = measured.results.classes
    rows = [
        [words(one.name), number(one.actual, ",d"), number(_average(one)), number(max(one.precision, default=None))]
        for one in classes[:_MOST_ROWS]
    ]
    notes = ["AP50: the mean of the precision over recalls, at an intersection over union of 0.5."]
    if len(classes) > _MOST_ROWS:
        notes.append(f"The first {_MOST_ROWS} of {len(classes):,} classes are shown.")
    return Table(f"Classes of {measured.of}", ["class", "true boxes", "AP50", "highest precision"], rows, notes)


def _matrix(results: ClassResults) -> figure:
    names = factors([one.name[:_LONGEST] for one in results.classes])
    right = [(place, place, one.right) for place, one in enumerate(results.classes) if one.right]
    cells = [*right, *results.confused]
    # A stranger's counts need not add up.
    shares = [min(1.0, _share(count, results.classes[actual].actual) or 0.0) for actual, _, count in cells]
    chart = chart_of(
        "predicted",
        "class",
        height=min(860, 190 + 24 * len(names)),
        x_range=FactorRange(*names),
        y_range=FactorRange(*names[::-1]),
    )
    colors = LinearColorMapper(palette=SHADES, low=0, high=1)
    columns = {
        "actual": [names[actual] for actual, _, _ in cells],
        "predicted": [names[predicted] for _, predicted, _ in cells],
        "count": [count for *_, count in cells],
        "share": shares,
        "shade": np.sqrt(shares).tolist(),
    }
    source = source_of(**columns)
    fill = {"field": "shade", "transform": colors}
    boxes = chart.rect("predicted", "actual", 0.94, 0.94, source=source, fill_color=fill, line_color=None)
    if len(names) <= FEW_CLASSES:
        numbers = zip(cells, shares, strict=True)
        texts = [f"{cell[2]:,}" if results.unit == "images" else f"{share:.0%}" for cell, share in numbers]
        inks = ["#111111" if shade > 0.6 else "#ffffff" for shade in columns["shade"]]
        labels = source_of(x=columns["predicted"], y=columns["actual"], text=texts, ink=inks)
        style = {"text_align": "center", "text_baseline": "middle", "text_font_size": "11px"}
        chart.text("x", "y", text="text", text_color="ink", source=labels, **style)
    told = [("class", "@actual"), ("predicted", "@predicted"), ("count", "@count{0,0}"), ("share", "@share{0.0%}")]
    add_hover(chart, boxes, told)
    chart.xaxis.major_label_orientation = 0.7
    chart.grid.visible = False
    return chart


def _curves(results: ClassResults) -> figure:
    shown = sorted((one for one in results.classes if one.precision), key=lambda one: -one.actual)[:_MOST_CURVES]
    bounds = {"x_range": Range1d(0, 1), "y_range": Range1d(0, 1.03)}
    chart = chart_of("recall", "precision", height=360, **bounds)
    few = len(shown) <= len(COLORS)
    for place, one in enumerate(shown):
        recalls = np.linspace(0, 1, len(one.precision)).tolist()
        source = source_of(x=recalls, y=list(one.precision), name=[plain(one.name)] * len(recalls))
        label = {"legend_label": plain(one.name)[:_LONGEST]} if few else {}
        alpha = 1.0 if few else 0.4
        line = chart.line(
            "x", "y", color=COLORS[place % len(COLORS)], line_alpha=alpha, line_width=2, source=source, **label
        )
        add_hover(chart, line, [("class", "@name"), ("recall", "@x{0.00}"), ("precision", "@y{0.000}")])
    if few:
        quiet_legend(chart)
    return chart


def _most_often_taken_for(results: ClassResults) -> dict[int, Cell]:
    """The commonest confusion of each class."""
    found: dict[int, Cell] = {}
    for actual, predicted, count in results.confused:  # the most frequent first
        share = _share(count, results.classes[actual].actual)
        text = words(results.classes[predicted].name).text
        found.setdefault(actual, Cell(text if share is None else f"{text} ({share:.1%})"))
    return found


def _average(one: ClassCounts) -> float | None:
    return float(np.mean(one.precision)) if one.precision else None


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
