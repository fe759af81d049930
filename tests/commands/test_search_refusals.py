"""What `rl_nas search` refuses before it begins, and its help."""

import errno
import functools
import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import pytest
from processes import Words, command, environment, refuse
from searches import assert_refused, contents
from watchdog import TIMEOUT

from rl_nas.commands.search import SEARCH
from rl_nas.settings import declaration, field_types

ALL_RECIPES = sorted(path.name for path in (Path(__file__).parents[2] / "rl_nas/flags").glob("*.cfg"))
RECIPES = ("digits.cfg", "cifar10_smoke.cfg", "cifar10_nasnet.cfg")

command, refuse = (functools.partial(function, "search") for function in (command, refuse))


FAST_REFUSALS: Mapping[str, tuple[Words, str]] = {
    "out of range": (["--trials=0"], "--trials=0: expected a whole number >= 1"),
    "no number": (["--learning_rate=fast"], "--learning_rate=fast: expected a number"),
    "no choice": (
        ["--dataset=digits", "--strategy=greedy"],
        "unknown --strategy=greedy; expected one of controller, reinforce, ppo, aging_evolution, bananas, gp,"
        " local_search, nsga2, tpe, random",
    ),
    "unknown flag": (["--trails=2"], "Unknown command line flag 'trails'. Did you mean: trials"),
    "stray word": (["trials=2"], "unexpected word 'trials=2'"),
    "missing flagfile": (
        ["--flagfile=no.cfg"],
        f"--flagfile=no.cfg: no such file; recipes that come with rl_nas: {', '.join(ALL_RECIPES)}",
    ),
    "no target": (
        ["--dataset=digits", "--reward=mnasnet_hard"],
        "--reward=mnasnet_hard needs --cost_target, the target of madds",
    ),
    "no data": (["--space=nasbench201"], "--dataset is missing; give the images to train on, such as --dataset="),
    "held out twice": (
        ["--valid_split=validation", "--valid_images=9"],
        "--valid_split=validation and --valid_images=9 both say what is held out",
    ),
    "held out otherwise by a recipe": (
        ["--dataset=digits", "--valid_split=test", "--then_train=digits_final.cfg"],
        "--then_train=digits_final.cfg, with --valid_split of the search: --valid_split=test and --valid_fraction=0.2",
    ),
    "a recipe for other data": (
        ["--dataset=digits", "--group_size=9", "--then_train=cifar10_final.cfg"],
        "--then_train=cifar10_final.cfg is for another data set, but gets --group_size from the search",
    ),
    "a recipe that tests on what the search has seen": (
        ["--dataset=digits", "--then_train=tested.cfg"],
        "--then_train=tested.cfg gives --group_size=9, by which images that the search learned from could be tested",
    ),
    "XLA to the bit": (
        ["--dataset=digits", "--jit_compile=on", "--determinism=on"],
        "--determinism=on and --jit_compile=on exclude each other: leave one out",
    ),
    "nothing to rebuild": (["--rebuild"], "--rebuild is for a run that has trials; give --resume too"),
    "no answer to a collapse": (
        ["--dataset=digits", "--strategy=random", "--on_collapse=temper"],
        "--on_collapse=temper: RandomSearch can't do that; choose warn or stop",
    ),
    "one objective": (
        ["--dataset=digits", "--objectives=latency"],
        "--objectives=latency: expected quality and one or more of parameters, madds, latency, tflite_size,",
    ),
    "objectives of a strategy for one number": (
        ["--dataset=digits", "--objectives=quality,latency", "--strategy=ppo"],
        "--strategy=ppo maximizes one number; for --objectives=quality,latency give controller, gp, nsga2, random",
    ),
    "one objective for a strategy of several": (
        ["--dataset=digits", "--strategy=nsga2"],
        "--strategy=nsga2 is for several objectives; give --objectives=quality,parameters or another strategy",
    ),
    "objectives and a reward": (
        ["--dataset=digits", "--objectives=quality,madds", "--reward=quality_cubed"],
        "--reward=quality_cubed is for a single objective",
    ),
    "objectives and another reward of failures": (
        ["--dataset=digits", "--objectives=quality,madds", "--failure_reward=zero"],
        "--failure_reward=zero is for a single objective",
    ),
    "objectives and halving": (
        ["--dataset=digits", "--objectives=quality,madds", "--early_stop_rule=halving"],
        "--early_stop_rule=halving stops networks of low quality, which may be on the front",
    ),
    "a limit that is measured on children": (
        ["--dataset=digits", "--estimator=shared", "--strategy=random", "--space=nasbench201", "--max_tflite_kib=9"],
        "--max_tflite_kib is measured on children",
    ),
    "nothing to resume": (["--resume"], "holds no run to resume"),
}


@pytest.mark.parametrize("case", FAST_REFUSALS)
def test_wrong_flags_are_one_line_and_nothing_is_written(tmp_path: Path, case: str) -> None:
    words, message = FAST_REFUSALS[case]
    (tmp_path / "tested.cfg").write_text("--dataset=digits\n--group_size=9\n")
    assert_refused(refuse(*words, f"--run_dir={tmp_path / 'run'}", cwd=tmp_path), message)
    assert [path.name for path in tmp_path.iterdir()] == ["tested.cfg"]


def test_a_flagfile_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.cfg").write_bytes(b"\xff\xfe\xa0")
    done = refuse(f"--flagfile={tmp_path / 'binary.cfg'}", f"--run_dir={tmp_path / 'run'}")
    assert_refused(done, "binary.cfg is not a text file")
    assert not (tmp_path / "run").exists()


def test_a_run_folder_that_cannot_be_made_is_told_before_anything_is_loaded(tmp_path: Path) -> None:
    # Permission bits would not hold back a superuser; a file in the way and a limit of the file system do.
    (tmp_path / "file").write_text("mine")
    for place, message in (("file/run", f"{tmp_path / 'file'} is not a writable folder"), ("x" * 300, "name too long")):
        assert_refused(refuse("--dataset=digits", f"--run_dir={tmp_path / place}"), message)
    assert contents(tmp_path) == {"file": b"mine"}


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert_refused(refuse("--dataset=digits", f"--run_dir={tmp_path}"), "holds other files")
    assert contents(tmp_path) == {"notes.txt": b"mine"}


@pytest.mark.slow
def test_absent_data_set_without_a_network_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*unused: object, **named: object) -> NoReturn:
        raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))

    monkeypatch.setattr(socket, "create_connection", unreachable)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    done = refuse("--dataset=mnist", f"--data_dir={tmp_path / 'tfds'}", f"--run_dir={tmp_path / 'run'}")
    assert_refused(done, f"data set mnist is not prepared in {tmp_path / 'tfds'}, and there is no network")
    assert "give the folder that holds it with --data_dir" in done.stderr
    assert not any(tmp_path.iterdir())


def test_help_shows_every_group_and_every_default() -> None:
    done = refuse("--help")
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
    done = refuse(f"--flagfile={folder}{recipe}", cwd=tmp_path)
    assert_refused(done, "--run_dir is missing")  # only what the recipe leaves open is asked for
