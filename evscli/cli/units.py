"""Numbers for people to read."""

from __future__ import annotations


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
