"""`rl_nas describe`: a genotype and the cost of a network of it, or a search space.

TensorFlow is loaded for backbones of Keras alone.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from rl_nas.commands import cli
from rl_nas.errors import UsageError
from rl_nas.exit_codes import DONE
from rl_nas.flags.parsing import Command, OutputSettings, Parsed
from rl_nas.image_size import parse_image_size
from rl_nas.networks.families.catalog import family_of
from rl_nas.networks.families.family import BACKBONE
from rl_nas.networks.genotypes import to_json
from rl_nas.networks.layer import Cost
from rl_nas.networks.lookup import find_genotype
from rl_nas.networks.network import size_notation
from rl_nas.networks.own_operations import OperationSettings, find_operations
from rl_nas.networks.settings import NetworkSettings, skeleton_of
from rl_nas.networks.skeleton import Skeleton
from rl_nas.report.space_text import space_json, space_text
from rl_nas.settings import Settings, setting
from rl_nas.spaces.catalog import check_read, find_space
from rl_nas.spaces.decisions import Genotype
from rl_nas.spaces.published import PUBLISHED
from rl_nas.spaces.settings import SpaceSettings
from rl_nas.store.files import storage_errors, write_text
from rl_nas.tasks.catalog import TASK_SETTINGS, TASKS, check_unread, find_task
from rl_nas.tasks.networks import Networks
from rl_nas.tasks.settings import PartSettings, TaskSettings
from rl_nas.tasks.task import Task
from rl_nas.workflows.networks import check_part, find_backbone, make_networks
from rl_nas.workflows.tensorflow_setup import load_tensorflow


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
        None,
        "pixels of the images that the cost is for, N for a square or HxW; left out: the preset's, or 224 with a"
        " backbone of Keras",
    )
    channels: int = setting(3, "channels of the images", minimum=1, maximum=10_000)
    released: str | None = setting(None, "also write it into this file, in the JSON form of its authors' code")


_KERAS_IMAGE = 224
"""Pixels of the images that models of keras.applications are published for."""

DESCRIBE = Command(
    name="rl_nas describe",
    summary="prints a genotype, and the parameters and multiply-adds of a network of it; or a search space.",
    examples=(
        "rl_nas describe --genotype=NASNet-A --network=imagenet_mobile",
        "rl_nas describe --genotype=AmoebaNet-A --network=cifar --target_params=3.2e6",
        "rl_nas describe --genotype=runs/digits/best/genotype.json --json",
        "rl_nas describe --space=nasnet --blocks=3",
        "rl_nas describe --genotype=DPC-top1 --backbone=NASNet-A --network=imagenet_mobile --image_size=512x1024"
        " --classes=19",
    ),
    groups=(
        *(DescribeSettings, SpaceSettings, OperationSettings, TaskSettings, PartSettings, NetworkSettings),
        *TASK_SETTINGS,
    ),
)


@dataclass(frozen=True)
class Description:
    """A genotype and the cost of its network at inference.

    Attributes:
        genotype: of a part of the network.
        networks: of which it is one.
        keras: cost of a backbone that is a Keras model.
    """

    genotype: Genotype
    networks: Networks
    keras: Cost

    @cached_property
    def skeleton(self) -> Skeleton:
        """The network around the backbone."""
        return self.networks.skeleton(self.genotype)

    @cached_property
    def cost(self) -> Cost:
        """Parameters and multiply-adds."""
        return self.networks.plan(self.genotype).cost() + self.keras

    @property
    def size(self) -> str:
        """N@P as in the papers; empty without cells."""
        return size_notation(self.networks.backbone_of(self.genotype), self.skeleton)


def main(argv: Sequence[str]) -> int:
    """Runs the verb; returns its exit code."""
    return cli.run(DESCRIBE, _run, argv, only_prints=lambda parsed: True)


def _run(parsed: Parsed) -> int:
    settings, as_json = parsed.group(DescribeSettings), parsed.group(OutputSettings).json
    operations = parsed.group(OperationSettings)
    offered = find_operations(operations)
    if "space" in parsed.given:
        if settings.genotype is not None:
            raise UsageError("--space and --genotype; describe one of them at a time")
        check_read(parsed.group(SpaceSettings))
        space = find_space(parsed.group(SpaceSettings), offered)
        print(json.dumps(space_json(space)) if as_json else space_text(space))
        return DONE
    genotype = _genotype(settings)
    operations.check_genotype(genotype)
    if settings.picture:
        _draw(genotype, settings.picture, settings.genotype or "")
    if settings.released:
        _write_released(genotype, settings.released)
    task = _task(genotype, parsed.group(TaskSettings).task)
    check_unread(task, tuple(parsed.group(group) for group in TASK_SETTINGS), ("classes",))
    if check_part(task, genotype, f"--genotype={settings.genotype}") != BACKBONE and parsed.values["backbone"] is None:
        text = f"{family_of(genotype).text(genotype)}\n\nNetwork: give --backbone to see what the {task.noun} costs"
        print(json.dumps(_genotype_json(genotype)) if as_json else text)
        return DONE
    description = describe(genotype, parsed.values, task)
    print(json.dumps(_json(description)) if as_json else _text(description))
    return DONE


def describe(genotype: Genotype, flags: Mapping[str, Any], task: Task) -> Description:
    """Plans the network of a genotype.

    Args:
        genotype: to describe.
        flags: values by name.
        task: of the network.
    """
    settings = DescribeSettings.from_flags(flags)
    backbone, trained = genotype, None
    if family_of(genotype).part != BACKBONE:
        named = find_backbone(flags["backbone"], task, NetworkSettings.from_flags(flags))
        if named.genotype is None:
            load_tensorflow()
            backbone, trained = genotype, Skeleton(image_size=_KERAS_IMAGE)
        else:
            backbone, trained = named.genotype, named.skeleton
    reads = task.head(task.problem((), flags)).reads
    preset = trained or skeleton_of(backbone, NetworkSettings.from_flags(flags), reads, default="cifar")
    height, width = parse_image_size(settings.image_size) if settings.image_size else (preset.image_size,) * 2
    shape = (height, width, settings.channels)
    names = task.class_names(flags)
    problem = task.problem(tuple(map(str, range(preset.classes))) if names is None else names, flags)
    what = f"--genotype={settings.genotype}"
    networks, found = make_networks(task, problem, genotype, what, flags, shape, "cifar", weights=False)
    keras = None if found is None else found.keras
    return Description(genotype, networks, Cost() if keras is None else keras.cost)


def _genotype(settings: DescribeSettings) -> Genotype:
    if settings.genotype is None:
        raise UsageError(f"--genotype is missing; give a file, a --space or one of {', '.join(PUBLISHED)}")
    return find_genotype(settings.genotype)


def _task(genotype: Genotype, name: str | None) -> Task:
    """The given task, or the first one whose networks have the part that a genotype describes."""
    part = family_of(genotype).part
    return find_task(name) if name else next(task for task in TASKS.values() if part in task.parts)


def _write_released(genotype: Genotype, path: str) -> None:
    family = family_of(genotype)
    if family.to_foreign is None:
        raise UsageError(f"--released={path}: genotypes of kind {genotype.KIND} have no JSON form of their authors")
    write_text(Path(path), json.dumps(family.to_foreign(genotype)) + "\n")


def _draw(genotype: Genotype, path: str, title: str) -> None:
    from rl_nas.report.picture import draw_genotype  # imports matplotlib

    with storage_errors(Path(path)):
        draw_genotype(genotype, path, title=title)


def _text(description: Description) -> str:
    cost, skeleton, networks = description.cost, description.skeleton, description.networks
    height, width, channels = networks.image_shape
    network = [f"{height}x{width}x{channels} images, {networks.problem.classes} classes"]
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
    cost, networks = description.cost, description.networks
    return {
        **_genotype_json(description.genotype),
        "task": networks.task.name,
        "network": asdict(description.skeleton),
        "size": description.size,
        "image": list(networks.image_shape),
        "classes": networks.problem.classes,
        "trainable_parameters": cost.trainable,
        "other_parameters": cost.other,
        "multiply_adds": cost.madds,
    }


def _genotype_json(genotype: Genotype) -> dict[str, Any]:
    return {"genotype": to_json(genotype), "canonical_key": genotype.canonical_key()}


if __name__ == "__main__":
    import sys

    sys.exit(main(sys.argv[1:]))
