"""The file run.json: the configuration of a store, written once by the first run.

A store whose run.json was lost is recognised by the fingerprint in its shards.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evscli.errors import DamagedError, MismatchError
from evscli.records import RunConfig
from evscli.store.codec import canonical_json, fingerprint, from_json, json_object, to_json
from evscli.store.durable import publish, sync_file
from evscli.store.schema import FORMAT_VERSION, RUN_NAME, list_shards
from evscli.store.shard_header import check_format, read_header


def read_run(folder: Path) -> RunConfig:
    """Return a store's configuration. Raises DamagedError, or StoreError for a later format."""
    path = folder / RUN_NAME
    try:
        data = json_object(path.read_bytes())
        check_format(path, data)
        run = from_json(RunConfig, data)
        if data.get("fingerprint") != fingerprint(run.settings):
            raise ValueError("its fingerprint is not that of its settings")
    except ValueError as error:
        raise DamagedError(
            f"{path} is damaged ({error}): delete it, and the next evs prune with the same "
            "settings writes it again"
        ) from None
    return run


def encoder_dtypes(folder: Path) -> tuple[str, str] | None:
    """Return the dtypes that a store's tokens are kept in and were computed in.

    The first shard gives them where run.json is missing; None where neither does. Raises
    DamagedError, or StoreError for a later format.
    """
    said: Any = None
    if (folder / RUN_NAME).exists():
        said = read_run(folder).settings.get("encoder")
    elif folder.is_dir():
        headers = [read_header(path) for path in list_shards(folder)[:1]]
        infos = (header.info(video_id) for header in headers for video_id in header.videos)
        said = next((to_json(info.model) for info in infos), None)
    if not isinstance(said, Mapping) or not isinstance(kept := said.get("dtype"), str):
        return None
    return kept, str(said.get("compute_dtype") or kept)


def check_run(folder: Path, config: RunConfig) -> None:
    """Check that a store, where there is one, names the same settings; nothing is written.

    Raises MismatchError as `claim_run` does, and DamagedError.
    """
    if (folder / RUN_NAME).exists():
        _check_settings(folder, read_run(folder).settings, config.settings)
    elif folder.is_dir():
        _check_shards(folder, fingerprint(config.settings))


def claim_run(folder: Path, config: RunConfig, *, temporary: Path) -> None:
    """Write run.json, or check that it names the same settings.

    The provenance of the first run stays. `temporary` is a free path on the same file system.
    Raises MismatchError with each key that differs and both its values.
    """
    path = folder / RUN_NAME
    if not path.exists():
        _check_shards(folder, fingerprint(config.settings))
        temporary.write_text(_run_text(config), encoding="utf-8")
        sync_file(temporary)
        try:
            publish(temporary, path)
        except FileExistsError:
            temporary.unlink()  # another writer of the same store was first
    _check_settings(folder, read_run(folder).settings, config.settings)


def differences(
    stored: Mapping[str, Any], asked: Mapping[str, Any], where: tuple[str, str] = ("there", "now")
) -> list[str]:
    """Return one text per key that differs, nested keys joined by dots, with both values."""
    old, new = _flatten(stored), _flatten(asked)
    return [
        f"{key} is {old.get(key, 'absent')} {where[0]} and {new.get(key, 'absent')} {where[1]}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]


def _check_settings(folder: Path, stored: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    if changed := differences(stored, to_json(asked)):
        dtypes = ("encoder.dtype ", "encoder.compute_dtype ")
        auto = any(text.startswith(dtypes) for text in changed)
        way = " (--dtype auto takes its dtypes)" if auto else ""
        raise MismatchError(
            f"{folder} holds another configuration: {', '.join(changed)}; name another folder with "
            f"-o, or run with the settings it was made with{way}"
        )


def _check_shards(folder: Path, asked: str) -> None:
    for path in list_shards(folder)[:1]:
        if (stored := read_header(path).fingerprint) != asked:
            raise MismatchError(
                f"{folder} has no {RUN_NAME}, and its shards were made with another configuration "
                f"(fingerprint {stored[:12]} there, {asked[:12]} now): name another folder with -o"
            )


def _run_text(config: RunConfig) -> str:
    data = {
        "format": FORMAT_VERSION,
        "fingerprint": fingerprint(config.settings),
        **to_json(config),
    }
    return json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return the JSON text of every setting, by its keys joined by dots."""
    flat: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = canonical_json(value)
    return flat
