"""`rl_nas train`: from a genotype to a trained network and its results."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from rl_nas.child.settings import DataSettings, DeviceSettings
from rl_nas.child.training.tf_config import check_places, worker_index
from rl_nas.commands import cli, run_config
from rl_nas.commands.train_flags import CHANGEABLE, TRAIN, TrainRunSettings
from rl_nas.commands.training_run import TrainingRun
from rl_nas.errors import UsageError
from rl_nas.flags.parsing import OutputSettings, Parsed, flag_words, parse
from rl_nas.networks.genotypes import load, to_json
from rl_nas.networks.lookup import find_genotype
from rl_nas.report.training_summary import training_text
from rl_nas.spaces.decisions import Genotype
from rl_nas.spaces.published import PUBLISHED
from rl_nas.store.files import write_text
from rl_nas.store.run_folder import TrainingFolder


def main(argv: Sequence[str]) -> int:
    """Runs the verb; returns its exit code."""
    return cli.run(TRAIN, _run, argv)


def train(genotype: Genotype | str | None = None, **flags: Any) -> dict[str, Any]:
    """Trains the network of a genotype in full, as `rl_nas train` does.

    Args:
        genotype: what to train; a name, file or folder, or the genotype itself. Left out with `resume=True`.
        **flags: those of `rl_nas train`, `run_dir` among them; `flagfile` may be a list.

    Returns:
        The content of results.json; nothing in other workers than the first.

    Raises:
        UsageError: a flag, the data or the folder is not what it must be.
        RunError: the training diverged.
    """
    if isinstance(genotype, str):
        flags["genotype"] = genotype
    given = None if isinstance(genotype, str) else genotype
    return _train(parse(TRAIN, flag_words(flags)), given) or {}


def _run(parsed: Parsed) -> int:
    try:
        results = _train(parsed)
    except KeyboardInterrupt:
        folder = TrainingFolder(parsed.values["run_dir"])
        if not folder.config.exists():
            raise
        print(f"stopped; continue with: rl_nas train --resume --run_dir={folder.path}", file=sys.stderr)
        return cli.INTERRUPTED
    return cli.DONE if results is None else _show(results, TrainingFolder(parsed.values["run_dir"]), parsed)


def _train(parsed: Parsed, genotype: Genotype | None = None) -> dict[str, Any] | None:
    """The results of a new or a continued training; None in other workers than the first."""
    run = parsed.group(TrainRunSettings)
    if run.run_dir is None:
        raise UsageError("--run_dir is missing; give the folder of the training, such as --run_dir=runs/final")
    folder = TrainingFolder(run.run_dir)
    if run.resume:
        first = worker_index(parsed.group(DeviceSettings)) == 0
        recorded = folder.reopen() if first else folder.read_config()
        return _resume(run_config.merge(parsed, recorded["flags"], CHANGEABLE), folder)
    if genotype is None:
        if run.genotype is None:
            raise UsageError(f"--genotype is missing; give a file, a run's folder or one of {', '.join(PUBLISHED)}")
        genotype = find_genotype(run.genotype)
    devices = parsed.group(DeviceSettings)
    check_places(devices, data_dir=parsed.group(DataSettings).data_dir, checkpoint_dir=run.checkpoint_dir)
    if worker_index(devices):  # the first worker makes the folder
        TrainingRun(parsed, folder, genotype).run()
        return None
    folder.check_new()
    started = TrainingRun(parsed, folder, genotype)  # checks everything before anything is written
    folder.create(run_config.config(parsed), run_config.repeating_flagfile(parsed, TRAIN.name))
    write_text(folder.genotype, json.dumps(to_json(genotype), indent=2) + "\n")
    return started.run()


def _resume(parsed: Parsed, folder: TrainingFolder) -> dict[str, Any] | None:
    genotype = load(folder.genotype)
    name = parsed.group(TrainRunSettings).genotype
    if "genotype" in parsed.given and find_genotype(name or "").canonical_key() != genotype.canonical_key():
        raise UsageError(f"--genotype={name} is not what {folder.path} trains; leave it out, or give another --run_dir")
    if folder.results.exists():
        results: dict[str, Any] = json.loads(folder.results.read_text(encoding="utf-8"))
        return results
    training = TrainingRun(parsed, folder, genotype)
    results = training.run()
    return results if training.first else None


def _show(results: dict[str, Any], folder: TrainingFolder, parsed: Parsed) -> int:
    print(json.dumps(results) if parsed.group(OutputSettings).json else training_text(results, folder.files()))
    return cli.DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
