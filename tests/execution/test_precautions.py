"""What is only a precaution may fail: no process depends on it."""

import builtins
import errno
import os
from types import ModuleType
from typing import Any

import pytest

from rl_nas.execution import python_process, worker


@pytest.mark.parametrize("module", [worker, python_process])
def test_a_process_whose_kernel_takes_no_score_begins(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def refuse(path: str, *unused: Any) -> None:
        asked.append(path)
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    monkeypatch.setattr(worker, "prctl", lambda option, value: None)  # this process is not to end with another
    monkeypatch.setattr(python_process.ctypes, "CDLL", lambda name: type("", (), {"prctl": lambda *words: None}))
    monkeypatch.setattr(builtins, "open", refuse)
    module._die_with(os.getppid())
    assert asked == ["/proc/self/oom_score_adj"]
