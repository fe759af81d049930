"""The result of full training as text."""

from typing import Any

from rl_nas.metrics import metrics_of
from rl_nas.report.tables import counted, measured_text


def training_text(results: dict[str, Any], files: dict[str, Any]) -> str:
    """Network, measurements and their images, files.

    Args:
        results: the content of results.json.
        files: paths by description.
    """
    network = results["network"]
    size = f"{network['size']}, " if network["size"] else ""
    lines = [
        f"{results['genotype_name']}: {size}{network['trainable_parameters']:,} parameters,"
        f" {network['multiply_adds']:,} multiply-adds, {counted(results['epochs'], 'epoch')} of"
        f" {results['train']['images']:,} images in {results['seconds']:,.0f} s",
        "",
        f"train {_figures(results['train'], 0)} (last epoch)",  # a mean over the epoch: without an interval
    ]
    lines += _all_measured(results)
    if results.get("views"):
        lines += [f"{line}, {_views(results['views'])}" for line in _all_measured(results["views"])]
    width = max(len(name) for name in files)
    return "\n".join([*lines, "", *(f"{name:{width}}  {path}" for name, path in files.items())])


def _all_measured(results: dict[str, Any]) -> list[str]:
    lines = []
    if results["valid"]:
        split = results["valid"]["split"]
        lines.append(_measured(results["valid"], "held-out images" if split == "valid" else f"images of split {split}"))
    if results["final_test"]:
        lines.append(_measured(results["final_test"], f"images of split {results['final_test']['split']}: final"))
    return lines


def _views(views: dict[str, Any]) -> str:
    scales = ", ".join(f"{scale:g}" for scale in views["scales"])
    return f"mean predictions at scale {scales}{' and mirrored' if views['flip'] else ''}"


def _measured(measured: dict[str, Any], where: str) -> str:
    return f"{_figures(measured, measured['images'])} on {measured['images']:,} {where}"


def _figures(measured: dict[str, Any], images: int) -> str:
    figures = metrics_of(measured).items()
    return ", ".join(measured_text(name, value, images) for name, value in figures if "/" not in name)
