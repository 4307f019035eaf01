"""The name of a video in a request to a serving engine: a store, an id and a budget."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from evscli.budget import as_rule
from evscli.errors import UsageError

SCHEME = "evs:"
"""The beginning of an address written as a URL."""

FORM = "evs:STORE#ID, or evs:STORE#ID?budget=0.1"
"""The form of an address, for messages."""

KEYS = ("evs_store", "id", "budget")
"""The keys of an address written as a mapping, the last of which may be missing."""


CONTROL = re.compile(r"[\x00-\x1f\x7f]")

LONGEST = 200
"""The characters of a request that a message repeats at most."""


def shortened(text: str) -> str:
    """Return a text of a request as a message repeats it."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoAddress:
    """A video of a store, at the store's budget or a smaller one."""

    store: str
    """The path of a store, or the name of one that the server was started with."""
    id: str
    """The id of the video."""
    budget: str | None = None
    """A smaller budget, such as `0.1` or `256tok`; None is the store's."""

    @classmethod
    def of_url(cls, url: str) -> VideoAddress:
        """Read `evs:STORE#ID` or `evs:STORE#ID?budget=B`. Raises UsageError for another text.

        Store and id are percent-encoded, as `url` writes them.
        """
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise UsageError(
                f"{shortened(url)!r} is not an address ({error}): write {FORM}"
            ) from None
        if CONTROL.search(url):  # which are dropped without a word
            raise UsageError(f"{shortened(url)!r} has a control character: write it as %0A or so")
        name, _, query = parts.fragment.partition("?")
        store, (key, _, budget) = unquote(parts.netloc + parts.path), query.partition("=")
        if f"{parts.scheme}:" != SCHEME or not store or not name or parts.query:
            raise UsageError(f"{shortened(url)!r} names no video of a store: write {FORM}")
        if query and (key != "budget" or not budget):
            raise UsageError(
                f"{shortened(url)!r} asks for {shortened(query)!r}: only budget=B may follow the id"
            )
        return cls.of(store, unquote(name), unquote(budget) or None)

    @classmethod
    def of_mapping(cls, values: Mapping[str, Any]) -> VideoAddress:
        """Read `{"evs_store": STORE, "id": ID, "budget": B}`. Raises UsageError for others."""
        if unknown := sorted(map(str, values.keys() - {*KEYS})):
            raise UsageError(f"{unknown[0]!r} is not a key of a video: give {', '.join(KEYS)}")
        if "id" not in values:
            raise UsageError('the video has no id: give {"evs_store": STORE, "id": ID}')
        return cls.of(values["evs_store"], values["id"], values.get("budget"))

    @classmethod
    def of(cls, store: Any, video_id: Any, budget: Any = None) -> VideoAddress:
        """Make an address of checked parts. Raises UsageError for ids and budgets of other types.

        A budget is a fraction or a text such as `256tok`.
        """
        if not isinstance(store, str | Path):
            raise UsageError(f"a store is a path or a name, not {type(store).__name__}: name one")
        if not isinstance(video_id, str):
            raise UsageError(
                f"the id of a video is a text, not {type(video_id).__name__}: name a video"
            )
        if isinstance(budget, str) and ":" in budget:
            raise UsageError(
                f"budget {shortened(budget)!r} is a range to draw from: give one, such as 0.1 or "
                "256tok"
            )
        if budget is not None:
            # A query holds texts alone, so that a fraction is written like any other budget.
            budget = str(as_rule(budget if isinstance(budget, int | float) else str(budget)))
        return cls(store=str(store), id=video_id, budget=budget)

    @property
    def url(self) -> str:
        """The address as a URL, to be a `video_url` or `video_embeds` of the API of OpenAI."""
        budget = "" if self.budget is None else f"?budget={quote(self.budget, safe=':/')}"
        return f"{SCHEME}{quote(self.store)}#{quote(self.id)}{budget}"
