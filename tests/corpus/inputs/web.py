"""A web server on this machine that serves bytes and misbehaves as asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


@dataclass(kw_only=True)
class Site:
    """What is served; tests change it."""

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    """By path, unquoted, that begins with `/`."""
    ranges: bool = True
    failures: list[int] = field(default_factory=list)
    """Statuses of the next requests that are no HEAD; an empty list: all goes well."""
    says_length: bool = True
    cuts: list[int] = field(default_factory=list)
    """Bytes after which the connections of the next downloads break."""
    sent: int = 0
    """Bytes of bodies sent."""
    requests: list[str] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    def __init__(self, site: Site, *args: object) -> None:
        self.site = site
        super().__init__(*args)  # type: ignore[arg-type]

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        self.site.requests.append(f"{self.command} {self.path}")
        content = self.site.files.get(unquote(urlsplit(self.path).path))
        status = 200 if content is not None else 404
        if body and self.site.failures:
            status = self.site.failures.pop(0)
        if status != 200 or content is None:
            self.send_error(status)
            return
        asked = self.headers.get("Range")
        if asked and self.site.ranges:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            content = content[int(first) : int(last) + 1 if last else None]
            status = 206
        self.send_response(status)
        if self.site.says_length:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            content = content[: self.site.cuts.pop(0) if self.site.cuts else None]
            self.site.sent += len(content)
            self.wfile.write(content)


@contextmanager
def serving() -> Iterator[Site]:
    """A site on a free port, until the end."""
    site = Site(url="")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, site)) as server:
        site.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()
