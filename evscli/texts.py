"""Checks and cleaning of texts that come from outside, and numbers for people to read."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit


def one_line(text: str) -> str:
    """Return `text` on one line, with every character that is not printable spelled out.

    A name from outside may hold line ends, or codes that move a terminal's cursor.
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def half_character(text: str) -> str | None:
    """Return the first character of `text` that UTF-8 cannot write, or None.

    JSON can spell half of a surrogate pair, and a command line may hold bytes that are not UTF-8.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return text[error.start]
    return None


def without_secrets(url: str) -> str:
    """Return a web address without password and signature, and any other text as it is."""
    if not url.startswith(("http://", "https://")):
        return url
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def count_text(count: int, noun: str) -> str:
    """Return a number with its noun, such as `1 video` or `1,234 videos`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def size_text(count: int) -> str:
    """Return bytes in decimal units: 999 B, 1.2 kB, 3.4 MB."""
    value, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while value >= 999.5 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{value:.0f} {units[0]}" if units[0] == "B" else f"{value:.3g} {units[0]}"


def duration_text(seconds: float) -> str:
    """Return 12.3 s up to a minute, then 1:02 or 1:00:00."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or the name of its class without one."""
    try:
        lines = str(error).strip().splitlines()
    except Exception:  # a class of another package may fail at this too
        lines = []
    return lines[0] if lines else type(error).__name__
