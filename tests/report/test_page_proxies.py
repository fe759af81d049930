"""Comparisons of proxies on the page: the numbers are those of their file."""

import json
from pathlib import Path

import numpy as np
import pytest
from page_runs import sampled_trials, write_run
from test_page import ATTACK, Elements

from rl_nas.__main__ import main
from rl_nas.errors import UsageError
from rl_nas.evaluation.proxy_ranking import Proxy, Ranking, rank
from rl_nas.report.page.page import page_html
from rl_nas.report.page.proxies import PageProxies, proxies_table
from rl_nas.report.proxy_text import proxy_json
from rl_nas.store.search_folder import SearchFolder
from rl_nas.workflows.page_proxies import page_proxies, write_proxies

FULL = Proxy("full", tuple(np.linspace(0.1, 0.9, 12).tolist()), 10.0)


def rankings() -> list[Ranking]:
    noise = np.random.default_rng(0).normal(0, 0.2, 12)
    near = tuple((np.array(FULL.values, float) + noise).tolist())
    return [rank(Proxy("epochs=1", near, 2.0), FULL), rank(Proxy("synflow", (None,) * 12, 0.1), FULL)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "runs/proxy"
    made.mkdir(parents=True)
    write_proxies(SearchFolder(made), proxy_json(FULL, rankings(), 0.8))
    return made


def test_its_numbers_are_those_of_the_file(folder: Path) -> None:
    near, failed = json.loads((folder / "proxies.json").read_text())["proxies"]
    table = proxies_table(page_proxies(str(folder)))
    assert [row[0].text for row in table.rows] == ["full training", "epochs=1", "synflow"]
    assert [cell.value for cell in table.rows[0]][1:4] == [12, 10.0, 1.0]
    correlations = [near["kendall"]["value"], near["spearman"]["value"]]
    assert [cell.value for cell in table.rows[1]][1:] == [12, 2.0, 0.2, *correlations, near["best_place"]]
    assert f"[{near['spearman']['low']:.2f}, {near['spearman']['high']:.2f}]" in table.rows[1][5].text
    assert failed["spearman"] == {"value": None, "low": None, "high": None}
    assert [cell.text for cell in table.rows[2]][4:6] == ["-", "-"]
    assert "Spearman correlation of 0.8" in table.notes[0]


def test_a_page_may_be_of_proxies_alone_or_beside_searches(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    assert main(["report", str(folder), f"--out={out}", "--json"]) == 0
    alone = out.read_text()
    assert '<section id="trials">' not in alone
    write_run(tmp_path / "runs/first", sampled_trials(8))
    assert main(["report", str(folder.parent), f"--out={out}"]) == 0
    for html in (alone, out.read_text()):
        assert "<h2>Proxies: proxy</h2>" in html
        assert "epochs=1" in Elements(html).texts


def test_what_is_written_is_told(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path / "runs/first", sampled_trials(8))
    out = tmp_path / "report.html"
    assert main(["report", str(folder.parent), f"--out={out}"]) == 0
    told = capsys.readouterr()
    assert f"{out}: 1 search, 1 comparison of proxies, 8 trials, " in told.out
    assert told.err == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"wanted": "much"},
        {"wanted": float("nan")},
        {"full": {"name": "full", "values": ["high"], "seconds": 1}},
        {"full": {"name": "full", "values": [1e300], "seconds": 1}},
        {"proxies": [{}]},
        {"proxies": None},
    ],
)
def test_a_broken_file_is_one_line(folder: Path, changes: dict[str, object]) -> None:
    path = folder / "proxies.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(UsageError, match=r"proxies\.json.*rl_nas proxy --resume") as refused:
        page_proxies(str(folder))
    assert "\n" not in str(refused.value)


def test_names_of_strangers_stay_texts(folder: Path) -> None:
    path = folder / "proxies.json"
    document = json.loads(path.read_text())
    document["proxies"][0]["name"] = ATTACK
    path.write_text(json.dumps(document))
    found = page_proxies(str(folder))
    html = page_html([], [PageProxies(ATTACK, found.full, found.rankings, found.wanted)])
    assert ATTACK not in html
    assert any(ATTACK in text for text in Elements(html).texts)
