"""Procedural videos in a store, with a file of their questions: many runs share one encoding."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from evscli.job import Job, Selection, Storage
from evscli.job.loading import make_pruner
from evscli.mini.exam.examples import FilmExamples, conversation
from evscli.store import StoreWriter
from evscli.store.durable import replace_file


def store_films(
    films: FilmExamples,
    count: int,
    *,
    store: Path,
    conversations: Path,
    begin: Callable[[], None] = lambda: None,
    advance: Callable[[int], None] = lambda _: None,
) -> None:
    """Encode the first `count` videos into a store, and write all questions about them to a file.

    Videos that an earlier call left in the store are taken as they are; `begin` is called before
    the first that is encoded, `advance` with 1 after each. Raises StoreError as `StoreWriter` does.
    """
    job = Job(
        selection=Selection(methods=("none",)),
        encoding=films.encoding,
        storage=Storage(output=str(store)),
    )
    (config,) = make_pruner(job, "cpu", encoder=films.encoder).configs
    lines: list[str] = []
    begun = False
    with StoreWriter(store, config) as writer:
        for number in range(count):
            name, film = f"film-{films.seed}-{number:05d}", films.film(number)
            asked = [conversation(film, index) for index in range(len(film.questions))]
            lines += [json.dumps({"video": name, "messages": messages}) for messages in asked]
            if asked and name not in writer.finished:
                if not begun:
                    begin()
                begun = True
                writer.add(films.encoded(name, film))
            advance(1)
    replace_file(conversations, "".join(f"{line}\n" for line in lines).encode())
