"""Requests to something remote: passing faults are tried again, others become one line.

The back ends are optional packages and share no class of errors, so passing faults are recognised
by HTTP status and by names of classes.
"""

from __future__ import annotations

import errno
import logging
import re
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from evscli.errors import EvsError, VideoError
from evscli.store.durable import FULL

logger = logging.getLogger(__name__)

RETRY_WAITS = (1.0, 4.0)
"""The seconds before the second and the third attempt, which is the last."""
PASSING_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
PASSING_ERRNO = frozenset({errno.EBUSY, getattr(errno, "EREMOTEIO", errno.EIO)})
"""The error numbers that s3fs gives for "slow down" and an internal error."""
PASSING_CLASSES = frozenset(
    "TimeoutError ConnectionError ClientConnectionError ClientPayloadError TransportError "
    "HTTPClientError".split()
)
"""The classes of Python, aiohttp, httpx and botocore, with all below them, for connections that
fail."""
CREDENTIALS = frozenset("NoCredentialsError DefaultCredentialsError RefreshError".split())
T = TypeVar("T")


class MissingError(VideoError):
    """The error that nothing lies at a path or an address."""


def attempt(name: str, action: Callable[[], T]) -> T:
    """Return the result of `action`, called up to three times where a fault may pass.

    Raises VideoError with one line about `name`; a full disk stays the OSError that it is.
    """
    for wait in (*RETRY_WAITS, None):
        try:
            return action()
        except EvsError:
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in FULL:
                raise
            if wait is None or not may_pass(error):
                raise explained(error, name) from error
            again = "%s: asked again in %g s, since something went wrong that may pass (%s)"
            logger.info(again, name, wait, _first_line(error))
        time.sleep(wait)
    raise AssertionError("the last attempt returns or raises")


def may_pass(error: BaseException) -> bool:
    """Return whether the same request may succeed later."""
    for cause in _causes(error):
        if (status := _status(cause)) is not None:
            return status in PASSING_STATUS
        if isinstance(cause, OSError) and cause.errno in PASSING_ERRNO:
            return True
        if PASSING_CLASSES & {kind.__name__ for kind in type(cause).__mro__}:
            return True
    return False


def explained(error: BaseException, name: str) -> VideoError:
    """Return the one line about what went wrong."""
    status = next(filter(None, map(_status, _causes(error))), None)
    kinds = {kind.__name__ for cause in _causes(error) for kind in type(cause).__mro__}
    if isinstance(error, ImportError):
        return VideoError(
            f"{name} needs a package that is not installed: pip install 'evscli[remote]'"
        )
    if status in (401, 403) or "PermissionError" in kinds or kinds & CREDENTIALS:
        return VideoError(f"{name} may not be read; check its permissions and your credentials")
    if may_pass(error):
        return VideoError(
            f"{name} cannot be reached ({_first_line(error)}); check the network and run the same "
            "command again"
        )
    if isinstance(error, FileNotFoundError):
        return MissingError(f"no such file or folder: {name}; check the path")
    return VideoError(f"cannot read {name} ({_first_line(error)}); check that it can be read")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, then its causes: a refusal may come as "not found"."""
    while error is not None:
        yield error
        error = error.__cause__


def _status(error: BaseException) -> int | None:
    """Return the HTTP status that an error of aiohttp, httpx or gcsfs carries."""
    response = getattr(error, "response", None)
    for holder, attribute in ((error, "status"), (response, "status_code"), (error, "code")):
        value = getattr(holder, attribute, None)
        if isinstance(value, int):
            return value
    return None


def _first_line(error: BaseException) -> str:
    """Return class and text of the innermost error, without the query of a signed address."""
    *_, last = _causes(error)
    text = (str(last).splitlines() or [""])[0]
    return re.sub(r"\?\S+", "", f"{type(last).__name__}: {text}" if text else type(last).__name__)
