"""The front of a search with several objectives as files: its figures, and the genotypes of its networks."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rl_nas.networks.genotypes import to_json
from rl_nas.objectives import Objectives
from rl_nas.spaces.decisions import Architecture, Genotype
from rl_nas.store.files import make_folder, remove_folder, storage_errors, write_text
from rl_nas.store.search_folder import SearchFolder
from rl_nas.trial import Trial


def write_front(
    folder: SearchFolder, objectives: Objectives, front: Sequence[Trial], decode: Callable[[Architecture], Genotype]
) -> dict[str, Path]:
    """Writes front.json, front.csv and a genotype for each network of the front; replaces earlier ones.

    Args:
        folder: of the run.
        objectives: of the search.
        front: of its trials, from the highest quality on.
        decode: from an architecture to its genotype.

    Returns:
        The files, by description.

    Raises:
        StorageError: they cannot be written.
    """
    networks = [_network(objectives, trial) for trial in front]
    with storage_errors(folder.front):
        remove_folder(folder.front)
        make_folder(folder.front)
    for trial, network in zip(front, networks, strict=True):
        document = {**to_json(decode(trial.architecture)), "found_by": {"trial": trial.index, "reward": trial.reward}}
        write_text(folder.path / network["genotype"], json.dumps(document, indent=2) + "\n")
    document = {"objectives": list(objectives.names), "networks": networks}
    write_text(folder.front_json, json.dumps(document, indent=2) + "\n")
    table = io.StringIO()
    writer = csv.DictWriter(table, ["trial", *objectives.names, "genotype"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(networks)
    write_text(folder.front_csv, table.getvalue())
    return {"front": folder.front_json, "as a table": folder.front_csv, "its genotypes": folder.front}


def _network(objectives: Objectives, trial: Trial) -> dict[str, Any]:
    values = {name: getattr(trial.measurement, name) for name in objectives.names}
    return {"trial": trial.index, **values, "genotype": f"front/{trial.index}.genotype.json"}
