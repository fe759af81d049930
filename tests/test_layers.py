"""Data flows one way: a lower layer imports no higher one, and the pure ones no TensorFlow."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "rl_nas"

MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "renamed": set(),
    "units": set(),
    "settings": {"errors"},
    "spaces": {"errors", "settings"},
    "networks": {"errors", "settings", "spaces"},
    "trial": {"spaces"},
    "checkpoint": set(),
    "strategies": {"checkpoint", "settings", "spaces", "trial"},
    "execution": {"errors", "settings", "trial", "units"},
    "updates": {"checkpoint", "errors", "strategies", "trial"},
    "search": {"checkpoint", "execution", "spaces", "strategies", "trial", "updates"},
    "async_search": {"errors", "execution", "search", "spaces", "strategies", "trial", "updates"},
    "shared_search": {"checkpoint", "errors", "spaces", "strategies", "trial", "updates"},
    "store": {"checkpoint", "errors", "spaces", "trial"},
    "report": {"bench", "evaluation", "one_shot", "spaces", "store", "trial"},
    "flags": {"errors", "settings"},
    "child": {"checkpoint", "errors", "settings", "networks", "store"},
    "controller": {"checkpoint", "settings", "spaces", "trial"},
    "bench": {"controller", "spaces", "strategies", "trial"},
    "evaluation": {"bench", "checkpoint", "errors", "settings", "child", "networks", "spaces", "trial"},
}
PURE = (
    *("errors", "settings", "spaces", "networks", "trial", "checkpoint", "strategies", "updates", "search", "store"),
    *("async_search", "shared_search", "report", "flags", "renamed", "units"),
)


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def files(layer: str) -> list[Path]:
    return [ROOT / f"{layer}.py"] if (ROOT / f"{layer}.py").exists() else sorted((ROOT / layer).rglob("*.py"))


@pytest.mark.parametrize("layer", MAY_IMPORT)
def test_layer_imports_only_lower_ones(layer: str) -> None:
    assert files(layer)
    for path in files(layer):
        used = {name.split(".")[1] for name in imports(path) if name.startswith("rl_nas.")}
        assert used <= MAY_IMPORT[layer] | {layer}, path


@pytest.mark.parametrize("layer", PURE)
def test_pure_layer_does_not_import_tensorflow(layer: str) -> None:
    for path in files(layer):
        roots = {name.split(".")[0] for name in imports(path)}
        assert not roots & {"tensorflow", "keras", "tensorflow_datasets", "ray"}, path


def test_every_module_is_in_a_layer() -> None:
    known = {*MAY_IMPORT, "commands", "__init__", "__main__"}
    found = {path.relative_to(ROOT).parts[0].removesuffix(".py") for path in ROOT.rglob("*.py")}
    assert found <= known


def test_importing_rl_nas_does_not_import_tensorflow() -> None:
    probe = "import sys, rl_nas; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0


UNSAFE = re.compile(
    r"\b(pickle|cPickle|cloudpickle|dill|joblib|marshal|shelve)\b|allow_pickle=True|safe_mode=False|\beval\(|\bexec\("
)


def test_nothing_that_a_stranger_wrote_can_execute_code() -> None:
    """What is read of run folders is JSON, SQLite, arrays without objects, and Keras files in safe mode."""
    for path in ROOT.rglob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            assert not UNSAFE.search(line), f"{path}: {line}"
            assert "load_model(" not in line or "safe_mode=True" in line, f"{path}: {line}"
