"""Commands in real processes, for the tests of the verbs."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

TIMEOUT = 300

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
def started(verb: str, *words: str | Path, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """A command at work."""
    with subprocess.Popen(
        command(verb, *words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**variables),
        preexec_fn=hear_ctrl_c,
    ) as process:
        watchdog = threading.Timer(TIMEOUT, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            process.kill()
            watchdog.cancel()


def wait_for_line(process: subprocess.Popen[str], beginning: str) -> None:
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if line.startswith(beginning):
            return
    raise AssertionError("".join(lines))


def rest_of(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, standard output, what was not read yet of standard error."""
    assert process.stdout is not None
    assert process.stderr is not None
    errors, output = process.stderr.read(), process.stdout.read()
    return process.wait(), output, errors


def hear_ctrl_c() -> None:
    """Undoes what a shell does to what it starts in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
