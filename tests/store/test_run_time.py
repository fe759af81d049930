"""The time of a run over its sittings."""

import json
from pathlib import Path

import pytest

from rl_nas.errors import StorageError, UsageError
from rl_nas.store.run_time import RunTime


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_the_time_of_all_sittings_counts(tmp_path: Path) -> None:
    path, clock = tmp_path / "time.json", Clock(50.0)
    first = RunTime(path, clock)
    assert first.before is None
    clock.now = 60.0
    assert first.seconds == 10.0
    first.save()
    clock.now = 62.0
    first.save()  # too soon to be written again
    assert json.loads(path.read_text()) == {"seconds": 10.0}
    clock.now = 66.0
    first.save()
    second = RunTime(path, clock)
    assert (second.before, second.seconds) == (16.0, 16.0)
    clock.now = 70.0
    assert second.seconds == 20.0


def test_however_a_sitting_ends_its_time_is_kept_if_it_has_worked(tmp_path: Path) -> None:
    path, clock = tmp_path / "time.json", Clock(0.0)
    with RunTime(path, clock).kept(lambda: False):
        clock.now = 5.0
    assert not path.exists()

    def interrupted() -> None:
        with RunTime(path, clock).kept(lambda: True):
            clock.now = 12.0
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert RunTime(path, clock).before == 7.0


def test_an_error_is_told_before_that_the_time_cannot_be_kept(tmp_path: Path) -> None:
    time = RunTime(tmp_path / "absent/time.json")
    with pytest.raises(KeyboardInterrupt), time.kept(lambda: True):
        raise KeyboardInterrupt
    with pytest.raises(StorageError, match="cannot write"), time.kept(lambda: True):
        pass


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"seconds": "1"}', '{"seconds": -1}', '{"seconds": NaN}', '{"seconds": 1e999}']
)
def test_a_broken_file_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "time.json").write_text(content)
    with pytest.raises(UsageError, match=r"time\.json.*delete the file, and earlier sittings no longer count"):
        RunTime(tmp_path / "time.json")
