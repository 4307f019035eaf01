"""Faults of the packages installed beside evs, recognised from an error without an import."""

from __future__ import annotations

from collections.abc import Iterator
from traceback import walk_tb

from evscli.texts import first_line

TORCHVISION = "torchvision"


def broken_package(error: BaseException) -> str | None:
    """Return the message on an error that a package beside evs causes, None for any other.

    transformers imports torchvision wherever it is installed, and fails if it fits another torch.
    torch and transformers read the entry points of all packages, and fail if one has a broken list.
    """
    from evscli.added import read_each  # it takes importlib.metadata, for which every command pays

    for link in _chain(error):
        if _raised_in(link, "importlib.metadata") and (unreadable := read_each()[1]):
            return unreadable[0]
        named = link.name or "" if isinstance(link, ImportError) else ""
        if named.partition(".")[0] == TORCHVISION or _raised_in(link, TORCHVISION):
            return (
                f"torchvision {_version(TORCHVISION)} does not match torch {_version('torch')} "
                f"({first_line(link)}): evs does not need it, so remove it with pip uninstall "
                "torchvision, or install the release that was made for this torch"
            )
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and the errors behind it, the first cause last."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__


def _raised_in(error: BaseException, package: str) -> bool:
    modules = (frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__))
    return any(f"{name}.".startswith(f"{package}.") for name in modules)


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version  # every command pays for it

    try:
        return version(package)
    except PackageNotFoundError:
        return "of unknown version"
