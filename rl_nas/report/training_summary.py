"""The result of a training in full, as text and as JSON."""

from typing import Any

from rl_nas.report.tables import counted


def training_text(results: dict[str, Any], files: dict[str, Any]) -> str:
    """Network, what was measured and on which images, files.

    Args:
        results: the content of results.json.
        files: paths by what they are.
    """
    network = results["network"]
    size = f"{network['size']}, " if network["size"] else ""
    lines = [
        f"{results['genotype_name']}: {size}{network['trainable_parameters']:,} parameters,"
        f" {network['multiply_adds']:,} multiply-adds, {counted(results['epochs'], 'epoch')} of"
        f" {results['train']['images']:,} images in {results['seconds']:,.0f} s",
        "",
        f"train loss {results['train']['loss']:.4f}, accuracy {results['train']['accuracy']:.4f} (last epoch)",
    ]
    if results["valid"]:
        lines.append(_measured(results["valid"], "held-out images of the training split"))
    if results["final_test"]:
        lines.append(_measured(results["final_test"], f"images of split {results['final_test']['split']}: final"))
    width = max(len(name) for name in files)
    return "\n".join([*lines, "", *(f"{name:{width}}  {path}" for name, path in files.items())])


def _measured(measured: dict[str, Any], where: str) -> str:
    top5 = "" if measured["top5_accuracy"] is None else f", top-5 {measured['top5_accuracy']:.4f}"
    return f"accuracy {measured['accuracy']:.4f}{top5}, loss {measured['loss']:.4f} on {measured['images']:,} {where}"
