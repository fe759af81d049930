"""Memory of processes that share some, and the tree that they are found in."""

import os
import subprocess
import sys

import psutil
import pytest
from watchdog import watched

from rl_nas.execution.keeper import LINUX, descendants
from rl_nas.execution.memory import memory_of, process_tree

MIB = 2**20
FORKS = """
import os, signal
shared = bytearray(b"x") * (100 * 2**20)
for _ in range(3):
    if os.fork() == 0:
        signal.pause()
print("ready", flush=True)
signal.pause()
"""


@pytest.mark.skipif(not LINUX, reason="other systems do not tell what is shared")
def test_what_processes_share_counts_once_where_it_matters() -> None:
    with watched(subprocess.Popen([sys.executable, "-c", FORKS], stdout=subprocess.PIPE)) as parent:
        assert parent.stdout.readline() == b"ready\n"
        children = descendants(parent.pid, process_tree())
        try:
            family = [parent.pid, *children]
            assert len(family) == 4
            assert memory_of(family, enough=1000 * MIB) > 400 * MIB
            assert 100 * MIB < memory_of(family, enough=300 * MIB) < 200 * MIB
            assert memory_of([parent.pid], enough=0) == psutil.Process(parent.pid).memory_info().rss
        finally:
            for child in children:
                os.kill(child, 9)
    assert memory_of([parent.pid], enough=0) == 0


def test_descendants_are_those_of_the_process_alone() -> None:
    tree = {1: [2, 3], 2: [4], 4: [5], 6: [7]}
    assert descendants(1, tree) == [2, 3, 4, 5]
    assert descendants(4, tree) == [5]
    assert descendants(9, tree) == []
