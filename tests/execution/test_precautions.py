"""What is only a precaution may fail: no process depends on it."""

import builtins
import errno
import os
from typing import Any

import pytest

from rl_nas.execution import python_process


def test_a_process_whose_kernel_takes_no_score_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def refuse(path: str, *unused: Any) -> None:
        asked.append(path)
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    # This process is not to end with another.
    monkeypatch.setattr(python_process.ctypes, "CDLL", lambda name: type("", (), {"prctl": lambda *words: None}))
    monkeypatch.setattr(builtins, "open", refuse)
    python_process.die_with(os.getppid())
    assert asked == ["/proc/self/oom_score_adj"]
