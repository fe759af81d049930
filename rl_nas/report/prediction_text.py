"""Metrics of predictions as text."""

from collections.abc import Mapping

from rl_nas.report.tables import counted


def metrics_text(measured: Mapping[str, float]) -> str:
    """The figures over all images in a line, then one of each class in a line each.

    Args:
        measured: number of `images`, and metrics by name; those with a slash are of one class.
    """
    whole = {name: value for name, value in measured.items() if name != "images"}
    overall = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in whole.items() if "/" not in name)
    parts = {name: value for name, value in whole.items() if "/" in name}
    width = max(map(len, parts), default=0)
    lines = [f"{name:{width}}  {value:.4f}" for name, value in parts.items()]
    return "\n".join(["", f"{overall} on {counted(int(measured['images']), 'image')}", *lines])
