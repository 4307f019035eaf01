"""The devices that made a store: run.json names that of the first run, files of lines the others.

Values that another device computes differ in their last bits, and so may masks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evscli.records import RunConfig
from evscli.store.codec import canonical_json, to_json
from evscli.store.durable import append_lines
from evscli.store.manifest import decode_lines
from evscli.store.run import read_run
from evscli.store.schema import DEVICES, lines_path, list_lines


@dataclass(frozen=True, kw_only=True)
class Device:
    """A device that computed videos of a store."""

    device: str
    """The name of the device on its machine, such as `cuda:0`."""
    device_name: str | None = None
    """The name of its model, where that was recorded."""

    @property
    def kind(self) -> str:
        """The kind of device: `cpu` or `cuda`."""
        return self.device.partition(":")[0]

    def __str__(self) -> str:
        return self.kind if self.device_name is None else f"{self.kind} ({self.device_name})"

    def is_like(self, other: Device) -> bool:
        """Return whether both are of one model, or of one kind where a model is not known."""
        known = None not in (self.device_name, other.device_name)
        return self.kind == other.kind and not (known and self.device_name != other.device_name)


def device_of(provenance: Mapping[str, Any]) -> Device | None:
    """Return the device that a provenance names, if it names one."""
    device, name = provenance.get("device"), provenance.get("device_name")
    if not isinstance(device, str):
        return None
    return Device(device=device, device_name=name if isinstance(name, str) else None)


def note_device(folder: Path, writer: int, config: RunConfig) -> str | None:
    """Record the device of a run where the store was begun on another one; return a remark then.

    Only the holder of the writer's lock may call it. Raises OSError, DamagedError.
    """
    now, first = device_of(config.provenance), device_of(read_run(folder).provenance)
    if now is None or first is None or now.is_like(first):
        return None
    path = lines_path(folder, DEVICES, writer)
    if not (path.exists() and any(now.is_like(one) for one in _read(path))):
        append_lines(path, [canonical_json(to_json(now))])
    return (
        f"{folder} was begun on {first} and goes on on {now}: values differ in their last bits, "
        "and so may masks"
    )


def read_devices(folder: Path) -> tuple[Device, ...]:
    """Return the devices of later runs that differ from the first. Raises DamagedError."""
    paths = list_lines(folder, DEVICES) if folder.is_dir() else []
    return tuple(dict.fromkeys(device for path in paths for device in _read(path)))


def _read(path: Path) -> list[Device]:
    advice = "delete this file; only the names of later runs' devices are lost"
    return [*decode_lines(path, Device, advice)]
