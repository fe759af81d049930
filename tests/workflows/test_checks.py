"""Searches whose strategy cannot do what it is for are told so."""

import re

import pytest

from rl_nas.commands.search import SEARCH
from rl_nas.flags.parsing import parse
from rl_nas.workflows.checks import remarks
from rl_nas.workflows.config import SearchConfig


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["--trials=20", "--update_every=20"],
            "strategy: controller proposes all of --trials=20 before its first update, and learns nothing",
        ),
        (["--trials=21", "--update_every=20"], ""),
        (["--trials=1", "--update_every=20"], ""),
        (["--trials=10"], "learns nothing; give more than 10, or --update_every=1 --batches_in_flight=2"),
        (["--trials=11"], ""),
        (["--trials=20", "--strategy=ppo"], "give more than 20, or --update_every=1 --batches_in_flight=5"),
        (
            ["--trials=6", "--update_every=3", "--batches_in_flight=2"],
            "give more than 6, or --update_every=1 --batches_in_flight=1",
        ),
        (
            ["--trials=9", "--update_every=9", "--strategy=local_search"],
            "give more than 9, or --update_every=1 --batches_in_flight=2",
        ),
        (["--trials=9", "--update_every=9", "--strategy=random"], ""),
        (["--trials=9", "--update_every=9", "--estimator=shared"], ""),
        (["--trials=9", "--strategy=aging_evolution", "--evolution_population=9"], "it is random search"),
        (["--trials=90", "--strategy=aging_evolution", "--evolution_population=9"], ""),
    ],
)
def test_a_strategy_that_cannot_learn_is_told(words: list[str], told: str) -> None:
    lines = list(remarks(SearchConfig.from_flags(parse(SEARCH, words).values)))
    assert len(lines) == bool(told)
    assert all(told in line for line in lines)
    for line in lines:
        advised = re.findall(r"--\w+=\d+", line.partition("learns nothing")[2])
        assert not list(remarks(SearchConfig.from_flags(parse(SEARCH, [*words, *advised]).values))) or not advised
