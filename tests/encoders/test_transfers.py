"""Copies beside the computation, on a stand-in for the module of a GPU's streams that logs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from torch import Tensor

from evscli.encoders import VideoEncoder, load_encoder
from evscli.encoders.transfers import PlainTransfers, StreamTransfers, transfers_of
from tests.encoders.layouts import chunks_of, make_plan, random_frames

CPU = torch.device("cpu")


@dataclass
class StandIn:
    """Streams and events with names, in the order in which they are made."""

    log: list[str] = field(default_factory=list)
    made: dict[str, int] = field(default_factory=dict)
    current: str = "compute"

    def name(self, kind: str) -> str:
        self.made[kind] = self.made.get(kind, 0) + 1
        return f"{kind}{self.made[kind]}"

    def Stream(self, device: torch.device) -> Stream:
        assert device == CPU
        return Stream(("up", "down")[self.made.setdefault("stream", 0)], self, self.name("stream"))

    def Event(self, *, blocking: bool) -> Event:
        assert blocking
        return Event(self.name("event"), self)

    def current_stream(self, device: torch.device) -> Stream:
        assert device == CPU
        return Stream(self.current, self)

    @contextmanager
    def stream(self, stream: Stream) -> Iterator[None]:
        before, self.current = self.current, stream.name
        yield
        self.current = before


@dataclass
class Stream:
    name: str
    gpu: StandIn
    number: str = ""

    def wait_event(self, event: Event) -> None:
        self.gpu.log.append(f"{self.name} waits for {event.name}")

    def wait_stream(self, other: Stream) -> None:
        self.gpu.log.append(f"{self.name} waits for {other.name}")


@dataclass
class Event:
    name: str
    gpu: StandIn
    recorded: bool = False

    def record(self, stream: Stream) -> None:
        assert self.gpu.current == stream.name
        self.recorded = True
        self.gpu.log.append(f"{stream.name} records {self.name}")

    def synchronize(self) -> None:
        if self.recorded:
            self.gpu.log.append(f"host waits for {self.name}")


@pytest.fixture
def gpu() -> StandIn:
    return StandIn()


@pytest.fixture
def transfers(gpu: StandIn) -> StreamTransfers:
    return StreamTransfers(CPU, gpu, locked=False)


def test_uploads_have_a_stream_of_their_own_and_two_buffers(
    gpu: StandIn, transfers: StreamTransfers
) -> None:
    kept = [transfers.upload(torch.full((2, 3), number)).clone() for number in range(3)]
    assert [int(one[0, 0]) for one in kept] == [0, 1, 2]
    assert gpu.log == [
        "compute records event2",
        "up records event1",
        "compute waits for event1",
        "compute records event4",
        "up records event3",
        "compute waits for event3",
        "host waits for event1",  # before its buffer is written again
        "host waits for event2",  # so that at most two chunks are ahead
        "compute records event2",
        "up records event1",
        "compute waits for event1",
    ]


def test_a_result_is_waited_for_when_the_next_one_is_under_way(
    gpu: StandIn, transfers: StreamTransfers
) -> None:
    def computed() -> Iterator[list[Tensor]]:
        for number in range(3):
            gpu.log.append(f"computes {number}")
            yield [torch.full((4, 2), number).bfloat16(), torch.full((number,), number)]

    landed = [[one.clone() for one in result] for result in transfers.landed(computed())]

    assert [int(embeds[0, 0]) for embeds, _ in landed] == [0, 1, 2]
    assert [planes.tolist() for _, planes in landed] == [[], [1], [2, 2]]
    first, second = "event5", "event7"
    assert gpu.log == [
        "computes 0",
        "down waits for compute",
        f"down records {first}",
        "computes 1",
        "down waits for compute",
        f"down records {second}",
        f"host waits for {first}",
        "computes 2",
        f"host waits for {first}",
        "down waits for compute",
        f"down records {first}",
        f"host waits for {second}",
        f"host waits for {first}",
    ]


def test_buffers_grow_and_hold_any_shape(transfers: StreamTransfers) -> None:
    for shape, dtype in (((2, 3), torch.uint8), ((5, 1, 4), torch.float32), ((1,), torch.uint8)):
        pixels = torch.arange(torch.Size(shape).numel()).view(shape).to(dtype)
        for _ in range(2):
            assert torch.equal(transfers.upload(pixels), pixels)


@pytest.fixture
def encoder(qwen3: Path) -> VideoEncoder:
    return load_encoder(str(qwen3), dtype="float32", chunk_frames=4)


def test_tokens_by_streams_are_those_of_plain_copies(
    encoder: VideoEncoder, transfers: StreamTransfers, gpu: StandIn
) -> None:
    plan = make_plan(encoder, 23, 130, 200)
    chunks = chunks_of(random_frames(23, *plan.resized_size), 8, 8, 7)
    expected = encoder.encode(chunks, plan)
    assert encoder.transfers == PlainTransfers(CPU) == transfers_of(CPU)

    encoder.__dict__["transfers"] = transfers
    tokens = encoder.encode(chunks, plan)

    assert torch.equal(tokens.embeds, expected.embeds)
    assert tokens.deepstack is not None
    assert expected.deepstack is not None
    assert torch.equal(tokens.deepstack, expected.deepstack)
    assert sum(line.startswith("up records") for line in gpu.log) == 6
    assert sum(line.startswith("down records") for line in gpu.log) == 6


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_same_bits_with_and_without_streams(qwen3: Path) -> None:
    encoder = load_encoder(str(qwen3), device="cuda", dtype="float32", chunk_frames=4)
    assert isinstance(encoder.transfers, StreamTransfers)
    plan = make_plan(encoder, 48, 260, 400)
    chunks = chunks_of(random_frames(48, *plan.resized_size), 16, 16, 16)
    tokens = [encoder.encode(chunks, plan) for _ in range(3)]
    encoder.__dict__["transfers"] = PlainTransfers(encoder.device)
    expected = encoder.encode(chunks, plan)
    for one in tokens:
        assert torch.equal(one.embeds.cpu(), expected.embeds.cpu())
