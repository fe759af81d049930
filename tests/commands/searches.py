"""Searches of seconds, and what they leave."""

import json
import sqlite3
import subprocess
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from processes import beyond_first_lines

from rl_nas.networks.genotypes import load
from rl_nas.store.best_child import KEPT
from rl_nas.strategies.catalog import LEARNED

TINY = ("--epochs=1", "--filters=2", "--blocks=1", "--update_every=1", "--seed=3")


def rows(folder: Path) -> list[dict[str, Any]]:
    """All columns of all trials."""
    with closing(sqlite3.connect(folder / "trials.sqlite")) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM trials ORDER BY number")]


def repeatable(folder: Path) -> list[dict[str, Any]]:
    """All columns but those of wall time."""
    return [{k: v for k, v in row.items() if k not in ("seconds", "recorded_at")} for row in rows(folder)]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def assert_refused(done: subprocess.CompletedProcess[str], message: str) -> None:
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    (line,) = beyond_first_lines(done.stderr)
    assert line.startswith("rl_nas search: ")
    assert message in line


def assert_complete(folder: Path, lost: Iterable[int] = ()) -> None:
    """The best files are whole, belong together, and nothing half-written lies beside them.

    Args:
        folder: of the run.
        lost: trials whose weights somebody has removed; those of the best one are made again.
    """
    best = json.loads((folder / "best/genotype.json").read_text())["found_by"]["trial"]
    found = set(contents(folder))
    events = {name for name in found if name.startswith("tensorboard/events.out.tfevents.")}
    sessions = {name for name in found if name.startswith("hparams/trial-")}
    assert events
    assert len(sessions) == len([row for row in rows(folder) if row["number"] < 1000])
    model = {f"best/saved_model/{name}" for name in ("saved_model.pb", "fingerprint.pb", "variables/variables.index")}
    model |= {"best/saved_model/variables/variables.data-00000-of-00001", "best/saved_model/assets.extra/labels.txt"}
    model |= {"best/saved_model/assets.extra/task.txt", "best/network/network.json", "best/network/weights.npz"}
    model |= {"best/model.keras"}
    strategy = json.loads((folder / "config.json").read_text())["flags"]["strategy"]
    updated = (folder / "health.jsonl").read_text() != ""
    policy = {"decisions.jsonl"} if strategy in LEARNED and updated else set()
    succeeded = sorted((row for row in rows(folder) if row["state"] == "ok"), key=lambda row: -row["reward"])
    kept = {row["number"] for row in succeeded[:KEPT]}
    gone = {number for number in lost if f"children/{number}.weights.npz" not in found}
    assert not lost or gone
    assert best in kept
    children = {f"children/{number}.{what}" for number in kept - gone for what in ("classes.json", "weights.npz")}
    assert found == events | sessions | model | policy | children | {
        "config.json",
        "flags.cfg",
        "health.jsonl",
        "lock",
        "time.json",
        "trials.sqlite",
        "choice.json",
        "best/genotype.json",
        "best/cell.png",
        "best/examples.png",
    }
    assert (folder / "best/cell.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    load(folder / "best/genotype.json")
