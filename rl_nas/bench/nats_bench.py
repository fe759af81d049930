"""The official NATS-Bench archive (Dong et al. 2021) as a table, through the package nats_bench."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rl_nas.bench.table import Table, make_table
from rl_nas.errors import UsageError
from rl_nas.spaces.nasbench201 import EDGES, NASBENCH201_OPERATIONS, EdgeCell

_DATASETS = {
    "cifar10": ("cifar10-valid", "cifar10"),
    "cifar100": ("cifar100", "cifar100"),
    "imagenet16": ("ImageNet16-120", "ImageNet16-120"),
}
"""Name in the table's columns -> the archive's names for validation and for test."""


def load_nats_bench(folder: Path) -> Table:
    """All cells of the topology space: 12-epoch validation, 200-epoch test (means over the trials), percent.

    Raises:
        UsageError: the package is not installed, or the folder is not an archive of it.
    """
    try:
        import nats_bench
    except ImportError as error:
        raise UsageError(f"reading archive {folder} needs the package nats_bench: pip install nats_bench") from error
    try:
        api = nats_bench.create(str(folder), "tss", fast_mode=True, verbose=False)
    except Exception as error:
        raise UsageError(f"{folder} is not a NATS-Bench archive (NATS-tss-v1_0-...-simple): {error}") from error
    cells = [EdgeCell.from_string(api.arch(index)) for index in range(len(api))]
    ops = np.array([[NASBENCH201_OPERATIONS.index(op) for op in cell.ops] for cell in cells], np.uint8)
    columns = [f"ep12_{name}_valid" for name in _DATASETS] + [f"ep200_{name}_test" for name in _DATASETS]
    values = np.array([list(_measured(api, index)) for index in range(len(cells))])
    return make_table("nasbench201", ops, [NASBENCH201_OPERATIONS] * len(EDGES), columns, values)


def _measured(api: Any, index: int) -> Iterator[float]:
    for valid, _ in _DATASETS.values():
        yield api.get_more_info(index, valid, hp="12", is_random=False)["valid-accuracy"]  # of its only run
    for _, test in _DATASETS.values():
        yield api.get_more_info(index, test, hp="200", is_random=False)["test-accuracy"]
    api.clear_params(index)
