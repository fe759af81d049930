"""TensorFlow is quiet in Python use, too."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from processes import TINY_TRAINING, beyond_first_lines, environment
from watchdog import TIMEOUT

LAZY = "import rl_nas; print(rl_nas.PPO.__name__, rl_nas.build_model.__name__)"
FLAGS = dict(word.removeprefix("--").split("=", 1) for word in (*TINY_TRAINING, "--epochs=1", "--run_dir=run"))
TRAIN = f"import rl_nas; print(rl_nas.train(**{FLAGS})['epochs'])"


@pytest.mark.long
@pytest.mark.parametrize(("code", "output", "lines"), [(LAZY, "PPO build_model\n", 0), (TRAIN, "1\n", 1)])
def test_only_lines_of_rl_nas_are_printed(code: str, output: str, lines: int, tmp_path: Path) -> None:
    variables = environment(PYTHONPATH=os.pathsep.join(filter(None, sys.path)))
    for name in ("TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS"):
        variables.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=variables,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == output
    said = beyond_first_lines(done.stderr)
    assert len(said) == lines
    assert all(line.startswith("epoch 1/1 ") for line in said)
