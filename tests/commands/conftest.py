"""What tests of searches share."""

from pathlib import Path

import pytest
from processes import Words
from searches import TINY


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("search")


@pytest.fixture(scope="module")
def tiny(base: Path) -> Words:
    """Flags of a search of seconds; those of the command line stand before and after the recipe."""
    return (*TINY[:2], "--flagfile=flags/digits.cfg", *TINY[2:], f"--data_dir={base / 'tfds'}")
