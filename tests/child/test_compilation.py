"""Whether XLA compiles a train step: what is given, what a GPU makes of `auto`, and what nothing else does."""

import pytest

from rl_nas.child.training.compilation import paying_steps, settled_compilation
from rl_nas.child.training.settings import TrainingSettings


def test_compiling_pays_after_the_steps_that_save_its_seconds() -> None:
    """On the machine of the measurement: 105.8 s, and 19.3 ms saved a step."""
    assert paying_steps(16) == paying_steps(64) == 5482
    assert paying_steps(4) == pytest.approx(4 * 5482, abs=4)
    assert paying_steps(1) == pytest.approx(16 * 5482, abs=16)


@pytest.mark.parametrize("given", ["on", "off"])
def test_what_is_given_stays(given: str) -> None:
    training = TrainingSettings(jit_compile=given)
    for cores in (0, 16):
        assert settled_compilation(training, 1, cores, pytest.fail) is training


def test_without_one_gpu_nothing_is_compiled_or_said() -> None:
    assert settled_compilation(TrainingSettings(), 10**9, 0, pytest.fail).jit_compile == "off"


@pytest.mark.parametrize(("steps", "expected"), [(5481, "off"), (5482, "on"), (10**6, "on")])
def test_on_a_gpu_the_train_steps_decide_and_it_is_said(steps: int, expected: str) -> None:
    told: list[str] = []
    settled = settled_compilation(TrainingSettings(), steps, 16, told.append, " a child")
    assert settled.jit_compile == expected
    (line,) = told
    assert f"{steps:,} a child" in line
    assert "5,482" in line
    assert ("are compiled" in line) == (expected == "on")


def test_a_decision_is_made_once() -> None:
    first = settled_compilation(TrainingSettings(), 10**6, 16, lambda line: None)
    assert settled_compilation(first, 1, 1, pytest.fail).jit_compile == "on"  # as a resumed run on another machine
