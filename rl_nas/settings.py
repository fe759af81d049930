"""Frozen, self-checking groups of settings; the flags are made from their fields."""

import dataclasses
import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from rl_nas.errors import UsageError
from rl_nas.names import is_line

Config = TypeVar("Config")

MAX_SEED = 2**63 - 1
"""Largest seed: TensorFlow keeps them in 64 bits."""

_LARGEST = {int: 2**31 - 1, float: 1e18}
"""Largest values of settings that declare no other maximum."""


def setting(
    default: Any,
    help: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    choices: Sequence[str] | None = None,
) -> Any:
    """Declares a field of a `Settings` class: its default, its help text and its bounds.

    Args:
        default: the value if the user gives none; written here only.
        help: one sentence for `--help`, with the unit.
        minimum: smallest allowed value.
        maximum: largest allowed value; left out, that of a 32-bit number: give one where work or memory grow with it.
        above: exclusive lower bound.
        choices: the allowed strings.
    """
    bounds = {"minimum": minimum, "maximum": maximum, "above": above, "choices": choices}
    return dataclasses.field(default=default, metadata={"help": help, **bounds})


class Settings:
    """Base of the frozen settings dataclasses: checks every field against its declaration.

    `title` heads the group in `--help`; a flag's name is the field's with `prefix` before it.
    """

    title: ClassVar[str] = ""
    prefix: ClassVar[str] = ""

    def __post_init__(self) -> None:
        for name, kind in field_types(type(self)).items():
            value = getattr(self, name)
            if value is None and kind.optional:
                continue
            problem = expectation(type(self), name, value)
            if problem:
                raise UsageError(f"--{self.prefix}{name}={value}: expected {problem}")

    def flags(self) -> dict[str, Any]:
        """Flag name -> value, for every field."""
        return {self.prefix + name: getattr(self, name) for name in field_types(type(self))}

    @classmethod
    def from_flags(cls, values: Mapping[str, Any]) -> Self:
        """The group with the values of its flags, from a mapping that may hold other flags too."""
        return cls(**{name: values[cls.prefix + name] for name in field_types(cls)})


class Changes(Settings):
    """Base of settings that change the values of a preset: each may be left out, and is then None.

        class OvenSettings(Changes, of=Oven):
            ...

    has a field for every one that `Oven`, a dataclass, declares by `setting`, with the same help text and bounds.
    Users cannot set fields that `Oven` declares otherwise. The class's own fields come first, and win over those
    of the same name; the class becomes a frozen dataclass without a decorator.

    Args:
        of: the dataclass whose values are changed.
        hint: end of every help text.
    """

    if TYPE_CHECKING:  # type checkers do not see fields that are created at run time

        def __init__(self, **values: Any) -> None: ...

        def __getattr__(self, name: str) -> Any: ...

    def __init_subclass__(cls, *, of: type, hint: str = "") -> None:
        own, types_of = inspect.get_annotations(cls), typing.get_type_hints(of)
        cls.__annotations__ = {**own}
        for field in dataclasses.fields(of):
            if "help" in field.metadata and field.name not in own:
                cls.__annotations__[field.name] = types_of[field.name] | None
                metadata = {**field.metadata, "help": field.metadata["help"] + hint}
                setattr(cls, field.name, dataclasses.field(default=None, metadata=metadata))
        dataclasses.dataclass(frozen=True)(cls)

    def changed(self, **values: Any) -> Self:
        """The same settings with other values."""
        return type(self)(**{name: values.get(name, getattr(self, name)) for name in field_types(type(self))})

    def applied_to(self, preset: Config) -> Config:
        """The preset, a dataclass, with the values that are given here."""
        names = {field.name for field in dataclasses.fields(preset)}  # type: ignore[arg-type]
        given = {name: getattr(self, name) for name in field_types(type(self)) if name in names}
        return dataclasses.replace(preset, **{k: v for k, v in given.items() if v is not None})  # type: ignore[type-var]


@dataclasses.dataclass(frozen=True)
class FieldType:
    """The scalar type of a setting, and whether it may be left out."""

    type: type
    optional: bool


def field_types(cls: type[Settings]) -> dict[str, FieldType]:
    """Field name -> type, in the order of declaration."""
    hints = typing.get_type_hints(cls)
    return {field.name: _field_type(hints[field.name]) for field in dataclasses.fields(cls)}  # type: ignore[arg-type]


def declaration(cls: type[Settings], name: str) -> dataclasses.Field[Any]:
    """The declaration of a field."""
    return next(field for field in dataclasses.fields(cls) if field.name == name)  # type: ignore[arg-type]


def _field_type(hint: Any) -> FieldType:
    if isinstance(hint, types.UnionType):
        (inner,) = [arg for arg in typing.get_args(hint) if arg is not type(None)]
        return FieldType(inner, optional=True)
    return FieldType(hint, optional=False)


def expectation(cls: type[Settings], name: str, value: Any) -> str | None:
    """Description of the expected value of a setting; None if `value` is as declared."""
    kind = field_types(cls)[name].type
    bounds = declaration(cls, name).metadata
    if bounds["choices"] is not None:
        return None if value in bounds["choices"] else "one of " + ", ".join(bounds["choices"])
    noun = {int: "a whole number", float: "a number", bool: "true or false", str: "a line of UTF-8 text"}[kind]
    limits = _limits(bounds, kind)
    expected = " ".join([noun, " and ".join(text for text, _ in limits)]).strip()
    accepted: Any = (int, float) if kind is float else kind
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        return expected
    if kind is str:
        return None if value == "" or is_line(value) else expected  # further lines would be flags in a flagfile
    if kind is bool:
        return None
    number: float = value
    return None if math.isfinite(number) and all(holds(number) for _, holds in limits) else expected


def _limits(bounds: Mapping[str, Any], kind: type) -> list[tuple[str, Callable[[float], bool]]]:
    """Every bound of a setting in words and as a test."""
    low, above, high = bounds["minimum"], bounds["above"], bounds["maximum"]
    most = _LARGEST.get(kind) if high is None else high
    limits: list[tuple[str, Callable[[float], bool]]] = []
    if low is not None:
        limits.append((f">= {low:g}", lambda value: value >= low))
    if above is not None:
        limits.append((f"> {above:g}", lambda value: value > above))
    if most is not None:
        limits.append((f"<= {most:g}" if isinstance(most, float) else f"<= {most}", lambda value: value <= most))
    if kind in _LARGEST and low is None and above is None:
        least = -_LARGEST[kind]
        limits.append((f">= {least:g}", lambda value: value >= least))
    return limits
