"""The server of a page: one page, for this machine, to be read."""

import socket
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from threading import Thread

import pytest

from rl_nas.commands.report import _version_of
from rl_nas.report.page.server import PageServer
from rl_nas.store.trials import TrialStore, read_trials
from rl_nas.trial import Measurement, Trial, TrialState


class State:
    """What the server of the tests shows."""

    def __init__(self) -> None:
        self.version, self.made, self.broken = "one", 0, False

    def page(self, version: str) -> str:
        if self.broken:
            raise ValueError("<b>the folder is gone")
        self.made += 1
        return f"page {version}"


@pytest.fixture
def state() -> State:
    return State()


@pytest.fixture
def server(state: State) -> Iterator[PageServer]:
    with PageServer(0, lambda: state.version, state.page) as made:
        thread = Thread(target=made.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def ask(server: PageServer, method: str = "GET", path: str = "/", **headers: str) -> tuple[HTTPResponse, str]:
    connection = HTTPConnection("127.0.0.1", server.server_port)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer, text


def test_a_version_is_made_once_and_sent_if_it_is_new(server: PageServer, state: State) -> None:
    answer, text = ask(server)
    assert (answer.status, text, answer.headers["ETag"]) == (200, 'page "one"', '"one"')
    answer, text = ask(server, If_None_Match='"one"')
    assert (answer.status, text) == (304, "")
    ask(server)
    assert state.made == 1
    state.version = "two"
    answer, text = ask(server, If_None_Match='"one"')
    assert (answer.status, text) == (200, 'page "two"')


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
def test_it_is_only_read(method: str, server: PageServer, state: State) -> None:
    assert ask(server, method)[0].status == 501
    assert state.made == 0


@pytest.mark.parametrize("path", ["/report.html", "/../config.json", "/?x=1", "/%2e%2e/etc/passwd"])
def test_there_is_one_page(path: str, server: PageServer, state: State) -> None:
    assert ask(server, path=path)[0].status == 404
    assert state.made == 0


def test_only_names_of_this_machine_are_answered(server: PageServer, state: State) -> None:
    port = server.server_port
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", "localhost:1", f"127.0.0.1.evil:{port}", ""):
        assert ask(server, Host=host)[0].status == 403
    assert state.made == 0
    assert ask(server, Host=f"localhost:{port}")[0].status == 200


def test_two_hosts_are_refused(server: PageServer) -> None:
    good = f"Host: 127.0.0.1:{server.server_port}\r\n"
    for hosts in (f"{good}Host: evil\r\n", ""):
        with socket.create_connection(("127.0.0.1", server.server_port)) as connection:
            connection.sendall(f"GET / HTTP/1.0\r\n{hosts}\r\n".encode())
            assert b" 403 " in connection.recv(4096)


def test_it_listens_on_this_machine_alone(server: PageServer) -> None:
    assert server.socket.getsockname()[0] == "127.0.0.1"
    assert server.address == f"http://127.0.0.1:{server.server_port}/"


def test_a_folder_that_is_gone_is_told_as_text(server: PageServer, state: State) -> None:
    state.broken = True
    answer, text = ask(server)
    assert (answer.status, answer.headers["Content-Type"]) == (500, "text/plain; charset=utf-8")
    assert "<b>the folder is gone" in text
    state.broken = False
    assert ask(server)[0].status == 200


def test_a_version_changes_with_a_trial_and_reading_blocks_no_writer(tmp_path: Path) -> None:
    version = _version_of([str(tmp_path)])
    with TrialStore(tmp_path / "trials.sqlite") as store:
        for index in range(3):
            before = version()
            assert version() == before
            store.record(Trial(index, (1,), TrialState.OK, 0.5, Measurement(0.5)))
            assert len(read_trials(tmp_path / "trials.sqlite")) == index + 1
            assert version() != before


@pytest.mark.parametrize("name", ["choice.json", "time.json", "shared/ranking.json", "then/then.json", "config.json"])
def test_a_version_changes_with_every_file_of_the_page(name: str, tmp_path: Path) -> None:
    version = _version_of([str(tmp_path)])
    before = version()
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("{}")
    assert version() != before
