"""Settings check themselves."""

from dataclasses import dataclass, fields

import pytest

from rl_nas.errors import UsageError
from rl_nas.settings import Settings, setting


@dataclass(frozen=True)
class Oven(Settings):
    prefix = "oven_"
    trays: int = setting(2, "trays", minimum=1, maximum=4)
    heat: float = setting(180.0, "degrees", above=0)
    mode: str = setting("fan", "mode", choices=("fan", "grill"))
    timer: int | None = setting(None, "minutes", minimum=1)
    light: bool = setting(False, "light")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"trays": 0}, "--oven_trays=0: expected a whole number >= 1 and <= 4"),
        ({"trays": 2.0}, "expected a whole number"),
        ({"trays": True}, "expected a whole number"),
        ({"heat": 0.0}, "--oven_heat=0.0: expected a number > 0"),
        ({"heat": float("nan")}, "expected a number > 0"),
        ({"heat": float("inf")}, "expected a number > 0"),
        ({"mode": "steam"}, "expected one of fan, grill"),
        ({"timer": 0}, "expected a whole number >= 1"),
        ({"light": 1}, "expected true or false"),
    ],
)
def test_values_out_of_range(values: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Oven(**values)
    assert message in str(caught.value)


def test_flags_and_back() -> None:
    oven = Oven(trays=3, heat=200, timer=5)
    assert set(oven.flags()) == {f"oven_{field.name}" for field in fields(Oven)}
    assert Oven.from_flags({**oven.flags(), "other": 1}) == oven
