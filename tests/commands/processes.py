"""Commands in real processes, for the tests of the verbs."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from unittest import mock

from held import TOLD
from warm import WarmProcess
from watchdog import TIMEOUT, watched

from rl_nas.__main__ import main
from rl_nas.store.class_results import ClassResults, parse_class_results

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


def in_short(verb: str, words: Sequence[str | Path]) -> list[str]:
    """The words of a command. A new search does not try its export unless it is told to: that takes longer than it."""
    texts = [verb, *map(str, words)]
    tries = verb != "search" or any(text.startswith(("--try_export", "--resume", "--help")) for text in texts)
    return texts if tries else [*texts, "--try_export=false"]


def command(verb: str, *words: str | Path) -> list[str]:
    return [sys.executable, "-m", "rl_nas", *in_short(verb, words)]


def environment(**variables: str) -> dict[str, str]:
    """The environment without proxies, which would be trusted to reach the network."""
    inherited = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return inherited | variables


def run(
    verb: str, *words: str | Path, cwd: Path | None = None, file_size: int | None = None
) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, in which TensorFlow is imported already (see warm.py)."""
    all_words = in_short(verb, words)
    with (
        tempfile.TemporaryFile("w+") as output,
        tempfile.TemporaryFile("w+") as errors,
        open(os.devnull) as nothing,
        watched(
            WarmProcess(
                "rl_nas.__main__",
                all_words,
                environment(),
                [nothing, output, errors],
                cwd=cwd,
                file_size=file_size,
            )
        ) as process,
    ):
        code = process.wait()
        for file in (output, errors):
            file.seek(0)
        return subprocess.CompletedProcess(all_words, code, output.read(), errors.read())


def run_cold(
    verb: str, *words: str | Path, cwd: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """A command as a user starts it."""
    return subprocess.run(
        command(verb, *words),
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=environment(**variables),
        timeout=TIMEOUT,
    )


def refuse(verb: str, *words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A command in this process, which finds wrong use before it computes anything."""
    output, errors = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(cwd or Path.cwd()),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
        # These would hold for later tests too, and threads cannot be changed after earlier ones.
        mock.patch("tensorflow.config.experimental.enable_op_determinism"),
        mock.patch("tensorflow.config.threading.set_intra_op_parallelism_threads"),
        mock.patch("tensorflow.config.threading.set_inter_op_parallelism_threads"),
        mock.patch("tensorflow.config.set_visible_devices"),
    ):
        code = main(in_short(verb, words))
    return subprocess.CompletedProcess(in_short(verb, words), code, output.getvalue(), errors.getvalue())


FIRST_LINES = ("search: ", "train: ", "proxy: ", "device: ", "data: ", "network: ", "strategy: ", "export: ")
TIMES = ("time: ", "still ")


def beyond_first_lines(errors: str) -> list[str]:
    """Lines of standard error, but those that long work begins with, and those that depend on the machine's speed."""
    return [line for line in errors.splitlines() if not line.startswith((*FIRST_LINES, *TIMES))]


@dataclass(frozen=True)
class Held:
    """A command that stands still; `output` and `errors` are what was not read yet."""

    process: WarmProcess
    input: IO[str]
    output: IO[str]
    errors: IO[str]

    def kill(self) -> None:
        self.process.kill()
        assert self.process.wait() == -signal.SIGKILL

    def go_on(self) -> None:
        self.input.write("\n")
        self.input.flush()

    def rest(self) -> tuple[int, str, str]:
        """Exit code, standard output, what comes yet of standard error."""
        errors, output = self.errors.read(), self.output.read()
        return self.process.wait(), output, errors


@contextmanager
def held(verb: str, *words: str | Path, line: str = "", file: str = "", times: int = 1) -> Iterator[Held]:
    """A command that has come to a place and stands still there (see held.py), to be killed, interrupted or let on."""
    place = ("line", line) if line else ("file", file)
    (stdin, ours_in), (ours_out, stdout), (ours_err, stderr) = os.pipe(), os.pipe(), os.pipe()
    theirs = (stdin, stdout, stderr)
    process = WarmProcess("held", [*place, str(times), *in_short(verb, words)], environment(), theirs)
    for descriptor in theirs:
        os.close(descriptor)
    with open(ours_in, "w") as given, open(ours_out) as output, open(ours_err) as errors, watched(process):
        lines = []
        for printed in errors:
            if printed == f"{TOLD}\n":
                break
            lines.append(printed)
        else:
            raise AssertionError("".join(lines))
        yield Held(process, given, output, errors)


def classes(folder: Path) -> dict[str, ClassResults]:
    """The results of classes of a training, by split."""
    path = folder / "classes.json"
    return parse_class_results(path.read_text(), path)


def results(folder: Path) -> dict[str, Any]:
    """The results of a training but for wall time."""
    found = json.loads((folder / "results.json").read_text())
    assert found.pop("seconds") > 0
    return found
