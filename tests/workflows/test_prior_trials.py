"""The recorded trials of an earlier search: checked as a stranger's, and all that a continued search reads."""

import json
from pathlib import Path
from typing import Any

import pytest

from rl_nas.errors import UsageError
from rl_nas.spaces.nasbench201 import nasbench201
from rl_nas.store.search_folder import SearchFolder
from rl_nas.workflows.config import SearchConfig
from rl_nas.workflows.prior import earlier_trials
from rl_nas.workflows.settings import StrategySettings

CONFIG = SearchConfig(strategy=StrategySettings(strategy="gp", prior="/gone"))
GOOD = {"architectures": [[number % 5] * 6 for number in range(5)], "rewards": [0.1, 0.2, 0.3, 0.4, 0.5]}


def recorded(folder: Path, document: Any) -> SearchFolder:
    (folder / "config.json").write_text(json.dumps({"flags": {}, "prior": document}))
    return SearchFolder(folder)


def test_a_continued_search_reads_its_own_record(tmp_path: Path) -> None:
    found = earlier_trials(CONFIG, nasbench201(), recorded(tmp_path, GOOD), resumed=True)
    assert found is not None
    assert found.tokens.tolist() == GOOD["architectures"]
    assert found.rewards.tolist() == GOOD["rewards"]
    assert earlier_trials(SearchConfig(), nasbench201(), SearchFolder(tmp_path), resumed=True) is None


@pytest.mark.parametrize(
    "broken",
    [
        None,
        {**GOOD, "rewards": [0.1]},
        {**GOOD, "rewards": "x"},
        {**GOOD, "rewards": [0.1, 0.2, 0.3, 0.4, float("nan")]},
        {**GOOD, "architectures": [[9] * 6] * 5},
        {**GOOD, "architectures": [[0] * 5] * 5},
        {"architectures": [], "rewards": []},
    ],
)
def test_a_broken_record_is_refused_in_a_line(tmp_path: Path, broken: Any) -> None:
    with pytest.raises(UsageError, match=r"config\.json") as raised:
        earlier_trials(CONFIG, nasbench201(), recorded(tmp_path, broken), resumed=True)
    assert "\n" not in str(raised.value)
