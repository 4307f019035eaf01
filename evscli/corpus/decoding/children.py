"""The imports that decoders and workers share. This module imports neither torch nor PyAV."""

from __future__ import annotations

from evscli import child

DECODING = "evscli.corpus.decoding.decoder"
"""The module of decoders, which imports no torch."""

RESIZING = "evscli.corpus.decoding.preloaded"
"""The module that imports those of decoders and the functions that resize, and with them torch."""


def warm_up(*, resizing: bool = True) -> None:
    """Start the process that they are forks of, unless it runs; it imports meanwhile.

    Without `resizing` it imports no torch. Decoders that are to resize all the same import it each.
    """
    child.start_server([RESIZING if resizing else DECODING])
