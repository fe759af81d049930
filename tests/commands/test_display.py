"""Outputs that nobody reads any more, and signals that end a verb."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from processes import environment, held
from searches import TINY, assert_complete, rows

from rl_nas.commands import cli, predict
from rl_nas.flags.parsing import Command, Parsed

COMMAND = Command(name="rl_nas test", summary="does what a test says.", examples=(), groups=())
SEARCH = (*TINY[:2], "--flagfile=flags/digits.cfg", *TINY[2:], "--strategy=random", "--executor=inline", "--trials=3")
RUNS = ("rl_nas", "describe", "--genotype=NASNet-A", "--image_size=32", "--classes=10")


@contextmanager
def unread(name: str) -> Iterator[None]:
    """A standard output or error of this process that nobody reads."""
    read, write = os.pipe()
    os.close(read)
    before = getattr(sys, name)
    setattr(sys, name, os.fdopen(write, "w"))
    try:
        yield
    finally:
        getattr(sys, name).close()
        setattr(sys, name, before)


def written(name: str, *, then: Callable[[], None] = lambda: None) -> Callable[[Parsed], int]:
    def body(parsed: Parsed) -> int:
        print("a line", file=getattr(sys, name), flush=True)
        then()
        return 0

    return body


@pytest.mark.parametrize(
    ("name", "only_prints", "code"), [("stdout", True, 0), ("stdout", False, 130), ("stderr", True, 130)]
)
def test_a_closed_pipe_is_success_only_of_what_prints(name: str, only_prints: bool, code: int) -> None:
    with unread(name):
        assert cli.run(COMMAND, written(name), [], only_prints=lambda parsed: only_prints) == code


@pytest.mark.parametrize(("flags", "code"), [([], 0), (["--out=predicted"], 130)])
def test_predictions_that_are_not_written_are_only_printed(
    flags: list[str], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predict, "_run", written("stdout"))
    with unread("stdout"):
        assert predict.main(["--model=exported", *flags, "cat.png"]) == code


def test_what_is_left_in_a_buffer_is_noticed_too() -> None:
    with unread("stdout"):
        assert cli.run(COMMAND, lambda parsed: print("a line") or 0, []) == 130  # type: ignore[func-returns-value]
        assert cli.run(COMMAND, written("stdout"), ["--help"]) == 0
    with unread("stderr"):
        assert cli.run(COMMAND, written("stdout"), ["--flag=of nobody"]) == 2


def test_a_thread_that_finds_an_output_closed_leaves_it_to_the_verb_to_notice() -> None:
    def body(parsed: Parsed) -> int:
        thread = threading.Thread(target=print, args=("a line",), kwargs={"file": sys.stderr, "flush": True})
        thread.start()
        thread.join()
        return written("stderr")(parsed)

    with unread("stderr"):
        assert cli.run(COMMAND, body, []) == 130


def test_an_ending_verb_may_print_to_a_closed_output() -> None:
    done = []

    def body(parsed: Parsed) -> int:
        try:
            print("a line", file=sys.stderr, flush=True)
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr, flush=True)
            done.append("the best files")
            return 130
        raise AssertionError

    with unread("stderr"):
        assert cli.run(COMMAND, body, []) == 130
    assert done == ["the best files"]


@pytest.fixture
def heard() -> Iterator[None]:
    """Neither Ctrl-C is ignored, as a shell does in the background, nor the end of a terminal, as nohup does."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_a_verb_and_only_ctrl_c_its_end(first: signal.Signals) -> None:
    met = []

    def body(parsed: Parsed) -> int:
        try:
            os.kill(os.getpid(), first)
        except KeyboardInterrupt:
            met.append(first)
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                try:
                    os.kill(os.getpid(), number)
                except KeyboardInterrupt:
                    met.append(number)
        return 7

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    assert cli.run(COMMAND, body, []) == 7
    assert met == [first, signal.SIGINT]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def test_what_nohup_ignores_is_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert cli.run(COMMAND, written("stdout", then=lambda: os.kill(os.getpid(), signal.SIGHUP)), []) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("flag", [[], ["--help"]])
def test_a_reader_who_has_seen_enough_is_no_error(flag: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    words = [sys.executable, "-m", *RUNS, *flag]
    done = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, text=True, env=environment(), check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.long
@pytest.mark.parametrize("closed", ["errors", "output", "hung up"])
def test_a_search_whose_reader_leaves_ends_as_by_ctrl_c(closed: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with held("search", *SEARCH, f"--run_dir={folder}", line="1/3 children") as search:
        (search.output if closed == "output" else search.errors).close()
        if closed == "hung up":
            search.process.send_signal(signal.SIGHUP)
        else:
            search.go_on()
        assert search.process.wait() == 130
        if closed != "output":
            assert search.output.read().splitlines()[-1].startswith("Best child: trial 0, ")
    assert len(rows(folder)) == (3 if closed == "output" else {"errors": 2, "hung up": 1}[closed])
    assert_complete(folder)


@pytest.mark.parametrize(
    ("closed", "output", "errors", "code"),
    [
        ("2>&-", "multiply-adds", "", 0),
        (">&-", "", "", 0),
        (">&- 2>&-", "", "", 0),
        ("<&- 2>&-", "multiply-adds", "", 0),
    ],
)
def test_streams_that_are_closed_are_no_error(closed: str, output: str, errors: str, code: int) -> None:
    program = f'exec "$@" {closed}'
    done = subprocess.run(
        ["/bin/sh", "-c", program, "sh", sys.executable, "-m", *RUNS], env=environment(), capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (code, errors)
    assert output in done.stdout
    assert bool(output) == bool(done.stdout)
