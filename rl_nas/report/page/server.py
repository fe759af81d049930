"""A server of one page on this machine, for a search that is at work."""

import threading
from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTP_PORT
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ADDRESS = "127.0.0.1"
_HOSTS = (ADDRESS, "localhost")
_PATIENCE = 10
"""Seconds for a request to arrive."""


class PageServer(ThreadingHTTPServer):
    """Serves a page at `/` to programs of this machine; nothing else, and only to be read.

    Requests whose Host is not this machine are refused: a page of elsewhere may have led a browser here by a name of
    its own (DNS rebinding).

    Args:
        port: to listen on; 0: any that is free.
        version: tells the present version of the page, quickly.
        page: makes the page of a version.
    """

    daemon_threads = True

    def __init__(self, port: int, version: Callable[[], str], page: Callable[[str], str]) -> None:
        super().__init__((ADDRESS, port), _Handler)
        self._version, self._page = version, page
        self._made, self._lock = ("", b""), threading.Lock()

    @property
    def address(self) -> str:
        """What to type into a browser."""
        return f"http://{ADDRESS}:{self.server_port}/"

    def version(self) -> str:
        """The present version, as an ETag."""
        return f'"{self._version()}"'

    def content(self, version: str) -> bytes:
        """The page of a version, made once."""
        with self._lock:
            if self._made[0] != version:
                self._made = version, self._page(version).encode()
            return self._made[1]

    def is_local(self, host: str | None) -> bool:
        """Whether a Host header names this server."""
        usual = set(_HOSTS) if self.server_port == HTTP_PORT else set()
        return host in {f"{name}:{self.server_port}" for name in _HOSTS} | usual


class _Handler(BaseHTTPRequestHandler):
    """Answers a request."""

    server: PageServer
    timeout = _PATIENCE
    server_version, sys_version = "rl_nas", ""

    def do_GET(self) -> None:
        """The page, or that it has not changed."""
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1 or not self.server.is_local(hosts[0]):
            self._refuse(HTTPStatus.FORBIDDEN)
        elif self.path != "/":
            self._refuse(HTTPStatus.NOT_FOUND)
        else:
            self._answer()

    def _answer(self) -> None:
        try:
            version = self.server.version()
            known = self.headers.get("If-None-Match") == version
            content = b"" if known else self.server.content(version)
        except (ValueError, OSError) as error:  # the folder of the run was removed, or is broken
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
            return
        self.send_response(HTTPStatus.NOT_MODIFIED if known else HTTPStatus.OK)
        self.send_header("ETag", version)
        self._end(content)

    def _refuse(self, status: HTTPStatus, why: str = "") -> None:
        self.send_response(status)
        self._end(f"{status.value} {status.phrase} {why}\n".encode(), "text/plain")

    def _end(self, content: bytes, kind: str = "text/html") -> None:
        for name, value in (
            ("Content-Type", f"{kind}; charset=utf-8"),
            ("Content-Length", str(len(content))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Says nothing: the terminal is for the user."""
