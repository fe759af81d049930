"""What a run recorded is followed if its user started it here, gives it again, or trusts it; a stranger's is not."""

import json
from pathlib import Path
from typing import Any

import pytest

from rl_nas.__main__ import main
from rl_nas.commands.proxy import PROXY
from rl_nas.commands.search import CHANGEABLE, SEARCH
from rl_nas.commands.train import TRAIN
from rl_nas.errors import UsageError
from rl_nas.flags.parsing import Command, Parsed, parse
from rl_nas.store.run_folder import RunFolder
from rl_nas.workflows.run_config import changed, config, merge
from rl_nas.workflows.trust import doors

DOORS = {
    "search": {
        "loss": "mine:focal",
        "metric": "mine:kappa",
        "ray_address": "10.0.0.1:6379",
        "then_train": "/srv/recipe.cfg",
        "then_full": "recipe.cfg",
        "dataset": "folder:/srv/photos",
        "pretrain_dataset": "dir:/srv/tfds",
        "data_dir": "/srv/tfds",
        "feature_dir": "/srv/features",
        "pretrain_dir": "/srv/weights",
        "backbone": "/srv/backbone.keras",
        "head": "/srv/head.json",
        "neck": "/srv/neck.json",
        "class_weights": "/srv/weights.txt",
        "label_map": "/srv/map.txt",
        "executor": "ray",
        "group_by": "(a+)+b",
        "track": "mlflow",
    },
    "train": {"init": "/srv/model.keras", "checkpoint_dir": "gs://bucket/run", "tpu": "grpc://10.0.0.1:8470"},
    "proxy": {"proxies": "epochs=1; flagfile=/etc/passwd"},
}
INSIDE = {
    "dataset": "cifar10",
    "backbone": "NASNet-A",
    "classes": "7",
    "class_weights": "auto",
    "then_train": "flags/digits_final.cfg",
    "init": "keras_applications",
    "tpu": "local",
    "executor": "processes",
    "proxies": "seed=1; epochs=1, loss=dice; filters=4, train_images=300",
    "loss": "focal",
    "metric": "macro_f1",
}
CASES = [(verb, flag, value) for verb, flags in DOORS.items() for flag, value in flags.items()]
CASES += [("search", "dataset", path) for path in ("/srv/photos", "./photos", "~/photos", "gs://bucket/photos")]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run with a data set in a folder, which the user has just started."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return started(Path("run"), "--dataset=folder:photos")


def started(path: Path, *words: str, command: Command = SEARCH) -> Path:
    path.mkdir()
    RunFolder(path).write_config(config(parse(command, [*words, f"--run_dir={path}"]).values))
    return path


def resumed(path: Path, *words: str) -> Parsed:
    return merge(parse(SEARCH, ["--resume", f"--run_dir={path}", *words]), RunFolder(path).read_config(), CHANGEABLE)


def edited(path: Path, **flags: Any) -> Path:
    written = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**written, "flags": {**written["flags"], **flags}}))
    return path


def refused(path: Path, *words: str) -> None:
    with pytest.raises(UsageError, match="which you did not start here, has --"):
        resumed(path, *words)


@pytest.mark.parametrize(("verb", "flag", "value"), CASES)
def test_a_strangers_run_leads_nowhere(
    verb: str, flag: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"flags": {"dataset": "digits", flag: value, "trust": True}}))
    assert main([verb, "--resume", f"--run_dir={tmp_path}"]) == 2
    line = (
        f"the run in {tmp_path}, which you did not start here, has --{flag}={value}; if you trust that, give it again"
    )
    assert capsys.readouterr().err == f"rl_nas {verb}: {line}, or --trust\n"


def test_proxies_with_code_are_doors() -> None:
    for proxies in ("seed=1; loss=mine:focal", "metric = mine:kappa", "--loss=mine:focal, epochs=1"):
        assert doors({"proxies": proxies}) == {"proxies": proxies}


@pytest.mark.parametrize(
    "word", ["executor", "exe cutor", " -ray_\taddress", "da ta_dir", "fla\ngfile", "back\u2003bone"]
)
def test_proxies_are_searched_as_they_are_read(word: str) -> None:
    proxies = f"epochs=1, {word}=x; seed=1"
    assert doors({"proxies": proxies}) == {"proxies": proxies}


def test_proxies_stay_in_the_folder_of_their_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run/then_also=").mkdir(parents=True)
    proxies = "then_also=/../../elsewhere"
    (tmp_path / "run/config.json").write_text(json.dumps({"flags": {"dataset": "digits", "proxies": proxies}}))
    assert main(["proxy", "--resume", f"--run_dir={tmp_path / 'run'}"]) == 2
    assert "names a folder above; give its whole path" in capsys.readouterr().err
    assert not (tmp_path / "elsewhere").exists()


def test_one_line_names_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"flags": DOORS["search"] | {"neck": "/srv/a\x1b[2Jb"}}))
    assert main(["search", "--resume", f"--run_dir={tmp_path}", "--executor=inline"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert [word.partition("=")[0] for word in line.split() if "=" in word] == [
        f"--{name}" for name in DOORS["search"] if name != "executor"
    ]
    assert r"--neck=/srv/a\x1b[2Jb" in line


@pytest.mark.parametrize(("flag", "value"), INSIDE.items())
def test_what_comes_with_rl_nas_needs_no_trust(flag: str, value: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert doors({flag: value}) == {}


def test_all_doors_are_flags() -> None:
    known = {**parse(SEARCH, []).values, **parse(TRAIN, []).values, "proxies": ""}
    assert {flag for flags in DOORS.values() for flag in flags} < known.keys()


class TestOwnRuns:
    def test_nothing_needs_to_be_repeated(self, run: Path) -> None:
        assert resumed(run).values["dataset"].endswith("/photos")
        assert resumed(run.absolute()).values["dataset"].endswith("/photos")

    def test_a_strangers_changes_are_noticed(self, run: Path) -> None:
        refused(edited(run, dataset="folder:/etc"))
        refused(edited(run, dataset="digits", data_dir="/etc"))
        edited(run, dataset="digits", data_dir=None)
        assert resumed(run).values["dataset"] == "digits"

    def test_it_may_be_moved(self, run: Path) -> None:
        assert resumed(run.rename("moved")).values["dataset"].endswith("/photos")

    def test_what_was_accepted_once_is_signed(self, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_STATE_HOME", "others")
        folder = RunFolder(run)
        refused(run)
        assert resumed(run, "--dataset=folder:photos").values["dataset"].endswith("/photos")
        folder.write_config(changed(folder.read_config(), resumed(run, "--trust").values))
        assert not resumed(run).values["trust"]
        assert "trust" not in json.loads(folder.config.read_text())["flags"]

    @pytest.mark.parametrize("flag", ["--strategy=mine:Climb", "--then_train=recipe.cfg"])
    def test_what_depends_on_the_working_folder_is_signed_for_it(
        self, flag: str, run: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        own, run = started(Path("own").absolute(), flag), run.absolute()
        assert resumed(own)
        Path("elsewhere").mkdir()
        monkeypatch.chdir("elsewhere")
        refused(own)
        assert resumed(run)

    def test_a_recipe_is_the_one_that_it_was_signed_for(self, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        Path("recipe.cfg").touch()
        own = started(Path("own").absolute(), "--then_train=recipe.cfg")
        packaged = started(Path("packaged").absolute(), "--then_train=flags/digits_final.cfg")
        Path("elsewhere/flags").mkdir(parents=True)
        for name in ("recipe.cfg", "flags/digits_final.cfg"):
            Path("elsewhere", name).write_text("--operations=evil:x\n")
        assert resumed(packaged).values["then_train"] == "flags/digits_final.cfg"
        monkeypatch.chdir("elsewhere")
        assert resumed(own).values["then_train"] == str(own.parent / "recipe.cfg")
        refused(packaged)
        refused(edited(own, then_train="recipe.cfg"))

    def test_files_of_proxies_are_those_of_the_working_folder(self, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        own = started(Path("own").absolute(), "--proxies=flagfile=x.cfg", command=PROXY)
        assert resumed(own)
        Path("elsewhere").mkdir()
        monkeypatch.chdir("elsewhere")
        refused(own)

    def test_another_key_is_another_user(self, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_STATE_HOME", "others")
        refused(run)

    def test_the_key_is_secret(self, run: Path) -> None:
        key = Path("state/rl_nas/key")
        assert (key.stat().st_mode & 0o777, key.parent.stat().st_mode & 0o077) == (0o600, 0)
        assert [path.name for path in key.parent.iterdir()] == ["key"]
        assert key.read_bytes().hex() not in (run / "config.json").read_text()
        key.chmod(0o640)
        refused(run)

    @pytest.mark.parametrize("content", [b"", b"short"])
    def test_a_key_that_is_none_signs_nothing(self, content: bytes, run: Path) -> None:
        Path("state/rl_nas/key").write_bytes(content)
        refused(run)
        assert "signature" not in json.loads((started(Path("new"), "--data_dir=x") / "config.json").read_text())

    def test_no_place_for_a_key(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
        refused(started(tmp_path / "run", "--data_dir=/srv"))

    @pytest.mark.parametrize("signature", [None, 3, "", "é\ud800", "0" * 64, ["0"]])
    def test_a_forged_signature(self, signature: object, run: Path) -> None:
        written = json.loads((run / "config.json").read_text())
        (run / "config.json").write_text(json.dumps({**written, "signature": signature}))
        refused(run)
