"""`rl_nas predict`: the classes of image files, by an exported SavedModel alone."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from rl_nas.commands import cli
from rl_nas.errors import UsageError
from rl_nas.flags.parsing import Command, OutputSettings, Parsed
from rl_nas.settings import Settings, setting


@dataclass(frozen=True)
class PredictSettings(Settings):
    """Which model."""

    title: ClassVar[str] = "Model"

    model: str | None = setting(None, "needed; what `rl_nas export` wrote, or a SavedModel of it or of a search")
    top: int = setting(3, "likeliest classes to show of each image", minimum=1)


PREDICT = Command(
    name="rl_nas predict",
    summary="classifies image files with an exported network.",
    examples=("rl_nas predict --model=exported cat.png dog.jpg", "rl_nas predict --model=exported --json cat.png"),
    groups=(PredictSettings,),
    words="image files (PNG, JPEG, GIF or BMP) of any size",
)


def main(argv: Sequence[str]) -> int:
    """Runs the verb; returns its exit code."""
    return cli.run(PREDICT, _run, argv)


def _run(parsed: Parsed) -> int:
    settings = parsed.group(PredictSettings)
    if settings.model is None:
        raise UsageError("--model is missing; give the folder that rl_nas export wrote")
    if not parsed.words:
        raise UsageError("no image; give the files after the flags, such as: rl_nas predict --model=exported cat.png")
    path = _saved_model(Path(settings.model))
    for word in parsed.words:
        if not Path(word).is_file():
            raise UsageError(f"{word}: no such file; expected an image")
    cli.load_tensorflow(debug=parsed.group(OutputSettings).debug)
    predictions = _predict(path, parsed.words, settings.top)
    if parsed.group(OutputSettings).json:
        print(json.dumps(predictions))
    else:
        width = max(map(len, parsed.words))
        for word, likely in predictions.items():
            print(f"{word:{width}}  " + "  ".join(f"{one['class']} {one['probability']:.4f}" for one in likely))
    return cli.DONE


def _saved_model(folder: Path) -> Path:
    for path in (folder, folder / "saved_model", folder / "best" / "saved_model"):
        if (path / "saved_model.pb").is_file():
            return path
    raise UsageError(f"--model={folder} holds no SavedModel; expected the folder that rl_nas export wrote")


def _predict(path: Path, files: Sequence[str], top: int) -> dict[str, list[dict[str, Any]]]:
    """The likeliest classes of every file, best first."""
    import tensorflow as tf

    loaded = tf.saved_model.load(path)
    serve = loaded.signatures["serving_default"]
    channels = serve.structured_input_signature[1]["images"].shape[-1]
    names = (path / "assets.extra" / "labels.txt").read_text(encoding="utf-8").splitlines()
    predictions = {}
    for file in files:
        try:
            image = tf.io.decode_image(tf.io.read_file(file), channels=channels, expand_animations=False)
        except tf.errors.InvalidArgumentError as error:
            raise UsageError(f"{file} is no image that can be decoded: expected PNG, JPEG, GIF or BMP") from error
        probabilities = serve(images=image[tf.newaxis])["probabilities"][0].numpy()
        likely = (-probabilities).argsort()[:top]
        predictions[file] = [{"class": names[i], "probability": float(probabilities[i])} for i in likely]
    return predictions


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
