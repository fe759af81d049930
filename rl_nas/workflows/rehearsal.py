"""The end of a search, tried before its first child: a sample network is drawn, written, read back and compared."""

import tempfile
import time
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from rl_nas.child.export.writers import DifferingExportError
from rl_nas.child.network.composed import build_network
from rl_nas.errors import RunError, StorageError, UsageError, first_line
from rl_nas.report.durations import about
from rl_nas.report.heartbeat import working
from rl_nas.report.optional_picture import optional_picture
from rl_nas.report.picture import draw_genotype
from rl_nas.spaces.decisions import Architecture
from rl_nas.store.search_folder import SearchFolder
from rl_nas.tasks.sources import tell_user
from rl_nas.workflows.best_files import write_network_files
from rl_nas.workflows.search_parts import SearchParts

RANDOM_WEIGHTS = "its weights were random; that of the best one is compared again"
"""What is told of an export that differs."""

_SAMPLES = 8
"""Random networks, of which the largest is tried."""


class Drawn(NamedTuple):
    """A random network of a space, and its multiply-adds."""

    madds: int
    architecture: Architecture


class TriedExport(NamedTuple):
    """An export that was tried: its seconds, and how it differs from its network, if it does.

    Some networks with random weights compute numbers beyond all precision.
    """

    seconds: float
    complaint: str | None


def random_networks(parts: SearchParts, count: int) -> list[Drawn]:
    """Random networks of a search's space that can be built, by their multiply-adds."""
    rng, found = np.random.default_rng(0), list[Drawn]()
    for _ in range(count):
        architecture = parts.space.sample(rng)
        try:
            found.append(Drawn(parts.setup.networks.plan(parts.space.decode(architecture)).cost().madds, architecture))
        except UsageError:
            continue  # some spaces hold a few that are not
    return sorted(found, key=lambda drawn: drawn.madds)


def export_sample(parts: SearchParts, architecture: Architecture, title: str) -> TriedExport:
    """Draws, writes, loads back and compares a network, as at the end of a search.

    Args:
        parts: of the search, in a folder for the files.
        architecture: of the network, whose weights are random.
        title: of the picture.

    Raises:
        RunError: it cannot be written.
    """
    began, setup, complaint = time.monotonic(), parts.setup, None
    genotype = parts.space.decode(architecture)
    try:
        parts.folder.best.mkdir(parents=True, exist_ok=True)
        with optional_picture("a sample network", tell_user):
            draw_genotype(genotype, parts.folder.best / "cell.png", title=title)
        plan = setup.networks.plan(genotype)
        write_network_files(parts, build_network(plan, setup.keras), plan, title)
    except DifferingExportError as error:
        complaint = error.complaint
    except (UsageError, StorageError):
        raise
    except Exception as error:
        raise RunError(
            "a network of this search cannot be exported, so that it would end without its best one:"
            f" {type(error).__name__}: {first_line(error)}"
        ) from error
    return TriedExport(time.monotonic() - began, complaint)


def try_export(parts: SearchParts) -> None:
    """Tries what a search does at its end with a large network of its space, in a folder that is deleted, and tells it.

    Raises:
        RunError: the best network of the search could not be written.
    """
    networks = random_networks(parts, _SAMPLES)
    if not networks:
        return  # children will tell why
    with tempfile.TemporaryDirectory(prefix="rl_nas-") as scratch, working("still trying to export a sample network"):
        try:
            tried = export_sample(replace(parts, folder=SearchFolder(scratch)), networks[-1].architecture, "sample")
        except RunError as error:
            raise RunError(f"{error}; rl_nas doctor checks this machine") from error
    if tried.complaint is None:
        tell_user(f"export: a sample network was drawn, written and read back, {about(tried.seconds)}")
    else:
        tell_user(f"export: the SavedModel of a sample network {tried.complaint}; {RANDOM_WEIGHTS}")
