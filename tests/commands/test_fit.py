"""`rl_nas.fit` searches in a process of its own, on arrays too."""

import importlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import rl_nas
from rl_nas.commands import fit as module
from rl_nas.errors import RunError, UsageError
from rl_nas.execution import python_process

X = np.random.default_rng(0).integers(0, 256, (120, 8, 8)).astype(np.uint8)
Y = np.arange(120) % 3
TINY: dict[str, Any] = {
    "strategy": "random",
    "blocks": 1,
    "filters": 2,
    "cells": 1,
    "reductions": 0,
    "epochs": 1,
    "executor": "inline",
    "trials": 2,
    "seed": 3,
}


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def pretend(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Takes other code for the search."""
    monkeypatch.setattr(python_process, "command", lambda *words: [sys.executable, "-c", code])


@pytest.mark.parametrize(
    ("arguments", "flags", "message"),
    [
        ((), {}, "no images; expected arrays, a tf.data dataset, the name of a data set or a folder"),
        ((X, Y), {"spce": "nasnet"}, "^unknown argument 'spce'"),
        ((X, Y), {"epochs": 0}, "^epochs=0: expected "),
        ((X, Y), {"space": "nas_rl", "cells": 2}, "^cells=2 has no effect "),
        ((X, Y), {"dataset": "digits"}, "dataset is no argument of rl_nas.fit; give the data first"),
        ((X, Y), {"json": True}, "json is no argument of rl_nas.fit"),
        ((X, Y), {"resume": True}, "resume=True needs run_dir, the folder of the run"),
        (
            (X, Y),
            {"resume": True, "run_dir": "run"},
            "resume=True goes on with the data of the run; leave out the arrays",
        ),
        (("digits", Y), {}, "y: for arrays and datasets alone; 'digits'"),
        (("digits",), {"test_data": (X, Y)}, "test_data: for arrays and datasets alone"),
        (("digits",), {"class_names": ["a"]}, "class_names are for arrays and datasets; other data tell their own"),
        (
            (X, Y),
            {"validation_data": (X, Y), "valid_images": 5},
            "^validation_data and valid_images=5 both say",
        ),
        ((X, Y[1:]), {}, "x has 120 images and 119 targets"),
        (
            (X, Y),
            {"callbacks": [keras.callbacks.EarlyStopping()]},
            "callbacks has an object of EarlyStopping; expected functions of a finished trial",
        ),
        ((X, Y), {"loss": lambda y, p: 0}, "loss is .*<lambda>, which the processes of a search cannot import"),
        ((X, Y), {"metric": keras.metrics.AUC()}, "metric is an object of AUC, which the processes of a search cannot"),
        ((X, Y), {"preprocessing": keras.layers.RandomCrop(4, 4)}, "RandomCrop cannot be passed on; give crop_margin"),
        (
            (X, Y),
            {"preprocessing": keras.layers.RandomFlip("horizontal"), "flip": True},
            "preprocessing and flip say the same",
        ),
    ],
)
def test_wrong_arguments_leave_nothing(arguments: Any, flags: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        rl_nas.fit(*arguments, **flags)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_files_of_the_user_stay(tmp_path: Path) -> None:
    (tmp_path / "run/arrays").mkdir(parents=True)
    (tmp_path / "run/arrays/mine.npy").touch()
    with pytest.raises(UsageError, match="holds other files, in arrays/; give a new or an empty folder"):
        rl_nas.fit(X, Y, run_dir="run", **TINY)
    assert (tmp_path / "run/arrays/mine.npy").exists()


def test_an_error_of_the_search_is_an_exception(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = "import sys; print('device: CPU', file=sys.stderr); print('rl_nas search: no room', file=sys.stderr)"
    for code, error in ((2, UsageError), (1, RunError)):
        pretend(monkeypatch, f"{line}; sys.exit({code})")
        with pytest.raises(error, match=r"^no room$"):
            rl_nas.fit("digits", **TINY)
        assert capsys.readouterr().err == "device: CPU\n"
    pretend(monkeypatch, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(RunError, match=r"ended by signal 9; continue with rl_nas.fit\(run_dir='.*/run', resume=True\)"):
        rl_nas.fit("digits", run_dir="run", **TINY)


def test_what_is_told_speaks_of_arguments(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        "few held-out images: 3; hold out more (--valid_fraction), or a split (--valid_split)",
        "see all of it in a browser: rl_nas report 'my run'",
        "rl_nas search: --dataset=digits has one class (--debug shows where)",
    ]
    pretend(monkeypatch, f"import sys; [print(line, file=sys.stderr) for line in {lines}]; sys.exit(1)")
    with pytest.raises(RunError, match=r"^x='digits' has one class \(debug=True shows where\)$"):
        rl_nas.fit("digits", **TINY)
    assert capsys.readouterr().err.splitlines() == [
        "few held-out images: 3; hold out more (valid_fraction=), or a split (valid_split=)",
        "see all of it in a browser: rl_nas.load_run('my run').report()",
    ]


@pytest.mark.parametrize(
    ("error", "told"),
    [("", ""), ("rl_nas search: interrupted", "go on with rl_nas.fit(run_dir='{run}', resume=True); ")],
)
def test_an_interrupt_reaches_the_search_and_waits_for_it(
    error: str, told: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first line that is shown interrupts; the search here waits for that, and then takes its leave.

    Where that is no error, it has said itself how to go on.
    """
    monkeypatch.setattr(module, "print", lambda *words, **others: os.kill(os.getpid(), signal.SIGINT), raising=False)
    config = tmp_path / "run/config.json"
    code = (
        "import os, signal, sys\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})\n"
        "print('begun', file=sys.stderr, flush=True)\n"
        "signal.sigwait({signal.SIGINT})\n"
        f"os.mkdir({str(config.parent)!r}); open({str(config)!r}, 'w').close()\n"
        f"print({error!r}, file=sys.stderr) if {error!r} else None\n"
        "sys.exit(130)\n"
    )
    pretend(monkeypatch, code)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell ignores in the background
    try:
        with pytest.raises(KeyboardInterrupt):
            rl_nas.fit("digits", run_dir="run", **TINY)
    finally:
        signal.signal(signal.SIGINT, before)
    assert config.exists()
    run = str(config.parent)
    assert capsys.readouterr().err == f"{told.format(run=run)}what is finished: rl_nas.load_run({run!r})\n"


def test_an_exception_of_a_callback_ends_the_search_and_is_raised(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The search here tells a trial, and writes down the answer."""
    code = (
        "import json, socket, sys\n"
        "connection = socket.socket(fileno=int(sys.argv[1]))\n"
        "failure = {'state': 'crashed', 'error': 'no', 'log': ''}\n"
        "trial = {'index': 0, 'architecture': [1], 'state': 'crashed', 'reward': None, 'failures': [failure]}\n"
        "connection.sendall(json.dumps(trial).encode() + b'\\n')\n"
        f"open({str(tmp_path / 'answer')!r}, 'wb').write(connection.recv(100))\n"
    )
    monkeypatch.setattr(python_process, "command", lambda module, *words: [sys.executable, "-c", code, *words])
    called: list[rl_nas.Trial] = []

    def fails(trial: rl_nas.Trial) -> None:
        raise LookupError(f"trial {trial.index} is {trial.state}")

    with pytest.raises(LookupError, match="trial 0 is crashed"):
        rl_nas.fit("digits", callbacks=[called.append, fails, called.append], **TINY)
    assert len(called) == 1
    assert (tmp_path / "answer").read_bytes() == b"stop\n"


OWN = """
import keras
import numpy as np

focal = keras.losses.CategoricalFocalCrossentropy(reduction="none")


def chance(labels, probabilities):
    return np.mean(probabilities[np.arange(len(labels)), labels])
"""


@pytest.mark.long
def test_own_parts_reach_the_search_and_a_callback_ends_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss and the quality are imported in worker processes, and are those of a training of what was found."""
    (tmp_path / "own_parts.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    chance = importlib.import_module("own_parts").chance
    layers = [keras.layers.Rescaling(1 / 255), keras.layers.Resizing(6, 6), keras.layers.RandomFlip("horizontal")]
    told: list[rl_nas.Trial] = []

    def second(trial: rl_nas.Trial) -> bool:
        told.append(trial)
        return trial.index == 1

    parts: dict[str, Any] = {**TINY, "executor": "processes", "workers": 1, "trials": 4, "class_weights": "auto"}
    found = rl_nas.fit(
        X, Y, loss="own_parts:focal", metric=chance, preprocessing=layers, callbacks=second, run_dir="run", **parts
    )
    printed = capfd.readouterr().err
    assert "preprocessing: Rescaling change nothing" in printed
    assert "ended by a callback after 2 children" in printed
    assert tuple(told) == found.trials
    assert len(told) == 2
    assert (
        found.config["flags"]
        | {
            "image_size": "6x6",
            "flip": True,
            "loss": "own_parts:focal",
            "metric": "own_parts:chance",
        }
        == (found.config["flags"])
    )
    measured = [trial.measurement for trial in told]
    assert all(one is not None and list(one.metrics)[:2] == ["chance", "accuracy"] for one in measured)
    assert found.best_model().input_shape == (None, 6, 6, 1)

    small = {"network": "proxy", "cells": 1, "filters": 2, "reductions": 0, "epochs": 1, "batch_size": 40}
    results = rl_nas.train("run", run_dir="final", loss="own_parts:focal", final_test=False, **small)
    assert {"chance", "accuracy", "cross_entropy"} <= results["valid"].keys()


@pytest.mark.long
def test_arrays_are_searched_continued_and_trained(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = rl_nas.fit(X, Y, validation_data=(X[:30], Y[:30]), test_data=(X[:9], Y[:9]), class_names="abc", **TINY)
    assert found.folder.path.parent == tmp_path / "runs"
    assert [trial.state for trial in found.trials] == ["ok", "ok"]
    printed = capfd.readouterr().err
    assert "3 classes (a, b, c), 120 images to train on, 30 held out (split validation), 8x8x1" in printed
    path = str(found.folder.path)
    assert printed.splitlines()[-1] == f"see all of it in a browser: rl_nas.load_run({path!r}).report()"
    assert "--" not in printed
    model = found.best_model()
    pixels = X[..., np.newaxis]
    model.fit(pixels, Y, epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.evaluate(pixels, Y, verbose=0) == pytest.approx(model.evaluate(pixels, Y, verbose=0), abs=1e-5)

    again = rl_nas.fit(run_dir=found.folder.path, resume=True, trials=3)
    assert again.trials[:2] == found.trials
    assert len(again.trials) == 3
    results = rl_nas.train(found.folder.path, run_dir=tmp_path / "final", epochs=1, batch_size=40)
    assert (results["valid"]["images"], results["final_test"]["images"]) == (30, 9)
    with pytest.raises(UsageError, match=r"^run_dir='.*' already holds a run: continue it with resume=True"):
        rl_nas.fit(X, Y, run_dir=found.folder.path, **TINY)
