"""`rl_nas describe`: the cells of a genotype as text, and what a network of them costs. No TensorFlow."""

import difflib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from rl_nas.commands import frame
from rl_nas.errors import UsageError
from rl_nas.flags.parsing import Command, OutputSettings, Parsed
from rl_nas.networks.layers import Cost
from rl_nas.networks.skeleton import NetworkSettings, plan_network
from rl_nas.report.cell_text import genotype_text
from rl_nas.settings import Settings, setting
from rl_nas.spaces.genotype import CellGenotype, load, to_json
from rl_nas.spaces.published import PUBLISHED
from rl_nas.store.files import storage_errors


@dataclass(frozen=True)
class DescribeSettings(Settings):
    """What to describe."""

    title: ClassVar[str] = "Genotype"

    genotype: str | None = setting(None, f"a genotype file, or a published name: {', '.join(PUBLISHED)}; needed")
    picture: str | None = setting(None, "also draw both cells into this PNG file")
    image_size: int = setting(32, "pixels of the square images the network is counted for", minimum=1)
    channels: int = setting(3, "channels of the images", minimum=1)
    classes: int = setting(10, "classes", minimum=1)


DESCRIBE = Command(
    name="rl_nas describe",
    summary="prints the cells of a genotype, and the parameters and multiply-adds of a network of them.",
    examples=(
        "rl_nas describe --genotype=NASNet-A --cells=6",
        "rl_nas describe --genotype=runs/digits/best/genotype.json --json",
    ),
    groups=(DescribeSettings, NetworkSettings),
)


def main(argv: Sequence[str]) -> int:
    """Runs the verb; returns its exit code."""
    return frame.run(DESCRIBE, _run, argv)


def _run(parsed: Parsed) -> int:
    settings, network = parsed.group(DescribeSettings), parsed.group(NetworkSettings)
    genotype = find_genotype(settings.genotype)
    shape = (settings.image_size, settings.image_size, settings.channels)
    cost = plan_network(genotype, network, shape, settings.classes).cost()
    if settings.picture:
        from rl_nas.report.cell_picture import draw_genotype  # imports matplotlib

        with storage_errors(Path(settings.picture)):
            draw_genotype(genotype, settings.picture, title=settings.genotype or "")
    if parsed.group(OutputSettings).json:
        print(json.dumps(_json(settings, network, genotype, cost)))
    else:
        print(_text(settings, network, genotype, cost))
    return frame.DONE


def find_genotype(name: str | None) -> CellGenotype:
    """The genotype of a file or of a published name.

    Raises:
        UsageError: there is neither, or the file is no valid genotype.
    """
    if name is None:
        raise UsageError(f"--genotype is missing; give a file or one of {', '.join(PUBLISHED)}")
    if name in PUBLISHED:
        return PUBLISHED[name]
    if not Path(name).exists():
        near = difflib.get_close_matches(name, PUBLISHED, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"published names: {', '.join(PUBLISHED)}"
        raise UsageError(f"--genotype={name} is neither a file nor a published name; {hint}")
    return load(name)


def _text(settings: DescribeSettings, network: NetworkSettings, genotype: CellGenotype, cost: Cost) -> str:
    size, stages = settings.image_size, network.reductions + 1
    return "\n".join(
        [
            genotype_text(genotype),
            "",
            f"Network of {stages} stages of {network.cells} normal cells, {network.filters} filters, for"
            f" {size}x{size}x{settings.channels} images and {settings.classes} classes:",
            f"  trainable parameters  {cost.trainable:,}",
            f"  other parameters      {cost.other:,}  (moving averages of batch normalisation)",
            f"  multiply-adds         {cost.madds:,}  (convolutions and the classifier, one image)",
        ]
    )


def _json(settings: DescribeSettings, network: NetworkSettings, genotype: CellGenotype, cost: Cost) -> dict[str, Any]:
    return {
        "genotype": to_json(genotype),
        "network": asdict(network),
        "image": [settings.image_size, settings.image_size, settings.channels],
        "classes": settings.classes,
        "trainable_parameters": cost.trainable,
        "other_parameters": cost.other,
        "multiply_adds": cost.madds,
    }


if __name__ == "__main__":
    import sys

    sys.exit(main(sys.argv[1:]))
