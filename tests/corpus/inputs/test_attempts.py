from __future__ import annotations

import errno

import pytest

from evscli.corpus.inputs import attempts
from evscli.corpus.inputs.attempts import MissingError, attempt, explained, may_pass
from evscli.errors import UsageError, VideoError


class Answer(Exception):
    """As aiohttp's carries its status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


class TransportError(Exception):
    """As httpx calls all that goes wrong on the way."""


class ReadTimeout(TransportError):
    pass


class NoCredentialsError(Exception):
    """As botocore calls it."""


def because(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        TimeoutError(),
        ConnectionResetError(104, "Connection reset by peer"),
        ReadTimeout(),
        OSError(errno.EBUSY, "Please reduce your request rate"),
        *map(Answer, (408, 429, 500, 502, 503, 504)),
        because(FileNotFoundError("x"), Answer(503)),
    ],
)
def test_what_may_pass_is_asked_three_times(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    waited: list[float] = []
    caplog.set_level("INFO", logger=attempts.__name__)
    monkeypatch.setattr(attempts.time, "sleep", waited.append)
    answers = [error, error, "there"]

    def ask() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert attempt("s3://b/a.mp4", ask) == "there"
    assert waited == [1.0, 4.0]
    assert [text.partition(",")[0] for text in caplog.messages] == [
        "s3://b/a.mp4: asked again in 1 s",
        "s3://b/a.mp4: asked again in 4 s",
    ]
    answers = [error] * 4
    with pytest.raises(VideoError, match=r"^s3://b/a\.mp4 cannot be reached \(.*; check the net"):
        attempt("s3://b/a.mp4", ask)
    assert len(answers) == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError("Access Denied"), "s3://b/a may not be read; check its permissions"),
        (NoCredentialsError(), "and your credentials"),
        (because(FileNotFoundError("x"), Answer(403)), "may not be read"),
        (because(FileNotFoundError("x"), Answer(404)), "no such file or folder: s3://b/a; check"),
        (FileNotFoundError("x"), "no such file or folder"),
        (ImportError("Install s3fs"), r"pip install 'evscli\[remote\]'"),
        (ValueError("odd\nand more"), r"cannot read s3://b/a \(ValueError: odd\); check"),
        (OSError(errno.EIO, "Input/output error"), "cannot read s3://b/a"),
    ],
)
def test_what_cannot_pass_is_asked_once(error: Exception, words: str) -> None:
    asked: list[int] = []

    def ask() -> None:
        asked.append(1)
        raise error

    with pytest.raises(VideoError, match=words) as caught:
        attempt("s3://b/a", ask)
    assert len(asked) == 1
    assert caught.value.__cause__ is error
    assert isinstance(caught.value, MissingError) == str(caught.value).startswith("no such")


def test_what_was_said_already_and_a_full_disk_pass_through() -> None:
    for error in (UsageError("x"), OSError(errno.ENOSPC, "No space left on device")):
        with pytest.raises(type(error)) as caught:
            attempt("a", lambda error=error: (_ for _ in ()).throw(error))  # type: ignore[misc]
        assert caught.value is error


def test_a_signature_in_the_text_of_an_error_is_left_out() -> None:
    error = TransportError("no way to http://host/a.mp4?X-Signature=secret today")
    assert "secret" not in str(explained(error, "a"))
    assert may_pass(error)
