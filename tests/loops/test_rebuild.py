"""A search whose state is damaged or lost is made again from its trials."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from random_order import RandomOrder
from test_asynchronous import SPACE, evaluate, evolution
from test_asynchronous import run as run_async

from rl_nas.checkpoint import Checkpoint, OutdatedStateError
from rl_nas.errors import StorageError, UsageError
from rl_nas.evaluation.rewards import quality
from rl_nas.execution.inline import InlineExecutor
from rl_nas.loops.ordered import search
from rl_nas.store.states import pack
from rl_nas.store.trials import TrialStore
from rl_nas.strategies import Strategy
from rl_nas.strategies.catalog import STRATEGIES, StrategyOptions
from rl_nas.strategies.health import HealthSettings
from rl_nas.strategies.settings import EvolutionSettings
from rl_nas.trial import Trial

OPTIONS = StrategyOptions(evolution=EvolutionSettings(population=15, sample=5))


def run(path: Path, strategy: Strategy, trials: int, health: HealthSettings = HealthSettings()) -> None:
    with TrialStore(path) as store:
        search(
            strategy,
            InlineExecutor(evaluate),
            store,
            reward=quality,
            trials=trials,
            batch_size=5,
            seed=1,
            key=SPACE.canonical_key,
            health=health,
        )


def ending(path: Path) -> tuple[list[Trial], int, bytes]:
    with TrialStore(path) as store:
        checkpoint = store.checkpoint()
        assert checkpoint is not None
        return [*map(timeless, store.trials())], checkpoint.updates, pack(checkpoint.state)


def timeless(trial: Trial) -> Any:
    return trial.index, trial.architecture, trial.reward


@pytest.mark.parametrize(
    ("name", "recovery"),
    [
        ("random", "warn"),
        *((name, each) for name in ("aging_evolution", "local_search") for each in ("warn", "restart")),
    ],
)
def test_a_search_without_its_state_goes_on_as_the_unbroken_one(tmp_path: Path, name: str, recovery: str) -> None:
    health = HealthSettings(on_collapse=recovery, collapse_fraction=0.3)

    def make() -> Strategy:
        return STRATEGIES[name](SPACE, OPTIONS, 3)

    run(tmp_path / "unbroken", make(), 60, health)
    run(tmp_path / "rebuilt", make(), 40, health)
    with TrialStore(tmp_path / "rebuilt") as store:
        store.forget()
        assert store.checkpoint() is None
    run(tmp_path / "rebuilt", make(), 60, health)
    assert ending(tmp_path / "rebuilt") == ending(tmp_path / "unbroken")


@pytest.mark.parametrize("stop", [6, 17, 29])
@pytest.mark.parametrize("again", [0, 1, 4])
def test_an_asynchronous_search_without_its_state_keeps_its_trials_and_goes_on(
    tmp_path: Path, stop: int, again: int
) -> None:
    path, workers = tmp_path / "t", 7
    with pytest.raises(KeyboardInterrupt):
        run_async(path, evolution(), RandomOrder(evaluate, workers, breaks_after=stop), 40, SPACE.canonical_key)
    with TrialStore(path) as store:
        kept = store.trials()
        store.forget()
    assert len(kept) == stop
    for seed in range(2):  # broken off twice more, before all that was on its way is there
        executor = RandomOrder(evaluate, workers, seed, breaks_after=again)
        with pytest.raises(KeyboardInterrupt):
            run_async(path, evolution(), executor, 40, SPACE.canonical_key)
    trials = run_async(path, evolution(), RandomOrder(evaluate, workers, seed=2), 40, SPACE.canonical_key)
    assert [trial.index for trial in trials] == list(range(40))
    assert [trial for trial in trials if trial in kept] == kept
    assert len({SPACE.canonical_key(trial.architecture) for trial in trials}) == 40


class Newer:
    """A strategy whose earlier states are outdated."""

    def __init__(self) -> None:
        self._strategy = evolution()
        self.seen: list[Any] = []

    def propose(self, n: int) -> Any:
        return self._strategy.propose(n)

    def observe(self, trials: Any) -> None:
        self.seen += [trial.index for trial in trials if not trial.cached]
        self._strategy.observe(trials)

    def diagnostics(self) -> Any:
        return {}

    def state(self) -> Any:
        return {"version": 2, **self._strategy.state()}

    def restore(self, state: Any) -> None:
        if state.pop("version", 1) != 2:
            raise OutdatedStateError
        self._strategy.restore(state)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_newer_strategy_learns_from_the_trials_of_the_former_one(tmp_path: Path, asynchronous: bool) -> None:
    def go_on(strategy: Strategy, trials: int) -> None:
        if asynchronous:
            run_async(tmp_path / "t", strategy, RandomOrder(evaluate, 3), trials, SPACE.canonical_key)
        else:
            run(tmp_path / "t", strategy, trials)

    go_on(evolution(), 20)
    with TrialStore(tmp_path / "t") as store:
        before = store.trials()
    newer = Newer()
    told = "the state of Newer is of another version of rl_nas: it learns again from the 20 recorded trials"
    with pytest.warns(RuntimeWarning, match=told):
        go_on(newer, 30)
    assert newer.seen == list(range(30)) or asynchronous
    assert sorted(newer.seen)[:20] == list(range(20))
    with TrialStore(tmp_path / "t") as store:
        trials = store.trials()
    assert trials[:20] == before
    assert len({SPACE.canonical_key(trial.architecture) for trial in trials}) == 30
    go_on(Newer(), 35)  # its own state is good


STATES: dict[str, Callable[[Any], Any]] = {
    "of another strategy": lambda state: {**state, "strategy": {"weights": [1, 2]}},
    "without health": lambda state: {"strategy": state["strategy"]},
    "of another form": lambda state: {**state, "strategy": [1]},
    "with numbers as text": lambda state: {**state, "strategy": {**state["strategy"], "rng": "x"}},
}


@pytest.mark.parametrize("kind", STATES)
def test_a_state_that_does_not_fit_names_the_remedy(tmp_path: Path, kind: str) -> None:
    run(tmp_path / "t", evolution(), 10)
    with TrialStore(tmp_path / "t") as store:
        checkpoint = store.checkpoint()
        store.save(Checkpoint(checkpoint.updates, checkpoint.trials, STATES[kind](checkpoint.state)))
    with pytest.raises(
        UsageError, match=r"checkpoint in trials\.sqlite cannot be restored .*; give --resume --rebuild"
    ):
        run(tmp_path / "t", evolution(), 20)


def check_rebuilt(folder: Path) -> None:
    """Continues the run `t` from its trials alone, and compares it with one that was not broken."""
    with TrialStore(folder / "t") as store:
        store.forget()
    run(folder / "t", evolution(), 20)
    run(folder / "unbroken", evolution(), 20)
    assert ending(folder / "t") == ending(folder / "unbroken")


def test_a_state_that_is_damaged_names_the_remedy(tmp_path: Path) -> None:
    run(tmp_path / "t", evolution(), 10)
    with closing(sqlite3.connect(tmp_path / "t")) as connection, connection:
        connection.execute("UPDATE checkpoint SET state = substr(state, 1, 100)")
    with pytest.raises(StorageError, match=r"checkpoint of the run, .*; give --resume --rebuild"):
        run(tmp_path / "t", evolution(), 20)
    check_rebuilt(tmp_path)


def test_a_state_that_knows_more_than_is_recorded_names_the_remedy(tmp_path: Path) -> None:
    run(tmp_path / "t", evolution(), 10)
    with closing(sqlite3.connect(tmp_path / "t")) as connection, connection:
        connection.execute("DELETE FROM trials WHERE number = 4")
    with pytest.raises(UsageError, match=r"knows 10 trials, not all of which are there; give --resume --rebuild"):
        run(tmp_path / "t", evolution(), 20)
    check_rebuilt(tmp_path)
