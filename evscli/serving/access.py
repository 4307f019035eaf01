"""The stores that requests to a server may name."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from evscli.errors import StoreError, UsageError
from evscli.serving.address import shortened

SERVED = "EVS_SERVED_STORES"
"""The variable by which `evs serve` gives the server's processes the stores, as JSON."""


STORES_ONLY = "EVS_STORES_ONLY"
"""The variable by which `evs serve` says that videos of no store are not taken, nor fetched."""


@dataclass(frozen=True, kw_only=True)
class Access:
    """The stores that requests may name: those of the server by name, and those below a folder."""

    named: Mapping[str, Path] = field(default_factory=dict)
    """The stores that the server was started with, by the name of their folder."""
    root: Path | None = None
    """The folder below which any store may be named, links followed."""
    written: Path | None = None
    """The same folder as `--allowed-local-media-path` has it, which may be a link itself."""

    @classmethod
    def of_server(cls, root: str | Path | None) -> Access:
        """Return the access of this process's server, which allows files below `root`."""
        named = json.loads(os.environ.get(SERVED, "{}"))
        return cls(
            named={name: Path(path) for name, path in named.items()},
            root=Path(root).resolve() if root else None,
            written=Path(root).absolute() if root else None,
        )

    def path_of(self, store: str) -> Path:
        """Return the folder of a store. Raises UsageError for one not allowed.

        The file system is only looked into below the allowed folder, and the message is the same
        for what is there and what is not, so that nothing can be looked for.
        """
        if store in self.named:
            return self.named[store]
        path = Path(store)
        if path.is_absolute() and ".." not in path.parts:
            if path in self.named.values():
                return path
            below = [one for one in (self.root, self.written) if one and path.is_relative_to(one)]
            if self.root is not None and below:
                with suppress(OSError, RuntimeError, ValueError):  # of links, loops and characters
                    real = path.resolve()
                    if real.is_relative_to(self.root) and (real.is_dir() or real.is_file()):
                        return real
        raise UsageError(f"the store {shortened(store)!r} is not served: {self._remedy()}")

    def _remedy(self) -> str:
        known = [repr(name) for name in self.named]
        if self.root is not None:  # without its path, which vLLM blots out of messages
            known.append("by its path one below the folder of --allowed-local-media-path")
        if known:
            return f"name {' or '.join(known)}"
        return "start the server by evs serve, or with --allowed-local-media-path"


def named_stores(paths: Iterable[Path]) -> dict[str, Path]:
    """Return stores by the name of their folder.

    Raises StoreError for one that is not there, UsageError for two of one name.
    """
    named: dict[str, Path] = {}
    for path in paths:
        try:
            real = path.resolve(strict=True)
        except (OSError, RuntimeError):  # of what is not there, and of links in a circle
            raise StoreError(
                f"{path} does not exist: name the folder that evs prune wrote"
            ) from None
        if named.setdefault(real.name, real) != real:
            raise UsageError(
                f"{named[real.name]} and {real} have one name: rename a folder, or serve only "
                "one of them"
            )
    return named
