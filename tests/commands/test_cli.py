"""The frame of all verbs."""

import warnings

from rl_nas.commands import cli
from rl_nas.commands.bench import BENCH
from rl_nas.exit_codes import DONE
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
