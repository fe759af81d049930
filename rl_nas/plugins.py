"""Parts that a user brings, named `module:NAME` on the command line."""

import importlib
import os
import sys
from typing import Any

from rl_nas.errors import UsageError


def load_plugin(flag: str, name: str) -> Any:
    """The object `NAME` of `module`, which lies in the working folder or on PYTHONPATH.

    Only names of this call's command line come here, never those that a file tells: importing runs code.

    Args:
        flag: that it was given with.
        name: `module:NAME`.

    Raises:
        UsageError: there is none.
    """
    module, _, attribute = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # as `python -m` does; an installed script does not
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, ValueError) as error:
        raise UsageError(f"--{flag}={name}: {error}; expected a module in this folder or on PYTHONPATH") from error
    except AttributeError as error:
        raise UsageError(f"--{flag}={name}: module {module} has no {attribute}") from error
