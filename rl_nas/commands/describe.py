"""`rl_nas describe`: a genotype and the cost of a network of it, or a search space. No TensorFlow."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from rl_nas.commands import cli
from rl_nas.errors import UsageError
from rl_nas.exit_codes import DONE
from rl_nas.flags.parsing import Command, OutputSettings, Parsed
from rl_nas.image_size import parse_image_size
from rl_nas.networks.families.catalog import family_of
from rl_nas.networks.genotypes import to_json
from rl_nas.networks.layer import Cost, Shape
from rl_nas.networks.lookup import find_genotype
from rl_nas.networks.network import plan_network, size_notation, solve
from rl_nas.networks.own_operations import OperationSettings, find_operations
from rl_nas.networks.settings import NetworkSettings, skeleton_of
from rl_nas.networks.skeleton import Skeleton
from rl_nas.report.space_text import space_json, space_text
from rl_nas.settings import Settings, setting
from rl_nas.spaces.catalog import find_space
from rl_nas.spaces.decisions import Genotype
from rl_nas.spaces.published import PUBLISHED
from rl_nas.spaces.settings import SpaceSettings
from rl_nas.store.files import storage_errors
from rl_nas.tasks.catalog import TASKS, find_task
from rl_nas.tasks.settings import TaskSettings
from rl_nas.tasks.task import Task


@dataclass(frozen=True)
class DescribeSettings(Settings):
    """The genotype to describe."""

    title: ClassVar[str] = "Genotype"

    genotype: str | None = setting(
        None,
        f"needed unless --space is given; a genotype file, a NAS-Bench-201 string, or one of {', '.join(PUBLISHED)}",
    )
    picture: str | None = setting(None, "also draw it into this PNG file")
    image_size: str | None = setting(
        None, "pixels of the images that the cost is for, N for a square or HxW; left out: the preset's"
    )
    channels: int = setting(3, "channels of the images", minimum=1)
    classes: int | None = setting(None, "classes; left out: the preset's", minimum=1)


DESCRIBE = Command(
    name="rl_nas describe",
    summary="prints a genotype, and the parameters and multiply-adds of a network of it; or a search space.",
    examples=(
        "rl_nas describe --genotype=NASNet-A --network=imagenet_mobile",
        "rl_nas describe --genotype=AmoebaNet-A --network=cifar --target_params=3.2e6",
        "rl_nas describe --genotype=runs/digits/best/genotype.json --json",
        "rl_nas describe --space=nasnet --blocks=3",
    ),
    groups=(DescribeSettings, SpaceSettings, OperationSettings, TaskSettings, NetworkSettings),
)


@dataclass(frozen=True)
class Description:
    """A genotype and the cost of its network at inference."""

    genotype: Genotype
    skeleton: Skeleton
    image_shape: Shape
    classes: int
    cost: Cost

    @property
    def size(self) -> str:
        """N@P as in the papers; empty without cells."""
        return size_notation(self.genotype, self.skeleton)


def main(argv: Sequence[str]) -> int:
    """Runs the verb; returns its exit code."""
    return cli.run(DESCRIBE, _run, argv)


def _run(parsed: Parsed) -> int:
    settings, as_json = parsed.group(DescribeSettings), parsed.group(OutputSettings).json
    operations = parsed.group(OperationSettings)
    offered = find_operations(operations)
    if "space" in parsed.given:
        if settings.genotype is not None:
            raise UsageError("--space and --genotype; describe one of them at a time")
        space = find_space(parsed.group(SpaceSettings), offered)
        print(json.dumps(space_json(space)) if as_json else space_text(space))
        return DONE
    task = find_task(parsed.group(TaskSettings).task or next(iter(TASKS)))
    description = describe(settings, parsed.group(NetworkSettings), task)
    operations.check_genotype(description.genotype)
    if settings.picture:
        _draw(description.genotype, settings.picture, settings.genotype or "")
    print(json.dumps(_json(description)) if as_json else _text(description))
    return DONE


def describe(settings: DescribeSettings, network: NetworkSettings, task: Task) -> Description:
    """Finds the genotype and counts the cost of its network."""
    if settings.genotype is None:
        raise UsageError(f"--genotype is missing; give a file, a --space or one of {', '.join(PUBLISHED)}")
    genotype = find_genotype(settings.genotype)
    preset = skeleton_of(genotype, network, task.head(1).reads, default="cifar")
    classes, size = settings.classes or preset.classes, (preset.image_size, preset.image_size)
    height, width = parse_image_size(settings.image_size) if settings.image_size else size
    shape, head = (height, width, settings.channels), task.head(classes)
    skeleton = solve(genotype, network, shape, head, default="cifar")
    return Description(genotype, skeleton, shape, classes, plan_network(genotype, skeleton, shape, head).cost())


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
            family_of(description.genotype).text(description.genotype),
            "",
            f"Network: {'; '.join(network)}",
            f"  trainable parameters  {cost.trainable:,}",
            f"  other parameters      {cost.other:,}  (moving averages of batch normalization)",
            f"  multiply-adds         {cost.madds:,}  (convolutions and dense layers, one image)",
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
