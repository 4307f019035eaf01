from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from evscli.scratch import allocate
from evscli.store import StoreWriter, open_store, verify
from tests.store.processes import finish, start
from tests.store.samples import CONFIG, model, record

MIB = 1 << 20


def anonymous_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.findall(r"RssAnon:\s+(\d+)", status)[0])


def write_large_and_small(folder: Path) -> None:
    """96 MiB in a scratch file, the same again in int8, 32 records of 2 MiB; shards of 64 MiB."""
    video = record(grid=(4, 64, 64), embed_dim=1, dtype=torch.bfloat16)
    width = (96 * MIB) // (2 * video.info.kept)
    os.environ["TMPDIR"] = str(folder.parent)
    embeds = allocate((video.info.kept, width), torch.bfloat16)
    embeds.fill_(1)
    info = replace(video.info, model=model(dtype="bfloat16", embed_dim=width))
    large = replace(video, info=info, embeds=embeds)
    before = anonymous_bytes()
    with StoreWriter(folder, CONFIG, shard_bytes=64 * MIB) as writer:
        writer.add(large)
        writer.add(replace(large, info=replace(info, id="narrow", store_dtype="int8")))
        for number in range(32):
            writer.add(record(f"v{number}", grid=(4, 16, 16), embed_dim=1024))
        grown = anonymous_bytes() - before
    assert grown < 32 * MIB, f"{grown / MIB:.0f} MiB of anonymous memory"
    assert len(list(folder.glob("shard-*"))) > 2
    assert list(verify(open_store(folder))) == []
    grown = anonymous_bytes() - before
    assert grown < 32 * MIB, f"{grown / MIB:.0f} MiB of anonymous memory"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_neither_a_large_record_nor_many_small_ones_fill_memory(tmp_path: Path) -> None:
    finish(start(write_large_and_small, tmp_path / "store"))
