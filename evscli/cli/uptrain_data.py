"""The data of an uptraining run: videos that are encoded once, and conversations about them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from evscli.cli.notes import note
from evscli.errors import UsageError
from evscli.option import Checked, Option

if TYPE_CHECKING:
    from evscli.corpus.tasks import Done, Task
    from evscli.encoders.files import ModelFiles
    from evscli.job import Job
    from evscli.job.reading import Reading
    from evscli.records import VideoInput
    from evscli.train.tuning.conversations import ReadConversations


@dataclass(frozen=True, kw_only=True)
class Data(Checked):
    """The data that is learned from, and the checkpoint that learns."""

    GROUP: ClassVar = "Data"

    store: Annotated[
        str | None,
        Option(
            "Store that holds all tokens of its videos: evs prune --method none. Default: "
            "procedural videos, for mini.",
            metavar="STORE",
        ),
    ] = None
    conversations: Annotated[
        Path | None,
        Option(
            "JSON lines about videos by id: video, and messages, or question and answer (a text, "
            "or the number of one of options).",
            metavar="FILE.jsonl",
        ),
    ] = None
    films: Annotated[
        int | None,
        Option(
            "Procedural videos that mini learns from again and again, encoded once into "
            "DIR/store, with DIR/film-conversations.jsonl. Default: new ones in every step.",
            metavar="N",
            least=1,
        ),
    ] = None
    model: Annotated[
        str | None, Option("Checkpoint to begin with. Default: the bundled mini.", metavar="MODEL")
    ] = None


def check_sources(data: Data, inputs: list[str] | None) -> None:
    """Raise UsageError unless videos, or a store, come with conversations, and nothing twice."""
    if inputs and data.store is not None:
        raise UsageError("videos and --store exclude each other: a store holds the videos already")
    if data.films is not None and (inputs or data.store is not None or data.conversations):
        raise UsageError(
            "--films are procedural videos with their questions: give no videos, --store or "
            "--conversations beside them"
        )
    if (data.conversations is None) != (data.store is None and not inputs):
        raise UsageError(
            "--conversations are about videos or a --store: give both, or neither to learn from "
            "procedural videos"
        )


def find_data(
    data: Data,
    inputs: list[str] | None,
    reading: Reading,
    files: ModelFiles,
    folder: Path,
    *,
    device: str,
    processes: int,
    leads: bool,
    wait: Callable[[], None],
) -> tuple[str, ReadConversations] | None:
    """Return the store to learn from with the conversations about it, or None without them.

    Conversations are read first. Then the process that leads encodes videos into DIR/store, where
    they are not in one, and the others `wait`.
    """
    from evscli.cli.train_report import note_left_out
    from evscli.store import open_store
    from evscli.train.folder import FILMS_FILE

    store, read = folder / "store", partial(read_noted, files=files, shown=leads)
    if data.films is not None:
        if leads and not has_begun(folder):
            encode_films(data.films, store, model=data.model, processes=processes)
        wait()
        return str(store), read(folder / FILMS_FILE, open_store(store))
    if data.conversations is None:
        return None
    if data.store is not None:
        return data.store, read(data.conversations, open_store(data.store))
    job = whole_job(store, reading, model=data.model, device=device)
    videos = find_videos(job, inputs or [], shown=leads)
    conversations = read(data.conversations, {video.id for video in videos})
    if leads:
        encode_whole(videos, job, store, begun=has_begun(folder))
    wait()
    left = conversations.about(open_store(store))
    note_left_out(left.left_out if leads else ())
    return str(store), left


def has_begun(folder: Path) -> bool:
    """Return whether a run has learned already, so that nothing may come to what it learns from."""
    from evscli.train.checkpoint import CHECKPOINT_FILE

    return (folder / CHECKPOINT_FILE).exists() and (folder / "store").exists()


def read_noted(
    path: Path, videos: Collection[str], *, files: ModelFiles, shown: bool
) -> ReadConversations:
    """Read conversations about videos by their ids, with a note on every line left out."""
    from evscli.cli.train_report import note_left_out
    from evscli.train.tuning.conversations import read_conversations
    from evscli.train.tuning.loaded import text_check

    found = read_conversations(path, videos, text_check(files))
    note_left_out(found.left_out if shown else ())
    return found


def find_videos(job: Job, inputs: Sequence[str], *, shown: bool) -> list[VideoInput]:
    """Find videos, with a note on the files that are none."""
    from evscli.cli.events import report_left_out

    if not shown:
        return job.find_videos(inputs)
    return job.find_videos(inputs, left_out=partial(report_left_out, as_json=False))


def encode_films(count: int, store: Path, *, model: str | None, processes: int) -> None:
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
            processes=processes,
        )


def whole_job(store: Path, reading: Reading, *, model: str | None, device: str) -> Job:
    """Return the job that encodes videos into a store of all tokens."""
    from evscli.job import Encoding, Job, Selection, Storage

    return Job(
        selection=Selection(methods=("none",)),
        reading=reading,
        encoding=Encoding(model=model, device=device),
        storage=Storage(output=str(store)),
    )


def encode_whole(videos: Sequence[VideoInput], job: Job, store: Path, *, begun: bool) -> None:
    """Encode videos into the job's store, to which a run that has `begun` adds none.

    Raises UsageError where none can be encoded, and for new videos of a run that has begun.
    """
    from evscli.job.run import run_job

    (summary,) = run_job(job.resolved(), videos, listener=EncodingNotes(store, begun=begun))
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
