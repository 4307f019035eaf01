"""The folder of a training run: where it may lie, and the one process that writes into it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from evscli.errors import UsageError
from evscli.store.durable import make_folder, remove_leftovers
from evscli.store.locks import held_lock
from evscli.store.schema import RUN_NAME

MODEL_FOLDER = "model"
"""The name of the checkpoint in the folder of a run."""

SCORER_FILE = "scorer.safetensors"

FILMS_FILE = "film-conversations.jsonl"
"""The name of the file of conversations about procedural videos, beside the store of these."""

WRITTEN = (
    "training.safetensors",
    "report.json",
    MODEL_FOLDER,
    "mini",
    SCORER_FILE,
    FILMS_FILE,
)
"""The names of everything that a run writes, by way of temporary names."""

TAKEN = {RUN_NAME: "a store", "config.json": "a checkpoint"}
"""The files by which a folder is something else than that of a run."""


def check_folder(folder: Path, *, model: Path | None = None) -> None:
    """Raise UsageError for a folder in which a run would replace or mix up what is there.

    `model` is the folder of the checkpoint that the run begins with.
    """
    for name, what in TAKEN.items():
        if (folder / name).exists():
            raise UsageError(
                f"{folder} is {what}, whose files those of a run would lie among: name another "
                "folder with -o"
            )
    result = (folder / MODEL_FOLDER).resolve()
    if model is not None and result in (model.resolve(), *model.resolve().parents):
        raise UsageError(
            f"{folder / MODEL_FOLDER} is where the result goes, in place of the checkpoint that "
            "the run begins with: name another folder with -o"
        )


@contextmanager
def run_folder(folder: Path, *, leads: bool = True) -> Iterator[None]:
    """Hold the folder of a run, made where it is missing, in the process that leads.

    What killed runs left half-written is removed, and a new folder into which nothing came. Raises
    StoreBusyError where another run is at work in it.
    """
    if not leads:
        yield
        return
    new = not folder.exists()
    make_folder(folder)
    try:
        with held_lock(folder / "training.lock", instead="name another folder with -o"):
            for name in WRITTEN:
                remove_leftovers(folder / name)
            yield
    finally:
        if new:
            with suppress(OSError):  # it holds something
                folder.rmdir()
