"""`rl_nas report`: what it writes, and what it refuses."""

import json
import shutil
import socket
import sys
from pathlib import Path

import pytest
from page_runs import sampled_trials, write_run

from rl_nas.__main__ import main
from rl_nas.commands.cli import program


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "runs/first", sampled_trials(8))


def test_it_writes_a_page(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "report.html"
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert main(["report", str(run), f"--out={out}"]) == 0
    assert f"{out}: 1 search, 8 trials, " in capsys.readouterr().out
    assert out.read_text().lstrip().startswith("<!DOCTYPE html>")
    assert {path: path.read_bytes() for path in before} == before
    write_run(run.parent / "second", sampled_trials(5, 1), seed=1)
    assert main(["report", str(run.parent), f"--out={out}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "file": str(out),
        "bytes": len(out.read_bytes()),
        "runs": 2,
        "proxies": 0,
        "trials": 13,
    }


def test_what_the_page_leaves_out_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", sampled_trials(5), space="antigravity:SPACE")
    assert main(["report", str(run), f"--out={tmp_path / 'report.html'}"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{run}: Names of choices are left out: ")


def test_a_broken_search_does_not_hide_the_others(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, out = write_run(run.parent / "broken", sampled_trials(5)), tmp_path / "report.html"
    (broken / "config.json").write_text("{")
    assert main(["report", str(broken), str(run), f"--out={out}"]) == 1
    output, errors = capsys.readouterr()
    assert f"{out}: 1 search, 8 trials, " in output
    assert errors.splitlines()[-1].startswith(f"rl_nas report: left out: {broken}/config.json is not JSON")
    assert main(["report", str(broken), f"--out={tmp_path / 'none.html'}"]) == 2
    assert not (tmp_path / "none.html").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no folder; expected one or more"),
        (["{run}", "{run}/../first"], "a folder is given twice"),
        (["{tmp}/nothing"], "holds no trials.sqlite"),
        (["{run}", "--port=8001"], "--port=8001 has no effect here; give --watch, too"),
        (["{run}", "--refresh=3"], "--refresh=3 has no effect here; give --watch, too"),
        (["{run}", "--watch", "--out=x.html"], "--out=x.html has no effect here; leave it out"),
        (["{run}", "--watch", "--json"], "--json and --watch; leave one of them out"),
        (["{run}", "--out={tmp}"], "is a folder; give the name of a file in it"),
        (["{run}", "--out={run}/config.json/x.html"], "is not a writable folder"),
    ],
)
def test_wrong_use_is_one_line(
    words: list[str], message: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", *(word.format(run=run, tmp=tmp_path) for word in words)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("rl_nas report: ")
    assert message in line


def test_a_missing_extra_is_named(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "bokeh", None)
    assert main(["report", str(run)]) == 2
    assert "rl_nas report needs bokeh: pip install" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "found", "told"),
    [
        (".venv/bin/rl_nas", None, ".venv/bin/rl_nas"),
        (".venv/bin/rl_nas", "/usr/bin/rl_nas", "rl_nas"),
        ("/lib/rl_nas/__main__.py", None, "rl_nas"),
    ],
)
def test_what_to_type_is_what_a_shell_would_find(
    typed: str, found: str | None, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [typed])
    monkeypatch.setattr(shutil, "which", lambda name: found)
    assert program() == told


def test_a_port_that_is_taken_is_one_line(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["report", str(run), "--watch", f"--port={port}"]) == 2
    assert f"--port={port}: " in capsys.readouterr().err
