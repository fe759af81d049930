"""The figures of a run's health on the disk."""

import io
import json
from pathlib import Path

from classifying import measured
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from rl_nas.report.health_log import BEST_CELLS, HealthLog
from rl_nas.trial import Failure, Trial, TrialState


def write(folder: Path, updates: range) -> None:
    with HealthLog(folder / "health.jsonl", folder / "tensorboard") as log:
        for number in updates:
            log.update(number, {"entropy": 10.0 - number, "entropy/normal/0/op1": 1.0, "baseline": float("nan")})


def lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "health.jsonl").read_text().splitlines()]


def scalars(folder: Path, tag: str) -> list[tuple[int, float]]:
    accumulator = EventAccumulator(str(folder / "tensorboard"))
    accumulator.Reload()
    return [(event.step, event.value) for event in accumulator.Scalars(tag)]


def test_every_update_is_a_line_and_an_event(tmp_path: Path) -> None:
    write(tmp_path, range(3))
    assert lines(tmp_path)[2] == {"update": 2, "entropy": 8.0, "entropy/normal/0/op1": 1.0}  # no NaN in JSON
    assert scalars(tmp_path, "health/entropy") == [(0, 10.0), (1, 9.0), (2, 8.0)]


def test_a_continued_run_writes_only_what_is_new(tmp_path: Path) -> None:
    write(tmp_path, range(3))
    with (tmp_path / "health.jsonl").open("a") as file:
        file.write('{"update": 3, "entr')  # killed here
    write(tmp_path, range(5))
    assert [line["update"] for line in lines(tmp_path)] == [0, 1, 2, 3, 4]
    assert [step for step, _ in scalars(tmp_path, "health/entropy")] == [0, 1, 2, 3, 4]


def test_earlier_names_of_figures_are_read(tmp_path: Path) -> None:
    (tmp_path / "health.jsonl").write_text('{"update": 0, "unique_share": 0.5, "top_share": 0.25}\n')
    with HealthLog(tmp_path / "health.jsonl", tmp_path / "tensorboard") as log:
        assert log.written == [{"update": 0, "unique_fraction": 0.5, "top_fraction": 0.25}]


def test_rewards_are_shown_by_trial(tmp_path: Path) -> None:
    measurement = measured(0.5)
    with HealthLog(tmp_path / "health.jsonl", tmp_path / "tensorboard") as log:
        for index, reward in enumerate((0.5, 0.75, 0.25)):
            log.trial(Trial(index, (0,), TrialState.OK, reward, measurement))
        log.trial(Trial(1, (0,), TrialState.OK, 0.75, measurement, cached=True))
        log.trial(Trial(3, (0,), TrialState.NAN, failures=(Failure(TrialState.NAN, "nan"),)))
    assert scalars(tmp_path, "trials/reward") == [(0, 0.5), (1, 0.75), (2, 0.25)]
    assert scalars(tmp_path, "trials/best") == [(0, 0.5), (1, 0.75), (2, 0.75)]
    assert scalars(tmp_path, "trials/accuracy") == [(0, 0.5), (1, 0.5), (2, 0.5)]
    assert scalars(tmp_path, "trials/parameters") == [(0, 1.0), (1, 1.0), (2, 1.0)]


def test_distributions_and_pictures_are_read_back(tmp_path: Path) -> None:
    png = io.BytesIO()
    Image.new("RGBA", (5, 3)).save(png, "PNG")
    with HealthLog(tmp_path / "health.jsonl", tmp_path / "tensorboard") as log:
        log.distributions({"normal/0/op1": [0.25, 0.75]}, 4)
        log.best(png.getvalue(), 7)
    accumulator = EventAccumulator(str(tmp_path / "tensorboard"))
    accumulator.Reload()
    (event,) = accumulator.Histograms("probabilities/normal/0/op1")
    histogram = event.histogram_value
    assert (event.step, histogram.bucket_limit, histogram.bucket) == (4, [1.0, 2.0], [0.25, 0.75])
    assert (histogram.min, histogram.max, histogram.num) == (0, 2, 1)
    (event,) = accumulator.Images(BEST_CELLS)
    assert (event.step, event.width, event.height, event.encoded_image_string) == (7, 5, 3, png.getvalue())
