"""The search for garbage, which is held off while modules are imported.

Importing torch and transformers makes more than half a million objects that stay, and Python would
look through them again and again.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held_off(*, for_good: bool = False) -> Iterator[None]:
    """Hold off the search for garbage during a `with` block.

    With `for_good` all objects that exist at its end are left out of later searches too. That is
    for processes of evs alone: a caller's garbage would stay in memory.
    """
    searches = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if for_good:
            gc.freeze()
        if searches:
            gc.enable()
