"""`rl_nas search --then_train`: cells trained longer, in processes of their own, once each."""

import fcntl
import json
import os
from pathlib import Path

import psutil
import pytest
from processes import environment, held, refuse, run
from warm import WarmProcess
from watchdog import are_gone, wait_until, watched

from rl_nas.store.training_folder import TrainingFolder
from rl_nas.workflows.page_runs import page_run

FLAGS = (
    "--dataset=digits",
    "--blocks=1",
    "--filters=2",
    "--epochs=1",
    "--trials=3",
    "--strategy=random",
    "--seed=3",
    "--executor=inline",
)
RECIPE = "--network=proxy\n--cells=1\n--filters=2\n--reductions=0\n--epochs=2\n--batch_size=100\n"


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "longer.cfg"
    path.write_text(RECIPE)
    return path


@pytest.mark.long
def test_the_best_cells_are_trained_longer_and_the_best_of_them_in_full(recipe: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    words = [
        f"--then_train={recipe}",
        f"--then_full={recipe}",
        "--then_top=2",
        "--then_random=1",
        "--then_also=NASNet-A",
    ]
    with held("search", *FLAGS, *words, f"--run_dir={folder}", line="training trial", times=2) as command:
        command.kill()  # the first one is done
    done_already = sorted(path for path in (folder / "then").rglob("results.json"))
    assert len(done_already) == 1
    before = done_already[0].stat().st_mtime_ns
    done = run("search", "--resume", f"--run_dir={folder}", "--json")
    assert done.returncode == 0, done.stderr
    assert done_already[0].stat().st_mtime_ns == before  # not trained again
    document = json.loads(done.stdout)["then"]
    assert document == json.loads((folder / "then" / "then.json").read_text())
    names = [one["name"] for one in document["compared"]]
    assert [name.rstrip("0123456789") for name in names] == ["trial", "trial", "random", "NASNet-A"]
    for one in document["compared"]:
        (result,) = one["results"]
        home = folder / "then" / one["name"]
        assert json.loads((home / "seed0" / "results.json").read_text()) == result
        assert result["genotype"] == json.loads((home / "genotype.json").read_text())
        assert result["epochs"] == 2
        assert (one["proxy"] is None) == (not one["name"].startswith("trial"))
    found = [one for one in document["compared"] if one["name"].startswith("trial")]
    best = max(found, key=lambda one: one["results"][0]["valid"]["accuracy"])
    assert document["full"]["name"] == best["name"]
    text = run("search", "--resume", f"--run_dir={folder}").stdout
    assert "Trained longer, 2 epochs of" in text
    model = folder / "then" / best["name"] / "full/model.keras"
    assert f"trained model  {model}" in text.splitlines()
    assert model.is_file()
    shown = [measured.of for measured in page_run(folder).classes]
    assert len(shown) == 2
    assert shown[1] == f"full training of {best['name']} on the test images"
    assert text.rstrip().splitlines()[-1].startswith(f"Full training: {best['name']}, 2 epochs, accuracy")


@pytest.mark.long
def test_a_search_that_is_killed_ends_its_training_which_goes_on_with_it(recipe: Path, tmp_path: Path) -> None:
    folder, place = tmp_path / "run", tmp_path / "hostile"
    (place / "rl_nas").mkdir(parents=True)  # where the search works; nothing there may be taken for the package
    for name in ("__init__.py", "__main__.py"):
        (place / "rl_nas" / name).write_text(f"open({str(tmp_path / 'executed')!r}, 'w')")
    longer = tmp_path / "longer.cfg"
    longer.write_text(RECIPE.replace("--epochs=2", "--epochs=1000"))
    words = ["search", *FLAGS, "--trials=1", f"--then_train={longer}", "--then_top=1", f"--run_dir={folder}"]
    training = TrainingFolder(folder / "then/trial0/seed0")
    with (
        open(os.devnull, "r+") as nothing,
        open(tmp_path / "errors", "w") as errors,
        watched(
            WarmProcess("rl_nas.__main__", words, environment(), [nothing, nothing, errors], cwd=place, warm=False)
        ) as search,
    ):
        wait_until(lambda: training.checkpoints.exists() or search.poll() is not None)
        children = psutil.Process(search.pid).children(recursive=True)
        again = run("search", "--resume", f"--run_dir={folder}")
        search.kill()
    assert children
    assert "is in use by another process" in again.stderr
    wait_until(lambda: are_gone(children))
    assert not (tmp_path / "executed").exists()
    training.config.write_text(training.config.read_text().replace('"epochs": 1000', '"epochs": 1'))
    training.genotype.unlink()  # as if it had been killed between its first two files
    done = run("search", "--resume", f"--run_dir={folder}", "--json")
    assert done.returncode == 0, done.stderr
    (compared,) = json.loads(done.stdout)["then"]["compared"]
    assert compared["results"][0]["epochs"] == 1


@pytest.mark.long
def test_a_training_that_is_at_work_elsewhere_does_not_count_as_failed(recipe: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert run("search", *FLAGS, "--trials=1", "--then_top=1", f"--run_dir={folder}").returncode == 0
    home = folder / "then/trial0/seed0"
    home.mkdir(parents=True)  # a training that was killed before it began: it is begun again
    (home / "flags.cfg").touch()
    words = ("--resume", f"--then_train={recipe}", f"--run_dir={folder}")
    with held("search", *words, line="training trial") as search, open(home / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        search.go_on()
        code, _, errors = search.rest()
    assert code == 2
    assert errors == f"rl_nas search: another process trains {home}; wait for it or stop it, then give --resume\n"
    done = run("search", "--resume", f"--run_dir={folder}", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["then"]["compared"][0]["results"]


@pytest.mark.long
def test_a_training_that_fails_ends_no_other(recipe: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "large.cfg"
    recipe.write_text(RECIPE.replace("--reductions=0", "--reductions=4"))  # 8x8 images cannot be halved so often
    done = run(
        "search", *FLAGS, "--trials=1", f"--then_train={recipe}", "--then_top=1", f"--run_dir={tmp_path / 'run'}"
    )
    assert done.returncode == 1
    assert f"all trainings of --then_train={recipe} failed" in done.stderr.splitlines()[-1]
    assert (tmp_path / "run/best/genotype.json").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--then_train=absent.cfg"], "--then_train=absent.cfg: --flagfile=absent.cfg: no such file"),
        (["--then_train=flags/digits.cfg"], "--then_train=flags/digits.cfg: "),
        (["--then_train=flags/cifar10_nasnet_a.cfg"], "gives a --genotype; the search gives it"),
        (["--then_train=flags/digits_final.cfg", "--then_also=NASNet-Z"], "--then_also: no 'NASNet-Z'"),
        (["--then_train=flags/digits_final.cfg", "--then_also=ASPP"], "ASPP is a head; this search is for a backbone"),
        (["--then_full=flags/digits_final.cfg"], "give --then_train too"),
    ],
)
def test_wrong_use_is_one_line_before_anything_is_searched(words: list[str], message: str, tmp_path: Path) -> None:
    done = refuse("search", *FLAGS, *words, f"--run_dir={tmp_path / 'run'}")
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()
