"""Every key of a shard's header with values that no video has: one clear error, whoever reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evscli.cli import run
from evscli.errors import DamagedError
from evscli.records import Part
from evscli.store import StoreWriter, open_store, verify
from evscli.store.codec import to_json
from evscli.store.summary import summarize_store
from tests.store.samples import CONFIG, record
from tests.store.test_reader import change_head

SHARD = "shard-0-00000.safetensors"
PART = to_json(Part(start=0.0, end=None, first_frame=0, source_seconds=9.0))

ODD: tuple[Any, ...] = (
    *(0, -1, 10**40, 0.5, -0.5, 1e308, None, "float9", "\0", "é\n\x1b[31m"),
    *([], {}, [0, 0, 0], [10**9] * 3, [65536, 65536], {"a": {"b": 1}}),
)


def paths(values: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Every key of a JSON object, and the keys inside it."""
    for key, value in values.items():
        yield (key,)
        if isinstance(value, dict):
            yield from ((key, *inner) for inner in paths(value))


def change(folder: Path, path: tuple[str, ...], value: Any) -> None:
    """Set one key of the description of `clip`, which is a part of its source."""

    def put(evs: dict[str, Any]) -> None:
        target = evs["videos"]["clip"]
        target["part"] = dict(PART)
        for key in path[:-1]:
            target = target[key]
        target[path[-1]] = value

    change_head(folder / SHARD, put)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with StoreWriter(tmp_path, CONFIG) as writer:
        writer.add(record("clip", planes=2, scores=True))
    return tmp_path


@pytest.mark.slow
def test_every_odd_value_is_read_as_it_is_or_is_one_clear_error(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (folder / SHARD).read_bytes()
    keys = list(paths({**to_json(open_store(folder).info("clip")), "part": PART}))
    for path in keys:
        for value in ODD:
            (folder / SHARD).write_bytes(whole)
            change(folder, path, value)
            store = open_store(folder)
            found, case = list(verify(store)), (path, value)
            try:
                assert 0 <= store["clip"].info.retention <= 1
            except DamagedError:
                assert found, case
                with pytest.raises(DamagedError, match=SHARD):
                    summarize_store(store)
            else:
                codes = {
                    run(["inspect", str(folder), *more], debug=False) for more in ([], ["clip"])
                }
                assert (codes, capsys.readouterr().err) == ({0}, ""), case


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("grid_thw", [0, 0, 0], "key 'grid_thw' is (0, 0, 0), not in 1 to 1e+15"),
        ("grid_thw", [3, -2, -4], "key 'grid_thw' is (3, -2, -4), not in 1 to 1e+15"),
        ("grid_thw", [3, 2], "key 'grid_thw' must be array of length 3, not 2"),
        ("grid_thw", [3, 2, 10**9], "keep_mask is BOOL [3, 2, 4] where BOOL [3, 2, 1000000000]"),
        ("model.dtype", "float9", "key 'model.dtype' is 'float9', not in ('float32', 'float16'"),
        ("model.compute_dtype", "x", "key 'model.compute_dtype' is 'x', not in ('float32',"),
        ("store_dtype", "foo", "key 'store_dtype' is 'foo', not in ('bfloat16', 'float16', 'float"),
        ("model.embed_dim", 5, "embeds is F32 ["),
        ("model.deepstack_planes", 0, "deepstack is there, but the model has none"),
        ("model.temporal_patch_size", 3, "6 frames are not 3 temporal patches of 3"),
        ("kept", 1, "where F32 [1, 4] was expected"),
        ("kept", -1, "key 'kept' is -1, not in 0 to 1e+15"),
        ("rotation", 91, "key 'rotation' is 91, not in (0, 90, 180, 270)"),
        ("source_fps", 0, "key 'source_fps' is 0.0, not in 1e-12 to 1e+12"),
        ("part.start", -1, "key 'part.start' is -1.0, not in 0 to 1e+15"),
        ("prune_at", -1, "key 'prune_at' is -1, not in 0 to 1e+15 or input"),
        ("prune_at", "inputs", "key 'prune_at' is 'inputs', which is not allowed"),
        ("budget", 2, "key 'budget' is 2.0, not in 1e-12 to 1"),
    ],
)
def test_a_wrong_value_is_named_before_any_tensor_is_read(
    folder: Path, capsys: pytest.CaptureFixture[str], key: str, value: Any, reason: str
) -> None:
    change(folder, tuple(key.split(".")), value)
    store = open_store(folder)
    for read in (store.info, store.__getitem__):
        with pytest.raises(
            DamagedError, match=f"{SHARD} is damaged .video 'clip': .*delete"
        ) as told:
            read("clip")
        assert reason in str(told.value)
    assert any(reason in problem.message for problem in verify(store))
    assert run(["inspect", str(folder)], debug=False) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {folder / SHARD} is damaged")


def test_positions_outside_the_grid_are_not_read(folder: Path) -> None:
    """The shard is as long as before, and so is every tensor."""
    raw = (folder / SHARD).read_bytes()
    positions = open_store(folder)["clip"].position_ids
    stored = positions.numpy().tobytes()
    assert raw.count(stored) == 1
    (folder / SHARD).write_bytes(raw.replace(stored, (positions + 9).numpy().tobytes()))
    with pytest.raises(DamagedError, match=re.escape("outside the grid [3, 2, 4]")):
        open_store(folder)["clip"]
