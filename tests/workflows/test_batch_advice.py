"""What is said of batches that do not suit the workers."""

import re
from dataclasses import replace

import pytest

from rl_nas.commands.search import SEARCH
from rl_nas.flags.parsing import parse
from rl_nas.workflows.batch_advice import batch_advice
from rl_nas.workflows.config import SearchConfig
from rl_nas.workflows.settings import SearchRunSettings


@pytest.mark.parametrize(
    ("words", "workers", "told"),
    [
        ([], 11, "only 10 of 11 workers have a child at a time; --batches_in_flight=22 gives work to all of them"),
        ([], 10, ""),
        ([], 3, ""),
        ([], 2, "knows all results but the last 9; with 2 workers --batches_in_flight=4 is as busy"),
        ([], 1, "with 1 worker --batches_in_flight=2 is as busy, and learns from more of them"),
        (["--strategy=random"], 1, ""),
        (["--trials=10"], 1, ""),  # the search says that it learns nothing
        (["--trials=10"], 11, ""),
        (["--batches_in_flight=2"], 1, ""),
        (["--update_every=4"], 1, ""),
        (["--update_every=6"], 7, "only 6 of 7 workers have a child at a time; --batches_in_flight=3 gives"),
        ([], 64, "--update_every=4 --batches_in_flight=32 gives work to all of them"),
        (
            ["--strategy=reinforce", "--trials=5000"],
            450,
            "--update_every=28 --batches_in_flight=33 gives work to all of them",
        ),
        (["--strategy=reinforce"], 64, "only 20 of 64 workers have a child at a time; --batches_in_flight=26 gives"),
        (["--batches_in_flight=64"], 64, ""),
        (["--async_updates"], 64, ""),
        (["--estimator=shared", "--strategy=random"], 64, ""),
        (["--early_stop_rule=halving"], 64, ""),
    ],
)
def test_batches_are_to_suit_the_workers(words: list[str], workers: int, told: str) -> None:
    text = batch_advice(SearchConfig.from_flags(parse(SEARCH, words).values), workers)
    assert (text is not None) == bool(told)
    assert told in (text or "")


def test_what_is_advised_suits() -> None:
    many = SearchConfig(run=SearchRunSettings(trials=5000))
    for workers in range(1, 1000):
        text = batch_advice(many, workers)
        if text is not None:
            advised = {flag: int(value) for flag, value in re.findall(r"--(\w+)=(\d+)", text)}
            assert advised
            assert batch_advice(replace(many, run=replace(many.run, **advised)), workers) is None, workers
