"""Data flows one way: a room imports no higher one, no modules import in a circle, and the pure ones no TensorFlow."""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "rl_nas"

ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "exit_codes": set(),
    "renamed": set(),
    "units": set(),
    "regular_files": set(),
    "names": {"errors"},
    "array_files": set(),
    "statistics": set(),
    "image_size": {"errors"},
    "metrics": {"errors"},
    "plugins": {"errors"},
    "extras": {"errors"},
    "settings": {"errors", "names"},
    "checkpoint": {"errors"},
    "spaces": {"errors", "plugins", "settings"},
    "networks": {"errors", "plugins", "regular_files", "settings", "spaces"},
    "trial": {"metrics", "spaces"},
    "admission": {"errors", "trial"},
    "objectives": {"errors", "settings", "trial"},
    "execution": {"admission", "errors", "extras", "settings", "trial", "units"},
    "surrogate": {"checkpoint", "spaces"},
    "fidelities": {"admission", "trial"},
    "waiting": {"spaces"},
    "controller": {"checkpoint", "fidelities", "settings", "spaces", "surrogate", "trial", "waiting"},
    "strategies": {
        *("checkpoint", "controller", "errors", "extras", "fidelities", "objectives", "plugins", "settings", "spaces"),
        *("surrogate", "trial", "waiting"),
    },
    "loops": {"admission", "checkpoint", "errors", "execution", "spaces", "strategies", "trial"},
    "store": {
        "admission",
        "array_files",
        "checkpoint",
        "errors",
        "networks",
        "regular_files",
        "renamed",
        "spaces",
        "trial",
    },
    "early_stopping": {
        *("admission", "checkpoint", "errors", "execution", "settings", "spaces", "store", "surrogate", "trial"),
    },
    "child": {
        "checkpoint",
        "errors",
        "extras",
        "image_size",
        "metrics",
        "networks",
        "regular_files",
        "renamed",
        "settings",
        "names",
        "store",
        "units",
    },
    "tasks": {
        "child",
        "errors",
        "extras",
        "image_size",
        "metrics",
        "networks",
        "plugins",
        "regular_files",
        "settings",
        "names",
        "spaces",
        "statistics",
        "store",
        "units",
    },
    "evaluation": {
        *("checkpoint", "child", "early_stopping", "errors", "metrics", "networks", "plugins", "settings", "spaces"),
        *("image_size", "statistics", "store", "tasks", "trial", "units"),
    },
    "one_shot": {
        *("admission", "checkpoint", "child", "errors", "evaluation", "loops", "networks", "renamed", "settings"),
        *("spaces", "statistics", "store", "strategies", "trial"),
    },
    "bench": {
        *(
            "array_files",
            "controller",
            "errors",
            "regular_files",
            "settings",
            "spaces",
            "statistics",
            "store",
            "strategies",
            "surrogate",
            "trial",
        ),
    },
    "report": {
        *("bench", "checkpoint", "controller", "errors", "evaluation", "metrics", "names", "networks", "one_shot"),
        *("objectives", "renamed", "spaces", "statistics", "store", "strategies", "tasks", "trial"),
    },
    "flags": {"errors", "regular_files", "renamed", "settings"},
    "workflows": {
        *(
            "child",
            "controller",
            "early_stopping",
            "errors",
            "evaluation",
            "execution",
            "exit_codes",
            "extras",
            "fidelities",
            "flags",
        ),
        "image_size",
        *(
            "loops",
            "metrics",
            "networks",
            "objectives",
            "one_shot",
            "plugins",
            "regular_files",
            "renamed",
            "report",
            "settings",
            "spaces",
            "statistics",
            "store",
            "strategies",
            "surrogate",
            "tasks",
        ),
        *("trial", "units"),
    },
    "doctor": {
        *(
            "child",
            "controller",
            "errors",
            "evaluation",
            "execution",
            "one_shot",
            "report",
            "spaces",
            "store",
            "tasks",
            "trial",
            "units",
            "workflows",
        ),
    },
    "commands": {
        *(
            "bench",
            "child",
            "controller",
            "doctor",
            "errors",
            "evaluation",
            "execution",
            "exit_codes",
            "extras",
            "flags",
        ),
        *(
            "networks",
            "one_shot",
            "objectives",
            "plugins",
            "report",
            "settings",
            "spaces",
            "store",
            "strategies",
            "surrogate",
            "tasks",
            "trial",
            "workflows",
        ),
    },
    "keras_tuner": {"child", "errors", "extras", "networks", "spaces", "tasks", "workflows"},
    "sklearn": {"commands", "errors", "extras"},
}
"""What each room may import, from the lowest to the highest."""
PURE = (
    *(
        "errors",
        "exit_codes",
        "renamed",
        "units",
        "regular_files",
        "array_files",
        "statistics",
        "image_size",
        "metrics",
        "plugins",
        "extras",
        "settings",
        "checkpoint",
    ),
    *(
        "spaces",
        "networks",
        "trial",
        "admission",
        "objectives",
        "execution",
        "strategies",
        "loops",
        "store",
        "early_stopping",
    ),
    *("report", "flags", "commands"),
)
"""Rooms whose modules can be imported without TensorFlow; what they need of it they import when it is used."""
HEAVY = {"tensorflow", "keras", "tensorflow_datasets", "ray"}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


@cache
def imports(module: str, late: bool = True) -> frozenset[str]:
    """The modules that one imports, `late` or not: inside of functions too, and for types alone."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in ast.walk(tree) if late else tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= submodules & MODULES.keys() or {node.module}
    return frozenset(found)


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def modules_of(room: str) -> list[str]:
    return [module for module in MODULES if room_of(module) == room]


def test_every_module_is_in_a_room() -> None:
    assert {room_of(module) for module in MODULES} - {"", "__main__"} == ROOMS.keys()


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_lower_ones_alone(room: str) -> None:
    rooms = list(ROOMS)
    assert ROOMS[room] <= set(rooms[: rooms.index(room)]), "a room may import those above it in the list"
    used = {
        room_of(name): module for module in modules_of(room) for name in imports(module) if name.startswith("rl_nas.")
    }
    used.pop(room, None)
    assert used.keys() == ROOMS[room], used


def test_no_modules_import_in_a_circle() -> None:
    graph = {module: imports(module) & MODULES.keys() for module in MODULES}
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError, which names them


def reached(module: str) -> Iterator[str]:
    """All that the import of a module imports."""
    seen, left = {module}, [module]
    while left:
        for name in imports(left.pop(), late=False) - seen:
            seen.add(name)
            yield name
            if name in MODULES:
                left.append(name)


@pytest.mark.parametrize("room", PURE)
def test_a_pure_room_does_not_import_tensorflow(room: str) -> None:
    for module in modules_of(room):
        assert not {name.split(".")[0] for name in reached(module)} & HEAVY, module


def test_importing_rl_nas_does_not_import_tensorflow() -> None:
    probe = "import sys, rl_nas; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0
