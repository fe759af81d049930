"""Ways for XLA to compile a train step for a GPU: what shortens compiling, and at which loss of speed."""

import os
from collections.abc import Sequence
from pathlib import Path

CACHED = "cached"
XLA_OPTIONS = {
    "untuned": "--xla_gpu_autotune_level=0",  # no kernel of several is chosen by trying them
    "unchecked": "--xla_gpu_autotune_level=3",  # they are tried, but their results are not compared
    CACHED: "--xla_gpu_per_fusion_autotune_cache_dir={cache}",  # what an earlier process has tried
    "serial": "--xla_gpu_force_compilation_parallelism=1",  # on one core: what parallel compilation is worth
    "graphs": "--xla_gpu_enable_command_buffer=FUSION,CUBLAS,CUBLASLT,CUSTOM_CALL,CUDNN"
    " --xla_gpu_graph_min_graph_size=1",  # kernels are launched as CUDA graphs
}
"""Words of a way -> flags of XLA, as TensorFlow 2.21 knows them."""


def set_xla_options(words: Sequence[str], cache: Path) -> None:
    """Sets XLA_FLAGS of this process, which TensorFlow reads once.

    Args:
        words: of a way.
        cache: folder in which results of autotuning are kept, for those that use it.
    """
    chosen = [flags.format(cache=cache) for word, flags in XLA_OPTIONS.items() if word in words]
    if chosen:
        os.environ["XLA_FLAGS"] = " ".join([*filter(None, [os.environ.get("XLA_FLAGS")]), *chosen])
