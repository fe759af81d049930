"""The page in a browser, without a network: it draws, sorts, filters and opens trials, and nothing fails unseen."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from page_runs import confused_images, many_trials, sampled_trials, write_decisions, write_health, write_run

from rl_nas.report.page.page import page_html
from rl_nas.report.page.run import MeasuredClasses
from rl_nas.report.page.server import PageServer
from rl_nas.trial import best_trials
from rl_nas.workflows.page_runs import page_run

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed; the extra test brings it")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed here (apt-get install chromium)"),
]
ATTACK = "</script><img src=x onerror=document.body.dataset.hacked=1>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Any]:
    """A function that opens an address, waits until the page is whole, and keeps what the console said."""
    pages = []

    def open_page(address: str, **options: Any) -> Any:
        page = browser.new_page(**options)
        page.problems, page.requests = [], []
        page.on("console", lambda message: _keep(page, message))
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("request", lambda request: page.requests.append(request.url))
        page.goto(address)
        page.wait_for_selector("body[data-drawn]")
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.close()


def _keep(page: Any, message: Any) -> None:
    if message.type in ("error", "warning"):
        page.problems.append(message.text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = write_run(tmp_path_factory.mktemp("browser") / "run", sampled_trials(60), strategy="ppo", update_every=20)
    write_health(made, 5)
    write_decisions(made, 5)
    return made


@pytest.fixture(scope="module")
def address(folder: Path) -> str:
    path = folder.parent / "report.html"
    path.write_text(page_html([page_run(folder)]))
    return path.as_uri()


PLACE = """([chart, x, y]) => {
    const view = Object.values(Bokeh.index).map(one => one.roots ? one.roots[0] : one)
        .find(one => one.el.closest(`#chart-${chart}`));
    const box = view.canvas_view.el.getBoundingClientRect();
    const frame = view.frame;
    return [box.x + frame.x_scale.compute(x), box.y + frame.y_scale.compute(y)];
}"""
"""Where a point of a chart is on the screen."""


def become(page: Any, condition: str) -> None:
    """Waits until an expression is true; the page's policy forbids what Playwright has for that."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(condition)


def told(tooltip: Any) -> str:
    """What a hover tells, which is in a tree of its own."""
    text: str = tooltip.evaluate(
        "one => [...one.shadowRoot.querySelectorAll('span')].map(a => a.textContent).join('|')"
    )
    return text


def rows(page: Any, field: str) -> list[str]:
    found: list[str] = page.locator(f".tabulator-row .tabulator-cell[tabulator-field={field}]").all_inner_texts()
    return found


def filter_by(page: Any, field: str, text: str) -> None:
    field = page.locator(f".tabulator-col[tabulator-field={field}] input")
    field.click()
    field.press("Control+a")
    field.press("Delete")
    field.press_sequentially(text)


def sources(page: Any, column: str) -> list[list[float]]:
    """A column of the trials in every chart that shows them."""
    script = """column => Bokeh.documents.map(one => one.get_model_by_name("trials")).filter(one => one)
        .map(one => Array.from(one.data[column]))"""
    found: list[list[float]] = page.evaluate(script, column)
    return found


def test_it_draws_and_nothing_is_loaded_or_fails(address: str, opened: Any, folder: Path) -> None:
    page = opened(address)
    assert page.problems == []
    assert {url.partition(":")[0] for url in page.requests} <= {"file", "data", "blob"}
    for place in page.locator(".plot").all():
        assert place.locator(".bk-Figure").count() == 1
    run = page_run(folder)
    rewards = [trial.reward for trial in run.trials]
    for found in sources(page, "reward"):
        assert [value for value in found if value == value] == [value for value in rewards if value is not None]


def test_the_table_sorts_and_filters_and_filters_mark_points(address: str, opened: Any, folder: Path) -> None:
    page, run = opened(address), page_run(folder)
    best = sorted((trial for trial in run.trials if trial.reward is not None), key=lambda one: -(one.reward or 0))
    assert rows(page, "trial")[:5] == [str(trial.index) for trial in best[:5]]
    page.locator(".tabulator-col[tabulator-field=trial] .tabulator-col-title").click()
    assert rows(page, "trial")[:4] == ["0", "1", "2", "3"]
    filter_by(page, "state", "oom")
    failed = [trial.index for trial in run.trials if trial.measurement is None]
    page.get_by_text(f"{len(failed)} of 60 shown").wait_for()
    assert rows(page, "trial") == list(map(str, failed))
    for alpha in sources(page, "alpha"):
        pale = min(alpha)
        assert [place for place, value in enumerate(alpha) if value > pale] == failed
    filter_by(page, "state", "")
    filter_by(page, "reward", str(best[2].reward))
    page.get_by_text("3 of 60 shown").wait_for()
    assert page.problems == []


def test_a_click_on_a_row_shows_the_trial(address: str, opened: Any, folder: Path) -> None:
    page, run = opened(address), page_run(folder)
    best = max((trial for trial in run.trials if trial.reward is not None), key=lambda one: one.reward or 0)
    page.locator(".tabulator-row").first.click()
    details = page.locator("#details")
    assert f"Trial {best.index}" in details.inner_text()
    assert best.measurement is not None
    for name, text in [
        ("reward", f"{best.reward:.4f}"),
        ("accuracy", f"{best.reward:.4f}"),
        ("loss", f"{best.measurement.metrics['loss']:.4f}"),
        ("multiply-adds", f"{best.measurement.madds:,}"),
        ("seconds", f"{best.measurement.seconds:.1f}"),
    ]:
        assert f"{name}\n{text}\n" in details.inner_text()
    assert details.locator("img").count() == 1
    for decision, choice in zip(run.space.decisions, best.architecture, strict=True):  # type: ignore[union-attr]
        assert f"{decision.name}\n{decision.choices[choice]}" in details.inner_text()
    filter_by(page, "state", "oom")
    page.get_by_text("9 of 60 shown").wait_for()
    page.locator(".tabulator-row .tabulator-cell:text-is('3')").first.click()
    assert "no memory for trial 3" in details.inner_text()
    assert "line one of 3\nline two" in details.inner_text()


def test_good_networks_have_pictures_and_others_a_command(address: str, opened: Any, folder: Path) -> None:
    page, details = opened(address, viewport={"width": 1280, "height": 900}), "#details"
    ranked = best_trials(page_run(folder).trials, 60)
    for trial, drawn in [(ranked[10], True), (ranked[29], True), (ranked[40], False)]:
        filter_by(page, "trial", str(trial.index))
        page.get_by_text("1 of 60 shown").wait_for()
        page.locator(f".tabulator-row .tabulator-cell[tabulator-field=trial]:text-is('{trial.index}')").click()
        page.locator(f"{details} h3", has_text=f"Trial {trial.index}").first.wait_for()
        picture = page.locator(f"{details} img")
        assert picture.count() == drawn
        if drawn:
            become(page, "document.querySelector('#details img').naturalWidth > 100")
        else:
            command = f"rl_nas describe --run_dir={folder} --trial={trial.index} --picture=trial.png"
            assert command in page.locator(details).inner_text()
    assert page.problems == []


def test_flags_do_not_break(address: str, opened: Any) -> None:
    page = opened(address, viewport={"width": 390, "height": 800})
    broken = "[...document.querySelectorAll('.flag')].filter(one => one.getClientRects().length > 1).length"
    assert page.locator(".flag").count() > 0
    assert page.evaluate(broken) == 0


MOVED = """async () => {
    const row = document.querySelector(".tabulator-row");
    let moved = 0;
    new MutationObserver((changes) => moved += changes.length).observe(row.parentNode, { childList: true });
    const seen = new Promise((resolve) => {
        new IntersectionObserver(([one]) => one.isIntersecting && resolve()).observe(row);
    });
    row.scrollIntoView();
    await seen;
    await new Promise(requestAnimationFrame);
    return moved;
}"""
"""Rows that are taken out and put in when they come into view: a click in that moment would be lost."""


def test_rows_that_come_into_view_stay_and_the_table_follows_the_window(
    address: str, opened: Any, folder: Path
) -> None:
    page = opened(address, viewport={"width": 1280, "height": 300})
    assert page.evaluate(MOVED) == 0
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_function("document.querySelector('.tabulator-tableholder').clientWidth <= 390")
    page.locator(".tabulator-row").nth(3).click()
    page.locator("#details h3", has_text="Trial").first.wait_for()
    assert page.problems == []


def test_a_hover_and_a_click_on_a_point_show_the_trial(address: str, opened: Any, folder: Path) -> None:
    page = opened(address, viewport={"width": 1280, "height": 1600})
    trial = page_run(folder).trials[9]
    assert trial.reward is not None
    place = page.evaluate(PLACE, ["reward", trial.index, trial.reward])
    page.mouse.move(*place)
    page.locator(".bk-Tooltip", has_text=f"{trial.reward:.4f}").first.wait_for()
    page.mouse.click(*place)
    page.locator("#details h3", has_text=f"Trial {trial.index}").first.wait_for()
    assert page.problems == []


@pytest.mark.parametrize("latency", [None, 0.00123])
def test_a_hover_tells_what_was_measured_alone(
    latency: float | None, folder: Path, tmp_path: Path, opened: Any
) -> None:
    run = page_run(folder)
    trials = [
        one if one.measurement is None else replace(one, measurement=replace(one.measurement, latency=latency))
        for one in run.trials
    ]
    path, trial = tmp_path / "page.html", trials[9]
    path.write_text(page_html([replace(run, trials=trials)]))
    page = opened(path.as_uri(), viewport={"width": 1280, "height": 1600})
    page.mouse.move(*page.evaluate(PLACE, ["reward", trial.index, trial.reward]))
    tooltip = page.locator(".bk-Tooltip", has_text=f"{trial.reward:.4f}").first
    tooltip.wait_for()
    text = told(tooltip)
    assert f"{trial.measurement.parameters:,}" in text  # type: ignore[union-attr]
    assert not any(word in text for word in ("NaN", "TFLite", "run", "???"))
    assert ("latency" in text) == ("1.23e-3" in text) == (latency is not None)
    assert page.problems == []


@pytest.mark.parametrize(("chart", "name"), [("entropies", "share"), ("decisions", "probability")])
def test_a_hover_tells_of_a_heat_map(chart: str, name: str, address: str, opened: Any, folder: Path) -> None:
    page, run = opened(address, viewport={"width": 1280, "height": 1000}), page_run(folder)
    page.locator(f"#chart-{chart}").scroll_into_view_if_needed()
    page.mouse.move(*page.evaluate(PLACE, [chart, 2, 1.5]))
    tooltip = page.locator(".bk-Tooltip", has_text=name).first
    tooltip.wait_for()
    space, lines = run.space, run.decisions
    assert space is not None
    second = space.decisions[1].name if chart == "entropies" else f"{space.decisions[0].choices[1]}"
    value = 0.9**2 if chart == "entropies" else lines[2].probabilities[0][1]
    assert second in told(tooltip)
    assert f"{value:.4f}" in told(tooltip)
    assert page.problems == []


@pytest.mark.parametrize(("scheme", "color"), [("light", "#0072B2"), ("dark", "#4aa3e0")])
def test_points_are_light_on_dark(scheme: str, color: str, address: str, opened: Any) -> None:
    script = """() => Bokeh.documents.map(one => one.get_model_by_name("trials")).filter(one => one).map(
        one => one.document.roots()[0].renderers.find(made => made.data_source === one).glyph.fill_color.value)"""
    assert set(opened(address, color_scheme=scheme).evaluate(script)) == {color}


PAPER = 718
"""Pixels of a page of A4 between its margins."""


def test_the_top_can_be_printed_and_nothing_is_cut_off(tmp_path: Path, opened: Any) -> None:
    run = many_trials(300)
    path = tmp_path / "page.html"
    path.write_text(page_html([run]))
    for scheme in ("light", "dark"):
        page = opened(path.as_uri(), viewport={"width": 1280, "height": 900}, color_scheme=scheme)
        page.emulate_media(media="print")
        page.set_viewport_size({"width": PAPER, "height": 1000})
        become(page, f"document.documentElement.scrollWidth <= {PAPER}")  # charts follow the window
        for place in (".verdict", "#chart-reward"):
            box = page.locator(place).bounding_box()
            assert box is not None
            assert 0 <= box["y"] < 1000
            assert 0.9 * PAPER < box["width"] <= PAPER
        right = (
            "[...document.querySelectorAll('.plot, table, img, p, dl')].map(one => one.getBoundingClientRect().right)"
        )
        assert max(page.evaluate(right)) <= PAPER
        canvases = """[...document.querySelectorAll('.plot')].map(
            one => one.firstElementChild.getBoundingClientRect().right)"""
        assert max(page.evaluate(canvases)) <= PAPER
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert not page.locator("#trials").is_visible()
        assert len(page.pdf(format="A4")) > 20_000
        assert page.problems == []


IN_VIEW = """() => {
    const chart = Object.values(Bokeh.index).map(one => one.roots ? one.roots[0] : one)
        .find(one => one.el.closest("#chart-decisions")).model;
    return [chart.y_range.end, chart.y_range.start, [...chart.left[0].major_label_overrides.values()]];
}"""


def test_a_menu_shows_the_policy_for_one_decision(address: str, opened: Any, folder: Path) -> None:
    page, decisions = opened(address), page_run(folder).space.decisions  # type: ignore[union-attr]
    assert page.evaluate(IN_VIEW)[:2] == [0, 30]
    page.locator("#menu-decisions").select_option(decisions[2].name)
    assert page.evaluate(IN_VIEW) == [10, 15, list(map(str, decisions[2].choices))]
    assert page.problems == []


def test_large_numbers_have_large_units(address: str, opened: Any) -> None:
    script = """values => new Bokeh.Models.NumeralTickFormatter({format: "0.[00]a"}).doFormat(values, {})"""
    assert opened(address).evaluate(script, [950, 1500, 6e8, 4.1e9]) == ["950", "1.5k", "600M", "4.1B"]


@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_a_phone_and_a_desk(width: int, address: str, opened: Any) -> None:
    page = opened(address, viewport={"width": width, "height": 800}, color_scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 22, 27)"


def test_texts_of_others_run_nothing(folder: Path, tmp_path: Path, opened: Any) -> None:
    run = page_run(folder)
    trials = [
        replace(trial, failures=tuple(replace(failure, error=ATTACK, log=ATTACK) for failure in trial.failures))
        if trial.measurement is None
        else replace(trial, measurement=replace(trial.measurement, metrics={ATTACK: trial.measurement.quality}))
        for trial in run.trials
    ]
    decisions = tuple(replace(one, name=ATTACK + one.name) for one in run.space.decisions)  # type: ignore[union-attr]
    space = replace(run.space, decisions=decisions)  # type: ignore[type-var]
    attacked = replace(run, name=ATTACK, trials=trials, space=space, flags={**run.flags, "dataset": ATTACK})
    images = confused_images(3)
    named = replace(images, classes=tuple(replace(one, name=ATTACK) for one in images.classes), unit=ATTACK)
    attacked = replace(attacked, classes=[MeasuredClasses(ATTACK, named)])
    for name, runs in (("one", [attacked]), ("two", [attacked, run])):
        path = tmp_path / f"{name}.html"
        path.write_text(page_html(runs))
        page = opened(path.as_uri())
        filter_by(page, "state", "oom")
        page.get_by_text(f"9 of {60 * len(runs)} shown" if len(runs) == 1 else "18 of 120 shown").wait_for()
        page.locator(".tabulator-col[tabulator-field=trial] .tabulator-col-title").click()
        page.locator(".tabulator-row").first.click()
        assert ATTACK in page.locator("#details").inner_text()
        page.locator(".tabulator-col-title").first.hover()
        if len(runs) == 1:
            page.locator("#chart-classes-0").scroll_into_view_if_needed()
            page.mouse.move(*page.evaluate(PLACE, ["classes-0", 0.5, 2.5]))  # the first class, taken for itself
            page.locator(".bk-Tooltip", has_text=ATTACK[:20]).first.wait_for()
        assert page.evaluate("document.body.dataset.hacked") is None
        assert page.locator("img[src=x]").count() == 0
        assert page.problems == []


def test_a_served_page_follows_its_search(folder: Path, opened: Any) -> None:
    versions = ["first"]

    def page(version: str) -> str:
        run = replace(page_run(folder), name=versions[0])
        return page_html([run], watch=1, version=version)

    with PageServer(0, lambda: versions[0], page) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            shown = opened(server.address)
            assert shown.locator("h1").inner_text() == "first"
            filter_by(shown, "state", "oom")
            shown.get_by_text("9 of 60 shown").wait_for()
            shown.locator("#menu-decisions").select_option(index=3)
            versions[0] = "second"
            shown.locator("h1", has_text="second").wait_for()
            shown.get_by_text("9 of 60 shown").wait_for()
            assert shown.locator("#menu-decisions").evaluate("menu => menu.selectedIndex") == 3
            assert shown.problems == []
        finally:
            server.shutdown()
            thread.join()
