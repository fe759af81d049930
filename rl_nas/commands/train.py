"""`rl_nas train`: from a genotype to a trained network and its results."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from rl_nas.child.cluster import check_places, worker_index
from rl_nas.child.settings import DataSettings, DeviceSettings
from rl_nas.commands import frame, run_config
from rl_nas.commands.train_flags import CHANGEABLE, TRAIN, TrainSettings
from rl_nas.commands.training_run import TrainingRun
from rl_nas.errors import UsageError
from rl_nas.flags.parsing import OutputSettings, Parsed
from rl_nas.report.training_summary import training_text
from rl_nas.spaces import genotype as genotypes
from rl_nas.spaces.find import find_genotype
from rl_nas.spaces.published import PUBLISHED
from rl_nas.store.files import write_text
from rl_nas.store.run_folder import TrainingFolder


def main(argv: Sequence[str]) -> int:
    """Runs the verb; returns its exit code."""
    return frame.run(TRAIN, _run, argv)


def _run(parsed: Parsed) -> int:
    run = parsed.group(TrainSettings)
    if run.run_dir is None:
        raise UsageError("--run_dir is missing; give the folder of the training, such as --run_dir=runs/final")
    folder = TrainingFolder(run.run_dir)
    if run.resume:
        first = worker_index(parsed.group(DeviceSettings)) == 0
        recorded = folder.reopen() if first else folder.read_config()
        return _resume(run_config.merge(parsed, recorded["flags"], CHANGEABLE), folder)
    if run.genotype is None:
        raise UsageError(f"--genotype is missing; give a file, a run's folder or one of {', '.join(PUBLISHED)}")
    genotype = find_genotype(run.genotype)
    devices = parsed.group(DeviceSettings)
    check_places(devices, data_dir=parsed.group(DataSettings).data_dir, checkpoint_dir=run.checkpoint_dir)
    if worker_index(devices):  # the first worker makes the folder
        return _train(TrainingRun(parsed, folder, genotype), parsed)
    folder.check_new()
    started = TrainingRun(parsed, folder, genotype)  # checks data and network before anything is written
    folder.create(run_config.config(parsed), run_config.repeating_flagfile(parsed, TRAIN.name))
    write_text(folder.genotype, json.dumps(genotypes.to_json(genotype), indent=2) + "\n")
    return _train(started, parsed)


def _resume(parsed: Parsed, folder: TrainingFolder) -> int:
    genotype = genotypes.load(folder.genotype)
    name = parsed.group(TrainSettings).genotype
    if "genotype" in parsed.given and find_genotype(name or "").canonical_key() != genotype.canonical_key():
        raise UsageError(f"--genotype={name} is not what {folder.path} trains; leave it out, or give another --run_dir")
    if folder.results.exists():
        return _show(json.loads(folder.results.read_text(encoding="utf-8")), folder, parsed)
    return _train(TrainingRun(parsed, folder, genotype), parsed)


def _train(training: TrainingRun, parsed: Parsed) -> int:
    """Trains and prints the results; Ctrl-C ends it, and the last checkpoint stays."""
    try:
        results = training.run()
    except KeyboardInterrupt:
        print(f"stopped; continue with: rl_nas train --resume --run_dir={training.folder.path}", file=sys.stderr)
        return frame.INTERRUPTED
    return _show(results, training.folder, parsed) if training.first else frame.DONE


def _show(results: dict[str, Any], folder: TrainingFolder, parsed: Parsed) -> int:
    print(json.dumps(results) if parsed.group(OutputSettings).json else training_text(results, folder.files()))
    return frame.DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
