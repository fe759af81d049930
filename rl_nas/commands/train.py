"""`rl_nas train`: from a genotype to a trained network and its results."""

import json
import os
import sys
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from rl_nas.child.training.settings import DeviceSettings
from rl_nas.child.training.tf_config import check_places, worker_index
from rl_nas.commands import cli
from rl_nas.errors import UsageError, printable_lines
from rl_nas.exit_codes import DONE, INTERRUPTED
from rl_nas.flags.parsing import Command, OutputSettings, Parsed, flag_words, parse
from rl_nas.networks.genotypes import load, to_json
from rl_nas.networks.lookup import find_genotype
from rl_nas.networks.own_operations import find_operations
from rl_nas.report.tables import counted
from rl_nas.report.training_summary import training_text
from rl_nas.spaces.decisions import Genotype
from rl_nas.spaces.published import PUBLISHED
from rl_nas.store.json_files import blaming
from rl_nas.store.training_folder import TrainingFolder
from rl_nas.workflows import run_config
from rl_nas.workflows.config import TrainConfig
from rl_nas.workflows.origin import Origin
from rl_nas.workflows.settings import TrainRunSettings
from rl_nas.workflows.sizing import without_given
from rl_nas.workflows.tensorflow_setup import determinism_kept, load_tensorflow

if TYPE_CHECKING:
    from rl_nas.workflows.training import TrainingRun

CHANGEABLE = (
    "run_dir",
    "resume",
    "data_dir",
    "auto",
    "json",
    "debug",
    "genotype",
    "keep",
    "checkpoint_dir",
    "checkpoint_steps",
    "final_test",
    "valid_every",
    "eval_scales",
    "eval_flip",
)
"""Flags that may change when a training is resumed (the genotype is read from the run's folder)."""

TRAIN = Command(
    name="rl_nas train",
    summary=(
        "full training of a genotype's network; measures it on held-out images\n"
        "after every epoch, and once, at the end, on the test split."
    ),
    examples=(
        "rl_nas train --genotype=runs/digits --run_dir=runs/digits-best",
        "rl_nas train --genotype=runs/digits --flagfile=flags/digits_final.cfg --run_dir=runs/digits-final",
        "rl_nas train --genotype=NASNet-A --flagfile=flags/cifar10_nasnet_a.cfg --run_dir=runs/nasnet-a",
        "rl_nas train --init=runs/nasnet-a --flagfile=flags/finetune.cfg --dataset=folder:photos --image_size=32"
        " --genotype=NASNet-A --run_dir=runs/photos",
        "rl_nas train --resume --run_dir=runs/nasnet-a",
    ),
    groups=TrainConfig.groups(),
)


def main(argv: Sequence[str]) -> int:
    """Runs the verb; returns its exit code."""
    return cli.run(TRAIN, _run, argv)


def train(genotype: Genotype | str | os.PathLike[str] | None = None, **flags: Any) -> dict[str, Any]:
    """Runs the full training of a genotype's network, as `rl_nas train` does.

    Args:
        genotype: a name, a file, the folder of a run, which tells the data set, too, or the genotype itself. Left out
            with `resume=True`.
        **flags: those of `rl_nas train`, `run_dir` among them; `flagfile` may be a list.

    Returns:
        The content of results.json; empty in workers other than the first.

    Raises:
        UsageError: a flag, the data or the folder is invalid.
        RunError: the training diverged.
    """
    if isinstance(genotype, (str, os.PathLike)):
        flags["genotype"], genotype = os.fspath(genotype), None
    with determinism_kept():
        return _train(parse(TRAIN, flag_words(flags)), genotype) or {}


def _run(parsed: Parsed) -> int:
    try:
        results = _train(parsed)
    except KeyboardInterrupt:
        folder = TrainingFolder(parsed.values["run_dir"])
        if not folder.config.exists():
            raise
        print(f"stopped; continue with: rl_nas train --resume --run_dir={folder.path}", file=sys.stderr)
        return INTERRUPTED
    return DONE if results is None else _show(results, TrainingFolder(parsed.values["run_dir"]), parsed)


def _train(parsed: Parsed, genotype: Genotype | None = None) -> dict[str, Any] | None:
    """The results of a new or a continued training; None in workers other than the first."""
    run, debug = parsed.group(TrainRunSettings), parsed.group(OutputSettings).debug
    if run.run_dir is None:
        raise UsageError("--run_dir is missing; give the folder of the training, such as --run_dir=runs/final")
    folder = TrainingFolder(run.run_dir)
    if run.resume:
        first = worker_index(parsed.group(DeviceSettings)) == 0
        recorded = folder.reopen() if first else folder.read_config()
        changeable = (*CHANGEABLE, *run_config.moved(recorded, parsed))
        return _resume(run_config.merge(parsed, recorded, changeable), folder, recorded, debug)
    return _start(parsed, folder, genotype, debug)


def _start(parsed: Parsed, folder: TrainingFolder, genotype: Genotype | None, debug: bool) -> dict[str, Any] | None:
    origin, told = Origin.of(parsed.values["genotype"]) if genotype is None else None, ""
    if origin is not None:
        parsed, told = origin.for_training(parsed)
    config = TrainConfig.from_flags(without_given(parsed.values, parsed.given))
    find_operations(config.operations)
    if config.start.init is None and config.start.init_head != "auto":
        raise UsageError(f"--init_head={config.start.init_head} has no effect without --init; leave it out")
    if genotype is None:
        if config.run.genotype is None:
            raise UsageError(f"--genotype is missing; give a file, a run's folder or one of {', '.join(PUBLISHED)}")
        genotype = find_genotype(config.run.genotype)
    config.data.required_dataset()
    check_places(config.devices, data_dir=config.data.data_dir, checkpoint_dir=config.run.checkpoint_dir)
    first = worker_index(config.devices) == 0
    if first:  # it creates the folder
        folder.check_new()
    if told:
        cli.tell(told)
    if not first:
        _prepared(config, folder, genotype, debug, parsed.typed).run()
        return None
    started = _prepared(config, folder, genotype, debug, parsed.typed)  # checks everything before anything is written
    flags = started.config.flags()
    text = json.dumps(to_json(genotype), indent=2) + "\n"
    config_document = run_config.config(flags, started.data)
    folder.create(config_document, run_config.repeating_flagfile(flags, TRAIN.name), genotype=text)
    return started.run()


def _prepared(
    config: TrainConfig, folder: TrainingFolder, genotype: Genotype, debug: bool, asked: Collection[str] = ()
) -> "TrainingRun":
    config.operations.check_genotype(genotype)
    if worker_index(config.devices) == 0:
        cli.tell(_first_line(config, folder))
    load_tensorflow(debug=debug)
    from rl_nas.workflows.training import TrainingRun

    return TrainingRun(config, folder, genotype, asked)


def _first_line(config: TrainConfig, folder: TrainingFolder) -> str:
    """What is known before anything is loaded."""
    run = config.run
    name = "a genotype" if run.genotype is None else f"--genotype={run.genotype}"
    epochs = "epochs by the data" if "epochs" in config.auto.names else counted(config.training.epochs, "epoch")
    what = f"{name} on {config.data.dataset}, {epochs}"
    return f"train: {what}{', continued' if run.resume else ''}, in {folder.path}"


def _resume(parsed: Parsed, folder: TrainingFolder, recorded: dict[str, Any], debug: bool) -> dict[str, Any] | None:
    with blaming(folder.config):
        config = TrainConfig.from_flags({**parsed.values, "auto": None})  # they were found when the training began
    find_operations(config.operations)
    genotype = load(folder.genotype)
    name = config.run.genotype
    if "genotype" in parsed.given and find_genotype(name or "").canonical_key() != genotype.canonical_key():
        raise UsageError(f"--genotype={name} is not what {folder.path} trains; leave it out, or give another --run_dir")
    if folder.results.exists():
        results = folder.read_results()
        if config.evaluation.measured_in(results):
            return results
        return _prepared(config, folder, genotype, debug).add_views(results)
    training = _prepared(config, folder, genotype, debug)
    if training.first:
        folder.write_config(run_config.changed(recorded, training.config.flags(), training.data))
    results = training.run()
    return results if training.first else None


def _show(results: dict[str, Any], folder: TrainingFolder, parsed: Parsed) -> int:
    print(
        json.dumps(results)
        if parsed.group(OutputSettings).json
        else printable_lines(training_text(results, folder.files()))
    )
    return DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
