"""Settings check themselves."""

from dataclasses import dataclass, fields

import pytest

from rl_nas.errors import UsageError
from rl_nas.settings import Changes, Settings, field_types, setting


@dataclass(frozen=True)
class Oven(Settings):
    prefix = "oven_"
    trays: int = setting(2, "trays", minimum=1, maximum=4)
    heat: float = setting(180.0, "degrees", above=0)
    mode: str = setting("fan", "mode", choices=("fan", "grill"))
    timer: int | None = setting(None, "minutes", minimum=1)
    light: bool = setting(False, "light")
    label: str = setting("", "label")


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
        ({"label": "a\n--oven_heat=9"}, r"--oven_label=a\n--oven_heat=9: expected a line of UTF-8 text"),
        ({"label": "caf\udce9"}, "expected a line of UTF-8 text"),
        ({"label": 3}, "expected a line of UTF-8 text"),
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


@dataclass(frozen=True)
class Cake:
    """A preset's values, not all of them a user's."""

    shape: str
    layers: int = setting(3, "layers", minimum=1)
    glaze: str = setting("none", "glaze", choices=("none", "sugar"))
    cream: bool = setting(False, "cream")


class CakeChanges(Changes, of=Cake, hint="; left out: the recipe's"):
    prefix = "cake_"
    recipe: str | None = setting(None, "recipe", choices=("sponge", "sacher"))
    cream: bool | None = setting(None, "cream; left out: on Sundays")


def test_changes_have_the_fields_of_a_preset_and_their_bounds() -> None:
    kinds = field_types(CakeChanges)
    assert [(name, kind.type) for name, kind in kinds.items()] == [
        ("recipe", str),
        ("cream", bool),
        ("layers", int),
        ("glaze", str),
    ]
    assert all(kind.optional for kind in kinds.values())
    texts = {field.name: field.metadata["help"] for field in fields(CakeChanges)}
    assert (texts["layers"], texts["cream"]) == ("layers; left out: the recipe's", "cream; left out: on Sundays")
    assert set(CakeChanges().flags().values()) == {None}
    with pytest.raises(UsageError, match="--cake_layers=0: expected a whole number >= 1"):
        CakeChanges(layers=0)
    with pytest.raises(TypeError, match="shape"):
        CakeChanges(shape="square")


def test_changes_are_applied_to_a_preset() -> None:
    preset = Cake("round", layers=5, cream=True)
    assert CakeChanges(recipe="sacher").applied_to(preset) == preset
    changes = CakeChanges.from_flags({**CakeChanges(glaze="sugar", cream=False).flags(), "other": 1})
    assert changes.applied_to(preset) == Cake("round", layers=5, glaze="sugar", cream=False)
