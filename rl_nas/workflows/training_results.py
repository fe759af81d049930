"""What a finished training leaves beside its model: facts, measurements of several views, examples."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from rl_nas.child.data.images import selected
from rl_nas.child.data.input_pipeline import InputPipeline
from rl_nas.child.data.normalization import Normalization
from rl_nas.child.export.serving import Serving
from rl_nas.child.training.full_training import Measured
from rl_nas.evaluation.averaged_views import AveragedViews
from rl_nas.metrics import quality_of
from rl_nas.networks.features import FeatureMaps
from rl_nas.networks.genotypes import to_json
from rl_nas.networks.network import size_notation
from rl_nas.report.tables import measured_text
from rl_nas.store.training_folder import TrainingFolder
from rl_nas.workflows.examples import batch_size, examined, write_examples
from rl_nas.workflows.training_setup import TrainingSetup


def training_facts(setup: TrainingSetup) -> dict[str, Any]:
    """The part of results.json that does not depend on the training."""
    config, networks, genotype, source, cost = setup.config, setup.networks, setup.genotype, setup.source, setup.cost
    skeleton, backbone = networks.skeleton(genotype), networks.backbone_of(genotype)
    parts = {name: to_json(part) for name, part in networks.problem.parts.items()}
    if not isinstance(backbone, FeatureMaps) and backbone is not genotype:
        parts["backbone"] = to_json(backbone)
    return {
        "task": networks.task.name,
        "genotype_name": config.run.genotype,
        "genotype": to_json(genotype),
        "parts": parts,
        "network": {
            **asdict(skeleton),
            "size": size_notation(backbone, skeleton),
            "image": list(source.shape),
            "trainable_parameters": cost.trainable,
            "other_parameters": cost.other,
            "multiply_adds": cost.madds,
        },
        "dataset": source.name,
        "classes": list(source.class_names),
        "epochs": config.training.epochs,
        "precision": config.training.precision,
        "seed": config.run.seed,
        "split_seed": config.data.split_seed,
    }


def measured_views(
    views: AveragedViews,
    weights: Mapping[str, np.ndarray],
    normalization: Normalization,
    pipeline: InputPipeline,
    test_split: str | None,
) -> dict[str, Any]:
    """Measurements of mean predictions over several views, on the splits of the final measurements."""
    splits = {"valid": "valid" if pipeline.size("valid") else None, "final_test": test_split}
    measured = {
        name: split and views.measure(weights, pipeline, split, normalization).document()
        for name, split in splits.items()
    }
    return {**views.settings.document(), **measured}


def write_training_examples(setup: TrainingSetup, serving: Serving, valid: Measured, folder: TrainingFolder) -> None:
    """Draws held-out images with their targets and predictions.

    Args:
        setup: of the training.
        serving: the trained network.
        valid: its measurement on the held-out images.
        folder: of the training.
    """
    source, pipeline, name = setup.source, setup.pipeline, setup.config.run.genotype or "network"
    figure = measured_text(*quality_of(valid.metrics), valid.images)
    count, size = examined(valid.images), min(valid.images, batch_size(source.shape))
    measured = pipeline.measured("valid", size).as_numpy_iterator()
    batches = (
        selected(batch[:2], slice(count - start)) for start, batch in zip(range(0, count, size), measured, strict=False)
    )
    title = f"{name}, {figure} on {valid.images} held-out images"
    write_examples(setup.task, source.annotation, serving, batches, count, pipeline.seed, folder.examples, title)
