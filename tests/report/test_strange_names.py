"""Names of classes are a stranger's: on a terminal they neither steer it nor are read as markup."""

import io
from typing import Any

import pytest

from rl_nas.errors import printable_lines
from rl_nas.report.live_line import LiveLine
from rl_nas.report.model_card import model_card
from rl_nas.report.prediction_text import metrics_text
from rl_nas.report.training_progress import TrainingProgress

NAMES = ("\x1b]0;owned\x07cat", "dog\x9b2J", "[/red]", "[bold]emu", "a\u202eb")


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [io.StringIO, _Terminal])
def test_progress_shows_them_as_they_are_written(stream: type[io.StringIO]) -> None:
    shown = stream()
    progress = TrainingProgress(10, 2, 4, stream=shown)
    with progress.line:
        progress.epoch({f"IoU {name}": 0.5 for name in NAMES})
    text = shown.getvalue()
    assert "]0;owned\x07" not in text
    assert "\x9b" not in text
    assert "\u202e" not in text
    if stream is io.StringIO:
        assert "[/red]" in text
        assert "[bold]emu" in text


def test_metrics_of_predictions() -> None:
    text = printable_lines(metrics_text({"images": 2, "mIoU": 0.5, **{f"IoU/{name}": 0.25 for name in NAMES}}))
    assert all(line.isprintable() for line in text.split("\n"))
    assert len(text.split("\n")) == 2 + len(NAMES)
    assert r"IoU/\x1b]0;owned\x07cat" in text


def test_warnings_are_no_markup() -> None:
    shown = _Terminal()
    progress = TrainingProgress(10, 2, 4, stream=shown)
    with LiveLine(progress, shown) as line:
        line.warn("[/red] of a file")
    assert "[/red] of a file" in shown.getvalue()


def test_model_cards() -> None:
    """An export of a stranger's export has what the stranger recorded."""
    exported = {"file": "model.keras", "images": 3, "latency_ms": 1.5, "bytes": 9}
    document: dict[str, Any] = {
        "image": (8, 8, 1),
        "classes": NAMES,
        "counts": None,
        "found_by": None,
        "formats": {"keras": exported},
        "recipe": {},
        "dataset": "\x1b[2Jdata",
        "network": "\ud800 net",
        "returns": "probabilities",
        "noun": "classifier",
        "final_test": None,
        "valid": None,
        "compared_on": {"split": "valid", "images": 3},
    }
    card = model_card(document)
    assert all(line.isprintable() for line in card.split("\n"))
    assert card.encode().startswith(rb"# \ud800 net on \x1b[2Jdata")
