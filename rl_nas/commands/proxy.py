"""`rl_nas proxy`: how well cheap trainings rank networks, beside the training that a search would have."""

import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from rl_nas.child.settings import DataSettings
from rl_nas.commands import cli, run_config
from rl_nas.commands.children import Children
from rl_nas.commands.many_runs import names_of
from rl_nas.commands.search_flags import CHANGEABLE, SEARCH, SearchRunSettings
from rl_nas.errors import UsageError
from rl_nas.evaluation.proxy_ranking import Proxy, rank
from rl_nas.evaluation.rewards import accuracy
from rl_nas.evaluation.settings import SCORES, FilterSettings
from rl_nas.execution.supervision import SupervisedExecutor
from rl_nas.flags.parsing import Command, OutputSettings, Parsed, parse
from rl_nas.loops.synchronous import search
from rl_nas.loops.updates import Watcher
from rl_nas.networks.network import plan_network
from rl_nas.networks.settings import NetworkSettings
from rl_nas.report.progress import SearchProgress
from rl_nas.report.proxy_text import proxy_json, proxy_text
from rl_nas.settings import Settings, declaration, setting
from rl_nas.spaces.catalog import find_space
from rl_nas.spaces.decisions import Architecture
from rl_nas.spaces.settings import SpaceSettings
from rl_nas.store.run_folder import SearchFolder
from rl_nas.store.trials import TrialStore
from rl_nas.strategies.random_search import RandomSearch
from rl_nas.trial import Trial, child_seed

if TYPE_CHECKING:
    from rl_nas.child.data.images import ImageData


@dataclass(frozen=True)
class ProxySettings(Settings):
    """The proxies that are compared."""

    title: ClassVar[str] = "Proxies"

    proxies: str = setting(
        "seed=1; epochs=1; epochs=3",
        "trainings by the flags that differ, in one by commas, between them by semicolons; seed=1 shows what chance"
        " alone does to the order",
    )
    scores: str = setting("parameters", "scores of the untrained networks, with commas between; or none")
    correlation: float = setting(0.8, "Spearman correlation that is wanted", minimum=-1, maximum=1)


PROXY = Command(
    name="rl_nas proxy",
    summary=(
        "trains --trials random networks fully, as a search with these flags would, and by cheaper proxies,\n"
        "and prints how well these rank."
    ),
    examples=(
        "rl_nas proxy --flagfile=flags/digits.cfg --run_dir=runs/proxy",
        'rl_nas proxy --flagfile=flags/digits.cfg --trials=50 --proxies="epochs=2; filters=4; train_images=300"'
        " --scores=synflow,naswot --run_dir=runs/proxy",
        "rl_nas proxy --resume --run_dir=runs/proxy",
    ),
    groups=(ProxySettings, *SEARCH.groups),
)
_MAY_CHANGE = (*CHANGEABLE, "proxies", "scores", "correlation")


def main(argv: Sequence[str]) -> int:
    """Runs the verb; returns its exit code."""
    return cli.run(PROXY, _run, argv)


def _run(parsed: Parsed) -> int:
    run = parsed.group(SearchRunSettings)
    folder = run.folder
    if run.resume:
        parsed = run_config.merge(parsed, folder.reopen()["flags"], _MAY_CHANGE)
    settings = parsed.group(ProxySettings)
    ways = {"full": parsed, **{name: _with(parsed, name) for name in _names(settings.proxies)}}
    scores = [] if settings.scores == "none" else names_of(settings.scores, SCORES, "scores")
    if not run.resume:
        folder.check_new()
        folder.create(run_config.config(parsed), run_config.repeating_flagfile(parsed, PROXY.name))
    cli.load_tensorflow(debug=parsed.group(OutputSettings).debug)
    full, *others = (_trained(name, way, parsed, folder) for name, way in ways.items())
    others += _scored(scores, parsed, folder)
    rankings = [rank(proxy, full) for proxy in others]
    if parsed.group(OutputSettings).json:
        print(json.dumps(proxy_json(full, rankings, settings.correlation)))
    else:
        print(proxy_text(full, rankings, settings.correlation))
    return cli.DONE


def _names(proxies: str) -> list[str]:
    names = [re.sub(r"\s", "", name) for name in proxies.split(";")]
    return [name for name in dict.fromkeys(names) if name]


def _with(parsed: Parsed, name: str) -> Parsed:
    """The flags with those of a proxy."""
    changed = parse(PROXY, [f"--{word}" for word in name.split(",")])
    fixed = {"trials", "space", "run_dir", "resume", "proxies"} & changed.given
    if fixed:
        raise UsageError(f"--proxies: {name!r} changes {', '.join(sorted(fixed))}, which is the same for all")
    return Parsed({**parsed.values, **{flag: changed.values[flag] for flag in changed.given}}, parsed.given)


def _trained(name: str, way: Parsed, parsed: Parsed, folder: SearchFolder) -> Proxy:
    """The networks trained in one way; what an earlier call has finished is taken from its store."""
    from rl_nas.child.data.image_cache import image_cache

    run, part = parsed.group(SearchRunSettings), SearchFolder(folder.path / name)
    for path in (part.path, *part.folders):
        path.mkdir(exist_ok=True)
    space = find_space(parsed.group(SpaceSettings))
    children = Children(run_config.portable(way.values), part)
    print(f"{name}:", file=sys.stderr)
    with TrialStore(part.trials) as store:
        recorded = store.trials()
        with image_cache(_images(way.group(DataSettings)), part.images), children.executor() as executor:
            progress = SearchProgress(run.trials, recorded, workers=lambda: executor.workers)
            with progress.line:
                search(
                    RandomSearch(space, run.seed),  # the same networks for all
                    SupervisedExecutor(executor, children.settings),
                    store,
                    reward=accuracy,
                    trials=run.trials,
                    batch_size=run.trials,
                    seed=way.group(SearchRunSettings).seed,
                    key=space.canonical_key,
                    watcher=_Watcher(progress),
                )
        trials = store.trials()
    seconds = [trial.measurement.seconds for trial in trials if trial.measurement]
    return Proxy(name, tuple(trial.reward for trial in trials), float(np.mean(seconds)) if seconds else 0.0)


@cache
def _images(settings: DataSettings) -> "ImageData":
    """Decoded once for all ways that have the same."""
    from rl_nas.child.data.images import load_images

    return load_images(settings)


class _Watcher(Watcher):
    def __init__(self, progress: SearchProgress) -> None:
        self._progress = progress

    def trial(self, trial: Trial, figures: object) -> None:
        self._progress.follow(trial, {})


def _scored(scores: Sequence[str], parsed: Parsed, folder: SearchFolder) -> Iterator[Proxy]:
    """The networks of the full training by scores of their untrained selves."""
    if not scores:
        return
    from rl_nas.child.training.child_training import DeviceData
    from rl_nas.evaluation.zero_cost import score_of

    seed, batch = parsed.group(SearchRunSettings).seed, parsed.group(FilterSettings).filter_images
    with TrialStore(SearchFolder(folder.path / "full").trials) as store:
        architectures: list[Architecture] = [trial.architecture for trial in store.trials()]
    images = _images(parsed.group(DataSettings))
    data, space = DeviceData(images), find_space(parsed.group(SpaceSettings))
    batch_images, labels = data.normalize(data.train_images[:batch]), data.train_labels[:batch]
    for name in scores:
        score, started, values = score_of(name), time.monotonic(), []
        for number, architecture in enumerate(architectures):
            plan = plan_network(
                space.decode(architecture), parsed.group(NetworkSettings), images.image_shape, images.classes
            )
            values.append(score(plan, child_seed(seed, number), batch_images, labels))
        yield Proxy(name, tuple(values), (time.monotonic() - started) / len(values))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
