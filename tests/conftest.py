"""What holds for all tests."""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# By default an example that takes longer than 200 ms fails: that is the machine's speed.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="rl_nas-state-")  # keys of the tests, for all their processes


STARTED = time.monotonic()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--long_minutes", type=float, metavar="N", help="skip the long tests that have not begun after so many minutes"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What concerns the whole package comes first, so that it is not what a slow machine has no time for."""
    items.sort(key=lambda item: item.path.parent != Path(__file__).parent)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    minutes = item.config.getoption("--long_minutes")
    if minutes is not None and item.get_closest_marker("long") and time.monotonic() - STARTED > 60 * minutes:
        pytest.skip(f"--long_minutes={minutes:g} are over; `make test-long` runs it however slow the machine is")


@pytest.fixture(autouse=True)
def own_determinism() -> Iterator[None]:
    """Ends what a command in this process settled, which would hold for later tests too."""
    yield
    if "tensorflow" in sys.modules:
        from tensorflow.python.framework import config

        config.disable_op_determinism()
