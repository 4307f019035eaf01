from __future__ import annotations

from dataclasses import replace

import pytest

from evscli.corpus.estimate import duration
from evscli.corpus.estimate.calibrate import Effort
from evscli.corpus.estimate.duration import Duration, duration_of
from evscli.corpus.estimate.forecast import Forecast
from evscli.corpus.executors.engine import Engine

FORECAST = Forecast(seconds=100, frames=200, tokens=10_000, decoding=1_000)
EFFORT = Effort(
    videos=2,
    decoding=10,
    decode_seconds=1,
    tokens=1_000,
    encode_seconds=2,
    stored=100,
    write_seconds=0.5,
)
GPUS = Engine(devices=("cuda:0", "cuda:1"), processes=4)


@pytest.fixture(autouse=True)
def _cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duration, "sched_getaffinity", lambda _: range(64))
    monkeypatch.setattr(duration.torch, "get_num_threads", lambda: 64)


def of(engine: Engine, *, tasks: int = 50) -> Duration:
    return duration_of(FORECAST, 1_000, EFFORT, engine, tasks=tasks, load=7)


def test_each_part_is_shared_by_those_who_do_it() -> None:
    found = of(GPUS)
    assert (found.decode, found.encode, found.write) == (100 / 4, 20 / 2, 5 / 2)
    assert found.bottleneck == "decode"
    assert found.seconds == 7 + 25


def test_more_decoders_move_the_bottleneck_and_no_more_than_there_are_videos_help() -> None:
    many = replace(GPUS, processes=40)
    assert of(many).decode == 100 / 40
    assert of(many).bottleneck == "encode"
    assert of(many, tasks=3).decode == 100 / 3


def test_the_decoders_that_workers_need_do_not_depend_on_how_many_there_are() -> None:
    # 100 s of decoding, while two workers encode for 10 s each
    assert {of(replace(GPUS, processes=count)).decoders for count in (1, 4, 40)} == {10}
    assert of(GPUS).bound == "decode"
    assert of(replace(GPUS, processes=10)).bound == "encode"
    assert of(Engine(devices=("cuda:0",), cores=64)).decoders == 5
    slow = replace(EFFORT, encode_seconds=1000)
    assert duration_of(FORECAST, 1, slow, GPUS, tasks=9, load=0).decoders == 1


def test_workers_that_share_a_gpu_are_no_faster() -> None:
    shared = Engine(devices=("cuda:0", "cuda:0"), processes=4)
    assert of(shared).encode == 20


def test_on_a_cpu_decoding_and_encoding_share_its_cores() -> None:
    found = of(Engine(devices=("cpu",), processes=40))
    assert found.encode == 20
    assert found.cores == (100 + 20 * 64 + 5) / 64
    assert found.bottleneck == "cores"
