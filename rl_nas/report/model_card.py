"""Texts about an exported model: the model card for its users, and the summary of the export."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rl_nas.errors import printable_lines
from rl_nas.metrics import metrics_of
from rl_nas.report.tables import counted, figure_text, measured_text

_RECIPE = (
    "epochs",
    "batch_size",
    "optimizer",
    "learning_rate",
    "schedule",
    "weight_decay",
    "label_smoothing",
    "ema_decay",
    "drop_path",
    "cutout",
    "mixup",
    "seed",
)


_ALWAYS = ("file", "images", "latency_ms", "bytes")
_NETWORK = "network_"
"""Prefix of figures of the network itself."""


def export_text(document: dict[str, Any], out: Path) -> str:
    """Summary of an export: comparison of every format with the network, and the files.

    Args:
        document: the content of metadata.json.
        out: the folder.
    """
    compared = document["compared_on"]
    where = _where(compared["split"])
    own = {name: v for name, v in next(iter(document["formats"].values())).items() if name.startswith(_NETWORK)}
    lines = [
        f"Compared with the network in a process without rl_nas, on {compared['images']} {where}:",
        *formats_table(document),
        "",
        *(
            f"{name} of the network itself on them: {figure_text(name, value, compared['images'])}"
            for name, value in ((whole.removeprefix(_NETWORK), value) for whole, value in own.items())
        ),
        "",
        f"models, labels.txt, metadata.json and model_card.md are in {out}",
    ]
    return "\n".join(lines)


def failed_text(failed: Mapping[str, str]) -> str:
    """What was met with each format that failed, in a line.

    Args:
        failed: `failed` of metadata.json.
    """
    return "; ".join(f"{name}: {what}" for name, what in failed.items())


def formats_table(document: dict[str, Any]) -> list[str]:
    """A line for each format: the figures of its agreement with the network, latency and size."""
    formats = document["formats"]
    names = [name for name in next(iter(formats.values())) if name not in _ALWAYS and not name.startswith(_NETWORK)]
    heads = [(name, name.replace("_", " ")) for name in names]
    lines = ["  ".join([f"{'format':16}", *(f"{head:>14}" for _, head in heads), "latency ms      bytes"])]
    for kind, one in formats.items():
        cells = [f"{one[name]:14.1e}" if "difference" in name else f"{one[name]:14.4f}" for name, _ in heads]
        lines.append("  ".join([f"{kind:16}", *cells, f"{one['latency_ms']:10.2f}  {one['bytes']:9,}"]))
    return lines


def model_card(document: dict[str, Any]) -> str:
    """Markdown: the network, its use, its measurements and its training."""
    height, width, channels = document["image"]
    classes = document["classes"]
    counts = document["counts"]
    dataset = document["dataset"].rstrip("/").rpartition("/")[2]  # without the place of a folder
    lines = [f"# {document['network'] or 'A network'} on {dataset}", ""]
    if counts:
        size = f"{counts['size']}, " if counts["size"] else ""
        lines.append(
            f"A network ({document['noun']}): {size}{counts['trainable_parameters']:,} trainable parameters,"
            f" {counts['multiply_adds']:,} multiply-adds an image."
        )
    if document["found_by"]:
        lines.append(found_text(document["found_by"]) + ".")
    lines += [
        "",
        "## Use",
        f"The SavedModel's `serving_default` takes `images`, uint8 [batch, height, width, {channels}] of any size,"
        f" resizes them to {height}x{width}, normalizes them, and returns {document['returns']}. `normalized` takes"
        " normalized floats. The other formats take pixels of 0 to 255 of that size.",
    ]
    if classes:
        lines += ["The classes, in order, are in labels.txt:", ", ".join(classes[:20]) + " ..." * (len(classes) > 20)]
    lines += ["", "## Measured"]
    for key in ("final_test", "valid"):
        if document[key]:
            one = document[key]
            figures = [
                measured_text(name, value, one["images"]) for name, value in metrics_of(one).items() if "/" not in name
            ]
            lines.append(f"- {', '.join(figures)} on {one['images']:,} {_where(one['split'])}")
    compared = document["compared_on"]
    lines += ["", "```", *formats_table(document), "```"]
    lines.append(
        f"Compared with the network on {compared['images']} {_where(compared['split'])}; latency of one image, median"
        " of 50, on the machine that exported it."
    )
    if failed := document.get("failed"):
        lines += ["", f"Not exported, as they failed: {', '.join(failed)}."]
    if document["recipe"]:
        recipe = {name: document["recipe"][name] for name in _RECIPE if document["recipe"].get(name) is not None}
        lines += ["", "## Training", ", ".join(f"{name} {value}" for name, value in recipe.items())]
        lines.append("All flags and the genotype are in metadata.json.")
    return printable_lines("\n".join(lines) + "\n")  # of names that a stranger may have recorded


def _where(split: str) -> str:
    return "held-out images" if split == "valid" else f"images of split {split}"


def found_text(found: dict[str, Any]) -> str:
    """What a network is that a search found and trained.

    Args:
        found: `found_by` of metadata.json.
    """
    epochs = f" for {counted(found['epochs'], 'epoch')}" if found["epochs"] else ""
    return f"The best child of a search, trial {found['trial']}, as the search trained it{epochs}: a proxy"
