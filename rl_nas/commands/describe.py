"""`rl_nas describe`: a genotype as text, and what a network of it costs. No TensorFlow."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from rl_nas.commands import cli
from rl_nas.errors import UsageError
from rl_nas.flags.parsing import Command, OutputSettings, Parsed
from rl_nas.networks.genotypes import to_json
from rl_nas.networks.layers import Cost, Shape
from rl_nas.networks.lookup import find_genotype
from rl_nas.networks.network import plan_network, size_notation, solve
from rl_nas.networks.settings import NetworkSettings, Skeleton, skeleton_of
from rl_nas.report.genotype_text import genotype_text
from rl_nas.settings import Settings, setting
from rl_nas.spaces.decisions import Genotype
from rl_nas.spaces.published import PUBLISHED
from rl_nas.store.files import storage_errors


@dataclass(frozen=True)
class DescribeSettings(Settings):
    """What to describe."""

    title: ClassVar[str] = "Genotype"

    genotype: str | None = setting(
        None, f"needed; a genotype file, a NAS-Bench-201 string, or one of {', '.join(PUBLISHED)}"
    )
    picture: str | None = setting(None, "also draw it into this PNG file")
    image_size: int | None = setting(
        None, "pixels of the square images the network is counted for; left out: the preset's", minimum=1
    )
    channels: int = setting(3, "channels of the images", minimum=1)
    classes: int | None = setting(None, "classes; left out: the preset's", minimum=1)


DESCRIBE = Command(
    name="rl_nas describe",
    summary="prints a genotype, and the parameters and multiply-adds of a network of it.",
    examples=(
        "rl_nas describe --genotype=NASNet-A --network=imagenet_mobile",
        "rl_nas describe --genotype=AmoebaNet-A --network=cifar --target_params=3.2e6",
        "rl_nas describe --genotype=runs/digits/best/genotype.json --json",
    ),
    groups=(DescribeSettings, NetworkSettings),
)


@dataclass(frozen=True)
class Description:
    """A genotype and what was counted of its network: the trained one, without what only training needs."""

    genotype: Genotype
    skeleton: Skeleton
    image_shape: Shape
    classes: int
    cost: Cost

    @property
    def size(self) -> str:
        """N@P as in the papers, empty where there are no cells."""
        return size_notation(self.genotype, self.skeleton)


def main(argv: Sequence[str]) -> int:
    """Runs the verb; returns its exit code."""
    return cli.run(DESCRIBE, _run, argv)


def _run(parsed: Parsed) -> int:
    settings = parsed.group(DescribeSettings)
    description = describe(settings, parsed.group(NetworkSettings))
    if settings.picture:
        _draw(description.genotype, settings.picture, settings.genotype or "")
    print(json.dumps(_json(description)) if parsed.group(OutputSettings).json else _text(description))
    return cli.DONE


def describe(settings: DescribeSettings, network: NetworkSettings) -> Description:
    """Finds and counts."""
    if settings.genotype is None:
        raise UsageError(f"--genotype is missing; give a file or one of {', '.join(PUBLISHED)}")
    genotype = find_genotype(settings.genotype)
    preset = skeleton_of(genotype, network, default="cifar")
    size, classes = settings.image_size or preset.image_size, settings.classes or preset.classes
    shape = (size, size, settings.channels)
    skeleton = solve(genotype, network, shape, classes, default="cifar")
    return Description(genotype, skeleton, shape, classes, plan_network(genotype, skeleton, shape, classes).cost())


def _draw(genotype: Genotype, path: str, title: str) -> None:
    from rl_nas.report.picture import draw_genotype  # imports matplotlib

    with storage_errors(Path(path)):
        draw_genotype(genotype, path, title=title)


def _text(description: Description) -> str:
    cost, skeleton = description.cost, description.skeleton
    height, width, channels = description.image_shape
    network = [f"{height}x{width}x{channels} images, {description.classes} classes"]
    if description.size:
        network.insert(
            0, f"{description.size}: {skeleton.cells} cells a stage, {skeleton.filters} filters in the first"
        )
    return "\n".join(
        [
            genotype_text(description.genotype),
            "",
            f"Network: {'; '.join(network)}",
            f"  trainable parameters  {cost.trainable:,}",
            f"  other parameters      {cost.other:,}  (moving averages of batch normalisation)",
            f"  multiply-adds         {cost.madds:,}  (convolutions and the classifier, one image)",
        ]
    )


def _json(description: Description) -> dict[str, Any]:
    cost = description.cost
    return {
        "genotype": to_json(description.genotype),
        "canonical_key": description.genotype.canonical_key(),
        "network": asdict(description.skeleton),
        "size": description.size,
        "image": list(description.image_shape),
        "classes": description.classes,
        "trainable_parameters": cost.trainable,
        "other_parameters": cost.other,
        "multiply_adds": cost.madds,
    }


if __name__ == "__main__":
    import sys

    sys.exit(main(sys.argv[1:]))
