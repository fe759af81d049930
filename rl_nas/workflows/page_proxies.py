"""Comparisons of proxies: the file that `rl_nas proxy` leaves, and its reading for the page."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rl_nas.errors import UsageError
from rl_nas.evaluation.proxy_ranking import Proxy, Ranking
from rl_nas.regular_files import MIB, read_regular_text
from rl_nas.report.page.proxies import PageProxies
from rl_nas.statistics import Correlation
from rl_nas.store.files import write_text
from rl_nas.store.json_files import parse_json
from rl_nas.store.search_folder import SearchFolder

_MOST, _MOST_PROXIES = 16 * MIB, 1_000
_LARGEST = 1e15
_HINT = "let rl_nas proxy --resume write it again"
_CORRELATION = {"value": (float, None), "low": (float, None), "high": (float, None)}
_RANKING = {"name": str, "networks": int, "seconds": float, "cost": (float, None), "best_place": int}
_FORM = {
    "full": {"name": str, "values": [(float, None)], "seconds": float},
    "proxies": [{**_RANKING, "kendall": _CORRELATION, "spearman": _CORRELATION}],
    "wanted": float,
}


def write_proxies(folder: SearchFolder, document: Mapping[str, Any]) -> None:
    """Writes what `proxy_json` makes of a comparison.

    Raises:
        StorageError: the disk is full or read-only.
    """
    write_text(folder.proxies, json.dumps(document, indent=2, allow_nan=False) + "\n")


def proxies_in(name: str) -> list[str]:
    """The folder, if it is that of a comparison of proxies, or those in it."""
    if SearchFolder(name).proxies.exists():
        return [name]
    folders = sorted(str(path) for path in Path(name).iterdir() if path.is_dir()) if Path(name).is_dir() else []
    return [folder for folder in folders if SearchFolder(folder).proxies.exists()]


def page_proxies(path: str) -> PageProxies:
    """A comparison of proxies for the page.

    Args:
        path: its folder.

    Raises:
        UsageError: the folder or its files are broken.
    """
    folder = SearchFolder(path)
    folder.check()
    try:
        text = read_regular_text(folder.proxies, _MOST)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{folder.proxies}: {getattr(error, 'strerror', None) or error}; {_HINT}") from error
    document = parse_json(text, _FORM, folder.proxies, _HINT)
    full = Proxy(document["full"]["name"], tuple(document["full"]["values"]), document["full"]["seconds"])
    rankings = [_ranking(one) for one in document["proxies"]]
    numbers = [*full.values, full.seconds, document["wanted"]]
    numbers += [value for one in document["proxies"] for value in _numbers(one)]
    known = [value for value in numbers if value is not None]
    if len(rankings) > _MOST_PROXIES or not all(abs(value) <= _LARGEST for value in known):
        raise UsageError(f"{folder.proxies} holds numbers that are none of proxies; {_HINT}")
    return PageProxies(path, full, rankings, document["wanted"])


def _ranking(document: Mapping[str, Any]) -> Ranking:
    kendall, spearman = (
        Correlation(*(_number(document[name][part]) for part in _CORRELATION)) for name in ("kendall", "spearman")
    )
    own = {name: document[name] for name in _RANKING}
    return Ranking(**{**own, "cost": _number(document["cost"])}, kendall=kendall, spearman=spearman)


def _numbers(document: Mapping[str, Any]) -> list[Any]:
    own = (document[name] for name in _RANKING if name != "name")
    return [*own, *(document[name][part] for name in ("kendall", "spearman") for part in _CORRELATION)]


def _number(value: float | None) -> float:
    return math.nan if value is None else value
