"""Procedural videos in a store, with a file of their questions: many runs share one encoding."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from torch.utils.data import Dataset

from evscli.job import Job, Selection, Storage
from evscli.job.loading import make_pruner
from evscli.mini.exam.examples import FilmExamples, conversation
from evscli.records import PrunedVideo
from evscli.store import StoreWriter
from evscli.store.durable import replace_file
from evscli.train.drawing import batches, lost_processes_named


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredFilm:
    """A video for the store, or None where it is there or has no questions, and its lines."""

    record: PrunedVideo | None
    lines: str
    """All questions about it with their answers, each a line of JSON."""


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodedFilms(Dataset[StoredFilm]):
    """Procedural videos by number, encoded when they are asked for unless they are `finished`."""

    films: FilmExamples
    finished: Collection[str]

    def __getitem__(self, number: int) -> StoredFilm:
        film = self.films.film(number)
        name = f"film-{self.films.seed}-{number:05d}"
        asked = [conversation(film, index) for index in range(len(film.questions))]
        return StoredFilm(
            record=self.films.encoded(name, film) if asked and name not in self.finished else None,
            lines="".join(json.dumps({"video": name, "messages": one}) + "\n" for one in asked),
        )


def store_films(
    films: FilmExamples,
    count: int,
    *,
    store: Path,
    conversations: Path,
    begin: Callable[[], None] = lambda: None,
    advance: Callable[[int], None] = lambda _: None,
    processes: int = 0,
) -> None:
    """Encode the first `count` videos into a store, and write all questions about them to a file.

    Videos that an earlier call left in the store are taken as they are; `begin` is called before
    the first that is added, `advance` with 1 after each. The bytes are the same in any number of
    `processes`, with 0 in this one. Raises StoreError as `StoreWriter` does, and TrainingError
    where a process was killed.
    """
    job = Job(
        selection=Selection(methods=("none",)),
        encoding=films.encoding,
        storage=Storage(output=str(store)),
    )
    (config,) = make_pruner(job, "cpu", encoder=films.encoder).configs
    lines: list[str] = []
    begun = False
    with StoreWriter(store, config) as writer, lost_processes_named():
        data = EncodedFilms(films=films, finished=frozenset(writer.finished))
        for film in batches(data, 0, count, processes):
            lines.append(film.lines)
            if film.record is not None:
                if not begun:
                    begin()
                begun = True
                writer.add(film.record)
            advance(1)
    replace_file(conversations, "".join(lines).encode())
