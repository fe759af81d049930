"""The page as HTML: its numbers are the store's, its texts are texts."""

import base64
import hashlib
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from page_runs import FLAGS, SPACE, many_trials, sampled_trials, write_health, write_run
from PIL import Image

from rl_nas.report.page import sections, trial_data
from rl_nas.report.page.flags import flags_whole
from rl_nas.report.page.packing import packed, unpacked, unpacked_bytes
from rl_nas.report.page.page import page_html
from rl_nas.report.page.pictures import genotype_drawing, png_picture
from rl_nas.report.page.run import PageRun
from rl_nas.report.page.trial_data import TrialData
from rl_nas.report.page.verdict import verdict
from rl_nas.report.picture import genotype_svg
from rl_nas.store.trials import read_trials
from rl_nas.trial import Failure, Measurement, Trial, TrialState, best_trials
from rl_nas.workflows.page_runs import page_run

ATTACK = "</script><img src=x onerror=alert(1)><script>alert(1)</script>\"'><svg onload=alert(1)>]]>--><b>{{ 7 * 7 }}"


class Elements(HTMLParser):
    """The elements of a page, each with its attributes, and its texts outside of scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._raw = False
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))
        self._raw = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._raw = False

    def handle_data(self, data: str) -> None:
        if not self._raw:
            self.texts.append(data)

    def of(self, tag: str) -> Iterator[dict[str, str | None]]:
        return (attributes for found, attributes in self.found if found == tag)


def data_of(html: str) -> Any:
    """The data of a page as plain values: None where there is no number, the choices by trial, pictures whole."""
    (content,) = re.findall(r'<script type="application/octet-stream" id="data">([^<]*)</script>', html)
    data = unpacked(content)
    for name, values in data["columns"].items():
        data["columns"][name] = [None if value != value else value for value in list(values)]
    data["architectures"] = [column.tolist() for table in data["architectures"] for column in table.T]
    tags, drawings = data["pictures"]["tags"], data["pictures"]["drawings"]
    data["pictures"] = {name: "".join(tags[place] for place in places) for name, places in drawings.items()}
    return data


def libraries_of(html: str) -> list[str]:
    found = re.findall(r'<script type="application/octet-stream" class="library">([^<]*)</script>', html)
    return [unpacked_bytes(one).decode() for one in found]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = write_run(tmp_path_factory.mktemp("page") / "run", sampled_trials(60), strategy="ppo", update_every=20)
    write_health(made, 5)
    return made


@pytest.fixture(scope="module")
def html(folder: Path) -> str:
    return page_html([page_run(folder)])


def test_all_numbers_are_those_of_the_store(folder: Path, html: str) -> None:
    data, trials = data_of(html), read_trials(folder / "trials.sqlite")
    columns = data["columns"]
    assert columns["trial"] == [trial.index for trial in trials]
    assert columns["state"] == [str(trial.state) for trial in trials]
    assert columns["reward"] == [trial.reward for trial in trials]
    assert data["architectures"] == [list(trial.architecture) for trial in trials]
    assert data["metrics"] == ["accuracy", "loss"]
    for name, column in [("accuracy", "metric0"), ("loss", "metric1")]:
        assert columns[column] == [t.measurement and t.measurement.metrics[name] for t in trials]
    for name in ("quality", "parameters", "madds", "latency", "epochs", "seconds"):
        assert columns[name] == [t.measurement and getattr(t.measurement, name) for t in trials]
    for place, trial in enumerate(trials):
        found = [(one["state"], one["error"], one["log"]) for one in data["failures"].get(str(place), [])]
        assert found == [(str(one.state), one.error, one.log) for one in trial.failures]


def test_numbers_in_the_text_are_exact(folder: Path, html: str) -> None:
    trials = read_trials(folder / "trials.sqlite")
    best = max(trial.reward for trial in trials if trial.reward is not None)
    values = [float(str(found["value"])) for found in Elements(html).of("data")]
    assert best in values
    measured = [one.measurement for one in trials if one.measurement]
    known = {value for one in measured for value in (one.quality, one.parameters, one.madds)}
    tabled = [float(one) for one in re.findall(r'<td class="number"><data value="([^"]+)">', html)]
    assert sum(value in known for value in tabled) > 10


def test_the_choices_of_the_page_decode_to_the_genotype(html: str) -> None:
    data = data_of(html)
    decisions = data["runs"][0]["decisions"]
    for architecture in data["architectures"][:10]:
        named = {one["name"]: one["choices"][at] for one, at in zip(decisions, architecture, strict=True)}
        assert SPACE.decode(architecture) == SPACE.decoder({d.name: named[d.name] for d in SPACE.decisions})


def test_nothing_is_loaded_and_only_known_scripts_run(html: str) -> None:
    elements = Elements(html)
    for tag, attributes in elements.found:
        for name in ("src", "href"):
            assert not attributes.get(name) or str(attributes[name]).startswith("data:"), (tag, attributes)
        assert not [name for name in attributes if name.startswith("on")]
    policy = next(one["content"] for one in elements.of("meta") if one.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "connect-src 'none'" in policy
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    assert len(scripts) == 1
    known = [*scripts, *libraries_of(html)]
    digests = {base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in known}
    assert digests == set(re.findall(r"'sha256-([^']+)'", policy))
    assert len(digests) == 3


def test_texts_of_others_stay_texts(folder: Path, html: str) -> None:
    run, attack = page_run(folder), ATTACK
    elements = {tag for tag, _ in Elements(html).found}
    failures = (Failure(TrialState.CRASHED, attack, attack),)
    hostile = [
        replace(trial, failures=failures)
        if trial.measurement is None
        else replace(
            trial,
            measurement=Measurement(trial.measurement.quality, {attack: trial.measurement.quality, f"{attack}/x": 1.0}),
        )
        for trial in run.trials
    ]
    space = replace(
        SPACE, name=attack, decisions=tuple(replace(one, name=attack + one.name) for one in SPACE.decisions)
    )
    flags = {**run.flags, "dataset": attack, "task": attack, "strategy": attack}
    notes, versions = [attack], {attack: attack}
    attacked = replace(run, name=attack, trials=hostile, flags=flags, space=space, notes=notes, versions=versions)
    for html in (
        page_html([attacked]),
        page_html([attacked, replace(attacked, flags={**flags, "dataset": attack + "2"})]),
    ):
        assert attack not in html
        found = Elements(html)
        assert {tag for tag, _ in found.found} <= elements | {"h3", "span"}
        assert sum(tag == "script" for tag, _ in found.found) == 4
        assert not [one for one in found.of("img") if not str(one["src"]).startswith("data:")]
        assert any(attack in text for text in found.texts)


class TestBounds:
    def test_of_very_many_trials_the_best_are_shown(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(trial_data, "MOST_TRIALS", 10)
        run = page_run(folder)
        data = TrialData([run])
        best = sorted((trial.reward for trial in run.trials if trial.reward is not None), reverse=True)[:10]
        assert sorted(data.columns["reward"].tolist(), reverse=True) == best
        assert data.notes == [f"Of 60 trials of {folder} the best 10 are in charts and table."]

    def test_of_many_logs_and_choices_the_first_are_kept(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(trial_data, "_MOST_LOG", 60)
        monkeypatch.setattr(trial_data, "_MOST_CHOICES", 30)
        data = TrialData([page_run(folder)])
        document = data.document()
        assert [table.shape for table in document["architectures"]] == [(6, 5)]
        logs = [one["log"] for found in document["failures"].values() for one in found]
        assert 0 < sum(map(bool, logs)) < len(logs)
        assert [note.partition(" are ")[0] for note in data.notes] == [
            "The choices of later trials",
            f"The logs of {logs.count('')} failed attempts",
        ]

    @pytest.mark.slow
    def test_twenty_thousand_trials_take_less_than_four_megabytes(self) -> None:
        assert len(page_html([many_trials(20_000)])) < 3e6

    def test_numbers_of_strangers_take_little_and_are_kept_or_left_out(self) -> None:
        made = [(300, 2), (10**400, 1), (70_000, -(2**40)), (1,) * 10_000]
        trials = [Trial(index, one, TrialState.CRASHED) for index, one in enumerate(made)]
        data = TrialData([PageRun("r", trials, FLAGS)])
        (table,) = unpacked(packed(data.document()))["architectures"]
        assert table.T.tolist() == [[300, 2], [-1, -1], [70_000, -(2**40)], [-1, -1]]
        assert len(data.notes) == 1

    def test_equal_columns_are_stored_once(self) -> None:
        column = np.random.default_rng(0).random(1000)
        once = len(packed({"one": column}))
        assert len(packed({"one": column, "other": column.copy()})) < 1.05 * once
        kinds = {kind: np.arange(-3, 9).reshape(3, 4).astype(kind) for kind in ("int8", "int16", "int32", "float64")}
        for name, found in unpacked(packed(kinds)).items():
            assert found.dtype.name == name
            np.testing.assert_array_equal(found, kinds[name])

    def test_large_pictures_become_smaller(self) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (100, 3000, 3), np.uint8)
        drawn = io.BytesIO()
        Image.fromarray(noise).save(drawn, "PNG")
        made = png_picture(drawn.getvalue())
        assert made is not None
        kind, _, content = made.partition(";base64,")
        assert kind == "data:image/jpeg"
        with Image.open(io.BytesIO(base64.b64decode(content))) as shown:
            assert shown.size == (1800, 60)
        assert png_picture(drawn.getvalue()[:400_000]) is None
        assert png_picture(b"<svg onload=alert(1)>") is None


class TestPictures:
    def test_the_best_networks_have_one(self, folder: Path, html: str) -> None:
        ranked = [trial.index for trial in best_trials(page_run(folder).trials, 30)]
        assert list(data_of(html)["pictures"]) == [f"0-{index}" for index in ranked[3:]]
        for drawing in data_of(html)["pictures"].values():
            root = ElementTree.fromstring(drawing)
            assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert html.count('<img id="picture-0-') == 3

    def test_they_end_where_there_is_no_room(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sections, "_MOST_DRAWN", 40_000)
        assert 1 <= len(sections.run_section(page_run(folder), 0).drawings) < 27

    def test_of_many_runs_each_has_few(self, folder: Path) -> None:
        found = sections.run_section(page_run(folder), 0, runs=10)
        assert (len(found.pictures), len(found.drawings)) == (1, 2)

    def test_they_are_small_and_nothing_moves(self) -> None:
        genotype = SPACE.decode((0, 1, 2, 3, 4, 0))
        whole, small = genotype_svg(genotype), genotype_drawing(genotype)
        assert len(small) < 0.85 * len(whole)
        size = r'<svg[^>]* viewBox="([^"]*)"'
        assert re.findall(size, small) == re.findall(size, whole)
        for count in ("<path", "<use"):
            assert small.count(count) == whole.count(count)
        assert set(re.findall(r'href="#([^"]+)', small)) <= set(re.findall(r' id="([^"]+)', small))

    def test_the_folder_is_quoted(self, tmp_path: Path) -> None:
        run = page_run(write_run(tmp_path / "a run; $x", sampled_trials(3)))
        assert data_of(page_html([run]))["runs"][0]["folder"] == f"'{tmp_path}/a run; $x'"


def test_flags_do_not_break_and_texts_stay_texts() -> None:
    assert flags_whole("<b> --reward_seeds=3 --a") == (
        '&lt;b&gt; <span class="flag">--reward_seeds</span>=3 <span class="flag">--a</span>'
    )
    assert "<img" not in flags_whole(f"--x{ATTACK}--y")


class TestPageRun:
    def test_parts_that_are_broken_are_told_and_left_out(self, tmp_path: Path) -> None:
        folder = write_run(tmp_path / "run", sampled_trials(20), estimator="shared", seed="none")
        (folder / "health.jsonl").write_text('{"update": "first"}\n')
        (folder / "time.json").write_text("{}")
        (folder / "then").mkdir()
        (folder / "then/then.json").write_text('{"compared": [{}], "full": null}')
        (folder / "shared").mkdir()
        (folder / "shared/ranking.json").write_text('[{"architecture": [0], "quality": 1.0}]')
        run = page_run(folder)
        assert (run.health, run.seconds, run.retrained, run.shared) == ((), None, (), None)
        assert [note.partition(" are ")[0] for note in run.notes] == [
            *("Names of choices", "Longer trainings", "Figures of the strategy", "Its time"),
            "The ranking by shared weights",
        ]

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("health.jsonl", '{"update": 0, "entropy": NaN}\n'),
            ("health.jsonl", f'{{"update": 0, "entropy": 1{"0" * 400}}}\n'),
            ("time.json", '{"seconds": 1e300}'),
            ("then/then.json", '{"compared": [{"name": "a", "proxy": 1e300, "results": []}], "full": null}'),
        ],
    )
    def test_numbers_that_are_none_of_a_run_are_told(self, name: str, text: str, tmp_path: Path) -> None:
        folder = write_run(tmp_path / "run", sampled_trials(2))
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
        run = page_run(folder)
        assert len(run.notes) == 1
        assert (run.health, run.retrained) == ((), ())

    def test_flags_of_strangers_break_no_page(self, tmp_path: Path) -> None:
        huge = 10**300
        flags = {"update_every": huge, "evolution_population": -1, "reward_seeds": huge, "trials": "many"}
        for strategy in ("ppo", "aging_evolution", "controller", None, 7):
            trials = [
                replace(one, measurement=one.measurement and replace(one.measurement, parameters=0, latency=1e-300))
                for one in sampled_trials(12)
            ]
            folder = write_run(tmp_path / str(strategy), trials, images=huge, strategy=strategy, **flags)
            run = page_run(folder)
            assert len(verdict(run).sentences) >= 2
        page_html([run])

    def test_a_line_that_is_being_written_is_no_error(self, folder: Path, tmp_path: Path) -> None:
        made = write_run(tmp_path / "run", sampled_trials(5))
        (made / "health.jsonl").write_text('{"update": 0, "entropy": 1.5}\n{"update": 1, "ent')
        assert page_run(made).health == [{"update": 0, "entropy": 1.5}]

    def test_a_stranger_s_space_is_not_imported(self, tmp_path: Path) -> None:
        run = page_run(write_run(tmp_path / "run", sampled_trials(5), space="antigravity:SPACE"))
        assert run.space is None
        assert "--trust" in run.notes[0]
        html = page_html([run])
        assert data_of(html)["runs"][0]["decisions"] == []
        assert "Names of choices are left out" in html

    def test_trials_of_another_space_have_no_names(self, tmp_path: Path) -> None:
        run = page_run(write_run(tmp_path / "run", [replace(one, architecture=(1,)) for one in sampled_trials(5)]))
        assert run.space is None
        assert "has 1 choices" in run.notes[0]

    @pytest.mark.parametrize(
        ("images", "text"), [(None, "not recorded"), (300, "on 300 held-out images of the training")]
    )
    def test_images_are_told_where_they_are_recorded(self, images: int | None, text: str, tmp_path: Path) -> None:
        assert text in verdict(page_run(write_run(tmp_path / "run", sampled_trials(9), images=images))).sentences[0]

    def test_a_search_that_has_just_begun(self, tmp_path: Path) -> None:
        html = page_html([page_run(write_run(tmp_path / "run", []))])
        assert "No child is recorded yet." in html
        assert data_of(html)["charts"] == {}


def test_several_runs_are_compared(tmp_path: Path) -> None:
    runs = [page_run(write_run(tmp_path / f"r{seed}", sampled_trials(20, seed), seed=seed)) for seed in range(2)]
    html = page_html(runs)
    data = data_of(html)
    assert data["columns"]["run"] == [0] * 20 + [1] * 20
    assert set(data["charts"]) == {"seeds", "reward", "front-parameters", "front-madds"}
    for title in ("Side by side", "Best reward over seeds", "Settings that differ"):
        assert f"<h2>{title}</h2>" in html
    assert json.loads(json.dumps(data)) == data
