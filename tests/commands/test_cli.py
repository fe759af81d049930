"""The frame of all verbs."""

import signal
import threading
import warnings

import pytest

from rl_nas.commands import cli
from rl_nas.commands.bench import BENCH
from rl_nas.exit_codes import DONE, INTERRUPTED
from rl_nas.loops import updates


def test_our_warnings_are_one_line_and_those_of_others_have_their_place() -> None:
    usual, formatted = warnings.formatwarning, []

    def body(parsed: object) -> int:
        for message, file in (("of ours\nin two lines", updates.__file__), ("of another", __file__)):
            formatted.append(warnings.formatwarning(RuntimeWarning(message), RuntimeWarning, str(file), 3))
        return DONE

    assert cli.run(BENCH, body, []) == DONE
    ours, other = formatted
    assert ours.count("\n") == 1
    assert ours.startswith("of ours")
    assert other.startswith(f"{__file__}:3: RuntimeWarning: of another")
    assert warnings.formatwarning is usual


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_that_comes_in_a_finalizer_is_not_lost(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python discards what is raised there; TensorFlow has many."""

    class Finalized:
        def __del__(self) -> None:
            signal.raise_signal(number)

    def body(parsed: object) -> int:
        finalized = Finalized()
        del finalized
        threading.Event().wait(60)
        return DONE

    before = signal.signal(number, signal.SIG_DFL)  # shells have what they run in the background ignore Ctrl-C
    try:
        assert cli.run(BENCH, body, []) == INTERRUPTED
    finally:
        signal.signal(number, before)
    assert capsys.readouterr().err == "rl_nas bench: interrupted\n"
