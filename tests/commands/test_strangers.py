"""A stranger's folder opened with every verb: nothing in it is executed, and one line says what is wrong."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import beyond_first_lines, refuse
from traps import EXECUTED, MODULE, OPERATION, keras_files, write_module, write_run, write_saved_model

from rl_nas.__main__ import VERBS
from rl_nas.child.network.keras_file import load_keras_file
from rl_nas.errors import UsageError

MODEL = ("--dataset=digits", "--genotype=NASNet-A", "--cells=1", "--filters=2", "--noauxiliary", "--run_dir=new")
HEAD = ("--task=segmentation", "--dataset=shapes", "--image_size=32", "--run_dir=new")

RECORDED: dict[str, str] = {
    "space": f"{MODULE}:x",
    "strategy": f"{MODULE}:x",
    "reward": f"run.{MODULE}:x",
    "task": f"{MODULE}:x",
    "operations": f"sep_3x3,{OPERATION}",
    "ray_address": "127.0.0.1:6379",
    "executor": "ray",
    "then_train": "run/flags.cfg",
    "then_full": "run/flags.cfg",
    "backbone": "run/model.keras",
    "data_dir": "run/tfds",
    "dataset": "dir:run/tfds",
    "pretrain_dir": "run/pretrained",
    "feature_dir": "run/features",
}


@pytest.fixture(scope="module")
def traps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("traps")
    saved_model = write_saved_model(folder / "saved_model")
    made = keras_files(folder, saved_model)
    (folder / "names.json").write_text(json.dumps({name: path.name for name, path in made.items()}))
    np.savez(folder / "table.npz", ops=np.array([[0]]), op_names=np.array(["a"]), columns=np.array(["c"]),
             values=np.array([{}], dtype=object), allow_pickle=True)  # fmt: skip
    return folder


@pytest.fixture
def here(traps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a stranger's run in `run` and code of the stranger beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    write_module(tmp_path)
    write_run(tmp_path / "run", traps / "saved_model", traps / "lambda.keras")
    return tmp_path


def check(here: Path, *words: str, message: str = "") -> None:
    """The verb refuses in one line, and nothing was executed."""
    done = refuse(*words, cwd=here)
    assert not (here / EXECUTED).exists()
    assert MODULE not in sys.modules
    assert f"run.{MODULE}" not in sys.modules
    assert done.returncode == 2, done.stderr
    assert len(beyond_first_lines(done.stderr.replace("full:\n", ""))) == 1, done.stderr  # the part of a proxy
    assert done.stdout == ""
    assert message in done.stderr


def record(here: Path, **flags: Any) -> None:
    path = here / "run/config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "flags": config["flags"] | flags}))


@pytest.mark.parametrize("verb", ["search", "proxy"])
@pytest.mark.parametrize(("flag", "value"), RECORDED.items())
def test_flags_of_a_record(flag: str, value: str, verb: str, here: Path) -> None:
    record(here, **{flag: value})
    check(here, verb, "--resume", "--run_dir=run", message=f"has --{flag}={value}; if you trust that, give it again")


@pytest.mark.parametrize(
    ("flag", "value"), [("init", "run/model.keras"), ("task", f"{MODULE}:x"), ("checkpoint_dir", "run/checkpoints")]
)
def test_flags_of_a_training(flag: str, value: str, here: Path) -> None:
    record(here, **{flag: value})
    check(here, "train", "--resume", "--run_dir=run", message=f"has --{flag}={value}; if you trust that, give it again")


OPENED: dict[str, tuple[tuple[str, ...], str]] = {
    "search its database": (("search", "--resume", "--run_dir=run", "--space=nasbench201"), "run/trials.sqlite"),
    "search with its trials": (
        ("search", "--prior=run", "--space=nasbench201", "--strategy=gp", "--dataset=digits", "--run_dir=new"),
        "trials.sqlite",
    ),
    "runs": (("runs", "run"), "trials.sqlite"),
    "report": (("report", "run", "--out=out.html"), "trials.sqlite"),
    "describe": (("describe", "--genotype=run"), f"operation '{OPERATION}' is its author's own code"),
    "train its genotype": (
        ("train", "--genotype=run", "--dataset=digits", "--run_dir=new"),
        f"operation '{OPERATION}'",
    ),
    "train --resume": (("train", "--resume", "--run_dir=run"), f"operation '{OPERATION}'"),
    "train from it": (("train", "--init=run", *MODEL), "operation 'evil:operation'"),
    "train from its model": (("train", "--init=m/model.keras", *MODEL), "keras.layers.Lambda"),
    "train on its model": (("train", "--genotype=ASPP", "--backbone=m/model.keras", *HEAD), "keras.layers.Lambda"),
    "search on its model": (("search", "--space=dpc", "--backbone=m/model.keras", *HEAD), "keras.layers.Lambda"),
    "describe on its model": (
        ("describe", "--genotype=ASPP", "--task=segmentation", "--classes=3", "--backbone=m/model.keras"),
        "keras.layers.Lambda",
    ),
    "export": (("export", "--model=m/model.keras", "--dataset=digits", "--out=out"), "keras.layers.Lambda"),
    "predict its graph": (("predict", "--model=run", "x.png"), "whose graph may do anything on this machine"),
    "bench": (("bench", "--table=table.npz", "--reward_column=c", "--out=out"), "table.npz cannot be read"),
    "proxy": (("proxy", "--resume", "--run_dir=run", "--trials=2"), "run/full/trials.sqlite"),
}


def test_every_verb_is_tried() -> None:
    assert {words[0] for words, _ in OPENED.values()} == VERBS.keys() - {"doctor"}


@pytest.mark.slow
def test_the_doctor_on_its_model(here: Path, traps: Path) -> None:
    (here / "m").mkdir()
    shutil.copy(traps / "lambda.keras", here / "m/model.keras")
    done = refuse("doctor", "--space=dpc", "--backbone=m/model.keras", *HEAD, cwd=here)
    assert not (here / EXECUTED).exists()
    assert done.returncode == 1
    (problem,) = [line for line in done.stdout.splitlines() if line.startswith("problem")]
    assert "keras.layers.Lambda" in problem


@pytest.mark.slow
@pytest.mark.parametrize("name", OPENED)
def test_files_of_a_run(name: str, here: Path, traps: Path) -> None:
    words, message = OPENED[name]
    (here / "m").mkdir()
    shutil.copy(traps / "lambda.keras", here / "m/model.keras")
    shutil.copy(traps / "table.npz", here)
    shutil.copy(next(iter(Path(__file__).parents[2].glob("docs/*_cell.png"))), here / "x.png")
    if name in ("search its database", "proxy"):
        record(here, executor="inline")
    check(here, *words, message=message)


@pytest.mark.slow
def test_the_graph_is_dangerous(here: Path) -> None:
    """The danger is real: trusted, it writes its file."""
    shutil.copy(next(iter(Path(__file__).parents[2].glob("docs/*_cell.png"))), here / "x.png")
    done = refuse("predict", "--model=run", "--trust", "x.png", cwd=here)
    assert done.returncode == 0, done.stderr
    assert (here / EXECUTED).exists()


def test_keras_files(traps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_module(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name, file in json.loads((traps / "names.json").read_text()).items():
        with pytest.raises(UsageError) as raised:
            load_keras_file(traps / file)
        assert "\n" not in str(raised.value), name
        assert not [*tmp_path.rglob(EXECUTED)], name
        assert MODULE not in sys.modules, name
    assert not (tmp_path.parent / EXECUTED).exists()
