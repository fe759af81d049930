"""`rl_nas.fit`: a search from Python, on arrays too. It runs `rl_nas search` in a process of its own."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from rl_nas.child.data.settings import FOLDER, PREPARED
from rl_nas.commands import cli
from rl_nas.commands.fit_wording import FitWording
from rl_nas.commands.search import SEARCH, checked
from rl_nas.errors import RunError, UsageError
from rl_nas.execution import python_process
from rl_nas.exit_codes import DONE, INTERRUPTED, WRONG_USE
from rl_nas.flags.parsing import flag_words, parse
from rl_nas.plugins import plugin_name
from rl_nas.store.search_folder import SearchFolder
from rl_nas.workflows.followed import Callback, answer, checked_callbacks, lines_of
from rl_nas.workflows.recorded_run import RecordedRun
from rl_nas.workflows.tensorflow_setup import load_tensorflow
from rl_nas.workflows.trust import PLUGINS

_ERROR = f"{SEARCH.name}: "
"""Before the one line in which the verb says why it failed."""
_VALIDATION, _TEST = "validation", "test"


def fit(
    x: Any = None,
    y: Any = None,
    *,
    validation_data: Any = None,
    test_data: Any = None,
    class_names: Sequence[str] | None = None,
    preprocessing: Any = None,
    callbacks: Any = None,
    run_dir: str | os.PathLike[str] | None = None,
    **flags: Any,
) -> RecordedRun:
    """Searches for networks, as `rl_nas search` does, in a process of its own: TensorFlow of this one stays as it is.

    Progress goes to the standard error. Ctrl-C, or "interrupt" in a notebook, ends the search; `resume=True` goes on.

    Args:
        x: images, an array [examples, height, width, channels] or [examples, height, width], of 0 to 255 or 0 to 1; or
            a tf.data dataset of pairs (image, target), batched or not, such as of
            `keras.utils.image_dataset_from_directory`; or the name of a data set, as of `--dataset`; or the path of a
            folder of images. Left out with `resume=True`.
        y: the targets of an array: classes [examples], as numbers or texts, or one-hot; or masks [examples, height,
            width] of class numbers, where 255 does not count.
        validation_data: images that the reward is measured on, with their targets: a pair of arrays or a dataset. Left
            out, a part of the images is held out (`valid_fraction`).
        test_data: the same for the final measurement of `rl_nas.train`, which a search does not look at.
        class_names: of the classes of arrays; those of `image_dataset_from_directory` are known.
        preprocessing: a layer of Keras or several, which flags stand for: Rescaling, Normalization, Resizing,
            RandomFlip("horizontal").
        callbacks: a function or several that are called with each finished `rl_nas.Trial`, or objects with a method
            `on_trial_end`. One that returns True ends the search; an exception does, too, and is raised.
        run_dir: folder of the run; left out, a new one in runs/.
        **flags: others of `rl_nas search`, such as `trials=50`, `strategy="random"`; `flagfile` may be a list. For
            "module:NAME" the object itself may be given, such as `loss=my_losses.focal`.

    Returns:
        The run, as `load_run` does.

    Raises:
        UsageError: a flag, the data, the folder, a layer or a callback is invalid.
        RunError: the search failed.
        KeyboardInterrupt: it was interrupted; what is finished is kept.
    """
    for name, instead in _INSTEAD.items():
        if name in flags:
            raise UsageError(f"{name} is no argument of rl_nas.fit; {instead}")
    called = checked_callbacks(callbacks)
    resume = bool(flags.get("resume"))
    if run_dir is None and resume:
        raise UsageError("resume=True needs run_dir, the folder of the run")
    folder = SearchFolder(_new_run() if run_dir is None else run_dir)
    flags = {**_named(flags), **_preprocessing_flags(preprocessing, flags), "run_dir": folder.path}
    splits = _splits(x, y, validation_data, test_data)
    if splits and resume:
        raise UsageError("resume=True goes on with the data of the run; leave out the arrays")
    if not splits and class_names is not None:
        raise UsageError("class_names are for arrays and datasets; other data tell their own")
    if x is None and not resume:
        raise UsageError("no images; expected arrays, a tf.data dataset, the name of a data set or a folder")
    data = _data_flags(x, splits, folder)
    words = flag_words(flags | data)
    wording = FitWording(words, _arguments(data) if splits else {})
    with _errors_in(wording):
        checked(parse(SEARCH, words))  # before images are written
    if not splits:
        return _run(words, folder, called, wording)
    with _errors_in(wording):
        folder.check_new()
    if folder.arrays.exists():
        raise UsageError(f"run_dir={folder.path} holds other files, in arrays/; give a new or an empty folder")
    there = folder.path.exists()
    try:
        _write(folder, splits, class_names)
        return _run(words, folder, called, wording)
    finally:
        if not folder.config.exists():  # the search did not begin
            shutil.rmtree(folder.arrays, ignore_errors=True)
            if not there:
                shutil.rmtree(folder.path, ignore_errors=True)  # with its lock


_INSTEAD = {
    "dataset": "give the data first: rl_nas.fit('digits')",
    "json": "what it returns holds the results",
    "help": "rl_nas search --help shows its flags",
}


def _splits(x: Any, y: Any, validation: Any, test: Any) -> dict[str, tuple[str, Any, Any]]:
    """What was given for each split: the name of the argument, images, targets; empty: a name or a folder was given."""
    named = x is None or isinstance(x, (str, os.PathLike))
    more = {_VALIDATION: ("validation_data", validation), _TEST: ("test_data", test)}
    if named:
        without = {"y": y, "validation_data": validation, "test_data": test}
        if given := [name for name, value in without.items() if value is not None]:
            raise UsageError(f"{', '.join(given)}: for arrays and datasets alone; {'no images' if x is None else x!r}")
        return {}
    splits = {"train": ("x", x, y)}
    for split, (name, data) in more.items():
        if data is not None:
            images, targets = data if isinstance(data, (tuple, list)) and len(data) == 2 else (data, None)
            splits[split] = name, images, targets
    return splits


def _write(folder: SearchFolder, splits: Mapping[str, tuple[str, Any, Any]], class_names: Sequence[str] | None) -> None:
    load_tensorflow()
    from rl_nas.workflows.arrays import Given, write_arrays

    if class_names is None:
        class_names = getattr(splits["train"][1], "class_names", None)  # of image_dataset_from_directory
    write_arrays(folder.arrays, {name: Given(*given) for name, given in splits.items()}, class_names, cli.tell)


def _data_flags(x: Any, splits: Collection[str], folder: SearchFolder) -> dict[str, Any]:
    if splits:
        held_out = {"valid_split": _VALIDATION} if _VALIDATION in splits else {}
        return {"dataset": f"{PREPARED}{folder.arrays}", **held_out}
    return {"dataset": f"{FOLDER}{os.fspath(x)}" if isinstance(x, os.PathLike) else x}


def _arguments(data: Mapping[str, Any]) -> dict[str, str]:
    """The flags of arrays, as they are on the command line -> the arguments that the arrays came in."""
    named = {"dataset": "x", "valid_split": "validation_data"}
    return {word: named[name] for name, value in data.items() for word in flag_words({name: value})}


@contextmanager
def _errors_in(wording: FitWording) -> Iterator[None]:
    """Puts wrong use into the words of the call."""
    try:
        yield
    except UsageError as error:
        raise UsageError(wording.of(str(error))) from error


def _named(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The flags with the names of objects of the user's in place of these."""
    return {name: _name(name, value) if name in PLUGINS else value for name, value in flags.items()}


def _name(flag: str, value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)):
        return ",".join(filter(None, (_name(flag, one) for one in value)))
    return plugin_name(flag, value)


def _preprocessing_flags(layers: Any, flags: Mapping[str, Any]) -> dict[str, Any]:
    if layers is None:
        return {}
    load_tensorflow()
    from rl_nas.workflows.preprocessing import preprocessing_flags

    found = preprocessing_flags(layers, cli.tell)
    if both := found.keys() & flags.keys():
        raise UsageError(f"preprocessing and {', '.join(sorted(both))} say the same; leave one of them out")
    return found


def _run(words: Sequence[str], folder: SearchFolder, callbacks: Sequence[Callback], wording: FitWording) -> RecordedRun:
    code, error, raised = _search(words, callbacks, wording)
    if raised is not None and not isinstance(raised, KeyboardInterrupt):
        raise raised
    again = f"rl_nas.fit(run_dir={str(folder.path)!r}, resume=True)"
    if code == DONE:
        return RecordedRun(folder.path)
    if code == WRONG_USE:
        raise UsageError(error or f"the search ended with exit code {code}")
    if raised is not None:
        if folder.config.exists():
            go_on = f"go on with {again}; " if error else ""  # otherwise the search itself has said so
            cli.tell(f"{go_on}what is finished: rl_nas.load_run({str(folder.path)!r})")
        raise KeyboardInterrupt
    how = f"signal {-code}" if code < 0 else "a signal" if code == INTERRUPTED else f"exit code {code}"
    raise RunError(error or f"the search was ended by {how}; continue with {again}")


def _search(
    words: Sequence[str], callbacks: Sequence[Callback], wording: FitWording
) -> tuple[int, str, BaseException | None]:
    """Runs the verb, prints its progress in the words of the call, and calls back.

    Returns:
        Its exit code; its error; what a callback raised, which has ended it, or Ctrl-C, which has interrupted it.
    """
    error = ""
    raised: BaseException | None = None
    with ExitStack() as stack:
        process, connection = _started(words, stack)
        assert process.stderr is not None
        rests = {process.stderr.fileno(): b"", connection.fileno(): b""}
        while True:
            try:
                for source, line in lines_of(rests):
                    if source == connection.fileno():
                        raised = answer(connection, line, callbacks) or raised
                    elif line.startswith(_ERROR):
                        error = wording.of(line.removeprefix(_ERROR).strip())
                    else:
                        print(wording.of(line), file=sys.stderr, flush=True)
                return process.wait(), error, raised
            except BaseException as stopping:
                raised = raised or stopping
                process.send_signal(signal.SIGINT)


def _started(words: Sequence[str], stack: ExitStack) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """The process of the search, and the connection on which it tells its trials; the stack ends both."""
    ours, theirs = map(stack.enter_context, socket.socketpair())
    process = subprocess.Popen(
        python_process.command("rl_nas.commands.followed_search", str(theirs.fileno()), *words),
        env=python_process.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # the table, which the result can show
        stderr=subprocess.PIPE,
        pass_fds=[theirs.fileno()],
        start_new_session=True,  # a Ctrl-C comes to this process, which passes it on once
    )
    theirs.close()
    return stack.enter_context(process), ours


def _new_run() -> Path:
    """A folder in runs/ that is not there yet."""
    name = datetime.now().strftime("fit-%Y%m%d-%H%M%S")
    numbered = (Path("runs", name if number == 1 else f"{name}-{number}") for number in range(1, 1000))
    return next(path for path in numbered if not path.exists())
