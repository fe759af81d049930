"""A run folder holds files of its own alone: a stranger's cannot lead reading or writing elsewhere."""

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from rl_nas.errors import StorageError, UsageError
from rl_nas.report.health_log import HealthLog
from rl_nas.store.files import write_text
from rl_nas.store.search_folder import SearchFolder
from rl_nas.store.training_folder import TrainingFolder
from rl_nas.store.trials import TrialStore, read_trials

SEARCH = (
    *(
        "best",
        "best/genotype.json",
        "best/saved_model",
        "best/.saved_model.new",
        "best/model.keras",
        "best/cell.png",
        "children",
    ),
    *(
        "children/0.weights.npz",
        "health.jsonl",
        "decisions.jsonl",
        "time.json",
        "trials.sqlite",
        "trials.sqlite-wal",
        "config.json",
        "flags.cfg",
        "lock",
    ),
    *(
        "tensorboard",
        "tensorboard/events.out",
        "hparams",
        "arrays",
        "states",
        "states/epochs.json",
        "images",
        "pretraining_images",
    ),
    *("pretrained", "shared", "shared/state.npz", "shared/ranking.json", "then", "then/best0/seed0/config.json"),
)
TRAINING = (
    "genotype.json",
    "checkpoints",
    "history.jsonl",
    "data.json",
    "model.keras",
    "results.json",
    "classes.json",
    "examples.png",
)


def make_search(path: Path) -> SearchFolder:
    (path / "best").mkdir(parents=True)
    (path / "children").mkdir()
    (path / "config.json").write_text('{"flags": {"seed": 3}}')
    (path / "flags.cfg").write_text("--seed=3\n")
    TrialStore(path / "trials.sqlite").__exit__()
    return SearchFolder(path)


def put(place: Path, make: Callable[[Path], object]) -> None:
    """Makes something at a place, where nothing is then."""
    if place.is_dir():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    make(place)


def bind(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(place))


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim/file").write_text("mine")
    return tmp_path / "victim"


@pytest.mark.parametrize("name", SEARCH)
def test_links_in_a_search_are_refused_by_name_and_not_followed(tmp_path: Path, victim: Path, name: str) -> None:
    folder = make_search(tmp_path / "run")
    target = victim / "file" if "." in Path(name).name else victim
    put(folder.path / name, lambda place: place.symlink_to(target))
    for verb in (folder.reopen, folder.read_config):
        with pytest.raises(UsageError) as refused:
            verb()
        assert f"{folder.path / name} is a link; " in str(refused.value)
        assert "\n" not in str(refused.value)
    assert {path.name: path.read_text() for path in victim.iterdir()} == {"file": "mine"}


@pytest.mark.parametrize("name", TRAINING)
def test_links_in_a_training_are_refused_by_name(tmp_path: Path, victim: Path, name: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.json").write_text('{"flags": {}}')
    put(tmp_path / "run" / name, lambda place: place.symlink_to(victim))
    with pytest.raises(UsageError, match=f"{name} is a link"):
        TrainingFolder(tmp_path / "run").reopen()


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("a link", lambda place: place.symlink_to("nowhere")),
        ("a link", lambda place: place.symlink_to("config.json")),
        ("a file with other names", lambda place: os.link(place.parent / "config.json", place)),
        ("a pipe, a socket or a device", os.mkfifo),
        ("a pipe, a socket or a device", lambda place: bind(place)),
    ],
)
def test_all_but_files_and_folders_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, make: Callable[[Path], object]
) -> None:
    folder = make_search(tmp_path / "run")
    monkeypatch.chdir(folder.path)  # names of sockets are short
    put(Path("health.jsonl"), make)
    with pytest.raises(UsageError, match=kind):
        folder.reopen()


@pytest.mark.parametrize("make", [os.mkfifo, lambda place: place.symlink_to("/dev/zero")])
@pytest.mark.parametrize("name", ["trials.sqlite", "trials.sqlite-wal"])
def test_trials_are_read_from_a_file_alone(tmp_path: Path, name: str, make: Callable[[Path], object]) -> None:
    folder = make_search(tmp_path / "run")
    put(folder.path / name, make)
    for read in (read_trials, TrialStore):
        with pytest.raises(UsageError, match=f"{name} is a "):
            read(folder.trials)


def test_a_start_writes_through_no_link(tmp_path: Path, victim: Path) -> None:
    for name in ("lock", "flags.cfg", f".{os.getpid()}.config.json"):
        folder = SearchFolder(tmp_path / f"run{name}")
        folder.path.mkdir()
        (folder.path / "lock").touch()
        put(folder.path / name, lambda place: place.symlink_to(victim / "file"))
        with pytest.raises(UsageError, match="is a link"):
            folder.create({"flags": {}}, "--seed=1")
    assert (victim / "file").read_text() == "mine"


def test_a_file_that_is_written_replaces_a_link(tmp_path: Path, victim: Path) -> None:
    for name in ("file", f".{os.getpid()}.file"):
        (tmp_path / name).symlink_to(victim / "file")
    write_text(tmp_path / "file", "new")
    assert not (tmp_path / "file").is_symlink()
    assert ((tmp_path / "file").read_text(), (victim / "file").read_text()) == ("new", "mine")


def test_a_log_is_not_appended_to_through_a_link(tmp_path: Path, victim: Path) -> None:
    (victim / "file").write_text('{"update": 0}\n')
    (tmp_path / "health.jsonl").symlink_to(victim / "file")
    with pytest.raises(StorageError, match=r"cannot write .*health\.jsonl"):
        HealthLog(tmp_path / "health.jsonl", tmp_path / "events")


def test_a_deep_folder_is_looked_at_whole(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(1500):
        deep /= "a"
        deep.mkdir()
    (deep / "link").symlink_to("/")
    with pytest.raises(UsageError, match="link is a link"):
        SearchFolder(tmp_path).check()
    (deep / "link").unlink()
    for folder in (deep, *deep.parents[:1499]):  # too deep for pytest, which deletes folders of earlier runs
        folder.rmdir()
    assert not any(tmp_path.iterdir())


def test_the_run_folder_may_be_a_link_and_lie_below_links(tmp_path: Path) -> None:
    make_search(tmp_path / "disk/runs/first")
    (tmp_path / "runs").symlink_to(tmp_path / "disk/runs")
    (tmp_path / "latest").symlink_to(tmp_path / "runs/first")
    for path in (tmp_path / "runs/first", tmp_path / "latest"):
        assert SearchFolder(path).read_config() == {"flags": {"seed": 3}}
        assert read_trials(SearchFolder(path).trials) == []
    empty = tmp_path / "disk/empty"
    empty.mkdir()
    (tmp_path / "new").symlink_to(empty)
    SearchFolder(tmp_path / "new").create({"flags": {}}, "")
    assert (empty / "config.json").is_file()
