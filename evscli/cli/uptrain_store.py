"""The store of an uptraining run: videos that are encoded once, before anything learns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from evscli.cli.notes import note
from evscli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evscli.corpus.tasks import Done, Task


def encode_data(
    inputs: list[str] | None, films: int | None, folder: Path, *, model: str | None, device: str
) -> None:
    """Encode the videos of a run, or `films` procedural ones, into its store DIR/store.

    A store or no data need no encoding. Raises UsageError as the encoding does.
    """
    from evscli.train.checkpoint import CHECKPOINT_FILE
    from evscli.train.folder import FILMS_FILE

    store = folder / "store"
    begun = (folder / CHECKPOINT_FILE).exists() and store.exists()
    if inputs:
        encode_whole(inputs, store, model=model, device=device, begun=begun)
    elif films is not None and not (begun and (folder / FILMS_FILE).exists()):
        encode_films(films, store, model=model)


def encode_films(count: int, store: Path, *, model: str | None) -> None:
    """Encode procedural videos into a store, and write their conversations beside it."""
    from evscli.cli.notes import progress
    from evscli.job import Encoding
    from evscli.mini.exam.examples import FilmExamples
    from evscli.mini.exam.stored import store_films
    from evscli.train.folder import FILMS_FILE

    films = FilmExamples(encoding=Encoding(model=model), seed=0)
    with progress(count, unit="video") as advance:
        store_films(
            films,
            count,
            store=store,
            conversations=store.with_name(FILMS_FILE),
            begin=lambda: note(f"encoding {count:,} procedural videos, once, into {store}"),
            advance=advance,
        )


def encode_whole(
    inputs: list[str], store: Path, *, model: str | None, device: str, begun: bool
) -> None:
    """Encode videos into a store of all tokens, to which a run that has `begun` adds none.

    Raises UsageError where none can be encoded, and for new videos of a run that has begun.
    """
    from evscli.api import prune_videos
    from evscli.job import Encoding, Job, Selection, Storage

    job = Job(
        selection=Selection(methods=("none",)),
        encoding=Encoding(model=model, device=device),
        storage=Storage(output=str(store)),
    )
    (summary,) = prune_videos(inputs, job, listener=EncodingNotes(store, begun=begun))
    if not summary.pruned and not summary.skipped:
        raise UsageError("no video could be encoded, so there is nothing to learn from")


class EncodingNotes:
    """A listener that prints a note on the beginning, and on every video that fails."""

    def __init__(self, store: Path, *, begun: bool) -> None:
        self.store, self.begun = store, begun

    def begin(self, tasks: Sequence[Task], summaries: object) -> None:  # noqa: ARG002
        """Print a note where videos are left. Raises UsageError where the run has begun."""
        if tasks and self.begun:
            raise UsageError(
                f"{tasks[0].video.name} is not in {self.store}, and a run that has begun takes no "
                "new videos: leave it out to go on, or name another folder with -o"
            )
        if tasks:
            note(f"encoding the videos, once, into {self.store}")

    def done(self, done: Done, *, again: bool) -> None:
        """Print a note on a failure that is the last of its video."""
        from evscli.records import Failure

        if isinstance(done.outcome, Failure) and not again:
            note(f"left out: {done.outcome.message}")
