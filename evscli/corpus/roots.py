"""The folders that a store's videos were pruned from, remembered on this machine, not in the store.

A store holds no path of a machine, so that it can be moved and published. One small file for each
store lies in the user's state folder; losing it loses nothing but a default.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from evscli.store.durable import make_folder, replace_file


def remember(store: Path, roots: Iterable[Path]) -> None:
    """Add input roots to those of a store; do nothing where they cannot be written."""
    file = _file(store)
    # Not resolve(): a root that is a symbolic link stays right when the link is moved.
    absolute = [os.path.abspath(root) for root in roots]  # noqa: PTH100
    known = [str(root) for root in remembered(store)]
    with suppress(OSError, RuntimeError):
        make_folder(file.parent)
        listed = list(dict.fromkeys([*absolute, *known]))
        replace_file(file, json.dumps({"store": _name(store), "roots": listed}).encode())


def remembered(store: Path) -> list[Path]:
    """Return the roots of a store, the latest first; none where nothing readable is remembered."""
    try:
        values = json.loads(_file(store).read_text(encoding="utf-8"))
        return [Path(root) for root in values["roots"]]
    except (OSError, RuntimeError, ValueError, KeyError, TypeError):
        return []


def _file(store: Path) -> Path:
    name = hashlib.sha256(_name(store).encode(errors="surrogateescape")).hexdigest()[:32]
    return _state_folder() / "evs" / "roots" / f"{name}.json"


def _name(store: Path) -> str:
    return os.path.realpath(store)


def _state_folder() -> Path:
    """Return the state folder of the XDG base directory specification."""
    given = os.environ.get("XDG_STATE_HOME", "")
    return Path(given) if os.path.isabs(given) else Path.home() / ".local" / "state"  # noqa: PTH117
