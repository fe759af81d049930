"""A search that its user goes on from: training, description, trials and model need no flag again."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from processes import beyond_first_lines, refuse, run
from searches import rows

import rl_nas
from rl_nas.__main__ import main
from rl_nas.statistics import proportion_text

LEFT_OUT = "the auxiliary head pools 5x5 pixels, but gets 4x4: it is left out"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def search(base: Path) -> subprocess.CompletedProcess[str]:
    """One whose preset has an auxiliary head."""
    words = ("--network=cifar", "--cells=1", "--filters=2", "--reductions=2", "--blocks=1", "--epochs=1", "--seed=3")
    data = ("--dataset=digits", f"--data_dir={base / 'tfds'}", "--valid_fraction=0.2")
    return run("search", *data, *words, "--trials=2", "--executor=inline", f"--run_dir={base / 'run'}")


@pytest.fixture(scope="module")
def folder(base: Path, search: subprocess.CompletedProcess[str]) -> Path:
    assert search.returncode == 0, search.stderr
    return base / "run"


@pytest.fixture(scope="module")
def best(folder: Path) -> dict[str, Any]:
    return max(rows(folder), key=lambda row: (row["reward"], -row["number"]))


def described(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[dict[str, Any], str]:
    assert main(["describe", "--json", *words]) == 0
    output, errors = capsys.readouterr()
    return json.loads(output), errors


@pytest.mark.long
def test_children_of_a_preset_do_without_an_auxiliary_head_that_does_not_fit(
    search: subprocess.CompletedProcess[str], folder: Path
) -> None:
    assert search.stderr.count(LEFT_OUT) == 1
    assert {row["state"] for row in rows(folder)} == {"ok"}
    assert json.loads((folder / "config.json").read_text())["flags"]["auxiliary"] is False


@pytest.mark.parametrize("verb", ["search", "proxy"])
def test_one_that_is_asked_for_is_refused(verb: str, folder: Path, tmp_path: Path) -> None:
    words = ("--auxiliary", f"--flagfile={folder / 'flags.cfg'}", f"--run_dir={tmp_path / 'run'}")
    done = refuse(verb, *words)
    assert done.returncode == 2
    assert beyond_first_lines(done.stderr) == [
        f"rl_nas {verb}: the auxiliary head pools 5x5 pixels, but gets 4x4; give --noauxiliary or larger images"
    ]


@pytest.mark.long
def test_a_training_takes_its_data_and_says_so(folder: Path, base: Path, tmp_path: Path) -> None:
    words = ("--cells=1", "--filters=2", "--epochs=1", "--nofinal_test", "--batch_size=100")
    done = run("train", f"--genotype={folder}", *words, f"--run_dir={tmp_path / 'final'}")
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith("data of ")]
    assert told == [
        f"data of {folder}: digits, 8x8, --stratify=yes, --task=classification, --data_dir={base / 'tfds'},"
        " --valid_fraction=0.2"
    ]
    assert done.stderr.count(LEFT_OUT) == 1
    results = json.loads((tmp_path / "final/results.json").read_text())
    assert (results["dataset"], results["valid"]["images"], results["network"]["image"]) == ("digits", 300, [8, 8, 1])
    flags = json.loads((tmp_path / "final/config.json").read_text())["flags"]
    assert (flags["auxiliary"], flags["data_dir"]) == (False, str(base / "tfds"))


def test_it_is_described_as_its_children_were_trained(
    folder: Path, best: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in (folder, folder / "best", folder / "best/genotype.json"):
        document, errors = described(capsys, f"--genotype={name}")
        assert (document["trainable_parameters"], document["multiply_adds"]) == (best["parameters"], best["madds"])
        assert (document["image"], document["classes"]) == ([8, 8, 1], 10)
        assert errors.startswith(f"network of {name}: ")
        assert len(errors.splitlines()) == 1
    other, _ = described(capsys, f"--genotype={folder}", "--filters=4", "--image_size=16", "--classes=3")
    assert (other["network"]["filters"], other["image"], other["classes"]) == (4, [16, 16, 1], 3)


def test_any_trial_is_described(
    folder: Path, best: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for row in rows(folder):
        picture = tmp_path / f"{row['number']}.png"
        words = (f"--run_dir={folder}", f"--trial={row['number']}")
        document, _ = described(capsys, *words, f"--picture={picture}")
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert document["trainable_parameters"] == row["parameters"]
        trial = document["trial"]
        assert (trial["index"], trial["state"], trial["reward"]) == (row["number"], "ok", row["reward"])
        assert trial["weights"] == str(folder / f"children/{row['number']}.weights.npz")
        assert main(["describe", *words]) == 0
        first, measured, *_ = capsys.readouterr().out.splitlines()
        assert first == f"trial {row['number']} of {folder}: ok, reward {row['reward']:.4f}"
        assert measured.startswith(f"  measured: accuracy {proportion_text(row['quality'], 300)}, loss ")
        assert measured.endswith(" on 300 held-out images")
    assert described(capsys, f"--run_dir={folder}")[0]["trial"]["index"] == best["number"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--run_dir={}", "--trial=9"], "has no trial 9; recorded: 0 to 1"),
        (["--trial=0"], "--trial=0 is of a run; give its folder with --run_dir"),
        (["--run_dir={}", "--genotype=NASNet-A"], "--genotype and --run_dir; describe one of them at a time"),
        (["--run_dir=nowhere"], "holds no trials.sqlite; expected the folder of a search"),
    ],
)
def test_wrong_descriptions_are_one_line(words: list[str], message: str, folder: Path) -> None:
    done = refuse("describe", *(word.format(folder) for word in words))
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


class TestPython:
    def test_trials_and_genotypes(self, folder: Path, best: dict[str, Any]) -> None:
        found = rl_nas.load_run(folder)
        assert [trial.index for trial in found.trials] == [0, 1]
        assert found.best is not None
        assert found.best.index == best["number"]
        assert found.genotype() == found.genotype(found.best) == found.genotype(best["number"])
        assert found.genotype(0) != found.genotype(1)
        for name in (folder, folder / "best", str(folder / "best/genotype.json")):
            assert rl_nas.load_genotype(name) == found.genotype()
        assert rl_nas.load_genotype("NASNet-A") is rl_nas.PUBLISHED["NASNet-A"]
        reward = f"{found.best.reward:.4f}"
        assert repr(found) == f"<run {folder}: 2 trials (2 ok); best: trial {best['number']}, reward {reward}>"

    def test_the_best_child_is_a_trained_model(self, folder: Path, best: dict[str, Any]) -> None:
        model = rl_nas.load_run(folder).best_model()
        pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1)).astype("uint8")
        probabilities = np.asarray(model(pixels))
        np.testing.assert_allclose(probabilities.sum(-1), 1, rtol=1e-5)
        file = keras.models.load_model(folder / "best/model.keras", compile=False)
        np.testing.assert_allclose(np.asarray(file(pixels)), probabilities, atol=1e-6)
        assert sum(np.prod(one.shape) for one in model.trainable_variables) == best["parameters"]
        assert (model.compiled, model.loss) == (True, "sparse_categorical_crossentropy")

    def test_a_summary_and_a_table(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        found = rl_nas.load_run(folder)
        found.results_summary(trials=1)
        first, head, trial, *genotype = capsys.readouterr().out.splitlines()
        assert first == repr(found)[1:-1]
        assert head.split()[:3] == ["trial", "reward", "accuracy"]
        assert found.best is not None
        assert trial.split()[0] == str(found.best.index)
        assert "normal cell" in genotype
        frame = found.trials_frame()
        assert list(frame.index) == [0, 1]
        assert frame.loc[0, "accuracy"] == found.trials[0].reward
        assert frame.loc[0, "attempts"] == 1

    def test_its_page_is_that_of_the_verb(self, folder: Path, tmp_path: Path) -> None:
        page = rl_nas.load_run(folder).report(tmp_path / "ours.html")
        done = run("report", folder, f"--out={tmp_path}/theirs.html")
        assert done.returncode == 0, done.stderr
        found = re.compile(r'id="data">([^<]*)</script>')
        ours, theirs = (found.search(path.read_text()) for path in (page, tmp_path / "theirs.html"))
        assert ours
        assert theirs
        assert ours[1] == theirs[1]

    def test_a_run_that_has_not_ended_has_no_model(self, folder: Path, tmp_path: Path) -> None:
        for name in ("config.json", "trials.sqlite"):
            (tmp_path / name).write_bytes((folder / name).read_bytes())
        with pytest.raises(rl_nas.UsageError, match="holds no best/network, which is written when a search ends"):
            rl_nas.load_run(tmp_path).best_model()

    def test_code_that_a_strangers_run_names_is_not_imported(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "trials.sqlite").write_bytes((folder / "trials.sqlite").read_bytes())
        config = json.loads((folder / "config.json").read_text())
        config["flags"]["space"] = "evil:space"
        (tmp_path / "config.json").write_text(json.dumps(config))
        found = rl_nas.load_run(tmp_path)
        assert len(found.trials) == 2
        with pytest.raises(rl_nas.UsageError, match="which you did not start here, has --space=evil:space"):
            found.genotype()
        with pytest.raises(rl_nas.UsageError, match="No module named 'evil'"):
            rl_nas.load_run(tmp_path, trust=True).genotype()

    def test_a_training_without_a_data_set_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(rl_nas.UsageError, match="--dataset is missing; give the images to train on"):
            rl_nas.train(rl_nas.PUBLISHED["NASNet-A"], run_dir=str(tmp_path / "run"))
