"""Plug-ins: the user's own parts, named `module:NAME` on the command line."""

import difflib
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

from rl_nas.errors import UsageError, first_line


def load_plugin(flag: str, name: str, known: Iterable[str] = ()) -> Any:
    """Imports `module`, from the working folder or PYTHONPATH, and returns its `NAME`.

    Only names from this call's command line may be passed, never those from a file: importing runs code.

    Args:
        flag: name of the flag.
        name: `module:NAME`.
        known: built-in names, which were looked up before.

    Raises:
        UsageError: there is none, or the module cannot be imported.
    """
    if ":" not in name:
        known = tuple(known)
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(known)}, or module:NAME"
        raise UsageError(f"unknown --{flag}={name}; {hint}")
    module, _, attribute = name.partition(":")
    if module.partition(".")[0] in sys.stdlib_module_names:
        raise UsageError(f"--{flag}={name}: {module} is a module of Python itself; expected one of your own")
    search_in([os.getcwd()])  # as `python -m` does; an installed script does not
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if not f"{module}.".startswith(f"{error.name}."):  # one of its own imports
            raise UsageError(f"--{flag}={name}: module {module} cannot be imported: {first_line(error)}") from error
        raise UsageError(f"--{flag}={name}: {first_line(error)}; {_expected(module)}") from error
    except (Exception, SystemExit) as error:
        what = f"{type(error).__name__}: {first_line(error)}"
        raise UsageError(f"--{flag}={name}: module {module} cannot be imported: {what}") from error
    if not hasattr(found, attribute):
        place = getattr(found, "__file__", None)
        raise UsageError(f"--{flag}={name}: module {module} has no {attribute or 'name'}; it is {place or 'built in'}")
    return getattr(found, attribute)


def plugin_name(flag: str, found: Any) -> str:
    """The `module:NAME` of an object of this process, by which others import it.

    Args:
        flag: name of the flag, for messages.
        found: a function, a class, or another object that knows its name.

    Raises:
        UsageError: it has no name, or is of the program or the notebook itself, which others do not import.
    """
    module, name = (getattr(found, attribute, None) for attribute in ("__module__", "__qualname__"))
    if module == "__main__" or getattr(sys.modules.get(str(module)), str(name), None) is not found:
        what = name if isinstance(name, str) else f"an object of {type(found).__name__}"
        raise UsageError(
            f"{flag} is {what}, which the processes of a search cannot import; put it into a module of yours, and give"
            f" {flag}='MODULE:NAME'"
        )
    return f"{module}:{name}"


def check_call(flag: str, name: str, function: Callable[..., Any], *arguments: Any, expected: str) -> None:
    """Checks that a user's class or function accepts a number of arguments.

    Args:
        flag: name of the flag.
        name: `module:NAME`.
        function: the class or function.
        arguments: those of the call, or as many others.
        expected: description of what was expected.

    Raises:
        UsageError: it does not accept them, or is an abstract class.
    """
    if inspect.isabstract(function):
        missing = ", ".join(sorted(function.__abstractmethods__))  # type: ignore[attr-defined]
        raise UsageError(f"--{flag}={name} has no {missing}; expected {expected}")
    try:
        signature = inspect.signature(function)
    except ValueError:  # some functions written in C have none
        return
    try:
        signature.bind(*arguments)
    except TypeError as error:
        raise UsageError(f"--{flag}={name} takes {signature}; expected {expected}") from error


def check_returns(flag: str, name: str, function: Callable[..., Any], kind: type, expected: str) -> None:
    """Checks that what a user's class or function makes may be of a type, before it is called.

    Args:
        flag: name of the flag.
        name: `module:NAME`.
        function: the class or function.
        kind: the type.
        expected: description of what was expected.

    Raises:
        UsageError: the class is another one, or the function says that it returns something else.
    """
    returned: Any = function if isinstance(function, type) else getattr(function, "__annotations__", {}).get("return")
    if isinstance(returned, type) and not issubclass(returned, kind):
        raise UsageError(f"--{flag}={name} makes {returned.__name__}; expected {expected}")


def search_in(folders: Iterable[str]) -> None:
    """Adds folders to the end of the module search path."""
    sys.path.extend(folder for folder in folders if folder not in sys.path)


def plugin_folders() -> list[str]:
    """Folders of plug-ins: the working folder, and those of PYTHONPATH."""
    listed = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return [os.getcwd(), *(os.path.abspath(folder) for folder in listed if folder)]


def _expected(module: str) -> str:
    if module.endswith(".py") or os.sep in module:
        plain = module.removesuffix(".py").strip(f".{os.sep}").replace(os.sep, ".")
        return f"give the module's name, {plain}, not its file's"
    return f"expected a module in the working folder, {os.getcwd()}, or on PYTHONPATH"
