"""A hub on 127.0.0.1: serves folders as repositories and counts what was fetched."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What is served, and what was asked for."""

    repositories: dict[str, Path] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)
    """Files answered with status 500."""
    url: str = ""
    served: Counter[str] = field(default_factory=Counter)
    """Bytes of each file in answers to GET."""
    requests: list[str] = field(default_factory=list)


@contextmanager
def serve() -> Iterator[Hub]:
    """Run a hub in a thread for the time of the block."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, *_args: object) -> None:
        """Tests stay quiet."""

    def _answer(self) -> None:
        self.hub.requests.append(f"{self.command} {self.path}")
        parts = unquote(self.path.partition("?")[0]).lstrip("/").split("/")
        if len(parts) < 5 or parts[2] != "resolve":
            return self._refuse(404, "")
        name, revision, filename = "/".join(parts[:2]), parts[3], "/".join(parts[4:])
        if name in self.hub.gated:
            return self._refuse(401, "GatedRepo")
        if name not in self.hub.repositories:
            return self._refuse(401, "RepoNotFound")
        if revision not in ("main", COMMIT):
            return self._refuse(404, "RevisionNotFound")
        if filename in self.hub.failing:
            return self._refuse(500, "")
        path = self.hub.repositories[name] / filename
        return self._send(path) if path.is_file() else self._refuse(404, "EntryNotFound")

    def _send(self, path: Path) -> None:
        content = path.read_bytes()
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)
            self.hub.served[path.name] += len(content)

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        if code == "EntryNotFound":
            self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", "0")
        self.end_headers()
