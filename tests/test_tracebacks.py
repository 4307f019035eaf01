"""Tracebacks as texts: what they name, what they keep to themselves, how long they may be."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

from evscli.errors import VideoError
from evscli.tracebacks import MOST_CHARACTERS, note_traceback, traceback_of


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    try:
        raise error from cause
    except type(error) as caught:
        return caught


def test_causes_come_first_and_code_is_named_as_python_finds_it() -> None:
    text = traceback_of(raised(VideoError("clip.mp4: no"), raised(KeyError("cause"))))
    assert text.index("KeyError: 'cause'") < text.index("VideoError: clip.mp4: no")
    assert '\n  File "tests/test_tracebacks.py", line ' in text
    root = str(Path(__file__).parents[1])
    assert root in sys.path
    assert root not in text


def test_addresses_have_no_secrets() -> None:
    secret = "403 at https://me:word@host.org/a.mp4?X-Signature=abc#part, see https://b.org/c"
    text = traceback_of(raised(OSError(secret)))
    assert "https://host.org/a.mp4" in text
    assert "https://b.org/c" in text
    for part in ("word", "Signature", "abc"):
        assert part not in text


def test_a_text_has_lines_and_no_other_control_characters() -> None:
    text = traceback_of(raised(OSError("a\x1b[2Jb\udcffc")))
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    assert r"a\x1b[2Jb\udcffc" in text


def test_of_a_long_one_the_middle_is_left_out() -> None:
    text = traceback_of(raised(OSError("end"), raised(OSError("x" * 3 * MOST_CHARACTERS))))
    assert MOST_CHARACTERS - 100 < len(text) <= MOST_CHARACTERS
    assert text.startswith("Traceback")
    assert text.endswith("OSError: end")
    assert "\n  ...\n" in text


def test_that_of_another_process_travels_with_the_error() -> None:
    there = traceback_of(raised(KeyError("there")))
    error = VideoError("clip.mp4: no", stage="decode", kind="KeyError")
    note_traceback(error, there, process="decoder")
    sent = pickle.loads(pickle.dumps(error))
    assert (sent.stage, sent.kind, str(sent)) == ("decode", "KeyError", "clip.mp4: no")
    text = traceback_of(raised(sent))
    assert "In the decoder process:\n\nTraceback" in text
    assert "KeyError: 'there'" in text
