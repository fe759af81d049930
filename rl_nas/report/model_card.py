"""Texts about an exported model: the model card for those who get it, and the export's own summary."""

from pathlib import Path
from typing import Any

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


def export_text(document: dict[str, Any], out: Path) -> str:
    """A comparison of every format with the network, and what was written.

    Args:
        document: the content of metadata.json.
        out: the folder.
    """
    compared = document["compared_on"]
    where = _where(compared["split"])
    lines = [
        f"Compared with the network in a process without rl_nas, on {compared['images']} {where}:",
        *formats_table(document),
        "",
        f"accuracy of the network itself on them: {next(iter(document['formats'].values()))['network_accuracy']:.4f}",
        "",
        f"models, labels.txt, metadata.json and model_card.md are in {out}",
    ]
    return "\n".join(lines)


def formats_table(document: dict[str, Any]) -> list[str]:
    """A line for each format."""
    lines = ["format            max difference  same class  accuracy  latency ms      bytes"]
    for name, one in document["formats"].items():
        lines.append(
            f"{name:16}  {one['max_difference']:14.1e}  {one['top1_agreement']:10.4f}  {one['accuracy']:8.4f}"
            f"  {one['latency_ms']:10.2f}  {one['bytes']:9,}"
        )
    return lines


def model_card(document: dict[str, Any]) -> str:
    """Markdown: what it is, how to use it, how it was trained, what was measured and on what."""
    height, width, channels = document["image"]
    classes = document["classes"]
    counts = document["counts"]
    lines = [f"# {document['network'] or 'A network'} on {document['dataset']}", ""]
    if counts:
        size = f"{counts['size']}, " if counts["size"] else ""
        lines.append(
            f"An image classifier: {size}{counts['trainable_parameters']:,} trainable parameters,"
            f" {counts['multiply_adds']:,} multiply-adds an image."
        )
    lines += [
        "",
        "## Use",
        f"The SavedModel's `serving_default` takes `images`, uint8 [batch, height, width, {channels}] of any size,"
        f" resizes them to {height}x{width}, whitens them, and returns `probabilities` [batch, {len(classes)}] and"
        " `label`. `normalized` takes whitened floats. The other formats take pixels of 0 to 255 of that size. The"
        " classes, in order, are in labels.txt:",
        ", ".join(classes[:20]) + (" ..." if len(classes) > 20 else ""),
        "",
        "## Measured",
    ]
    for key in ("final_test", "valid"):
        if document[key]:
            one = document[key]
            lines.append(f"- accuracy {one['accuracy']:.4f} on {one['images']:,} {_where(one['split'])}")
    compared = document["compared_on"]
    lines += ["", "```", *formats_table(document), "```"]
    lines.append(
        f"Compared with the network on {compared['images']} {_where(compared['split'])}; latency of one image, median"
        " of 50, on the machine that exported it."
    )
    if document["recipe"]:
        recipe = {name: document["recipe"][name] for name in _RECIPE if document["recipe"].get(name) is not None}
        lines += ["", "## Training", ", ".join(f"{name} {value}" for name, value in recipe.items())]
        lines.append("All flags and the genotype are in metadata.json.")
    return "\n".join(lines) + "\n"


def _where(split: str) -> str:
    return "held-out images of the training split" if split == "valid" else f"images of split {split}"
