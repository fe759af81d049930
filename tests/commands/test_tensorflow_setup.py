"""What other programs have set or print does not change what rl_nas does, and nothing that tells of an end is lost."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from processes import environment

_CAPTURE = """
import os
from rl_nas.workflows.tensorflow_setup import captured_stderr
with captured_stderr():
    os.write(2, b"a line of C++\\n")
    {end}
"""


def python(program: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program], env=environment(**variables), capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("end", ["os.abort()", "os._exit(1)", "raise ValueError"])
def test_what_was_printed_before_an_end_is_shown(end: str) -> None:
    done = python(_CAPTURE.format(end=end))
    assert done.returncode != 0
    assert "a line of C++" in done.stderr


def test_what_was_printed_otherwise_is_not() -> None:
    done = python(_CAPTURE.format(end="pass") + "os.write(2, b'afterwards')")
    assert (done.returncode, done.stderr) == (0, "afterwards")


_SETTINGS = """
from rl_nas.workflows.tensorflow_setup import load_tensorflow
load_tensorflow()
import keras
config = keras.config
print(config.backend(), config.floatx(), config.image_data_format(), config.dtype_policy().name)
"""


@pytest.mark.slow
def test_settings_of_keras_for_other_programs_are_not_used(tmp_path: Path) -> None:
    settings = {"floatx": "float16", "epsilon": 1e-7, "backend": "jax", "image_data_format": "channels_first"}
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    done = python(_SETTINGS, KERAS_HOME=str(tmp_path), KERAS_BACKEND="torch")
    assert done.stdout.split() == ["tensorflow", "float32", "channels_last", "float32"], done.stderr
    told = [line for line in done.stderr.splitlines() if "is not used" in line]
    assert len(told) == 4
    assert told[0] == "KERAS_BACKEND=torch is not used: rl_nas needs tensorflow"


@pytest.mark.slow
def test_a_program_that_has_loaded_keras_otherwise_is_told() -> None:
    done = python("import keras; keras.config.backend = lambda: 'torch'" + _SETTINGS)
    assert "UsageError: Keras computes with torch in this process; rl_nas needs TensorFlow" in done.stderr
