"""`rl_nas describe` in real processes that cannot import TensorFlow."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rl_nas.networks.genotypes import to_json
from rl_nas.spaces.published import NASNET_A

BLOCKED = """
import sys
for name in ("tensorflow", "keras", "tensorflow_datasets"):
    sys.modules[name] = None  # importing it raises
from rl_nas.__main__ import main
sys.exit(main(["describe", *sys.argv[1:]]))
"""


def describe(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", BLOCKED, *words], capture_output=True, text=True, check=False)


def test_text_and_json_agree() -> None:
    text, document = (
        describe("--genotype=NASNet-A", "--cells=6"),
        describe("--genotype=NASNet-A", "--cells=6", "--json"),
    )
    assert (text.returncode, document.returncode, text.stderr, document.stderr) == (0, 0, "", "")
    counts = json.loads(document.stdout)
    assert counts["trainable_parameters"] == 3_346_538
    for key in ("trainable_parameters", "other_parameters", "multiply_adds"):
        assert f"{counts[key]:,}" in text.stdout
    assert counts["genotype"] == to_json(NASNET_A)


def test_a_file_is_described_and_drawn(tmp_path: Path) -> None:
    file, picture = tmp_path / "mine.json", tmp_path / "mine.png"
    file.write_text(json.dumps(to_json(NASNET_A)))
    done = describe(f"--genotype={file}", f"--picture={picture}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n\nNetwork")[0] == describe("--genotype=NASNet-A").stdout.split("\n\nNetwork")[0]
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_space_is_told_with_its_size_and_the_weights_of_choices() -> None:
    text, document = describe("--space=dpc"), describe("--space=dpc", "--json")
    assert text.stdout.splitlines()[0] == "dpc: 29 decisions, 418,414,128,120 architectures"
    assert (
        "  0/op            conv_1x1 | atrous_3x3 | pyramid_pooling  (weights 1 : 64 : 16)" in text.stdout.splitlines()
    )
    space = json.loads(document.stdout)
    assert (space["size"], space["decisions"][0]["weights"]) == (418_414_128_120, [1, 64, 16])


def test_an_oblong_image_costs_its_pixels() -> None:
    """NASNet-A keeps its parameters; all but the head's multiply-adds are proportional to the pixels."""
    words = ("--genotype=NASNet-A", "--network=cifar", "--json")
    square, oblong = (json.loads(describe(*words, f"--image_size={size}").stdout) for size in ("32", "32x64"))
    head = 768 * 10  # channels before it x classes
    assert oblong["trainable_parameters"] == square["trainable_parameters"]
    assert oblong["multiply_adds"] - head == 2 * (square["multiply_adds"] - head)


def test_classes_are_those_that_flags_give(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("road 0 0 0\nsky 255 255 255\nignore 1 1 1\ncar 0 0 9\n")
    segmentation = ("--genotype=DPC-top1", "--backbone=NASNet-A", "--network=cifar", "--json")
    classification = ("--genotype=NASNet-A", "--network=cifar", "--json")
    for words, classes in (
        ((*segmentation, "--classes=19"), 19),
        ((*segmentation, f"--classes={tmp_path / 'classes.txt'}"), 3),
        ((*segmentation, "--label_map=cityscapes_labels.txt"), 19),
        (segmentation, 10),
        ((*classification, "--classes=100"), 100),
        (classification, 10),
    ):
        assert json.loads(describe(*words).stdout)["classes"] == classes


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--genotype is missing"),
        (["--genotype=NASNet-A", "--classes=voc_classes.txt"], "--classes=voc_classes.txt: expected a number of"),
        (["--genotype=NASNet-A", "--classes=0"], "--classes=0: expected a number of classes"),
        (["--genotype=DPC-top1", "--backbone=NASNet-A", "--classes=300"], "300 classes; expected 2 to 254"),
        (["--genotype=NASNet-A", "--image_size=32x"], "--image_size=32x: expected pixels, as N for a square or HxW"),
        (["--genotype=NASNET-A"], "did you mean NASNet-A"),
        (["--space=dpc", "--rates=1,,6"], "--rates=1,,6: expected different whole numbers"),
        (["--genotype=nothing"], "published names: NASNet-A"),
        (["--genotype=NASNet-A", "--image_size=3"], "too small for 2 reductions"),
        (["--genotype=NASNet-A", "--picture=/nowhere/x.png"], "cannot write /nowhere/x.png"),
    ],
)
def test_wrong_use_is_one_line(words: list[str], message: str) -> None:
    done = describe(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_malformed_file_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    document = to_json(NASNET_A)
    document["cells"]["normal"]["blocks"][0]["ops"][0] = "conv_9x9"
    file.write_text(json.dumps(document))
    done = describe(f"--genotype={file}")
    assert done.returncode == 2
    assert done.stderr.startswith(
        f"rl_nas describe: genotype file {file}: normal: block 0: unknown operation 'conv_9x9'"
    )
    assert len(done.stderr.splitlines()) == 1
