"""Reading of a run's files, which may be broken or a stranger's: one line says what is wrong."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rl_nas.errors import UsageError
from rl_nas.regular_files import read_regular_text

OTHERS = "*"
"""Key, in an expected object, of all names that it does not list."""
SCALAR = (str, float, bool, None)

_ANY = object()
_NAMES = {
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    None: "null",
}
_HINT = "restore the file, or start another run"


@contextmanager
def blaming(path: Path, hint: str = _HINT) -> Iterator[None]:
    """Names a file in a `UsageError` of the body, which uses values that were read from it."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{path}: {error}; {hint}") from error


def read_text(path: Path, hint: str = _HINT) -> str:
    """The content of a text file, without the byte order mark that some editors begin it with.

    Raises:
        UsageError: the file cannot be read, or is not UTF-8.
    """
    try:
        return read_regular_text(path)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}; {hint}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text; {hint}") from error


def whole_lines(text: str) -> list[str]:
    """The lines of a log with their ends; without a last one that was cut off, or is being written."""
    return [line for line in text.splitlines(keepends=True) if line.endswith("\n")]


def read_json(path: Path, expected: Any, hint: str = _HINT) -> Any:
    """The content of a JSON file of the expected form.

    Args:
        path: the file.
        expected: a type (float stands for int too); None; [the form of every entry]; {name: the form of its value},
            where `OTHERS` stands for the names that are not listed; or a tuple of alternatives.
        hint: what to do if it is broken.

    Raises:
        UsageError: the file cannot be read, is not JSON, or has another form.
    """
    return parse_json(read_text(path, hint), expected, path, hint)


def parse_json(text: str, expected: Any, path: Path, hint: str = _HINT) -> Any:
    """The value of a JSON text from a file; see `read_json`."""
    try:
        value = json.loads(text)
        check_form(value, expected, path, hint)
    except (ValueError, RecursionError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{path} is not JSON ({error}); {hint}") from error
    return value


def check_form(value: Any, expected: Any, path: Path, hint: str = _HINT) -> None:
    """Raises `UsageError` if a value in a JSON file has another form than expected; see `read_json`."""
    problem = _problem(value, expected, "it")
    if problem:
        raise UsageError(f"{path}: {problem}; {hint}")


def _problem(value: Any, expected: Any, where: str) -> str | None:
    """What is wrong with a value; None if it has the expected form."""
    if isinstance(expected, tuple):
        problems = [_problem(value, one, where) for one in expected]
        # Of alternatives such as "null or an object", the object's own problem tells more.
        nested = [one for one, form in zip(problems, expected, strict=True) if type(value) is type(form)]
        return None if None in problems else next(iter(nested), _other(value, expected, where))
    if isinstance(expected, dict) and isinstance(value, dict):
        return _problem_of_object(value, expected, where)
    if isinstance(expected, list) and isinstance(value, list):
        found = (_problem(part, expected[0], f"{where}[{number}]") for number, part in enumerate(value))
        return next(filter(None, found), None)
    fits = value is None if expected is None else type(value) is expected or (expected is float and type(value) is int)
    return None if fits else _other(value, expected, where)


def _problem_of_object(value: dict[str, Any], expected: dict[str, Any], where: str) -> str | None:
    for name in expected:
        if name != OTHERS and name not in value:
            return f"{where} has no {name!r}"
    for name, part in value.items():
        form = expected.get(name, expected.get(OTHERS, _ANY))
        problem = None if form is _ANY else _problem(part, form, repr(name))
        if problem:
            return problem
    return None


def _other(value: Any, expected: Any, where: str) -> str:
    return f"{where} is {json.dumps(value)[:60]}, not {_name(expected)}"


def _name(expected: Any) -> str:
    """A form in words."""
    if isinstance(expected, tuple):
        return " or ".join(map(_name, expected))
    if isinstance(expected, (dict, list)):
        expected = type(expected)
    return _NAMES[expected]
