"""What holds for all tests."""

import os
import sys
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# By default an example that takes longer than 200 ms fails: that is the machine's speed.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="rl_nas-state-")  # keys of the tests, for all their processes


@pytest.fixture(autouse=True)
def own_determinism() -> Iterator[None]:
    """Ends what a command in this process settled, which would hold for later tests too."""
    yield
    if "tensorflow" in sys.modules:
        from tensorflow.python.framework import config

        config.disable_op_determinism()
