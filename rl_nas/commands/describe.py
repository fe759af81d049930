"""`rl_nas describe`: a genotype and the cost of a network of it, or a search space.

TensorFlow is loaded for backbones of Keras alone.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from rl_nas.commands import cli
from rl_nas.errors import UsageError, printable_lines
from rl_nas.exit_codes import DONE
from rl_nas.flags.parsing import Command, OutputSettings, Parsed
from rl_nas.networks.families.catalog import family_of
from rl_nas.networks.families.family import BACKBONE
from rl_nas.networks.genotypes import to_json
from rl_nas.networks.lookup import find_genotype
from rl_nas.networks.own_operations import OperationSettings, find_operations
from rl_nas.networks.settings import NetworkSettings
from rl_nas.report.space_text import space_json, space_text
from rl_nas.report.trial_text import trial_text
from rl_nas.settings import Settings, setting
from rl_nas.spaces.catalog import check_read, find_space
from rl_nas.spaces.decisions import Genotype
from rl_nas.spaces.published import PUBLISHED
from rl_nas.spaces.settings import SpaceSettings
from rl_nas.store.files import storage_errors, write_text
from rl_nas.tasks.catalog import TASK_SETTINGS, TASKS, check_unread, find_task
from rl_nas.tasks.settings import PartSettings, TaskSettings
from rl_nas.tasks.task import Task
from rl_nas.trial import trial_document
from rl_nas.workflows.description import Description, describe
from rl_nas.workflows.networks import check_part
from rl_nas.workflows.origin import Origin
from rl_nas.workflows.run_config import held_out
from rl_nas.workflows.run_record import RunRecord
from rl_nas.workflows.trust import TrustSettings


@dataclass(frozen=True)
class DescribeSettings(Settings):
    """The genotype to describe."""

    title: ClassVar[str] = "Genotype"

    genotype: str | None = setting(
        None,
        "needed unless --space or --run_dir is given; a genotype file, a run's folder (image, classes and network are"
        " then those of the run), a NAS-Bench-201 string, a DARTS Genotype(...), an arc of ENAS' micro space, or one of"
        f" {', '.join(PUBLISHED)}",
    )
    run_dir: str | None = setting(None, "folder of a search, one of whose trials is described")
    trial: int | None = setting(None, "number of that trial; left out: the best", minimum=0)
    picture: str | None = setting(None, "also draw it into this PNG file")
    image_size: str | None = setting(
        None,
        "pixels of the images that the cost is for, N for a square or HxW; left out: the run's, or the preset's, or 224"
        " with a backbone of Keras",
    )
    channels: int = setting(3, "channels of the images; left out: the run's, or 3", minimum=1, maximum=10_000)
    released: str | None = setting(None, "also write it into this file, in the JSON form of its authors' code")


DESCRIBE = Command(
    name="rl_nas describe",
    summary="prints a genotype, and the parameters and multiply-adds of a network of it; or a search space.",
    examples=(
        "rl_nas describe --genotype=NASNet-A --network=imagenet_mobile",
        "rl_nas describe --genotype=AmoebaNet-A --network=cifar --target_params=3.2e6",
        "rl_nas describe --genotype=runs/digits --json",
        "rl_nas describe --run_dir=runs/digits --trial=12 --picture=trial12.png",
        "rl_nas describe --space=nasnet --blocks=3",
        "rl_nas describe --genotype=DPC-top1 --backbone=NASNet-A --network=imagenet_mobile --image_size=512x1024"
        " --classes=19",
    ),
    groups=(
        *(DescribeSettings, TrustSettings, SpaceSettings, OperationSettings),
        *(TaskSettings, PartSettings, NetworkSettings),
        *TASK_SETTINGS,
    ),
)


def main(argv: Sequence[str]) -> int:
    """Runs the verb; returns its exit code."""
    return cli.run(DESCRIBE, _run, argv, only_prints=lambda parsed: True)


def _run(parsed: Parsed) -> int:
    settings, as_json = parsed.group(DescribeSettings), parsed.group(OutputSettings).json
    given = [f"--{name}" for name in ("space", "genotype", "run_dir") if name in parsed.given]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)}; describe one of them at a time")
    if settings.trial is not None and settings.run_dir is None:
        raise UsageError(f"--trial={settings.trial} is of a run; give its folder with --run_dir")
    if "space" in parsed.given:
        offered = find_operations(parsed.group(OperationSettings))
        check_read(parsed.group(SpaceSettings))
        space = find_space(parsed.group(SpaceSettings), offered)
        print(json.dumps(space_json(space)) if as_json else space_text(space))
        return DONE
    run = None if settings.run_dir is None else _opened(settings.run_dir, parsed)
    origin = Origin.of(settings.genotype if run is None else settings.run_dir)
    told = ""
    if origin is not None:
        parsed, told = origin.for_description(parsed)
    subject = _subject(settings, run, parsed)
    if settings.picture:
        _draw(subject.genotype, settings.picture, subject.title)
    if settings.released:
        _write_released(subject.genotype, settings.released)
    text, document = _described(subject, parsed, origin)
    if run is not None:
        trial = run.trial(settings.trial)
        weights = run.weights(trial)
        images = held_out(run.config, run.folder.config)
        text = f"{trial_text(trial, run.folder.path, weights, images)}\n\n{text}"
        document["trial"] = {**trial_document(trial), "weights": None if weights is None else str(weights)}
    if told:
        cli.tell(told)
    print(json.dumps(document) if as_json else printable_lines(text))
    return DONE


class _Subject(NamedTuple):
    """A genotype that is described, the flag that it comes from, and the heading of its picture."""

    genotype: Genotype
    what: str
    title: str


def _opened(run_dir: str, parsed: Parsed) -> RunRecord:
    return RunRecord(run_dir, trust=parsed.values["trust"], given=parsed.given, what="--run_dir=")


def _subject(settings: DescribeSettings, run: RunRecord | None, parsed: Parsed) -> _Subject:
    operations = parsed.group(OperationSettings)
    find_operations(operations)
    if run is not None:
        trial = run.trial(settings.trial)
        what = f"trial {trial.index}"
        found = _Subject(run.genotype(trial), what, what if trial.reward is None else f"{what}, {trial.reward:.4f}")
    elif settings.genotype is None:
        expected = f"a file, a run's folder, a --space or one of {', '.join(PUBLISHED)}"
        raise UsageError(f"--genotype is missing; give {expected}")
    else:
        found = _Subject(find_genotype(settings.genotype), f"--genotype={settings.genotype}", settings.genotype)
    operations.check_genotype(found.genotype)
    return found


def _described(subject: _Subject, parsed: Parsed, origin: Origin | None) -> tuple[str, dict[str, Any]]:
    """A genotype and what its network costs, as text and as JSON."""
    genotype, task = subject.genotype, _task(subject.genotype, parsed.group(TaskSettings).task)
    check_unread(task, tuple(parsed.group(group) for group in TASK_SETTINGS), ("classes",))
    if check_part(task, genotype, subject.what) != BACKBONE and parsed.values["backbone"] is None:
        text = f"{family_of(genotype).text(genotype)}\n\nNetwork: give --backbone to see what the {task.noun} costs"
        return text, _genotype_json(genotype)
    classes, preset = (None, "cifar") if origin is None else (origin.classes, origin.preset)
    found = describe(genotype, subject.what, parsed.values, task, classes=classes, preset=preset)
    return _text(found), _json(found)


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
