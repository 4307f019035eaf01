"""The report of files in folders, globs and tars that are not taken as videos."""

from __future__ import annotations

from evscli.cli.events import emit
from evscli.cli.notes import note
from evscli.corpus.inputs import LeftOut
from evscli.texts import count_text


def report_left_out(left_out: LeftOut, *, as_json: bool) -> None:
    """Print a note, or the event `left_out`."""
    if as_json:
        emit("left_out", {"files": left_out.count, "kinds": dict(left_out.kinds)})
    else:
        were = "was" if left_out.count == 1 else "were"
        note(f"{count_text(left_out.count, 'file')} {were} left out: {left_out}")
