"""Each file of a run, damaged in many ways, is read as it was, or told in one line that names it and what to do."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from killed_search import SPACE, run
from training_files import DATA, RESULTS

from rl_nas.checkpoint import Checkpoint
from rl_nas.early_stopping.child_states import ChildStates
from rl_nas.errors import StorageError, UsageError
from rl_nas.loops.updates import Updates, Watcher
from rl_nas.one_shot.state import OneShotState
from rl_nas.report.health_log import HealthLog
from rl_nas.report.training_log import TrainingLog
from rl_nas.store.decision_log import DecisionLog
from rl_nas.store.run_time import RunTime
from rl_nas.store.search_folder import SearchFolder
from rl_nas.store.training_folder import TrainingFolder
from rl_nas.store.trials import TrialStore, read_trials
from rl_nas.strategies.aging_evolution import AgingEvolution
from rl_nas.strategies.failures import worst
from rl_nas.strategies.health import HealthSettings
from rl_nas.strategies.settings import EvolutionSettings

EPOCH = {"epoch": 1, "step": 10, "seconds": 1.5, "loss": 0.5}
MANY = 2**26


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("damaged") / "run"
    path.mkdir()
    run(path, 12, "inline")
    (path / "config.json").write_text(json.dumps({"flags": {"seed": 1, "space": "nasnet"}}))
    (path / "health.jsonl").write_text('{"update": 0, "entropy": 2.5}\n{"update": 1, "entropy": 2.0}\n')
    DecisionLog(path / "decisions.jsonl").add(0, [[0.25, 0.75], [0.0, 0.0]])
    (path / "history.jsonl").write_text(json.dumps(EPOCH) + "\n")
    (path / "results.json").write_text(json.dumps(RESULTS))
    (path / "data.json").write_text(json.dumps(DATA))
    (path / "time.json").write_text('{"seconds": 12.5}\n')
    shared = OneShotState(path / "shared")
    shared.save_ranking([{"architecture": [0, 1, 2, 3, 4], "quality": 0.5}])
    shared.save(Checkpoint(3, 0, {"strategy": {"rng": 1}, "supernet": {"weights": [1.5]}}))
    states = ChildStates(path / "states")
    states.write({3: 2, 4: 1})
    return path


def open_search(folder: Path) -> None:
    with TrialStore(folder / "trials.sqlite") as store:
        for trial in store.trials():
            SPACE.validate(trial.architecture)
        strategy = AgingEvolution(SPACE, EvolutionSettings(population=12, sample=4), seed=1)
        Updates(strategy, store, HealthSettings(), worst, Watcher()).restore(store.checkpoint())


def open_health(folder: Path) -> None:
    with HealthLog(folder / "health.jsonl", folder / "tensorboard"):
        pass


def open_history(folder: Path) -> None:
    with TrainingLog(folder / "history.jsonl", folder / "tensorboard", 1):
        pass


READERS: dict[str, tuple[Callable[[Path], object], ...]] = {
    "config.json": (lambda folder: SearchFolder(folder).reopen(), lambda folder: TrainingFolder(folder).read_config()),
    "results.json": (lambda folder: TrainingFolder(folder).read_results(),),
    "data.json": (lambda folder: TrainingFolder(folder).read_data(),),
    "time.json": (lambda folder: RunTime(folder / "time.json"),),
    "health.jsonl": (open_health,),
    "decisions.jsonl": (lambda folder: DecisionLog(folder / "decisions.jsonl"),),
    "history.jsonl": (open_history,),
    "trials.sqlite": (open_search, lambda folder: read_trials(folder / "trials.sqlite")),
    "shared/ranking.json": (lambda folder: OneShotState(folder / "shared").ranking(),),
    "shared/state.npz": (lambda folder: OneShotState(folder / "shared").checkpoint(),),
    "states/epochs.json": (lambda folder: ChildStates(folder / "states").read(),),
}
REMEDIES = ("restore the file", "start another run", "delete the file", "--rebuild")


def cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def flipped(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 4, 40))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def zeroed(content: bytes, rng: random.Random) -> bytes:
    first = rng.randrange(len(content))
    count = min(rng.choice((1, 30, 5000)), len(content) - first)
    return content[:first] + bytes(count) + content[first + count :]


def swapped(content: bytes, rng: random.Random) -> bytes:
    """Its values with others in their places, if it is a text."""
    values = (b"null", b"NaN", b"-1", b"1e999", b'"x"', b"[]", b"{}", b"true", b'"\\ud800"', b"9" * 400, b"[" * 9000)
    digits = [place for place, one in enumerate(content) if chr(one).isdigit()]
    place = rng.choice(digits)
    return content[:place] + rng.choice(values) + content[place + 1 :]


def repeated(content: bytes, rng: random.Random) -> bytes:
    return content * 2


DAMAGES = {damage.__name__: damage for damage in (cut, flipped, zeroed, swapped, repeated)}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_read_or_told_in_one_line_with_a_remedy(
    whole: Path, tmp_path: Path, name: str, damage: str
) -> None:
    rng = random.Random(f"{name} {damage}")
    told = 0
    for number in range(30):
        folder = Path(shutil.copytree(whole, tmp_path / str(number)))
        content = DAMAGES[damage]((folder / name).read_bytes(), rng)
        for read in READERS[name]:
            (folder / name).write_bytes(content)
            try:
                read(folder)
            except (UsageError, StorageError) as error:
                message = str(error)
                assert Path(name).name in message
                assert message.isprintable(), message
                assert any(remedy in message for remedy in REMEDIES), message
                told += 1
        shutil.rmtree(folder)
    assert told or damage == "repeated" or name.endswith(("jsonl", "sqlite"))  # which end with their last whole part


@pytest.mark.parametrize("name", [name for name in READERS if name.endswith("json")])
def test_a_file_of_spaces_is_told(whole: Path, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "run"))
    (folder / name).write_bytes(b" " * MANY)
    for read in READERS[name]:
        with pytest.raises((UsageError, StorageError), match=name):
            read(folder)
