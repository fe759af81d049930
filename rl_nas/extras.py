"""Extras of this installation: whether their packages are there, and the command that installs them."""

import json
import shlex
from collections.abc import Sequence
from importlib.metadata import distributions
from importlib.util import find_spec
from urllib.parse import urlsplit
from urllib.request import url2pathname

from rl_nas.errors import UsageError

_PACKAGE = "rl_nas"


def install_command(extra: str) -> str:
    """The command that adds an extra to this installation, whether it is an editable clone or a wheel."""
    clone = _editable_clone()
    if clone is None:
        return f"pip install {shlex.quote(f'{_PACKAGE}[{extra}]')}"
    return f"pip install -e {shlex.quote(f'{clone}[{extra}]')}"


def is_installed(modules: Sequence[str]) -> bool:
    """Whether modules can be found; imports none of them."""
    return all(find_spec(name) is not None for name in modules)


def check_installed(what: str, extra: str, modules: Sequence[str]) -> None:
    """Raises `UsageError` if modules of an extra are missing; imports none of them.

    Args:
        what: needs them, such as a flag.
        extra: brings them.
        modules: by the names that they are imported by.
    """
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise UsageError(f"{what} needs {' and '.join(missing)}: {install_command(extra)}")


def _editable_clone() -> str | None:
    """The folder that rl_nas is installed from in editable mode (PEP 610); None: it is a copy."""
    for found in distributions(name=_PACKAGE):  # of which one in the working folder has no such record
        recorded = json.loads(found.read_text("direct_url.json") or "{}")
        if recorded.get("dir_info", {}).get("editable"):
            return url2pathname(urlsplit(recorded["url"]).path)
    return None
