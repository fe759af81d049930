"""Commands in real processes, for the tests of the verbs."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from held import TOLD
from watchdog import TIMEOUT, watched

EDGES = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|nor_conv_3x3~0|none~1|skip_connect~2|"
TINY_TRAINING = (
    f"--genotype={EDGES}",
    "--dataset=digits",
    "--cells=1",
    "--filters=4",
    "--epochs=4",
    "--batch_size=60",
    "--weight_decay=0.0001",
    "--crop_margin=1",
    "--seed=3",
    "--steps_per_loop=5",
)
"""Flags of `rl_nas train` for seconds."""

Words = Sequence[str | Path]
Preparation = Callable[[], None]


def command(verb: str, *words: str | Path) -> list[str]:
    return [sys.executable, "-m", "rl_nas", verb, *map(str, words)]


def environment(**variables: str) -> dict[str, str]:
    """The environment without proxies, which would be trusted to reach the network."""
    inherited = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return inherited | variables


def run(
    verb: str, *words: str | Path, cwd: Path | None = None, prepare: Preparation | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(verb, *words),
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=environment(**variables),
        preexec_fn=prepare,
        timeout=TIMEOUT,
    )


@contextmanager
def held(
    verb: str, *words: str | Path, line: str = "", file: str = "", times: int = 1
) -> Iterator[subprocess.Popen[str]]:
    """A command that has come to a place and stands still there (see held.py), to be killed, interrupted or let on."""
    place = ("line", line) if line else ("file", file)
    script = [sys.executable, "-P", str(Path(__file__).with_name("held.py")), *place, str(times)]
    with watched(
        subprocess.Popen(
            [*script, verb, *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            preexec_fn=hear_ctrl_c,
        )
    ) as process:
        assert process.stderr is not None
        lines = []
        for printed in process.stderr:
            if printed == f"{TOLD}\n":
                break
            lines.append(printed)
        else:
            raise AssertionError("".join(lines))
        yield process


def let_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def rest_of(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, standard output, what was not read yet of standard error."""
    assert process.stdout is not None
    assert process.stderr is not None
    errors, output = process.stderr.read(), process.stdout.read()
    return process.wait(), output, errors


def hear_ctrl_c() -> None:
    """Undoes what a shell does to what it starts in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def results(folder: Path) -> dict[str, Any]:
    """The results of a training but for wall time."""
    found = json.loads((folder / "results.json").read_text())
    assert found.pop("seconds") > 0
    return found
