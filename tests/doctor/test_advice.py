"""What the doctor says of batches, by the forecast."""

import pytest

from rl_nas.commands.search import SEARCH
from rl_nas.doctor.advice import advice
from rl_nas.doctor.forecast import ChildForecast, SearchForecast
from rl_nas.flags.parsing import parse
from rl_nas.workflows.config import SearchConfig

CHILD = ChildForecast("typical", madds=10**6, parameters=10**5, seconds=100.0, start=10.0, step=0.1, memory=10**9)


@pytest.mark.parametrize(
    ("words", "workers", "busy", "told"),
    [
        (["--update_every=20"], 8, 0.6, "workers wait for each other 40% of the time; --batches_in_flight=2 is busier"),
        (["--batches_in_flight=16"], 8, 0.7, "--batches_in_flight=32 is busier"),
        (["--update_every=20"], 8, 0.9, ""),
        (["--early_stop_rule=halving"], 8, 0.6, ""),
        (["--async_updates"], 8, 0.6, ""),
        (
            ["--batches_in_flight=10"],
            2,
            1.0,
            "all results but the last 9; with 2 workers --batches_in_flight=4 is as busy",
        ),
        (["--batches_in_flight=10"], 8, 1.0, ""),
        (["--batches_in_flight=10"], 12, 0.8, "only 10 of 12 workers have a child at a time"),
        (["--batches_in_flight=10", "--strategy=random"], 1, 1.0, ""),
    ],
)
def test_batches_are_to_suit_the_workers(words: list[str], workers: int, busy: float, told: str) -> None:
    config = SearchConfig.from_flags(parse(SEARCH, words).values)
    forecast = SearchForecast(
        children=1000.0,
        evaluating=1000 / (busy * workers),
        begin=0.0,
        strategy=0.0,
        end=0.0,
        workers=workers,
        disk=0,
        memory=0,
    )
    found = list(advice(config, [CHILD], forecast))
    assert len(found) == bool(told)
    assert all(told in finding.text for finding in found)
