"""What is imported once for decoders and workers. This module imports neither torch nor PyAV."""

from __future__ import annotations

from evscli import child

IMPORTED_ONCE = ["evscli.cli", "evscli.corpus.decoding.decoder"]


def warm_up() -> None:
    """Have the process that they are forks of started, and importing meanwhile."""
    child.start_server(IMPORTED_ONCE)
