"""Size of the networks of a search as TFLite models, before they are trained."""

import tempfile
from pathlib import Path

from rl_nas.child.export.writers import write_lite
from rl_nas.child.network.composed import build_network
from rl_nas.spaces.decisions import Genotype
from rl_nas.workflows.child_setup import ChildSetup


def tflite_size(setup: ChildSetup, genotype: Genotype) -> int:
    """Bytes of the network of a genotype as a TFLite model in 32-bit floats, as `rl_nas export` writes it."""
    networks = setup.networks
    network = build_network(networks.plan(genotype), setup.keras)
    serving = networks.task.serving(networks.problem, network, setup.normalization)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "network.tflite"
        write_lite(serving, path, "float32", setup.images.valid_images[:1])
        return path.stat().st_size
