"""The modules of a decoder process, told by itself. Imports nothing that a decoder does not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection

from evscli.corpus.decoding import decoder
from evscli.corpus.decoding.decoder import serve


def serve_and_tell(connection: Connection) -> None:
    """Serve, and send the modules there are where the pixels of a video would begin."""
    decoder._chunks = _told
    serve(connection)


def _told(*_: object) -> Iterator[tuple[int, object]]:
    import numpy as np

    yield 0, np.frombuffer("\n".join(sys.modules).encode(), np.uint8)
