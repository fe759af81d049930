"""`rl_nas search` in real processes: what a run leaves, repeats, survives and refuses."""

import functools
import importlib.metadata
import json
import math
import os
import re
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import processes
import pytest
from processes import Preparation, Words, command, environment, held, let_on, rest_of, run
from watchdog import TIMEOUT

from rl_nas.commands.search import SEARCH
from rl_nas.networks.genotypes import load
from rl_nas.networks.network import plan_network
from rl_nas.networks.settings import NetworkSettings
from rl_nas.settings import declaration, field_types
from rl_nas.spaces.nasnet import nasnet
from rl_nas.store.trials import TrialStore
from rl_nas.strategies.catalog import STRATEGIES

TINY = ("--epochs=1", "--filters=2", "--blocks=1", "--update_every=1", "--seed=3")
TRIALS = 3
ALL_RECIPES = sorted(path.name for path in (Path(__file__).parents[2] / "rl_nas/flags").glob("*.cfg"))
RECIPES = ("digits.cfg", "cifar10_smoke.cfg", "cifar10_nasnet.cfg")
KIB = 1024

command, run, held = (functools.partial(function, "search") for function in (command, run, held))


def limit_file_size(size: int) -> Preparation:
    """A disk that is full for every file at `size` bytes; Python ignores the signal and sees an error."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, highest_limit()))


def highest_limit() -> int:
    return resource.getrlimit(resource.RLIMIT_FSIZE)[1]


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
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("rl_nas search: ")
    assert message in done.stderr


def assert_complete(folder: Path) -> None:
    """The best files are whole, belong together, and nothing half-written lies beside them."""
    best = json.loads((folder / "best/genotype.json").read_text())["found_by"]["trial"]
    found = set(contents(folder))
    events = {name for name in found if name.startswith("tensorboard/events.out.tfevents.")}
    assert events
    model = {f"best/saved_model/{name}" for name in ("saved_model.pb", "fingerprint.pb", "variables/variables.index")}
    model |= {"best/saved_model/variables/variables.data-00000-of-00001", "best/saved_model/assets.extra/labels.txt"}
    assert found == events | model | {
        "config.json",
        "flags.cfg",
        "health.jsonl",
        "lock",
        "trials.sqlite",
        f"children/{best}.weights.npz",
        "best/genotype.json",
        "best/cell.png",
    }
    assert (folder / "best/cell.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    load(folder / "best/genotype.json")


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
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("search")


@pytest.fixture(scope="module")
def tiny(base: Path) -> Words:
    """Flags of a search of seconds; those of the command line stand before and after the recipe."""
    return (*TINY[:2], "--flagfile=flags/digits.cfg", *TINY[2:], f"--data_dir={base / 'tfds'}")


@pytest.fixture(scope="module")
def unbroken(base: Path, tiny: Words) -> Run:
    folder, elsewhere = base / "unbroken", base / "elsewhere"
    elsewhere.mkdir()
    done = run(*tiny, f"--trials={TRIALS}", f"--run_dir={folder}", cwd=elsewhere, PYTHONHASHSEED="1")
    assert done.returncode == 0, done.stderr
    assert not any(elsewhere.iterdir())
    return Run(folder, done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def broken(base: Path, tiny: Words, unbroken: Run) -> Broken:
    folder = base / "broken"
    with held(*tiny, f"--trials={TRIALS}", f"--run_dir={folder}", line=f"1/{TRIALS} children") as process:
        intruder = run("--resume", f"--run_dir={folder}")
        process.send_signal(signal.SIGINT)
        ended = rest_of(process)
    return Broken(Run(folder, *ended), rows(folder), intruder)


@pytest.mark.slow
def test_a_run_leaves_its_files_and_nothing_else(unbroken: Run) -> None:
    assert_complete(unbroken.folder)


@pytest.mark.slow
def test_config_has_flags_seed_and_versions(unbroken: Run) -> None:
    config = json.loads((unbroken.folder / "config.json").read_text())
    names = {cls.prefix + name for cls in SEARCH.all_groups for name in field_types(cls)}
    assert set(config["flags"]) == names
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
        cost = plan_network(space.decode(tuple(json.loads(row["architecture"]))), settings, (8, 8, 1), 10).cost()
        assert (row["parameters"], row["madds"]) == (cost.trainable, cost.madds)
        assert (row["state"], row["epochs"]) == ("ok", 1)
        assert row["reward"] == row["accuracy"]
        assert 0 <= row["accuracy"] <= 1
        assert math.isclose(row["accuracy"] * 300, round(row["accuracy"] * 300))  # of 300 images
        assert 0 < row["loss"] < 10
        assert row["seconds"] > 0
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", row["recorded_at"])


@pytest.mark.slow
def test_the_genotype_is_that_of_the_best_trial(unbroken: Run) -> None:
    best = max(rows(unbroken.folder), key=lambda row: row["reward"])
    assert load(unbroken.folder / "best/genotype.json") == nasnet(1).decode(tuple(json.loads(best["architecture"])))
    assert unbroken.stdout.splitlines()[-1].startswith(
        f"Best child: trial {best['number']}, accuracy {best['accuracy']:.4f} on 300 held-out images"
    )


@pytest.mark.slow
def test_progress_is_a_line_per_child_on_standard_error(unbroken: Run) -> None:
    lines = [line for line in unbroken.stderr.splitlines() if " children  " in line]
    assert [line.split()[0] for line in lines] == [f"{n}/{TRIALS}" for n in range(1, TRIALS + 1)]
    assert "children  " not in unbroken.stdout


@pytest.mark.slow
def test_flags_cfg_repeats_the_run_under_another_hash_seed(base: Path, unbroken: Run) -> None:
    folder = base / "repeated"
    done = run(f"--flagfile={unbroken.folder / 'flags.cfg'}", f"--run_dir={folder}", PYTHONHASHSEED="2")
    assert done.returncode == 0, done.stderr
    assert repeatable(folder) == repeatable(unbroken.folder)
    for name in ("flags.cfg", "best/genotype.json"):
        assert (folder / name).read_bytes() == (unbroken.folder / name).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_searches(base: Path, tiny: Words, unbroken: Run, strategy: str) -> None:
    folder = unbroken.folder
    if strategy != json.loads((folder / "config.json").read_text())["flags"]["strategy"]:
        folder = base / strategy
        done = run(*tiny, f"--strategy={strategy}", "--trials=1", "--executor=inline", f"--run_dir={folder}")
        assert done.returncode == 0, done.stderr
    assert {row["state"] for row in rows(folder)} == {"ok"}
    assert_complete(folder)


@pytest.mark.slow
def test_health_is_written_with_every_update(unbroken: Run) -> None:
    lines = [json.loads(line) for line in (unbroken.folder / "health.jsonl").read_text().splitlines()]
    assert [line["update"] for line in lines] == list(range(TRIALS))
    decisions = {f"entropy/{decision.name}" for decision in nasnet(1).decisions}
    expected = {"entropy", "unique_fraction", "top_fraction", "gradient_norm", "advantage_std", "baseline", *decisions}
    assert expected <= set(lines[-1])
    assert lines[-1]["entropy"] == pytest.approx(sum(lines[-1][name] for name in decisions), rel=1e-4)


@pytest.mark.slow
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
    assert row["reward"] == pytest.approx(row["accuracy"] * (row["latency"] / 0.001) ** -0.07)
    assert rows(unbroken.folder)[0]["latency"] is None


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_finished(broken: Broken, unbroken: Run) -> None:
    assert broken.run.code == 130, broken.run.stderr
    assert len(broken.rows) == 1
    assert repeatable(broken.run.folder)[:1] == repeatable(unbroken.folder)[:1]
    assert f"stopped; {len(broken.rows)} children finished" in broken.run.stderr
    assert f"resume with: rl_nas search --resume --run_dir={broken.run.folder}" in broken.run.stderr.splitlines()
    assert "Traceback" not in broken.run.stderr


@pytest.mark.slow
def test_ctrl_c_leaves_the_best_files_of_what_was_finished(broken: Broken) -> None:
    assert_complete(broken.run.folder)
    assert broken.run.stdout.splitlines()[-1].startswith("Best child: ")


@pytest.mark.slow
def test_a_run_at_work_is_left_alone_by_another_process(broken: Broken) -> None:
    assert_refused(broken.intruder, f"--run_dir={broken.run.folder} is in use by another process")


@pytest.mark.slow
def test_the_line_that_says_how_to_resume_finishes_the_run_as_if_unbroken(broken: Broken, unbroken: Run) -> None:
    (line,) = [line for line in broken.run.stderr.splitlines() if line.startswith("resume with: ")]
    done = run(*line.removeprefix("resume with: rl_nas search ").split())
    assert done.returncode == 0, done.stderr
    assert repeatable(broken.run.folder) == repeatable(unbroken.folder)
    assert rows(broken.run.folder)[: len(broken.rows)] == broken.rows  # not evaluated again
    counts = [line.split()[0] for line in done.stderr.splitlines() if " children  " in line]
    assert counts == [f"{n}/{TRIALS}" for n in range(len(broken.rows) + 1, TRIALS + 1)]
    assert_complete(broken.run.folder)


FAST_REFUSALS: Mapping[str, tuple[Words, str]] = {
    "out of range": (["--trials=0"], "--trials=0: expected a whole number >= 1"),
    "no number": (["--learning_rate=fast"], "--learning_rate=fast: expected a number"),
    "no choice": (
        ["--strategy=greedy"],
        "expected one of controller, reinforce, ppo, aging_evolution, local_search, random",
    ),
    "unknown flag": (["--trails=2"], "Unknown command line flag 'trails'. Did you mean: trials"),
    "stray word": (["trials=2"], "unexpected word 'trials=2'"),
    "missing flagfile": (
        ["--flagfile=no.cfg"],
        f"--flagfile=no.cfg: no such file; recipes that come with rl_nas: {', '.join(ALL_RECIPES)}",
    ),
    "no target": (["--reward=mnasnet_hard"], "--reward=mnasnet_hard needs --cost_target, the madds that is aimed at"),
    "nothing to resume": (["--resume"], "holds no run to resume"),
}


@pytest.mark.parametrize("case", FAST_REFUSALS)
def test_wrong_flags_are_one_line_and_nothing_is_written(tmp_path: Path, case: str) -> None:
    words, message = FAST_REFUSALS[case]
    assert_refused(run(*words, f"--run_dir={tmp_path / 'run'}", cwd=tmp_path), message)
    assert not any(tmp_path.iterdir())


def test_a_flagfile_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.cfg").write_bytes(b"\xff\xfe\xa0")
    done = run(f"--flagfile={tmp_path / 'binary.cfg'}", f"--run_dir={tmp_path / 'run'}")
    assert_refused(done, "a --flagfile is not a text file")
    assert not (tmp_path / "run").exists()


def test_a_run_folder_that_cannot_be_made_is_told_before_anything_is_loaded(tmp_path: Path) -> None:
    # Permission bits would not hold back a superuser; a file in the way and a limit of the file system do.
    (tmp_path / "file").write_text("mine")
    assert_refused(run(f"--run_dir={tmp_path / 'file' / 'run'}"), f"{tmp_path / 'file'} is not a writable folder")
    assert_refused(run(f"--run_dir={tmp_path / ('x' * 300)}"), "File name too long")
    assert contents(tmp_path) == {"file": b"mine"}


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert_refused(run(f"--run_dir={tmp_path}"), "holds other files")
    assert contents(tmp_path) == {"notes.txt": b"mine"}


@pytest.mark.slow
def test_another_run_is_left_alone(unbroken: Run, tiny: Words) -> None:
    before = contents(unbroken.folder)
    assert_refused(run(*tiny, f"--run_dir={unbroken.folder}"), "already holds a run: continue it with --resume")
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
    done = run(*tiny, "--dataset=mnits", f"--run_dir={base / 'refused'}")
    assert_refused(done, "unknown data set --dataset=mnits; did you mean mnist")
    assert not (base / "refused").exists()


@pytest.mark.slow
def test_absent_data_set_without_a_network_is_told(tmp_path: Path) -> None:
    try:
        socket.create_connection(("storage.googleapis.com", 443), timeout=5).close()
    except OSError:
        pass
    else:
        pytest.skip("there is a network, over which the data set would be downloaded")
    done = run("--dataset=mnist", f"--data_dir={tmp_path / 'tfds'}", f"--run_dir={tmp_path / 'run'}")
    assert_refused(done, f"data set mnist is not prepared in {tmp_path / 'tfds'}, and there is no network")
    assert "give the folder that holds it with --data_dir" in done.stderr
    assert not any(tmp_path.iterdir())


@pytest.mark.slow
def test_images_too_small_for_the_network_are_told(base: Path, tiny: Words, unbroken: Run) -> None:
    done = run(*tiny, "--reductions=4", f"--run_dir={base / 'refused'}")
    assert_refused(done, "images of 8x8 pixels are too small for 4 reductions; expected at least 16 pixels")
    assert not (base / "refused").exists()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits of another process can't be set here")
def test_a_disk_that_fills_up_ends_the_search_and_keeps_the_trials(base: Path, tiny: Words, unbroken: Run) -> None:
    folder = base / "filled"
    with held(*tiny, f"--trials={TRIALS}", f"--run_dir={folder}", line=f"1/{TRIALS} children") as process:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, highest_limit()))
        let_on(process)
        code, output, errors = rest_of(process)
    assert code == 2, errors
    assert output == ""
    (message,) = errors.splitlines()
    assert message.startswith(
        (f"rl_nas search: cannot write {folder}/", f"rl_nas search: trials of the run, {folder}/")
    )
    with TrialStore(folder / "trials.sqlite") as store:
        assert [trial.index for trial in store.trials()] == [0]
    assert repeatable(folder) == repeatable(unbroken.folder)[:1]
    load(folder / "best/genotype.json")


@pytest.mark.slow
def test_weights_that_do_not_fit_on_the_disk_are_no_failure_of_the_child(
    base: Path, tiny: Words, unbroken: Run
) -> None:
    folder = base / "no_weights"
    words = (*tiny, "--filters=16", "--trials=1", f"--run_dir={folder}")
    done = run(*words, prepare=limit_file_size(40 * KIB))  # SQLite needs 32 KiB for its index of the log
    assert_refused(done, f"cannot write {folder}/children/0.weights.npz: File too large")
    with TrialStore(folder / "trials.sqlite") as store:
        assert store.trials() == []
    assert not any((folder / "children").iterdir())


@pytest.mark.slow
def test_a_saved_model_that_does_not_fit_on_the_disk_is_told(base: Path, unbroken: Run) -> None:
    folder = base / "no_saved_model"
    shutil.copytree(unbroken.folder, folder)
    before = contents(folder / "best/saved_model")
    done = run("--resume", f"--run_dir={folder}", prepare=limit_file_size(150 * KIB))
    assert_refused(done, f"cannot write {folder}/best/.saved_model.new: File too large")
    assert contents(folder / "best/saved_model") == before
    assert repeatable(folder) == repeatable(unbroken.folder)
    assert_complete(folder)


def test_help_shows_every_group_and_every_default() -> None:
    done = run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    sections = dict(section.split(":\n", 1) for section in done.stdout.split("\n\n")[1:])
    assert set(sections) == {"Examples", "Everywhere", *(cls.title for cls in SEARCH.all_groups)}
    for cls in SEARCH.all_groups:
        entries = re.split(r"^  --", sections[cls.title], flags=re.MULTILINE)[1:]
        for name, entry in zip(field_types(cls), entries, strict=True):
            assert re.match(rf"(\[no\])?{cls.prefix}{name}\b", entry)
            default = declaration(cls, name).default
            text = str(default).lower() if isinstance(default, bool) else str(default)
            assert (f"(default: {text})" in entry) == (default is not None)


@pytest.mark.parametrize("words", [["--help"], ["--trials=0"], ["--run_dir=no/run", "--resume"], []])
def test_help_and_wrong_flags_do_not_load_tensorflow(words: list[str]) -> None:
    code = (
        "import sys; from rl_nas.__main__ import main; main(sys.argv[1:]);"
        " print(sorted({'tensorflow', 'keras', 'tensorflow_datasets', 'h5py'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "search", *words], capture_output=True, text=True, check=False, timeout=TIMEOUT
    )
    assert (done.stdout + done.stderr).count("rl_nas search: ") == 1
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_left_is_no_error(unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            command("--help"),
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=environment(PYTHONUNBUFFERED=unbuffered),
            timeout=TIMEOUT,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("folder", ["", "flags/"])
def test_recipes_are_found_from_another_folder(tmp_path: Path, recipe: str, folder: str) -> None:
    done = run(f"--flagfile={folder}{recipe}", cwd=tmp_path)
    assert_refused(done, "--run_dir is missing")  # only what the recipe leaves open is asked for


@pytest.mark.slow
def test_the_same_trials_in_one_process_or_in_several(base: Path, tiny: Words) -> None:
    """Real children: in batches of three, by two workers and inline."""
    folders = {}
    for executor in ("processes", "inline"):
        folders[executor] = base / executor
        words = ("--strategy=random", "--trials=3", "--update_every=3", "--workers=2", f"--executor={executor}")
        done = run(*tiny, *words, f"--run_dir={folders[executor]}")
        assert done.returncode == 0, done.stderr
    assert repeatable(folders["processes"]) == repeatable(folders["inline"])


@pytest.mark.slow
def test_what_changes_when_a_run_goes_on_is_written_down(base: Path, tiny: Words) -> None:
    folder = base / "changed"
    words = ("--strategy=random", "--trials=1", "--executor=inline", f"--run_dir={folder}")
    assert run(*tiny, *words).returncode == 0
    done = run("--resume", "--trials=2", "--child_timeout=500", "--executor=processes", f"--run_dir={folder}")
    assert done.returncode == 0, done.stderr
    config = json.loads((folder / "config.json").read_text())
    changes = {change["flag"]: (change["before"], change["now"]) for change in config["changes"]}
    assert changes == {"trials": (1, 2), "child_timeout": (None, 500.0), "executor": ("inline", "processes")}
    assert config["flags"]["trials"] == 2
    listed = run_runs(folder, "--json")
    assert [trial["index"] for trial in sorted(listed, key=lambda trial: -trial["reward"])] == [
        trial["index"] for trial in listed
    ]
    assert {trial["state"] for trial in listed} == {"ok"}
    assert run_runs(folder, "--json", "--state=oom") == []


def run_runs(folder: Path, *words: str) -> Any:
    done = processes.run("runs", folder, *words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
