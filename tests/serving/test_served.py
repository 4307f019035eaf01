"""A served video is the record of the store at that budget, in the layout of engines."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from evscli.errors import DamagedError, UsageError
from evscli.serving.served import PREFIX, WITH_ROWS, ServedVideo
from evscli.store import UnknownVideoError, open_store

BUDGETS = (None, "0.25", "9tok")


@pytest.mark.parametrize("name", ["wide", "float8", "int8"])
@pytest.mark.parametrize("budget", BUDGETS)
def test_rows_and_mask_are_those_of_the_record(
    kept: dict[str, Path], name: str, budget: str | None
) -> None:
    store = open_store(kept[name])
    record = store["a"] if budget is None else store["a"].at(budget)
    served = ServedVideo.read(store, "a", budget)
    assert record.deepstack is not None
    expected = torch.cat([record.embeds, *record.deepstack], dim=-1)
    assert torch.equal(served.rows(), expected)
    assert served.rows().dtype == record.embeds.dtype
    assert torch.equal(served.keep_mask, record.keep_mask)
    assert torch.equal(served.prompt_times, record.prompt_times)
    assert served.info == record.info
    assert served.second_per_grid is None


def test_tokens_behind_a_video_are_the_last_rows(kept: dict[str, Path]) -> None:
    video = ServedVideo.read(open_store(kept["wide"]), "a", "0.25")
    rows = video.rows()
    behind = torch.arange(2.0 * rows.shape[1]).view(2, -1)
    longer = replace(video, tensors={**video.tensors, "suffix": behind})
    assert torch.equal(longer.rows(), torch.cat([rows, behind]))


def test_a_key_may_tell_a_shard_besides(kept: dict[str, Path]) -> None:
    video = ServedVideo.read(open_store(kept["wide"]), "a", "0.25")
    less = ServedVideo.read(open_store(kept["wide"]), "a", "0.1")
    keys = {one.key_with_rows(state) for one in (video, less) for state in ("one", "other")}
    assert len(keys) == 4
    assert all(key.startswith(WITH_ROWS) and key.startswith(PREFIX) for key in keys)


def test_a_key_names_the_tokens_and_how_many_are_kept(kept: dict[str, Path]) -> None:
    stores = {name: open_store(path) for name, path in kept.items()}
    keys = {
        ServedVideo.read(store, video_id, budget).key
        for store in stores.values()
        for video_id in store
        for budget in BUDGETS
    }
    assert len(keys) == len(stores) * len(BUDGETS)  # both clips are the same video
    whole = ServedVideo.read(stores["wide"], "a")
    assert whole.key == f"evs-{stores['wide'].sha256('a')}"
    assert whole.key == ServedVideo.read(stores["wide"], "a", "0.5").key
    few = ServedVideo.read(stores["wide"], "a", "9tok")
    assert few.key == f"{whole.key}-9"
    assert torch.equal(whole.first(9).rows(), few.rows())
    assert whole.first(None) is whole


def test_what_a_store_lacks_is_refused(kept: dict[str, Path]) -> None:
    store = open_store(kept["wide"])
    with pytest.raises(UnknownVideoError, match="did you mean"):
        ServedVideo.read(store, "b c")
    with pytest.raises(UsageError, match=r"give at most 0\.5"):
        ServedVideo.read(store, "a", "0.75")


def test_a_truncated_shard_is_damaged(kept: dict[str, Path], tmp_path: Path) -> None:
    copied = Path(shutil.copytree(kept["wide"], tmp_path / "store"))
    (shard,) = copied.glob("shard-*")
    shard.write_bytes(shard.read_bytes()[:-8])
    with pytest.raises(DamagedError):
        ServedVideo.read(open_store(copied), "a")
