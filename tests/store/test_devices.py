from __future__ import annotations

from pathlib import Path

import pytest

from evscli.errors import DamagedError
from evscli.records import RunConfig
from evscli.store import StoreWriter, open_store
from evscli.store.devices import Device, read_devices
from evscli.store.summary import summarize_store, summarize_video
from tests.store.samples import SETTINGS, record

CPU = {"device": "cpu", "device_name": "EPYC"}
GPU = {"device": "cuda:0", "device_name": "NVIDIA H200"}
REMARK = (
    "was begun on cpu (EPYC) and goes on on cuda (NVIDIA H200): values differ in their last bit"
)


def go_on(folder: Path, made_by: dict[str, str], video: str, writer: int = 0) -> str | None:
    config = RunConfig(settings=SETTINGS, provenance=made_by)
    with StoreWriter(folder, config, writer=writer) as store:
        store.add(record(video))
        return store.remark


def test_a_store_that_goes_on_with_another_device_says_so_and_names_both(tmp_path: Path) -> None:
    assert go_on(tmp_path, CPU, "a") is None
    assert read_devices(tmp_path) == ()
    for number, device in enumerate(("cuda:0", "cuda:1", "cuda:0")):
        assert REMARK in str(go_on(tmp_path, GPU | {"device": device}, f"b{number}"))
    assert go_on(tmp_path, CPU, "c") is None
    assert REMARK in str(go_on(tmp_path, GPU, "d", writer=1))

    lines = (tmp_path / "devices-0.jsonl").read_text()
    assert lines == '{"device":"cuda:0","device_name":"NVIDIA H200"}\n'
    store = open_store(tmp_path)
    assert store.run is not None
    assert store.run.provenance == CPU
    assert summarize_store(store).devices == (Device(**GPU),)
    assert summarize_video(store, "a").devices == (Device(**GPU),)


@pytest.mark.parametrize(
    ("first", "now", "is_like"),
    [
        ({"device": "cpu"}, CPU, True),  # a store of an earlier release
        ({"device": "cpu"}, GPU, False),
        ({"device": "cuda:3"}, GPU, True),
        (GPU, GPU | {"device": "cuda:7"}, True),
        (GPU, GPU | {"device_name": "NVIDIA A100"}, False),
        ({}, GPU, True),
        ({"device": 3}, GPU, True),
    ],
)
def test_devices_are_compared_by_their_model_where_it_is_known(
    tmp_path: Path, first: dict[str, str], now: dict[str, str], is_like: bool
) -> None:
    go_on(tmp_path, first, "a")
    assert (go_on(tmp_path, now, "b") is None) == is_like
    assert (read_devices(tmp_path) == ()) == is_like


def test_a_damaged_list_of_devices_is_one_line(tmp_path: Path) -> None:
    go_on(tmp_path, CPU, "a")
    (tmp_path / "devices-0.jsonl").write_text("[]\n")
    with pytest.raises(DamagedError, match=r"devices-0.jsonl line 1 is damaged .*delete this file"):
        go_on(tmp_path, GPU, "b")
