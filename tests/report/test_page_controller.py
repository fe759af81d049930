"""The heat map of the policy: its numbers are the run's, and it stays readable however many there are."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from page_runs import SPACE, sampled_trials, write_decisions, write_health, write_run
from test_page import data_of

from rl_nas.report.page import controller
from rl_nas.report.page.charts import health_chart
from rl_nas.report.page.controller import decision_map, decisions_chart
from rl_nas.report.page.page import page_html
from rl_nas.report.page.policy_charts import policy_charts
from rl_nas.spaces.decision import Decision
from rl_nas.spaces.nasnet import nasnet
from rl_nas.store.decision_log import DecisionProbabilities, read_decision_log
from rl_nas.workflows.page_runs import page_run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = write_run(tmp_path / "run", sampled_trials(20))
    write_decisions(made, 12)
    return made


def test_its_numbers_are_those_of_the_run(folder: Path) -> None:
    recorded = read_decision_log(folder / "decisions.jsonl")
    found = decision_map(page_run(folder))
    assert found is not None
    assert list(found.updates) == list(range(12))
    assert found.names == [one.name for one in SPACE.decisions]
    for line, column in zip(recorded, found.probabilities.T, strict=True):
        flat = [value for values in line.probabilities[:-1] for value in values]
        assert column[: len(flat)].tolist() == flat
        assert np.isnan(column[len(flat) :]).all()  # the last decision has no effect
    (image,) = (
        one.data_source.data["image"][0] for one in decisions_chart(found).renderers if "image" in one.data_source.data
    )
    np.testing.assert_array_equal(image, found.probabilities)


def test_entropies_stand_in_the_same_order_as_probabilities(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", sampled_trials(20), strategy="ppo")
    write_health(folder, 6)
    run = page_run(folder)
    (chart,) = (one for one in policy_charts(run) if one.name == "entropies")
    assert chart.title == "Entropy of decisions"
    (image,) = chart.drawn.renderers
    values = image.data_source.data["image"][0]
    most = [np.log(len(one.choices)) for one in SPACE.decisions]
    recorded = [[line[f"entropy/{one.name}"] for line in run.health] for one in SPACE.decisions]
    np.testing.assert_allclose(values, np.array(recorded) / np.array(most)[:, np.newaxis])
    assert list(chart.drawn.yaxis[0].major_label_overrides.values()) == [one.name for one in SPACE.decisions]
    assert (chart.drawn.y_range.start, chart.drawn.y_range.end) == (6, 0)  # the first row is at the top
    assert len(image.glyph.color_mapper.palette) == 256


def test_figures_have_captions_and_rungs_charts(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", sampled_trials(3))
    figures = {"entropy": 1.0, "baseline": 0.5, "rung_correlation/10": 0.9, "rung_correlation/2": 0.4, "noise": 0.1}
    lines = [json.dumps({"update": update, **figures}) + "\n" for update in range(3)]
    (folder / "health.jsonl").write_text("".join(lines))
    charts = policy_charts(page_run(folder))
    titles = ["Entropy", "Baseline", "Rung correlation, rung 2", "Rung correlation, rung 10"]
    assert [one.title for one in charts] == titles
    assert all(one.caption.endswith(".") for one in charts)


def test_updates_are_whole_numbers(folder: Path) -> None:
    found = decision_map(page_run(folder))
    assert found is not None
    for chart in (decisions_chart(found), health_chart([{"update": 0, "entropy": 1.0}], "entropy")):
        ticker = chart.xaxis[0].ticker
        assert ticker.min_interval == 1


def test_a_menu_shows_all_decisions_of_a_small_space_or_one(folder: Path) -> None:
    data = data_of(page_html([page_run(folder)]))
    whole, *single = data["menus"]["decisions"]
    choices = list(map(str, SPACE.decisions[0].choices))
    assert (whole["name"], whole["from"], whole["to"]) == ("all decisions", 0, 30)
    assert whole["labels"][:5] == [f"{SPACE.decisions[0].name}: {choice}" for choice in choices]
    assert [(one["name"], one["from"], one["to"]) for one in single] == [
        (decision.name, 5 * place, 5 * place + 5) for place, decision in enumerate(SPACE.decisions)
    ]
    assert single[0]["labels"] == choices


def test_of_a_large_space_it_shows_one_decision_and_few_updates(tmp_path: Path) -> None:
    space = nasnet(5)
    folder = write_run(tmp_path / "run", [], space="nasnet", trials=5)
    write_decisions(folder, 600, space)
    run = page_run(folder)
    assert [line.update for line in run.decisions] == list(range(0, 600, 2))  # as a search leaves them
    found = decision_map(run)
    assert found is not None
    assert found.probabilities.size <= 60_000
    assert len(found.updates) > 50
    several = [one for one in space.decisions if len(one.choices) > 1]
    assert [one["name"] for one in found.menu()] == [one.name for one in several]
    chart = decisions_chart(found)
    assert (chart.y_range.start, chart.y_range.end) == (len(several[0].choices), 0)
    assert chart.height <= 900


def test_decisions_for_which_there_is_no_room_are_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controller, "_MOST_ROWS", 12)
    found = decision_map(page_run(folder))
    assert found is not None
    assert (len(found.names), found.left_out) == (2, 4)
    assert "The last 4 decisions of the space are left out." in page_html([page_run(folder)])


def test_a_decision_without_a_choice_is_none(folder: Path) -> None:
    run = page_run(folder)
    lines = [DecisionProbabilities(0, [[1.0], [0.25, 0.75]])]
    space = replace(SPACE, decisions=(Decision("fixed", ("only",)), Decision("free", ("a", "b"))))
    found = decision_map(replace(run, space=space, decisions=lines))
    assert found is not None
    assert (found.names, found.probabilities.tolist()) == (["free"], [[0.25], [0.75]])
    assert decision_map(replace(run, space=None, decisions=[DecisionProbabilities(0, [[1.0]])])) is None
    decisions_chart(found)


def test_without_names_there_are_numbers(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", sampled_trials(3), space="antigravity:SPACE")
    write_decisions(folder, 2)
    found = decision_map(page_run(folder))
    assert found is not None
    assert (found.names[0], list(found.choices[0])) == ("decision 1", ["0", "1", "2", "3", "4"])


def test_a_strategy_without_probabilities_has_no_section(tmp_path: Path) -> None:
    run = page_run(write_run(tmp_path / "run", sampled_trials(3)))
    assert (decision_map(run), run.notes) == (None, [])
    assert "Probabilities of choices" not in page_html([run])


@pytest.mark.parametrize(
    "line",
    [
        {"update": 5, "probabilities": [[0.5, 0.5]]},
        {"update": 5, "probabilities": [[0.2] * 5] * 5 + [[0.25] * 4]},
        {"update": 5, "probabilities": [[0.2] * 5] * 5 + [[2.0] * 5]},
        {"update": 10**400, "probabilities": [[0.2] * 5] * 6},
        {"update": "last", "probabilities": []},
    ],
)
def test_a_log_of_another_space_is_told_in_one_line(line: dict[str, object], folder: Path) -> None:
    with (folder / "decisions.jsonl").open("w") as file:
        file.write(json.dumps({"update": 0, "probabilities": [[0.2] * 5] * 6}) + "\n" + json.dumps(line) + "\n")
    run = page_run(folder)
    (note,) = run.notes
    assert note.startswith("Probabilities of choices are left out: ")
    assert "\n" not in note
    assert decision_map(run) is None
    page_html([run])
