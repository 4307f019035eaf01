"""The options and inputs that a person gave, against those that the methods take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from evscli.errors import UsageError
from evscli.pruners.method import Pruner
from evscli.pruners.options import closest
from evscli.pruners.request import PruneRequest
from evscli.records import OptionValue, VideoInput


def own_options(pruner: Pruner, given: Mapping[str, OptionValue]) -> dict[str, OptionValue]:
    """Return the ones of the options `given` that a method has."""
    own = {option.name for option in pruner.options}
    return {name: value for name, value in given.items() if name in own}


def refuse_unused(given: Mapping[str, OptionValue], pruners: Sequence[Pruner]) -> None:
    """Raise UsageError for an option that none of the methods has."""
    known = [option.name for pruner in pruners for option in pruner.options]
    for name in given:
        if name not in known:
            choice = f"choose from {', '.join(known)}" if known else "leave it out"
            methods = ", ".join(pruner.name for pruner in pruners)
            raise UsageError(
                f"none of the methods {methods} has an option {name!r}"
                f"{closest(name, known)}: {choice}"
            )


def check_given(
    requests: Sequence[PruneRequest], videos: Sequence[VideoInput], *, scorer: str | Path | None
) -> None:
    """Raise UsageError for a needed question that is missing, or for an input without use."""
    asking, scoring = (needing(requests, need) for need in ("query", "scorer"))
    asked = any(video.query for video in videos)
    if asking and not asked:
        raise UsageError(f"method {asking!r} needs a question: give it with --query TEXT")
    if asked and not asking:
        raise UsageError("no method here uses a query: leave --query, or the column query, out")
    if scorer is not None and not scoring:
        raise UsageError("no method here uses a scorer: leave --scorer out")


def needing(requests: Sequence[PruneRequest], need: str) -> str | None:
    """Return the name of the first method that needs an input, or None without one."""
    return next((one.pruner.name for one in requests if need in one.needs), None)
