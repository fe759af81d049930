"""The start of a run in a process of its own, to be killed: KIND RUN_DIR OPERATION.

It ends, as by kill -9, before operation number OPERATION, from 1, on files: to open, make, move, lock or delete one.
"""

import os
import sys
from typing import Any

from rl_nas.store.search_folder import SearchFolder
from rl_nas.store.training_folder import TrainingFolder

KINDS = {"search": SearchFolder, "training": TrainingFolder}
FILES = {"search": {}, "training": {"genotype": "{}\n"}}
OPERATIONS = {"open", "os.mkdir", "os.rename", "os.remove", "fcntl.flock"}


def begin(kind: str, folder: str) -> None:
    run = KINDS[kind](folder)
    run.check_new()
    run.create({"flags": {"seed": 7}}, "--seed=7\n", **FILES[kind])


def end_before(operation: int) -> None:
    count = 0

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        count += event in OPERATIONS
        if count == operation:
            os._exit(9)

    sys.addaudithook(hear)


if __name__ == "__main__":
    end_before(int(sys.argv[3]))
    begin(sys.argv[1], sys.argv[2])
