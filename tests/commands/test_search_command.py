"""`rl_nas search` in real processes: what a run leaves, repeats, survives and refuses."""

import functools
import importlib.metadata
import json
import math
import re
import resource
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import Words, beyond_first_lines, held, refuse, run, run_cold
from searches import assert_complete, assert_refused, contents, repeatable, rows
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import rl_nas
from rl_nas.commands.search import SEARCH
from rl_nas.flags.parsing import OutputSettings
from rl_nas.networks.genotypes import load
from rl_nas.networks.network import plan_network
from rl_nas.networks.settings import NetworkSettings
from rl_nas.settings import field_types
from rl_nas.spaces.nasnet import nasnet
from rl_nas.statistics import proportion_text
from rl_nas.store.decision_log import read_decision_log
from rl_nas.store.trials import TrialStore
from rl_nas.strategies.catalog import ONLY_SEVERAL, STRATEGIES
from rl_nas.tasks.classification.head import ClassificationHead as Head

TRIALS = 3
KIB = 1024

refuse, run, run_cold, held = (functools.partial(function, "search") for function in (refuse, run, run_cold, held))


def highest_limit() -> int:
    return resource.getrlimit(resource.RLIMIT_FSIZE)[1]


def progress_lines(errors: str) -> list[str]:
    """Those about a child that has ended."""
    return [line for line in beyond_first_lines(errors) if " children  " in line]


@dataclass(frozen=True)
class Run:
    """A search that has ended."""

    folder: Path
    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Broken:
    """A search that was stopped by Ctrl-C, and what stood in its folder then."""

    run: Run
    rows: list[dict[str, Any]]
    intruder: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def unbroken(base: Path, tiny: Words) -> Run:
    folder, elsewhere = base / "unbroken", base / "elsewhere"
    elsewhere.mkdir()
    done = run_cold(*tiny, f"--trials={TRIALS}", f"--run_dir={folder}", cwd=elsewhere, PYTHONHASHSEED="1")
    assert done.returncode == 0, done.stderr
    assert not any(elsewhere.iterdir())
    return Run(folder, done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def broken(base: Path, tiny: Words, unbroken: Run) -> Broken:
    folder = base / "broken"
    with held(*tiny, f"--trials={TRIALS}", f"--run_dir={folder}", line=f"1/{TRIALS} children") as stopped:
        intruder = run("--resume", f"--run_dir={folder}")
        stopped.process.send_signal(signal.SIGINT)
        ended = stopped.rest()
    return Broken(Run(folder, *ended), rows(folder), intruder)


@pytest.mark.slow
def test_a_run_leaves_its_files_and_nothing_else(unbroken: Run) -> None:
    assert_complete(unbroken.folder)


@pytest.mark.slow
def test_config_has_flags_seed_and_versions(unbroken: Run) -> None:
    config = json.loads((unbroken.folder / "config.json").read_text())
    groups = [cls for cls in SEARCH.all_groups if cls is not OutputSettings]
    assert set(config["flags"]) == {cls.prefix + name for cls in groups for name in field_types(cls)} - {"trust"}
    assert config["flags"]["run_dir"] == str(unbroken.folder)
    assert config["seed"] == config["flags"]["seed"] == 3
    for name in ("rl_nas", "tensorflow", "keras", "numpy", "tensorflow-datasets"):
        assert config["versions"][name] == importlib.metadata.version(name)


@pytest.mark.slow
def test_the_command_line_wins_over_the_recipe_before_and_after_it(unbroken: Run) -> None:
    flags = json.loads((unbroken.folder / "config.json").read_text())["flags"]
    assert (flags["epochs"], flags["filters"]) == (1, 2)  # stood before it
    assert (flags["update_every"], flags["trials"]) == (1, TRIALS)  # stood after it
    # What the command line leaves open is the recipe's, though no folder `flags` was near.
    assert (flags["valid_fraction"], flags["cells"], flags["learning_rate"]) == (0.2, 1, 0.1)


@pytest.mark.slow
def test_trials_are_recorded_as_they_were(unbroken: Run) -> None:
    space, settings = nasnet(1), NetworkSettings(cells=1, filters=2, reductions=1)
    recorded = rows(unbroken.folder)
    assert [row["number"] for row in recorded] == list(range(TRIALS))
    for row in recorded:
        cost = plan_network(space.decode(tuple(json.loads(row["architecture"]))), settings, (8, 8, 1), Head(10)).cost()
        assert (row["parameters"], row["madds"]) == (cost.trainable, cost.madds)
        assert (row["state"], row["epochs"]) == ("ok", 1)
        metrics = json.loads(row["metrics"])
        assert row["reward"] == row["quality"] == metrics["accuracy"]
        assert 0 <= row["quality"] <= 1
        assert math.isclose(row["quality"] * 300, round(row["quality"] * 300))  # of 300 images
        assert 0 < metrics["loss"] < 10
        assert row["seconds"] > 0
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", row["recorded_at"])


@pytest.mark.slow
def test_the_genotype_is_that_of_the_best_trial(unbroken: Run) -> None:
    best = max(rows(unbroken.folder), key=lambda row: row["reward"])
    assert load(unbroken.folder / "best/genotype.json") == nasnet(1).decode(tuple(json.loads(best["architecture"])))
    assert unbroken.stdout.splitlines()[-1].startswith(
        f"Best child: trial {best['number']}, accuracy {proportion_text(best['quality'], 300)} on 300 held-out images"
    )
    recorded = json.loads((unbroken.folder / "config.json").read_text())
    assert recorded["data"]["held_out"] == 300
    assert unbroken.stderr.splitlines()[-1] == f"see all of it in a browser: rl_nas report {unbroken.folder}"


@pytest.mark.slow
def test_progress_is_a_line_per_child_on_standard_error(unbroken: Run) -> None:
    lines = progress_lines(unbroken.stderr)
    assert [line.split()[0] for line in lines] == [f"{n}/{TRIALS}" for n in range(1, TRIALS + 1)]
    assert "children  " not in unbroken.stdout


@pytest.mark.slow
def test_the_first_lines_say_on_what_with_what_and_how_large_before_any_child(unbroken: Run) -> None:
    lines = unbroken.stderr.splitlines()
    assert lines[0] == (
        f"search: --space=nasnet by --strategy=controller on digits, {TRIALS} children, in {unbroken.folder}"
    )
    before_children = lines[: lines.index(progress_lines(unbroken.stderr)[0])]
    told = [line for line in before_children if line.startswith(("device: ", "data: digits", "network: "))]
    assert re.match(r"device: .*, \d+ workers?", told[0])
    assert told[1] == (
        "data: digits: 10 classes (0, 1, 2, 3, 4, ...), 1,200 images to train on, 300 held out, 8x8x1;"
        " task classification"
    )
    size = re.fullmatch(r"network: (\S+) parameters, (\S+) multiply-adds \(median of 5 .*--space=nasnet\)", told[2])
    assert size
    settings, rng = NetworkSettings(cells=1, filters=2, reductions=1), np.random.default_rng(0)
    space = nasnet(1)
    genotypes = [space.decode(space.sample(rng)) for _ in range(5)]
    costs = [plan_network(genotype, settings, (8, 8, 1), Head(10)).cost() for genotype in genotypes]
    median = sorted(costs, key=lambda cost: cost.madds)[2]
    assert [int(count.replace(",", "")) for count in size.groups()] == [median.trainable, median.madds]


@pytest.mark.slow
def test_after_the_first_children_the_time_of_the_whole_is_told(unbroken: Run) -> None:
    device = re.search(r"^device: .*, (\d+) workers?", unbroken.stderr, re.MULTILINE)
    assert device
    times = re.findall(r"^time: .*$", unbroken.stderr, re.MULTILINE)
    assert len(times) == (max(2, int(device[1])) < TRIALS)  # when each worker has had one
    for line in times:
        assert re.fullmatch(rf"time: about [\d.]+ (s|min|hours) for {TRIALS} children at this rate", line)


@pytest.mark.long
def test_hours_that_are_spent_end_a_search_that_goes_on_with_more_as_if_unbroken(
    base: Path, tiny: Words, unbroken: Run
) -> None:
    folder, inline = base / "hours", ("--executor=inline",)
    none = run(*tiny, *inline, f"--trials={TRIALS}", "--max_hours=1e-9", f"--run_dir={folder}")
    assert none.returncode == 1
    assert "no child was trained: the time of --max_hours was spent before the first" in none.stderr.splitlines()[-1]
    done = run("--resume", "--max_hours=1000", f"--run_dir={folder}")
    assert done.returncode == 0, done.stderr
    assert repeatable(folder) == repeatable(unbroken.folder)
    taken = json.loads((folder / "time.json").read_text())["seconds"]
    assert taken > sum(row["seconds"] for row in rows(folder))
    (folder / "time.json").write_text(json.dumps({"seconds": 1000 * 3600.0}))
    spent = run("--resume", f"--trials={TRIALS + 2}", f"--run_dir={folder}")
    assert spent.returncode == 0, spent.stderr
    assert f"--max_hours=1000 is spent after {TRIALS} children; for more: rl_nas search --resume" in spent.stderr
    assert spent.stdout.splitlines()[-1].startswith("Best child: ")
    assert repeatable(folder) == repeatable(unbroken.folder)


@pytest.mark.long
def test_flags_cfg_repeats_the_run_under_another_hash_seed(base: Path, unbroken: Run) -> None:
    folder = base / "repeated"
    done = run_cold(f"--flagfile={unbroken.folder / 'flags.cfg'}", f"--run_dir={folder}", PYTHONHASHSEED="2")
    assert done.returncode == 0, done.stderr
    assert repeatable(folder) == repeatable(unbroken.folder)
    for name in ("flags.cfg", "best/genotype.json"):
        assert (folder / name).read_bytes() == (unbroken.folder / name).read_bytes()


@pytest.mark.long
@pytest.mark.parametrize("strategy", [name for name in STRATEGIES if name not in ONLY_SEVERAL])
def test_every_strategy_searches(base: Path, tiny: Words, unbroken: Run, strategy: str) -> None:
    folder = unbroken.folder
    if strategy != json.loads((folder / "config.json").read_text())["flags"]["strategy"]:
        folder = base / strategy
        done = run(*tiny, f"--strategy={strategy}", "--trials=1", "--executor=inline", f"--run_dir={folder}")
        assert done.returncode == 0, done.stderr
    assert {row["state"] for row in rows(folder)} == {"ok"}
    assert_complete(folder)


def test_the_policy_and_the_best_network_are_kept_for_pictures(unbroken: Run) -> None:
    space, best = nasnet(1), json.loads((unbroken.folder / "best/genotype.json").read_text())["found_by"]["trial"]
    lines = read_decision_log(unbroken.folder / "decisions.jsonl")
    assert [line.update for line in lines] == [*range(TRIALS)]
    for decision, probabilities in zip(space.decisions, lines[-1].probabilities, strict=True):
        assert len(probabilities) == len(decision.choices)
        assert sum(probabilities) == pytest.approx(1, abs=1e-3)
    events = EventAccumulator(str(unbroken.folder / "tensorboard"), {"histograms": 0, "images": 0})
    events.Reload()
    assert [event.step for event in events.Histograms("probabilities/normal/0/op1")] == [*range(TRIALS)]
    assert [event.step for event in events.Images("best/cells")] == [best]
    assert len(events.Scalars("trials/accuracy")) == TRIALS
    found = rl_nas.load_run(unbroken.folder)
    assert (
        found.trials_frame().loc[best, "normal/0/op1"] == space.values(found.trials[best].architecture)["normal/0/op1"]
    )


@pytest.mark.slow
def test_health_is_written_with_every_update(unbroken: Run) -> None:
    lines = [json.loads(line) for line in (unbroken.folder / "health.jsonl").read_text().splitlines()]
    assert [line["update"] for line in lines] == list(range(TRIALS))
    decisions = {f"entropy/{decision.name}" for decision in nasnet(1).decisions}
    expected = {"entropy", "unique_fraction", "top_fraction", "gradient_norm", "advantage_std", "baseline", *decisions}
    assert expected <= set(lines[-1])
    assert lines[-1]["entropy"] == pytest.approx(sum(lines[-1][name] for name in decisions), rel=1e-4)


@pytest.mark.long
def test_a_reward_with_a_measured_cost(base: Path, tiny: Words, unbroken: Run) -> None:
    folder = base / "latency"
    words = (
        "--reward=mnasnet_soft",
        "--cost=latency",
        "--cost_target=0.001",
        "--strategy=random",
        "--trials=1",
        "--executor=inline",
    )
    done = run(*tiny, *words, f"--run_dir={folder}")
    assert done.returncode == 0, done.stderr
    (row,) = rows(folder)
    assert 0 < row["latency"] < row["seconds"]  # measured as a part of the child's time
    assert row["reward"] == pytest.approx(row["quality"] * (row["latency"] / 0.001) ** -0.07)
    assert rows(unbroken.folder)[0]["latency"] is None


@pytest.mark.long
def test_ctrl_c_keeps_what_was_finished(broken: Broken, unbroken: Run) -> None:
    assert broken.run.code == 130, broken.run.stderr
    assert len(broken.rows) == 1
    assert repeatable(broken.run.folder)[:1] == repeatable(unbroken.folder)[:1]
    assert f"stopped; {len(broken.rows)} children finished" in broken.run.stderr
    assert f"resume with: rl_nas search --resume --run_dir={broken.run.folder}" in broken.run.stderr.splitlines()
    assert "Traceback" not in broken.run.stderr


@pytest.mark.long
def test_ctrl_c_leaves_the_best_files_of_what_was_finished(broken: Broken) -> None:
    assert_complete(broken.run.folder)
    assert broken.run.stdout.splitlines()[-1].startswith("Best child: ")


@pytest.mark.long
def test_a_run_at_work_is_left_alone_by_another_process(broken: Broken) -> None:
    assert_refused(broken.intruder, f"--run_dir={broken.run.folder} is in use by another process")


@pytest.mark.long
def test_the_line_that_says_how_to_resume_finishes_the_run_as_if_unbroken(broken: Broken, unbroken: Run) -> None:
    (line,) = [line for line in broken.run.stderr.splitlines() if line.startswith("resume with: ")]
    done = run(*line.removeprefix("resume with: rl_nas search ").split())
    assert done.returncode == 0, done.stderr
    assert repeatable(broken.run.folder) == repeatable(unbroken.folder)
    assert rows(broken.run.folder)[: len(broken.rows)] == broken.rows  # not evaluated again
    counts = [line.split()[0] for line in progress_lines(done.stderr)]
    assert counts == [f"{n}/{TRIALS}" for n in range(len(broken.rows) + 1, TRIALS + 1)]
    assert_complete(broken.run.folder)


@pytest.mark.slow
def test_another_run_is_left_alone(unbroken: Run, tiny: Words) -> None:
    before = contents(unbroken.folder)
    assert_refused(refuse(*tiny, f"--run_dir={unbroken.folder}"), "already holds a run: continue it with --resume")
    assert contents(unbroken.folder) == before


@pytest.mark.slow
@pytest.mark.parametrize("order", [1, -1])
def test_a_run_is_not_resumed_with_another_flag(unbroken: Run, tmp_path: Path, order: int) -> None:
    before = contents(unbroken.folder)
    (tmp_path / "mine.cfg").write_text("--epochs=6\n--filters=2\n")
    words = [f"--flagfile={tmp_path / 'mine.cfg'}", "--epochs=4"][::order]
    # The refusal names the value of the command line, whichever comes first.
    done = run("--resume", *words, f"--run_dir={unbroken.folder}")
    assert_refused(done, "--epochs=4, but the run was started with 1; leave it out to resume")
    assert contents(unbroken.folder) == before


@pytest.mark.slow
def test_unknown_data_set_is_answered_with_near_names(base: Path, tiny: Words, unbroken: Run) -> None:
    done = refuse(*tiny, "--dataset=mnits", f"--run_dir={base / 'refused'}")
    assert_refused(done, "unknown data set --dataset=mnits; did you mean mnist")
    assert not (base / "refused").exists()


@pytest.mark.slow
def test_images_too_small_for_the_network_are_told(base: Path, tiny: Words, unbroken: Run) -> None:
    done = refuse(*tiny, "--reductions=4", f"--run_dir={base / 'refused'}")
    assert_refused(done, "images of 8x8 pixels are too small for 4 reductions; expected at least 16 pixels")
    assert not (base / "refused").exists()


@pytest.mark.long
@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits of another process can't be set here")
def test_a_disk_that_fills_up_ends_the_search_and_keeps_the_trials(base: Path, tiny: Words, unbroken: Run) -> None:
    folder = base / "filled"
    with held(*tiny, f"--trials={TRIALS}", f"--run_dir={folder}", line=f"1/{TRIALS} children") as stopped:
        resource.prlimit(stopped.process.pid, resource.RLIMIT_FSIZE, (0, highest_limit()))
        stopped.go_on()
        code, output, errors = stopped.rest()
    assert code == 2, errors
    assert output == ""
    (message,) = beyond_first_lines(errors)
    assert message.startswith(
        (f"rl_nas search: cannot write {folder}/", f"rl_nas search: trials of the run, {folder}/")
    )
    with TrialStore(folder / "trials.sqlite") as store:
        assert [trial.index for trial in store.trials()] == [0]
    assert repeatable(folder) == repeatable(unbroken.folder)[:1]
    load(folder / "best/genotype.json")


@pytest.mark.long
def test_weights_that_do_not_fit_on_the_disk_are_no_failure_of_the_child(
    base: Path, tiny: Words, unbroken: Run
) -> None:
    folder = base / "no_weights"
    words = (*tiny, "--filters=16", "--trials=1", f"--run_dir={folder}")
    done = run(*words, file_size=40 * KIB)  # SQLite needs 32 KiB for its index of the log
    images, refusal = beyond_first_lines(done.stderr)
    assert images.startswith("decoded images cannot be kept: ")
    assert refusal.endswith(f"cannot write {folder}/children/0.weights.npz: File too large")
    assert (done.returncode, done.stdout) == (2, "")
    with TrialStore(folder / "trials.sqlite") as store:
        assert store.trials() == []
    assert not any((folder / "children").iterdir())


@pytest.mark.long
def test_a_saved_model_that_does_not_fit_on_the_disk_is_told(base: Path, unbroken: Run) -> None:
    folder = base / "no_saved_model"
    shutil.copytree(unbroken.folder, folder)
    before = contents(folder / "best/saved_model")
    done = run("--resume", f"--run_dir={folder}", file_size=150 * KIB)
    assert_refused(done, f"cannot write {folder}/best/.saved_model.new: File too large")
    assert contents(folder / "best/saved_model") == before
    assert repeatable(folder) == repeatable(unbroken.folder)
    assert_complete(folder)
