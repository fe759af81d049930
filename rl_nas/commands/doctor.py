"""`rl_nas doctor`: checks a machine, and the flags of a search, before the search is started."""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from rl_nas.commands import cli
from rl_nas.commands.search import checked
from rl_nas.doctor import devices, machine
from rl_nas.doctor.finding import Finding, State, document, has_problem, line
from rl_nas.errors import RunError, StorageError, UsageError
from rl_nas.execution.devices import worker_devices
from rl_nas.exit_codes import DONE, FAILED
from rl_nas.flags.parsing import Command, OutputSettings, Parsed
from rl_nas.settings import Settings, setting
from rl_nas.workflows.checks import remarks, with_found_sizes
from rl_nas.workflows.config import SearchConfig
from rl_nas.workflows.tensorflow_setup import load_tensorflow


@dataclass(frozen=True)
class DoctorSettings(Settings):
    """What the doctor does beside its checks."""

    title: ClassVar[str] = "Doctor"

    picture: str | None = setting(None, "also draw some training images, as children read them, into this PNG file")
    child_seconds: float = setting(
        10.0, "seconds for the train steps of each child that is tried", above=0, maximum=1e6
    )


DOCTOR = Command(
    name="rl_nas doctor",
    summary=(
        "checks this machine; with the flags of a search, also its data, its flags and some of its children, and\n"
        "forecasts what it will take. Nothing of the search is started; exit code 1 tells a problem."
    ),
    examples=(
        "rl_nas doctor",
        "rl_nas doctor --flagfile=flags/digits.cfg --picture=doctor.png",
        "rl_nas doctor --flagfile=flags/cifar10_nasnet.cfg --json",
    ),
    groups=(DoctorSettings, *SearchConfig.groups()),
)


def main(argv: list[str]) -> int:
    """Runs the verb; returns its exit code."""
    return cli.run(DOCTOR, _run, argv)


def _run(parsed: Parsed) -> int:
    findings = []
    for finding in _findings(parsed):
        findings.append(finding)
        if not parsed.group(OutputSettings).json:
            print(line(finding), flush=True)
    if parsed.group(OutputSettings).json:
        print(json.dumps(document(findings)))
    return FAILED if has_problem(findings) else DONE


def _findings(parsed: Parsed) -> Iterator[Finding]:
    config = SearchConfig.from_flags(parsed.values)
    yield machine.python()
    yield machine.packages()
    found = list(devices.devices())
    yield from found
    gpus = sum(finding.figures.get("kind") == "GPU" for finding in found)
    workers = len(worker_devices(config.execution, gpus))
    yield machine.memory(workers)
    yield machine.disk(Path(config.run.run_dir or "."))
    if has_problem(found):
        return
    if config.data.dataset is None:
        yield Finding(State.OK, "search", "not checked, as no --dataset is given; give the flags of a search")
        return
    with tempfile.TemporaryDirectory(prefix="rl_nas-doctor-") as folder:
        yield from _of_search(parsed, workers, Path(folder))


def _of_search(parsed: Parsed, workers: int, folder: Path) -> Iterator[Finding]:
    """The findings on a search, which is prepared in another folder than its own."""
    settings, began = parsed.group(DoctorSettings), time.monotonic()
    new = {"run_dir": str(folder / "run"), "resume": False, "rebuild": False}
    try:
        config = with_found_sizes(checked(replace(parsed, values={**parsed.values, **new})))
        load_tensorflow(debug=parsed.group(OutputSettings).debug)
        from rl_nas.doctor.search import data, search
        from rl_nas.workflows.search_parts import prepare_search

        prepared = prepare_search(config, config.run.folder, asked=parsed.typed)
        yield Finding(State.OK, "flags", "fit together, and fit the data")
        yield data(prepared, None if settings.picture is None else Path(settings.picture))
        for text in remarks(prepared.config):
            yield Finding(State.WARNING, "advice", text)
        yield from search(prepared, workers, settings.child_seconds, time.monotonic() - began)
    except (UsageError, StorageError, RunError) as error:
        yield Finding(State.PROBLEM, "search", str(error))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
