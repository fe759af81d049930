"""Starts modules of rl_nas in processes that import what this one imports, and end with it.

    python -P .../python_process.py PARENT MODULE WORDS...

runs a module as `python -m` does, but dies when the process PARENT has ended, however it ended. It is started by its
file, so that this holds before anything is imported.
"""

import contextlib
import ctypes
import os
import runpy
import signal
import sys
from collections.abc import Mapping

_PR_SET_PDEATHSIG = 1


def command(module: str, *words: str) -> list[str]:
    """The command line that runs a module; -P: what lies in the working folder is not taken for it."""
    return [sys.executable, "-P", __file__, str(os.getpid()), module, *words]


def environment(variables: Mapping[str, str] = {}) -> dict[str, str]:
    """The variables of such a process: modules are found where this process finds them."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(_places()), **variables}


def _places() -> list[str]:
    """The folders that this process imports from.

    An empty name stands for the working folder, where `python -i` and notebooks find the user's modules; it comes last,
    so that nothing in it is taken for a module of others. Elsewhere nobody has asked for it.
    """
    interactive = hasattr(sys, "ps1") or bool(sys.flags.interactive)
    return [*filter(None, sys.path), *([os.getcwd()] if interactive and "" in sys.path else [])]


def die_with(parent: int) -> None:
    """Kills this process when another ends, even if this one hangs; on Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # Out of memory is to kill this process, not the one that needs its result, where this may be said.
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
            file.write("500")
    if os.getppid() != parent:
        sys.exit("the process that started this one is gone")


def _main(parent: str, module: str, *words: str) -> None:
    die_with(int(parent))
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
