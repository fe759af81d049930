"""Children on a Ray cluster; two machines are simulated on this one."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hostile import DEEDS, measurement
from watchdog import TIMEOUT, wait_until

from rl_nas.errors import RunError, UsageError
from rl_nas.execution import ray_cluster
from rl_nas.execution.messages import GARBLED
from rl_nas.execution.ray_cluster import RayExecutor
from rl_nas.execution.settings import ExecutionSettings
from rl_nas.execution.supervision import SupervisedExecutor
from rl_nas.execution.worker_process import EvaluatorSpec
from rl_nas.trial import Job, Outcome

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.long
HERE = {"PYTHONPATH": ":".join(filter(None, sys.path))}


def jobs(*deeds: str) -> list[Job]:
    return [Job(index, (DEEDS.index(deed), index), 100 + index) for index, deed in enumerate(deeds)]


@pytest.fixture
def cluster() -> Iterator[object]:
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": 80 * 2**20})
    yield made
    ray.shutdown()
    made.shutdown()


def executor(cluster: object, **arguments: object) -> RayExecutor:
    spec = EvaluatorSpec("hostile:make", arguments)
    return RayExecutor(spec, address=cluster.address, environment=HERE, options={"timeout": float(TIMEOUT)})


def test_a_machine_that_is_lost_costs_no_trial(cluster: object, tmp_path: Path) -> None:
    nodes = [cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20) for _ in range(2)]
    work: list[Job] = jobs("good", "abort")
    found: list[Outcome] = []

    def good() -> Job:
        work.append(Job(len(work), (DEEDS.index("good"), len(work)), 100 + len(work)))
        return work[-1]

    def children_until(condition: Callable[[], bool]) -> Iterator[Job]:
        """As many as it takes, on a machine however slow."""
        deadline = time.monotonic() + TIMEOUT
        while not condition():
            assert time.monotonic() < deadline, "hung"
            yield good()

    def source() -> Iterator[Job]:
        yield from work[:2]
        yield from children_until(lambda: pool.workers[1] == 2 and 1 in {outcome.job.index for outcome in found})
        cluster.remove_node(nodes[0], allow_graceful=False)
        yield from children_until(lambda: pool.workers[1] == 1)
        cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20)
        yield from children_until(lambda: pool.workers[1] == 2)
        for _ in range(4):  # the machine that joined is used
            yield good()

    with executor(cluster, seconds=0.1, folder=str(tmp_path)) as pool:
        for outcome in SupervisedExecutor(pool, ExecutionSettings(max_attempts=3)).run(source()):
            found.append(outcome)
        assert pool.workers == (0, 2)
    found.sort(key=lambda outcome: outcome.job.index)
    assert [outcome.job for outcome in found] == work
    for outcome in found:
        if outcome.job.index == 1:
            assert [failure.state for failure in outcome.failures] == ["crashed"] * 3
            assert outcome.failures[0].log == "about to abort"
        else:
            assert outcome.measurement == measurement(outcome.job)
    lost = [failure for outcome in found for failure in outcome.failures if failure.state == "interrupted"]
    assert len(lost) == 1


def test_an_actor_without_a_machine_gets_no_child(
    cluster: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after the loss of a machine whose cores the cluster still counts."""
    cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20)
    work, workers = jobs(*["good"] * 4), list[int]()

    def source() -> Iterator[Job]:
        yield from work
        workers.append(pool.workers[1])
        cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20)

    with executor(cluster, folder=str(tmp_path)) as pool:
        monkeypatch.setattr(ray, "available_resources", lambda: {"CPU": 2.0})
        found = list(pool.run(source()))
    assert workers == [1]
    assert sorted(outcome.job.index for outcome in found) == [0, 1, 2, 3]
    assert all(outcome.measurement == measurement(outcome.job) for outcome in found)


@pytest.mark.parametrize(
    ("resources", "options", "message"),
    [
        ({"CPU": 0.0}, {}, "no machine of the Ray cluster has 1 CPU free for a child for 1 s"),
        ({"CPU": 2.0}, {}, "has room for a child, but its workers did not start in 1 s"),
        ({"CPU": 1.0}, {"no_such_option": 1}, "cannot start a worker: TypeError: .*no_such_option"),
    ],
)
def test_why_there_is_no_worker(
    cluster: object,
    monkeypatch: pytest.MonkeyPatch,
    resources: dict[str, float],
    options: dict[str, object],
    message: str,
) -> None:
    if options:
        cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20)
    monkeypatch.setattr(ray_cluster, "_PATIENCE", 1.0)
    monkeypatch.setattr(ray_cluster, "_START", TIMEOUT if options else 1.0)
    pool = RayExecutor(EvaluatorSpec("hostile:make"), address=cluster.address, environment=HERE, options=options)
    monkeypatch.setattr(ray, "available_resources", lambda: resources)
    with pool, pytest.raises(RunError, match=message):
        list(pool.run(jobs("good")))


def test_an_answer_to_another_request_is_none(cluster: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Shifting(ray_cluster._Host):
        """Its second answer is to its first request."""

        first: dict[str, Any] | None = None

        def run(self, asked: dict[str, Any]) -> dict[str, Any]:
            answer, self.first = self.first or super().run(asked), super().run(asked)
            return answer

    cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20)
    monkeypatch.setattr(ray_cluster, "_Host", Shifting)
    with executor(cluster, folder=str(tmp_path)) as pool:
        found = list(pool.run(jobs("good", "good", "good")))
    assert [outcome.state for outcome in found] == ["ok", "crashed", "ok"]
    assert found[2].measurement == measurement(found[2].job)
    assert found[1].failures[0].error == GARBLED


LOCAL = """
import os
import sys

import psutil

from hostile import DEEDS
from rl_nas.execution.ray_cluster import RayExecutor
from rl_nas.execution.worker_process import EvaluatorSpec
from rl_nas.trial import Job

here = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
with RayExecutor(EvaluatorSpec("hostile:make"), 1, environment=here) as pool:
    (outcome,) = pool.run([Job(0, (DEEDS.index("good"), 0), 1)])
    me = psutil.Process()
    for process in [me, *me.children(recursive=True)]:
        for connection in process.net_connections("inet"):
            if connection.status == psutil.CONN_LISTEN:
                print(connection.laddr.ip)
print(outcome.state, os.environ["RAY_AUTH_MODE"])
"""


def under_uv(code: str, folder: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Runs code under a process that looks like `uv run`, in a folder with a trap.

    Ray then sends the working folder to its workers, and starts them by uv.
    """
    (folder / "rl_nas").mkdir()
    (folder / "rl_nas/__init__.py").write_text("raise SystemExit('executed')")
    (folder / "run").write_text('"$PYTHON" -P -c "$CODE"; exit $?')
    return subprocess.run(
        ["bash", "-c", "exec -a uv bash run"],
        cwd=folder,
        env={**os.environ, **HERE, "PYTHON": sys.executable, "CODE": code, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )


def test_a_cluster_of_this_machine_is_for_this_machine_alone(tmp_path: Path) -> None:
    """With an address in the environment, to which Ray would connect, another mode, and a trap in the folder."""
    done = under_uv(LOCAL, tmp_path, RAY_ADDRESS="192.0.2.1:6379", RAY_AUTH_MODE="disabled")
    *listening, last = done.stdout.split("\n")[:-1]
    assert last == "ok token", done.stderr
    assert len(listening) > 3
    assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}


REMOTE = """
import os
import sys

from hostile import DEEDS
from rl_nas.execution.ray_cluster import RayExecutor
from rl_nas.execution.worker_process import EvaluatorSpec
from rl_nas.trial import Job


def folders():
    return [os.getcwd(), *sys.path]


with RayExecutor(EvaluatorSpec("hostile:make"), 1, address=os.environ["ADDRESS"]) as pool:
    import ray

    (outcome,) = pool.run([Job(0, (DEEDS.index("good"), 0), 1)])
    print(outcome.state, os.getcwd() in ray.get(ray.remote(num_cpus=0)(folders).remote()))
"""


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # logs of Ray's server for clients
def test_workers_of_a_client_know_nothing_of_its_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", HERE["PYTHONPATH"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    head = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "ray_client_server_port": port}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        wait_until(lambda: listens(port))  # the cluster does not wait for its server of clients
        done = under_uv(REMOTE, tmp_path, ADDRESS=f"ray://127.0.0.1:{port}")
        said = [log.read_text() for log in Path(cluster.head_node.get_logs_dir_path()).glob("ray_client_server*.err")]
    finally:
        cluster.shutdown()
    assert done.stdout == "ok False\n", "\n".join([done.stderr, *said])


class Refusing:
    """A client's Ray whose cluster refuses it at first."""

    def __init__(self, refusals: int) -> None:
        self.refusals, self.asked = refusals, 0

    def init(self, **arguments: object) -> None:
        self.asked += 1
        if self.asked <= self.refusals:
            raise ConnectionAbortedError("Initialization failure:\nTraceback\n  File\nRuntimeError: did not start\n\n")


def test_a_client_that_is_refused_asks_again() -> None:
    twice = Refusing(2)
    ray_cluster._join(twice, {})
    assert twice.asked == 3
    with pytest.raises(ConnectionAbortedError) as refused:
        ray_cluster._join(Refusing(3), {})
    assert ray_cluster._cause(refused.value) == "RuntimeError: did not start"
    assert ray_cluster._cause(OSError("no route\nto host")) == "no route"


def test_no_cluster_where_one_was_said_to_be() -> None:
    with pytest.raises(UsageError, match=r"--ray_address=127\.0\.0\.1:1: no Ray cluster there"):
        RayExecutor(EvaluatorSpec("hostile:make"), address="127.0.0.1:1")
