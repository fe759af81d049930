"""Batches of proposals that are not given are as suits the strategy, and recorded."""

import pytest

from rl_nas.commands.search import SEARCH
from rl_nas.errors import UsageError
from rl_nas.flags.parsing import parse
from rl_nas.strategies.catalog import STRATEGIES
from rl_nas.workflows.checks import check_search, with_found_sizes
from rl_nas.workflows.config import SearchConfig
from rl_nas.workflows.run_config import config, merge

OF_SOME = {"bananas": (5, 2), "ppo": (10, 2), "reinforce": (5, 4)}


def of(*words: str) -> SearchConfig:
    return SearchConfig.from_flags(parse(SEARCH, words).values)


@pytest.mark.parametrize("strategy", [*STRATEGIES, "own.py:Mine"])
def test_most_strategies_learn_from_each_trial_policies_from_batches(strategy: str) -> None:
    assert of(f"--strategy={strategy}").batching == OF_SOME.get(strategy, (1, 10))


@pytest.mark.parametrize(
    ("words", "batching"),
    [
        (["--update_every=4"], (4, 1)),  # one batch at a time, as in earlier versions
        (["--batches_in_flight=3"], (1, 3)),
        (["--update_every=4", "--batches_in_flight=3"], (4, 3)),
        (["--strategy=reinforce", "--batches_in_flight=3"], (5, 3)),
        (["--async_updates"], (1, 1)),
        (["--async_updates", "--strategy=ppo"], (10, 1)),
        (["--early_stop_rule=halving"], (20, 1)),
        (["--estimator=shared", "--strategy=random"], (20, 1)),
        (["--workers=450"], (1, 10)),  # the same search on any machine
    ],
)
def test_what_is_given_is_kept(words: list[str], batching: tuple[int, int]) -> None:
    assert of(*words).batching == batching
    check_search(of(*words, "--dataset=digits"))


@pytest.mark.parametrize(
    "words", [["--async_updates"], ["--early_stop_rule=halving"], ["--estimator=shared", "--strategy=ppo"]]
)
def test_several_batches_are_refused_where_there_is_no_order(words: list[str]) -> None:
    with pytest.raises(UsageError, match=r"--batches_in_flight=2 is not for "):
        check_search(of(*words, "--batches_in_flight=2", "--dataset=digits"))


def test_a_new_search_records_its_batches_and_a_continued_one_keeps_them() -> None:
    recorded = dict(config(with_found_sizes(of()).flags())["flags"])
    assert (recorded["update_every"], recorded["batches_in_flight"]) == (1, 10)
    recorded |= {"update_every": 20}
    del recorded["batches_in_flight"]  # of a version that had no such flag
    merged = merge(parse(SEARCH, ["--resume"]), {"flags": recorded}, ())
    assert SearchConfig.from_flags(merged.values).batching == (20, 1)
