"""Settings of search spaces: each has an effect, or is refused."""

import pytest

from rl_nas.errors import UsageError
from rl_nas.spaces.catalog import READS, SPACES, check_read, find_space
from rl_nas.spaces.settings import SpaceSettings

CHANGED = {
    "blocks": 2,
    "layers": 3,
    "start_layers": 3,
    "grow_every": 7,
    "strides": True,
    "skips": False,
    "branches": 2,
    "rates": "1,2",
    "merges": 5,
    "neck_levels": "2-6",
}


def test_all_settings_are_looked_at() -> None:
    assert CHANGED.keys() == SpaceSettings().flags().keys() - {"space"}
    assert READS.keys() <= SPACES.keys()


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("setting", CHANGED)
def test_a_setting_changes_the_space_or_is_refused(name: str, setting: str) -> None:
    changes = {setting: CHANGED[setting]}
    if setting == "grow_every":
        changes["start_layers"] = 3
    settings = SpaceSettings(space=name, **changes)  # type: ignore[arg-type]
    if setting in READS.get(name, ()):
        check_read(settings)
        space, plain = find_space(settings), find_space(SpaceSettings(space=name))
        assert (space.decisions, space.schedule and space.schedule(7)) != (plain.decisions, None)
    else:
        with pytest.raises(UsageError, match=f"has no effect with --space={name}; leave it out"):
            check_read(settings)
