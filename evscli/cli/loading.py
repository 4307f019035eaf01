"""The start of commands that load a model: a line on the screen at once, and the imports.

This module imports neither torch nor transformers before it is asked to.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module

from evscli.cli.interrupts import held_back
from evscli.garbage import held_off

ALONE: ContextVar[bool] = ContextVar("alone", default=False)
"""Whether the process is one of evs alone, which holds no objects or modules of a caller."""

HEAVY = (
    "evscli.encoders.load",
    "transformers.modeling_utils",
    "transformers.video_processing_utils",
)
"""The modules that every model needs, and that take most of the time."""

NOT_FOR_ENCODERS = ("accelerate", "scipy", "sklearn")
"""The packages that transformers imports wherever they are installed, and no encoder uses: for
training, for the losses of detectors, and for generation with a second model."""


def say_loading(model: str) -> None:
    """Print, on a terminal only, that a model is being loaded, which takes seconds."""
    if sys.stderr.isatty():
        print(f"loading {model} ...", file=sys.stderr, flush=True)


def import_models() -> None:
    """Import what every model needs."""
    with held_off(for_good=ALONE.get()), held_back():
        for name in HEAVY:
            import_module(name)


def import_encoders() -> None:
    """Import what every model needs, for a command that loads encoders."""
    with passed_over(NOT_FOR_ENCODERS if ALONE.get() else ()):
        import_models()


@contextmanager
def passed_over(packages: Sequence[str]) -> Iterator[None]:
    """Let modules that are imported in a `with` block find that `packages` are not installed.

    Those that are imported already stay. Afterwards they can all be imported.
    """
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type] # Python's mark of absence
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


def quiet_loading() -> None:
    """Import what every model needs; loading shows no progress bars but on a terminal."""
    import_models()
    from transformers.utils import logging

    if not sys.stderr.isatty():
        logging.disable_progress_bar()
