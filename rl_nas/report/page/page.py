"""The page of one search, or of several, as HTML in one file."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bokeh.resources import Resources
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from rl_nas.report.page.chart import Chart
from rl_nas.report.page.chart_parts import COLORS
from rl_nas.report.page.charts import chart_items
from rl_nas.report.page.comparison import seed_groups
from rl_nas.report.page.flags import flags_whole
from rl_nas.report.page.packing import packed, packed_bytes
from rl_nas.report.page.pictures import shared_tags
from rl_nas.report.page.proxies import PageProxies, proxies_table
from rl_nas.report.page.run import PageRun
from rl_nas.report.page.sections import RunSection, charts_of_one, charts_of_several, run_section
from rl_nas.report.page.several import best_over_seeds, differences, side_by_side
from rl_nas.report.page.table import Table
from rl_nas.report.page.trial_data import TrialData

_HERE = Path(__file__).parent
_TABULATOR = _HERE / "tabulator"
_SCRIPTS = ("page.data.js", "page.charts.js", "page.trials.js", "page.js")
"""Of one function, which calls each other's parts."""


@dataclass(frozen=True)
class _Page:
    """What the template shows."""

    title: str
    runs: Sequence[RunSection]
    compared: Sequence[Table]
    charts: Sequence[Chart]
    colors: Sequence[str]
    notes: Sequence[str]
    data: str
    watch: int
    version: str


def page_html(
    runs: Sequence[PageRun], proxies: Sequence[PageProxies] = (), *, watch: int = 0, version: str = ""
) -> str:
    """The page.

    Args:
        runs: of searches.
        proxies: comparisons of proxies; one of both, at least.
        watch: seconds after which the page asks its server for a newer one; 0: it comes from a file.
        version: of the page, which its server tells; a page of another one is loaded again.
    """
    trials = TrialData(runs)
    sections = [run_section(run, number, runs=len(runs)) for number, run in enumerate(runs)]
    compared, charts = list[Table](), list[Chart]()
    colors = [COLORS[0]] * len(runs)
    if len(runs) == 1:
        charts = charts_of_one(runs[0], sections[0].verdict.random)
    elif runs:
        groups = seed_groups(runs)
        charts = charts_of_several(runs, groups)
        for number, group in enumerate(groups):
            for place in group.places:
                colors[place] = COLORS[number % len(COLORS)]
        tables = (side_by_side(runs), best_over_seeds(groups), differences(runs))
        compared = [table for table in tables if table is not None]
    items = chart_items({chart.name: chart.drawn for chart in charts})
    menus = {chart.name: list(chart.menu) for chart in charts if chart.menu}
    # Before the notes: it adds to them.
    drawings = {f"{one.number}-{trial}": drawn for one in sections for trial, drawn in one.drawings.items()}
    extra = {"charts": items, "colors": colors, "menus": menus, "pictures": shared_tags(drawings)}
    data = packed({**trials.document(), **extra})
    compared += map(proxies_table, proxies)
    names = [run.name for run in runs] if runs else [one.name for one in proxies]
    title = names[0] if len(names) == 1 else f"{len(names)} {'searches' if runs else 'comparisons of proxies'}"
    return _rendered(_Page(title, sections, compared, charts, colors, trials.notes, data, watch, version))


def _rendered(page: _Page) -> str:
    libraries = ["\n".join(Resources(mode="inline", components=["bokeh"], log_level="error").js_raw)]
    libraries.append(_read(_TABULATOR / "tabulator.min.js"))
    own = "\n".join(_read(_HERE / name) for name in _SCRIPTS)
    script = _script(f'"use strict";\n(() => {{\n{own}\n}})();')
    styles = [_read(_TABULATOR / "tabulator_simple.min.css"), _read(_HERE / "page.css")]
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["flags"] = flags_whole
    template = environment.from_string(_read(_HERE / "page.html"))
    text = template.render(
        page=page,
        libraries=[packed_bytes(library.encode()) for library in libraries],
        script=script,
        styles=[Markup(style) for style in styles],
        policy=_policy([*libraries, script], page.watch),
    )
    return text.lstrip()


def _policy(scripts: Sequence[str], watch: int) -> str:
    """What the page may do: run these scripts alone, and load nothing, but itself from its server.

    Libraries are unpacked by the page's own script, and run only if they are those whose digests stand here.
    """
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    rules: Mapping[str, str] = {
        "default-src": "'none'",
        "script-src": " ".join(f"'sha256-{digest}'" for digest in digests),
        "style-src": "'unsafe-inline'",
        "img-src": "data: blob:",
        "connect-src": "'self'" if watch else "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _read(path: Path) -> str:
    """A file of this folder, without the line that leads browsers to the source of what was made smaller."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if "sourceMappingURL=" not in line)


def _script(text: str) -> Markup:
    if "</script" in text.lower():
        raise ValueError("a script of the page would end its element")
    return Markup(text)
