"""A model to be exported, with the data that it is compared on. No TensorFlow."""

from collections.abc import Collection, Mapping
from typing import Any

from rl_nas.child.data.settings import DataSettings, InputPipelineSettings
from rl_nas.errors import UsageError
from rl_nas.renamed import BEFORE
from rl_nas.tasks.catalog import DATA_SETTINGS
from rl_nas.tasks.settings import TaskSettings
from rl_nas.workflows.recorded_flags import check_values
from rl_nas.workflows.trained_models import find_model
from rl_nas.workflows.trust import check_recorded


class ExportSource:
    """The model, and its data set.

    Attributes:
        model: its files, and what is recorded of it.
        flags: of its training.
        own_data: whether the data set is the one that the flags of its training name.
        of_tasks: settings of all tasks that say what the targets are, of the training or of this call.
        given_of_tasks: values of those that this call gives.
        data: the data set, of the training or of this call.
        pipeline: settings of the training's input pipeline.
        task: name of the task; None: the first whose targets the data set has.
        trust: whether the user trusts what this call reads.
    """

    def __init__(self, model: str, values: Mapping[str, Any], given: Collection[str]) -> None:
        """Finds the model.

        Args:
            model: as in `find_model`.
            values: flags of this call.
            given: names of the given flags.

        Raises:
            UsageError: there is no such model, or no data set for it.
        """
        self.model = find_model(model)
        self.trust: bool = values["trust"]
        config, self.own_data = self.model.config, "dataset" not in given
        self.flags: dict[str, Any] = {} if config is None else config["flags"]
        of_tasks = {name for group in DATA_SETTINGS for name in group().flags()}
        if config is not None:
            used = {*TaskSettings().flags(), *DataSettings().flags(), *of_tasks}
            check_recorded(config, given, self.model.folder, trust=self.trust, read=used)
            groups = (TaskSettings, DataSettings, *DATA_SETTINGS, InputPipelineSettings)
            check_values(self.flags, self.flags.keys() - given, groups, self.model.folder)
        elif self.own_data:
            raise UsageError(f"--model={model} does not say what it was trained on: give its data set with --dataset")
        before = {} if config is None else BEFORE
        merged = {**values, **before, **self.flags, **{name: values[name] for name in given}}
        self.data = DataSettings.from_flags(merged)
        self.pipeline = InputPipelineSettings.from_flags({**InputPipelineSettings().flags(), **self.flags})
        self.of_tasks = tuple(group.from_flags({**group().flags(), **merged}) for group in DATA_SETTINGS)
        self.given_of_tasks = {name: values[name] for name in of_tasks.intersection(given)}
        self.task = TaskSettings.from_flags({"task": None, **merged}).task
