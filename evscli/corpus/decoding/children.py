"""The imports that decoders and workers share. This module imports neither torch nor PyAV."""

from __future__ import annotations

from evscli import child

IMPORTED_ONCE = ["evscli.corpus.decoding.decoder"]


def warm_up() -> None:
    """Start the process that they are forks of, which imports meanwhile."""
    child.start_server(IMPORTED_ONCE)
