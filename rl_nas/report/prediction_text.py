"""Metrics of predictions as text."""

from collections.abc import Mapping

from rl_nas.report.tables import counted

_ENDS = ("low", "high")


def metrics_text(measured: Mapping[str, float]) -> str:
    """The figures over all images in a line, then one of each class or split in a line each.

    Args:
        measured: number of `images`, and metrics by name; those with a slash are of a class or of a split, whose images
            are counted by `images/NAME`. `NAME_low` and `NAME_high` are the ends of a metric's 95% interval.
    """
    shown = {name: _figure(measured, name) for name in measured if not _is_companion(measured, name)}
    whole = [f"{name.replace('_', ' ')} {figure}" for name, figure in shown.items() if "/" not in name]
    parts = {name: figure for name, figure in shown.items() if "/" in name}
    width = max(map(len, parts), default=0)
    lines = [f"{', '.join(whole)} on {counted(int(measured['images']), 'image')}"] if whole else []
    return "\n".join(["", *lines, *(f"{name:{width}}  {figure}" for name, figure in parts.items())])


def _figure(measured: Mapping[str, float], name: str) -> str:
    """A metric with its interval and the number of its images, where they are known."""
    figure = f"{measured[name]:.4f}"
    low, high = (measured.get(_companion(name, end)) for end in _ENDS)
    if low is not None and high is not None:
        figure += f" (95%: {low:.4f} to {high:.4f})"
    images = measured.get(f"images/{name.partition('/')[2]}") if "/" in name else None
    return figure if images is None else f"{figure} on {counted(int(images), 'image')}"


def _companion(name: str, end: str) -> str:
    base, slash, part = name.partition("/")
    return f"{base}_{end}{slash}{part}"


def _is_companion(measured: Mapping[str, float], name: str) -> bool:
    """Whether a figure only belongs to another one."""
    base, slash, part = name.partition("/")
    ends = (base.removesuffix(f"_{end}") for end in _ENDS if base.endswith(f"_{end}"))
    return base == "images" or any(f"{metric}{slash}{part}" in measured for metric in ends)
