"""Searches as the page of them needs them, from their folders: nothing in these is changed or executed."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rl_nas.errors import UsageError
from rl_nas.evaluation.retraining import Retrained
from rl_nas.one_shot.result import OneShotResult, one_shot_result
from rl_nas.one_shot.state import OneShotState
from rl_nas.regular_files import MIB, read_regular
from rl_nas.renamed import current_figures
from rl_nas.report.page.choices import check_fits
from rl_nas.report.page.run import HeldOut, MeasuredClasses, PageRun
from rl_nas.report.tables import held_out_place
from rl_nas.spaces.decisions import SearchSpace
from rl_nas.store.best_child import VALID, classes_of
from rl_nas.store.class_results import MOST_BYTES, ClassResults, parse_class_results
from rl_nas.store.decision_log import DecisionProbabilities, parse_decision_log
from rl_nas.store.json_files import OTHERS, parse_json, whole_lines
from rl_nas.store.run_time import RunTime
from rl_nas.store.training_folder import RESULTS_FORM, TrainingFolder
from rl_nas.trial import MOST_TRIALS
from rl_nas.workflows.run_config import DATA, HELD_OUT
from rl_nas.workflows.run_record import RunRecord

PAGE_MODULES = ("bokeh", "jinja2")
"""What the page needs of the extra `report`."""
_MOST_HEALTH, _MOST_PICTURE, _MOST_RETRAINED = 32 * MIB, 16 * MIB, 32 * MIB
"""Bytes of files of a run that are read for its page."""
_LARGEST = 1e15
"""Of all numbers in these: no figure of an honest run comes near it, and charts and sums stay finite."""

_RETRAINED = {"name": str, "proxy": (float, None), "results": [RESULTS_FORM]}
_THEN = {"compared": [_RETRAINED], "full": (None, {"name": str, "folder": str, "results": (None, RESULTS_FORM)})}


def page_run(path: str | os.PathLike[str], *, trust: bool = False) -> PageRun:
    """A search, which may be at work, for its page. What cannot be read of it is told in `notes`, and left out.

    Args:
        path: its folder.
        trust: import the space and the operations that the run records, though you did not start it here.

    Raises:
        UsageError: it is no folder of a search, or its trials or its config are broken.
        StorageError: its trials are damaged.
    """
    return page_of(RunRecord(path, trust=trust), os.fspath(path))


def page_of(run: RunRecord, name: str | None = None) -> PageRun:
    """An opened search for its page; see `page_run`.

    Args:
        run: the search.
        name: of it, on the page; None: that of its folder.
    """
    reader = _Reader(run)
    asked = run.config["flags"].get("trials")
    versions = run.config.get("versions")
    space = reader.part("Names of choices", reader.space)
    retrained, full = reader.part("Longer trainings", reader.then) or ((), None)
    return PageRun(
        name=name or run.folder.path.name,
        trials=run.trials,
        flags=run.config["flags"],
        asked=asked if type(asked) is int and asked < MOST_TRIALS else None,
        versions={str(k): str(v) for k, v in list(versions.items())[:20]} if isinstance(versions, dict) else {},
        space=space,
        decode=None if space is None else run.genotype,
        health=reader.part("Figures of the strategy", reader.health) or (),
        decisions=reader.part("Probabilities of choices", lambda: reader.decisions(space)) or (),
        seconds=reader.part("Its time", lambda: RunTime(run.folder.time).before),
        held_out=_held_out(run.config),
        shared=reader.part("The ranking by shared weights", reader.shared),
        retrained=retrained,
        full=full,
        classes=[*reader.classes_of_best(), *reader.classes_of_full(full)],
        examples=reader.part("Held-out images", reader.examples),
        notes=reader.notes,
        choice=run.choice,
        folder=name or str(run.folder.path),
    )


class _Reader:
    """Reads the parts of a run without which there still is a page.

    Attributes:
        notes: what could not be read.
    """

    def __init__(self, run: RunRecord) -> None:
        self._run, self._folder = run, run.folder
        self.notes: list[str] = []

    def part(self, what: str, read: Any) -> Any:
        """What a function reads; None, and a note, if that fails."""
        try:
            return read()
        except (ValueError, ArithmeticError, OSError) as error:
            self.notes.append(f"{what} are left out: {getattr(error, 'strerror', None) or error}")
            return None

    def space(self) -> SearchSpace[Any]:
        space = self._run.space
        check_fits(self._run.trials, space)
        return space

    def health(self) -> list[dict[str, float]]:
        path = self._folder.health
        whole = whole_lines(_text(path, _MOST_HEALTH) if path.exists() else "")
        found = [current_figures(parse_json(line, {OTHERS: float}, path)) for line in whole]
        _check_numbers(found, path)
        return found

    def decisions(self, space: SearchSpace[Any] | None) -> list[DecisionProbabilities]:
        path = self._folder.decisions
        found = parse_decision_log(_text(path, _MOST_HEALTH), path) if path.exists() else []
        _check_numbers([line.update for line in found], path)
        if found:
            sizes = [*map(len, found[0].probabilities)] if space is None else [len(d.choices) for d in space.decisions]
            for line in found:
                if [*map(len, line.probabilities)] != sizes:
                    raise UsageError(
                        f"{path}: update {line.update} has {len(line.probabilities)} decisions with other choices than"
                        f" the {len(sizes)} expected"
                    )
        return found

    def shared(self) -> OneShotResult | None:
        ranking = OneShotState(self._folder.shared).ranking()
        if ranking is None or self._run.config["flags"].get("estimator") != "shared":
            return None
        _check_numbers(ranking, self._folder.shared)
        if len(ranking) < len(self._run.trials):
            raise UsageError(f"{len(self._run.trials)} trials of a ranking of {len(ranking)}")
        return one_shot_result(ranking, self._run.trials, int(self._run.config["flags"].get("seed") or 0))

    def then(self) -> tuple[list[Retrained], Mapping[str, Any] | None] | None:
        path = self._folder.then / "then.json"
        if not path.exists():
            return None
        document = parse_json(_text(path, _MOST_RETRAINED), _THEN, path)
        _check_numbers(document, path)
        retrained = [Retrained(one["name"], one["proxy"], one["results"]) for one in document["compared"]]
        for one in retrained:
            if one.results and not (one.qualities("valid") or one.qualities("final_test")):
                raise UsageError(f"{path}: {one.name} was measured on nothing")
        return retrained, document["full"]

    def classes_of_best(self) -> list[MeasuredClasses]:
        best, seeds = self._run.best, self._run.config["flags"].get("reward_seeds") or 1
        if best is None:
            return []
        weights = "" if seeds == 1 else ", after the best of its trainings"
        found = self.part("Classes of the best trial", lambda: _classes(classes_of(self._folder, best.index)))
        of = f"trial {best.index} on the images that children are measured on{weights}"
        return [MeasuredClasses(of, found[VALID])] if found and VALID in found else []

    def classes_of_full(self, full: Mapping[str, Any] | None) -> list[MeasuredClasses]:
        if full is None or full["folder"] != f"then/{full['name']}/full" or Path(full["name"]).name != full["name"]:
            return []
        path = TrainingFolder(self._folder.path / full["folder"]).classes
        found = self.part("Classes of the full training", lambda: _classes(path)) or {}
        places = {"final_test": "the test images", VALID: "the held-out images"}
        on = next((name for name in places if name in found), None)
        return [] if on is None else [MeasuredClasses(f"full training of {full['name']} on {places[on]}", found[on])]

    def examples(self) -> bytes | None:
        path = self._folder.examples
        return read_regular(path, _MOST_PICTURE) if path.exists() else None


def _classes(path: Path) -> dict[str, ClassResults]:
    return parse_class_results(_text(path, MOST_BYTES), path) if path.exists() else {}


def _text(path: Path, most: int) -> str:
    try:
        return read_regular(path, most).decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text") from error


def _check_numbers(value: Any, path: Path) -> None:
    """Raises `UsageError` for a number in a JSON value that is no figure of a run."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            left += one.values()
        elif isinstance(one, list):
            left += one
        elif isinstance(one, (int, float)) and not abs(one) <= _LARGEST:
            raise UsageError(f"{path} holds a number that is none of a run")


def _held_out(config: Mapping[str, Any]) -> HeldOut | None:
    """The images that children were measured on; None: an earlier version, which did not record them."""
    data = config.get(DATA)
    count = data.get(HELD_OUT) if isinstance(data, dict) else None
    if type(count) is not int or not 1 <= count <= _LARGEST:
        return None
    return HeldOut(count, held_out_place(config["flags"].get("valid_split")))
