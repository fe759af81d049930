"""Code of one's own with rl_nas installed from its wheel: in worker processes, and on Ray in another working folder."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from installed import install_wheel
from own_code import OPERATIONS, REWARD, STRATEGY, TINY, rl_nas, write_examples
from test_plugins import rows
from watchdog import TIMEOUT, watched

pytestmark = pytest.mark.long

OWN = (STRATEGY, REWARD, OPERATIONS)

CLUSTER = """
from ray.cluster_utils import Cluster

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 80 * 2**20})
print(cluster.address, flush=True)
input()
cluster.shutdown()
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Python of an environment with the wheel, and of all else what the present one has."""
    return str(install_wheel(tmp_path_factory.mktemp("installed")))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_examples(tmp_path_factory.mktemp("home"))


@pytest.fixture(autouse=True, scope="module")
def no_pythonpath() -> Iterator[None]:
    """Nothing but the wheel is found."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONPATH", raising=False)
        yield


@pytest.fixture(scope="module")
def run_of_workers(python: str, home: Path) -> Path:
    found = subprocess.run(
        [python, "-c", "import rl_nas; print(rl_nas.__file__)"], capture_output=True, text=True, check=True, cwd=home
    )
    assert Path(found.stdout.strip()).is_relative_to(Path(python).parents[1])
    done = rl_nas(home, "search", *TINY, *OWN, "--workers=2", "--run_dir=workers", python=python)
    assert done.returncode == 0, done.stderr
    return home / "workers"


def test_installed_command_finds_the_working_folder(python: str, home: Path) -> None:
    script = Path(python).with_name("rl_nas")
    done = subprocess.run(
        [script, "describe", "--space=my_spaces:shallow"], cwd=home, capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("shallow: 8 decisions"), done.stderr


def test_in_workers(run_of_workers: Path) -> None:
    assert len(rows(run_of_workers)) == 4
    assert all(reward is not None for _, reward in rows(run_of_workers))


def test_on_a_cluster_that_was_started_elsewhere(python: str, home: Path, run_of_workers: Path, tmp_path: Path) -> None:
    """It knows neither the working folder nor PYTHONPATH of the command, and comes to the same trials."""
    pytest.importorskip("ray")
    with watched(
        subprocess.Popen(
            [python, "-P", "-c", CLUSTER], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    ) as cluster:
        assert cluster.stdout is not None
        address = cluster.stdout.readline().strip()
        words = ("--executor=ray", f"--ray_address={address}", "--workers=1", "--run_dir=ray")
        done = rl_nas(home, "search", *TINY, *OWN, *words, python=python)
        cluster.communicate("\n", timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    assert rows(home / "ray") == rows(run_of_workers)
