"""The parent of a worker: whatever the worker starts ends with it, also in other process groups and sessions.

`WorkerProcess` runs this file, without the package, so that the keeper is small:

    python -I -S keeper.py PARENT SOCKET COMMAND...

It starts the command with its own process id as a further argument, and ends as that ends. Processes that lose their
parent become its children (Linux), so that it finds all that are left, and kills them: when the worker ends, when it
gets SIGTERM, and when the driver dies, whose end of its standard input is then closed. (A signal at the parent's death,
PR_SET_PDEATHSIG, would come when the thread ends that has started it.)
"""

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping

_PR_SET_CHILD_SUBREAPER = 36
LINUX = sys.platform == "linux"


def main(parent: int, descriptor: int, command: list[str]) -> None:
    """Runs a command that inherits a descriptor until it or the parent ends."""
    signal.signal(signal.SIGTERM, _end)
    if LINUX:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if os.getppid() != parent:
        sys.exit("the driver is gone")
    words = [*command, str(os.getpid())]
    worker = subprocess.Popen(words, stdin=subprocess.DEVNULL, pass_fds=[descriptor]).pid
    os.close(descriptor)  # the driver notices when the worker closes its own
    ended = None
    while ended != worker:
        ended, status = os.wait()  # orphans end here too
    _end_descendants()
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(OSError):  # that signal has no handler
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def children_of_all() -> dict[int, list[int]]:
    """Process ids of the children of every process that has any (Linux)."""
    children: dict[int, list[int]] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:  # it may have ended
            after_its_name = file.read().rpartition(b")")[2].split()
            children.setdefault(int(after_its_name[1]), []).append(int(name))
    return children


def descendants(process: int, children: Mapping[int, list[int]]) -> list[int]:
    """Process ids of all descendants of a process, parents first."""
    found = list(children.get(process, []))
    for one in found:
        found += children.get(one, [])
    return found


def _end_with_parent() -> None:
    """Waits until the parent closes the standard input, and ends this process by SIGTERM."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # the main thread, which waits, is to be woken
    while os.read(0, 1):
        pass
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)


def _end_descendants() -> None:
    """Kills all descendants of this process, and those that they start meanwhile."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while LINUX:
        for process in descendants(os.getpid(), children_of_all()):
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGKILL)
        try:
            os.wait()
        except ChildProcessError:
            return


def _end(*_: object) -> None:
    _end_descendants()
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
