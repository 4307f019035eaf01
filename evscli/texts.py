"""What any text that comes from outside must be before it is used."""

from __future__ import annotations


def half_character(text: str) -> str | None:
    """The first piece of `text` that UTF-8 cannot write, or None.

    JSON can spell half of a surrogate pair, and a command line may hold bytes that are no UTF-8.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return text[error.start]
    return None
