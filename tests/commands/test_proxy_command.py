"""`rl_nas proxy` as a user meets it."""

import functools
import json
from pathlib import Path

import pytest
from processes import beyond_first_lines, refuse
from processes import run as run_command

from rl_nas.store.trials import read_trials

run = functools.partial(run_command, "proxy")
WORDS = ("--flagfile=flags/digits.cfg", "--epochs=2", "--filters=2", "--blocks=1", "--trials=4", "--workers=1")


@pytest.mark.long
def test_proxies_are_ranked_and_nothing_is_trained_twice(tmp_path: Path) -> None:
    folder = tmp_path / "proxy"
    words = (f"--data_dir={tmp_path / 'tfds'}", f"--run_dir={folder}", "--json")
    done = run(*WORDS, *words, "--proxies=seed=0; epochs=1", "--scores=synflow")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    again, short, score = document["proxies"]
    # The same training with the same seeds is the same.
    assert (again["name"], again["spearman"]["value"], again["best_place"]) == ("seed=0", 1, 1)
    assert (short["name"], short["networks"]) == ("epochs=1", 4)
    assert (score["name"], score["networks"]) == ("synflow", 4)
    # Seconds are those of the trials that were recorded; how many depends on the machine.
    recorded = [trial.measurement.seconds for trial in read_trials(folder / "epochs=1" / "trials.sqlite")]
    assert short["seconds"] == pytest.approx(sum(recorded) / 4)
    assert score["seconds"] > 0
    assert json.loads((folder / "proxies.json").read_text()) == document
    more = run("--resume", *words, "--proxies=epochs=1", "--scores=none")
    assert more.returncode == 0, more.stderr
    assert [proxy["values"] for proxy in (json.loads(more.stdout)["full"],)] == [document["full"]["values"]]
    assert json.loads(more.stdout)["proxies"] == [short]
    assert "children" not in more.stderr
    assert json.loads((folder / "proxies.json").read_text()) == json.loads(more.stdout)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "--run_dir is missing"),
        (("--run_dir=x", "--proxies=trials=3"), "changes trials, which is the same for all"),
        (("--run_dir=x", "--proxies=epoch=3"), "epoch"),
        (("--run_dir=x", "--scores=luck"), "no 'luck'"),
    ],
)
def test_wrong_use_is_one_line(words: tuple[str, ...], message: str, tmp_path: Path) -> None:
    done = refuse("proxy", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(beyond_first_lines(done.stderr)) == 1
    assert not any(tmp_path.iterdir())
