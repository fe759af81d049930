"""`rl_nas report`: one page of a search, or of several, as a file or from a server. No TensorFlow."""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypeVar

from rl_nas.commands import cli
from rl_nas.commands.runs import searches_in
from rl_nas.errors import RunError, StorageError, UsageError
from rl_nas.exit_codes import DONE
from rl_nas.extras import check_installed
from rl_nas.flags.parsing import Command, OutputSettings, Parsed
from rl_nas.one_shot.state import OneShotState
from rl_nas.report.tables import counted
from rl_nas.settings import Settings, setting
from rl_nas.store.files import check_can_make, storage_errors, write_text
from rl_nas.store.search_folder import SearchFolder
from rl_nas.store.snapshots import snapshot_of
from rl_nas.workflows.page_proxies import page_proxies, proxies_in
from rl_nas.workflows.page_runs import PAGE_MODULES, page_run
from rl_nas.workflows.trust import TrustSettings

if TYPE_CHECKING:
    from rl_nas.report.page.proxies import PageProxies
    from rl_nas.report.page.run import PageRun

Read = TypeVar("Read")


@dataclass(frozen=True)
class ReportSettings(Settings):
    """Where the page goes."""

    title: ClassVar[str] = "Page"

    out: str = setting("report.html", "the file; an earlier one is replaced")
    watch: bool = setting(
        False, "write no file, but serve the page on this machine until Ctrl-C, and refresh it while searches run"
    )
    port: int = setting(8000, "port on 127.0.0.1 to serve it at; 0: any that is free", minimum=0, maximum=65535)
    refresh: int = setting(10, "seconds between two looks for something new", minimum=1, maximum=86400)


REPORT = Command(
    name="rl_nas report",
    summary=(
        "makes one HTML page of a search: the verdict, charts, the front, all trials;\n"
        "of several searches, the page compares them; of rl_nas proxy it has the table. The runs may be at work.\n"
        "A page needs no network."
    ),
    examples=(
        "rl_nas report runs/digits",
        "rl_nas report runs/digits runs/aging --out=both.html",
        "rl_nas report runs --out=all.html",
        "rl_nas report runs/digits runs/proxy",
        "rl_nas report --watch --port=8000 runs/digits",
    ),
    groups=(ReportSettings, TrustSettings),
    words="RUN_DIR ...: folders of searches or of rl_nas proxy, or one that holds such folders.",
)


def main(argv: Sequence[str]) -> int:
    """Runs the verb; returns its exit code."""
    return cli.run(REPORT, _run, argv)


def _run(parsed: Parsed) -> int:
    settings = parsed.group(ReportSettings)
    if not parsed.words:
        raise UsageError("no folder; expected one or more, such as: rl_nas report runs/digits")
    folders = _folders(parsed.words)
    if len({os.path.realpath(folder) for folder in folders.all}) < len(folders.all):
        raise UsageError("a folder is given twice; leave one of them out")
    _check_flags(settings, parsed)
    check_installed("rl_nas report", "report", PAGE_MODULES)
    trust = parsed.group(TrustSettings).trust
    if settings.watch:
        return _serve(folders, settings, trust=trust)
    out = Path(settings.out)
    if out.is_dir():
        raise UsageError(f"--out={out} is a folder; give the name of a file in it, such as {out / 'report.html'}")
    with storage_errors(out):
        check_can_make("out", out.parent)
    from rl_nas.report.page.page import page_html  # imports Bokeh

    broken: list[str] = []
    runs, proxies = _read(folders.searches, broken, trust=trust), _proxies(folders, broken)
    _check_some(runs, proxies, broken)
    page = page_html(runs, proxies)
    with storage_errors(out):
        write_text(out, page)
    _tell(runs, len(proxies), out, len(page.encode()), as_json=parsed.group(OutputSettings).json)
    if broken:
        raise RunError(f"left out: {'; '.join(broken)}")
    return DONE


def _check_some(runs: "Sequence[PageRun]", proxies: "Sequence[PageProxies]", broken: Sequence[str]) -> None:
    """Raises `UsageError` if nothing can be read."""
    if not runs and not proxies:
        raise UsageError("; ".join(broken))


class _Folders(NamedTuple):
    """What the page is of: folders of searches, and of comparisons of proxies."""

    searches: list[str]
    proxies: list[str]

    @property
    def all(self) -> list[str]:
        return [*self.searches, *self.proxies]


def _folders(words: Sequence[str]) -> _Folders:
    found = _Folders([], [])
    for word in words:
        proxies = proxies_in(word)
        found.proxies.extend(proxies)
        if proxies != [word]:
            found.searches.extend(searches_in(word, proxies))
    return found


def _proxies(folders: _Folders, broken: list[str]) -> "list[PageProxies]":
    """The comparisons that can be read, by the names of their folders; `broken` takes what the others met."""
    return [
        replace(one, name=Path(folder).resolve().name) for folder, one in _each(folders.proxies, page_proxies, broken)
    ]


def _check_flags(settings: ReportSettings, parsed: Parsed) -> None:
    for name in ("port", "refresh") if not settings.watch else ("out",):
        if name in parsed.given:
            hint = "leave it out" if settings.watch else "give --watch, too"
            raise UsageError(f"--{name}={parsed.values[name]} has no effect here; {hint}")
    if settings.watch and parsed.group(OutputSettings).json:
        raise UsageError("--json and --watch; leave one of them out")


def _each(folders: Sequence[str], read: Callable[[str], Read], broken: list[str]) -> Iterator[tuple[str, Read]]:
    """Yields what is read of each folder; one that is broken does not hide the others."""
    for folder in folders:
        try:
            yield folder, read(folder)
        except (UsageError, StorageError) as error:
            broken.append(str(error))


def _read(folders: Sequence[str], broken: list[str], *, trust: bool) -> "list[PageRun]":
    """The runs; tells what the page leaves out of them, and `broken` takes what is met in those that cannot be read."""
    runs = [run for _, run in _each(folders, partial(page_run, trust=trust), broken)]
    for run in runs:
        for note in run.notes:
            cli.tell(f"{run.name}: {note}")
    return _short(runs)


def _short(runs: "list[PageRun]") -> "list[PageRun]":
    """The runs by the names of their folders alone, if these tell them apart."""
    names = [Path(run.name).resolve().name for run in runs]
    if len(set(names)) < len(names) or not all(names):
        return runs
    return [replace(run, name=name) for run, name in zip(runs, names, strict=True)]


def _tell(runs: "Sequence[PageRun]", proxies: int, out: Path, size: int, *, as_json: bool) -> None:
    trials = sum(len(run.trials) for run in runs)
    if as_json:
        print(json.dumps({"file": str(out), "bytes": size, "runs": len(runs), "proxies": proxies, "trials": trials}))
    else:
        what = f"{_counted(len(runs), proxies)}, {counted(trials, 'trial')}, {size / 1e6:.1f} MB"
        print(f"{out}: {what}; open it in a browser")


def _counted(searches: int, proxies: int) -> str:
    kinds = {"search": (searches, "searches"), "comparison of proxies": (proxies, "comparisons of proxies")}
    return ", ".join(counted(count, one, many) for one, (count, many) in kinds.items() if count)


def _serve(folders: _Folders, settings: ReportSettings, *, trust: bool) -> int:
    from rl_nas.report.page.page import page_html
    from rl_nas.report.page.server import PageServer

    broken: list[str] = []
    # What is wrong with them is told now.
    _check_some(_read(folders.searches, broken, trust=trust), _proxies(folders, broken), broken)
    for problem in broken:
        cli.tell(f"left out: {problem}")

    def page(version: str) -> str:
        now: list[str] = []
        runs = [run for _, run in _each(folders.searches, partial(page_run, trust=trust), now)]
        proxies = _proxies(folders, now)
        _check_some(runs, proxies, now)
        return page_html(_short(runs), proxies, watch=settings.refresh, version=version)

    try:
        server = PageServer(settings.port, _version_of(folders.all), page)
    except OSError as error:
        raise UsageError(f"--port={settings.port}: {error.strerror or error}; give another one, or 0") from error
    with server:
        print(f"{server.address} shows {_counted(*map(len, folders))}; Ctrl-C ends this", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()
    return DONE


def _version_of(folders: Sequence[str]) -> Callable[[], str]:
    """A function that tells whether the files of runs have changed, without opening them."""

    def version() -> str:
        found = []
        for folder in map(SearchFolder, folders):
            wal = folder.trials.with_name(f"{folder.trials.name}-wal")
            snapshot = snapshot_of(folder.trials) or wal
            paths = [folder.trials, wal, snapshot, folder.health, folder.decisions, folder.config, folder.examples]
            paths += [folder.choice, folder.time, folder.then / "then.json", folder.proxies]
            for path in [*paths, OneShotState(folder.shared).path]:
                try:
                    state = path.stat()
                except OSError:
                    continue
                found.append(f"{path} {state.st_mtime_ns} {state.st_size}")
        return hashlib.sha256("\n".join(found).encode()).hexdigest()[:32]

    return version
