"""A model to be exported, and facts from the folder of its training. No TensorFlow."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from rl_nas.child.data.settings import DataSettings, InputPipelineSettings
from rl_nas.errors import UsageError
from rl_nas.renamed import BEFORE
from rl_nas.store.run_folder import TrainingFolder
from rl_nas.tasks.catalog import DATA_SETTINGS
from rl_nas.tasks.settings import TaskSettings
from rl_nas.workflows.trust import check_recorded


class ExportSource:
    """The model's file, and facts of its training, which a file alone lacks.

    Attributes:
        file: model.keras.
        results: content of the training's results.json.
        flags: of the training.
        of_tasks: settings of all tasks that say what the targets are, of the training or of this call.
        data: the data set, of the training or of this call.
        pipeline: settings of the training's input pipeline.
        task: name of the task; None: the first whose targets the data set has.
        trust: whether the user trusts what this call reads.
    """

    def __init__(self, model: str, values: Mapping[str, Any], given: Collection[str]) -> None:
        """Finds the file.

        Args:
            model: the folder of a training, or its model.keras.
            values: flags of this call.
            given: names of the given flags.

        Raises:
            UsageError: there is no such model, or no data set for it.
        """
        path = Path(model)
        self.file = path / "model.keras" if path.is_dir() else path
        if not self.file.exists():
            hint = "a search: train its best cell first (rl_nas train)" if (path / "best").is_dir() else "no training"
            raise UsageError(f"--model={model}: no {self.file}; {'it is ' + hint if path.is_dir() else 'no such file'}")
        folder = TrainingFolder(self.file.parent)
        self.trust: bool = values["trust"]
        self.results: dict[str, Any] = {}
        self.flags: dict[str, Any] = {}
        if folder.config.exists() and folder.results.exists():
            self.results = folder.read_results()
            config = folder.read_config()
            used = {
                *TaskSettings().flags(),
                *DataSettings().flags(),
                *(n for one in DATA_SETTINGS for n in one().flags()),
            }
            check_recorded(config, given, folder.path, trust=values["trust"], read=used)
            self.flags = {**BEFORE, **config["flags"]}
        elif "dataset" not in given:
            raise UsageError(f"--model={model} is not in a training's folder: give its data set with --dataset")
        merged = {**values, **self.flags, **{name: values[name] for name in given}}
        self.data = DataSettings.from_flags(merged)
        self.pipeline = InputPipelineSettings.from_flags({**InputPipelineSettings().flags(), **self.flags})
        self.of_tasks = tuple(group.from_flags({**group().flags(), **merged}) for group in DATA_SETTINGS)
        self.task = TaskSettings.from_flags({"task": None, **merged}).task
