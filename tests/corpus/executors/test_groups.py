"""Short videos that share calls of a tower, in runs of one process and of several."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from evscli.corpus.executors import groups
from evscli.corpus.executors.engine import Engine
from evscli.corpus.executors.local import prune_corpus
from evscli.corpus.inputs import find_videos
from evscli.corpus.resume import Retries
from evscli.corpus.tasks import Done, Summary, Task
from evscli.encoders import VideoEncoder, encoder, load_encoder
from evscli.errors import DeviceLostError
from evscli.job.run import BLOCK
from evscli.models.contract import Tower
from evscli.pipeline import HeldVideo, VideoPruner, passes, plan_video
from evscli.pruners import check_selection
from evscli.records import Failure, VideoTokens
from evscli.store import Store, open_store
from tests.faults import ILLEGAL_ACCESS
from tests.videos import write_video

NAMES = ["00", "01", "02", "03-wide", "04", "05-none", "06", "07", "08", "09"]
FRAMES = {"01": 72, "06": 96}
"""The frames of videos that have not 24."""

PACKED = Engine(processes=2, block=BLOCK)
ENCODE, CLIPS = encoder.encode_frames, groups.encode_held


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Short videos, among them one of another size and one that is none; only to be read."""
    folder = tmp_path_factory.mktemp("clips") / "in"
    folder.mkdir()
    for number, name in enumerate(NAMES):
        size = (96, 192) if name.endswith("wide") else (96, 128)
        frames = FRAMES.get(name, 24)
        write_video(folder / f"{name}.mp4", frames=frames, size=size, seed=number)
    (folder / "05-none.mp4").write_text("no video")
    return folder


def packing(patches: int = 1 << 20) -> VideoPruner:
    """A pruner that keeps all tokens, so that stores show every bit of them."""
    mini = load_encoder("mini", device="cpu", dtype="float32", chunk_patches=patches)
    return VideoPruner(mini, check_selection("none", None))


@pytest.fixture(scope="module")
def pruner() -> VideoPruner:
    return packing()


@dataclass
class Seen:
    """What a run did, and the clips that were encoded together, by their names."""

    together: list[list[str]] = field(default_factory=list)
    calls: int = 0
    """The calls of the tower."""
    ids: list[str] = field(default_factory=list)
    most: int | None = None
    """The results after which the run is interrupted."""

    def begin(self, tasks: Sequence[Task], summaries: Sequence[Summary]) -> None:
        pass

    def done(self, done: Done, *, again: bool) -> None:
        del again
        self.ids.append(done.outcome.id)
        if len(self.ids) == self.most:
            raise KeyboardInterrupt


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """What is seen of a run in this process."""
    seen = Seen()

    def encode(tower: Tower, patches: Tensor) -> Any:
        seen.calls += 1
        return ENCODE(tower, patches)

    def together(clips: Sequence[HeldVideo], encoder: VideoEncoder, *, stay: bool) -> Any:
        seen.together.append([clip.planned.video.id for clip in clips])
        return CLIPS(clips, encoder, stay=stay)

    monkeypatch.setattr(encoder, "encode_frames", encode)
    monkeypatch.setattr(groups, "encode_held", together)
    return seen


def run(clips: Path, make: Any, store: Path, seen: Seen, engine: Engine = PACKED) -> Store:
    """The store of a run, by a pruner or by what makes one on a device."""
    made = (lambda _: make) if isinstance(make, VideoPruner) else make
    prune_corpus(find_videos([str(clips)]), made, [store], listener=seen, engine=engine)
    return open_store(store)


def digests(store: Store) -> dict[str, str]:
    """The SHA-256 of the tokens of each video."""
    tokens = {name: store[name].embeds.contiguous() for name in store}
    return {n: hashlib.sha256(t.view(torch.uint8).numpy()).hexdigest() for n, t in tokens.items()}


def joined(seen: Seen) -> list[list[str]]:
    return [names for names in seen.together if names]


def test_videos_of_a_size_share_calls_within_their_block(
    clips: Path, pruner: VideoPruner, seen: Seen, tmp_path: Path
) -> None:
    store = run(clips, pruner, tmp_path / "store", seen)

    assert joined(seen) == [["00", "01", "02"], ["03-wide"], ["04", "06", "07"], ["08", "09"]]
    assert seen.calls == 4
    assert seen.ids == NAMES
    assert set(store.failures) == {"05-none"}

    seen.calls = 0
    alone = replace(pruner.encoder, chunk_patches=None)
    plain = VideoPruner(alone, *pruner.requests)
    expected = run(clips, plain, tmp_path / "plain", seen, Engine(processes=1))
    assert seen.calls == len(expected) == 9
    for name in expected:
        assert torch.allclose(store[name].embeds, expected[name].embeds, atol=1e-5)
        assert store[name].info.grid_thw == expected[name].info.grid_thw


def test_a_call_has_no_more_patches_than_asked_for_and_longer_videos_go_alone(
    clips: Path, pruner: VideoPruner, seen: Seen, tmp_path: Path
) -> None:
    patches = {
        video.id: pruner.encoder.patches(plan_video(video, pruner.encoder).plan)
        for video in find_videos([str(clips)])
        if video.id != "05-none"
    }
    assert patches["00"] == patches["02"] < patches["01"] < patches["06"]
    bounded = packing(patches["01"] + patches["02"] - 1)
    run(clips, bounded, tmp_path / "store", seen)
    assert joined(seen)[:3] == [["00"], ["01"], ["02"]]

    seen.together.clear()
    run(clips, packing(patches["06"] - 1), tmp_path / "longer", seen)
    assert not any("06" in names for names in joined(seen))


@pytest.mark.parametrize("processes", [1, 3])
def test_what_shares_a_call_does_not_depend_on_decoders(
    clips: Path, pruner: VideoPruner, seen: Seen, tmp_path: Path, processes: int
) -> None:
    run(clips, pruner, tmp_path / "store", seen, replace(PACKED, processes=processes))
    assert joined(seen) == [["00", "01", "02"], ["03-wide"], ["04", "06", "07"], ["08", "09"]]


def make_telling(_: str) -> VideoPruner:
    """A pruner whose tokens tell the number of temporal patches in their call of the tower."""

    def telling(tower: Tower, patches: Tensor) -> tuple[Tensor, Tensor | None]:
        embeds, planes = ENCODE(tower, patches)
        return embeds + len(patches), planes

    encoder.encode_frames = telling  # type: ignore[assignment]
    return packing()


@pytest.mark.slow
def test_workers_and_decoders_change_no_bit(clips: Path, tmp_path: Path) -> None:
    ways = {(1, 1), (3, 3), (3, 9)}
    stores = {
        (workers, processes): run(
            clips,
            make_telling,
            tmp_path / f"{workers}-{processes}",
            Seen(),
            replace(PACKED, devices=("cpu",) * workers, processes=processes),
        )
        for workers, processes in sorted(ways, reverse=True)
    }
    encoder.encode_frames = ENCODE  # type: ignore[assignment]
    expected = digests(stores[1, 1])
    assert len(expected) == len(NAMES) - 1
    assert all(digests(store) == expected for store in stores.values())


def test_a_video_that_fails_costs_the_others_nothing(
    clips: Path, pruner: VideoPruner, seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    select = passes.select_tokens

    def refuse_long(request: Any, tokens: VideoTokens, inputs: Any) -> Any:
        if tokens.grid_thw[0] == first.grid_thw[0]:
            raise ValueError("too long")
        return select(request, tokens, inputs)

    def spoil(tower: Tower, patches: Tensor) -> Any:
        embeds, planes = ENCODE(tower, patches)
        if seen.together[-1] == ["04", "06", "07"]:
            embeds = embeds.clone()
            embeds[-1] = torch.nan
        return embeds, planes

    videos = {video.id: video for video in find_videos([str(clips)])}
    first = plan_video(videos["01"], pruner.encoder).plan
    monkeypatch.setattr(passes, "select_tokens", refuse_long)
    monkeypatch.setattr(encoder, "encode_frames", spoil)

    store = run(clips, pruner, tmp_path / "store", seen)

    failures = {name: (one.stage, one.kind) for name, one in store.failures.items()}
    assert failures.pop("05-none")[0] == "open"
    assert failures == {"01": ("prune", "ValueError"), "07": ("encode", "VideoError")}
    assert seen.ids == NAMES
    assert len(store) == len(NAMES) - 3


def test_a_call_that_fails_is_made_again_for_each_video_alone(
    clips: Path, pruner: VideoPruner, seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = plan_video(find_videos([str(clips)])[1], pruner.encoder).plan.grid_thw[0]

    def fail(tower: Tower, patches: Tensor) -> Any:
        if len(patches) >= alone:
            raise RuntimeError("a kernel that takes few rows")
        return ENCODE(tower, patches)

    monkeypatch.setattr(encoder, "encode_frames", fail)
    store = run(clips, pruner, tmp_path / "store", seen)
    assert set(store.failures) == {"01", "05-none", "06"}
    assert "a kernel that takes few rows" in store.failures["01"].message


def test_videos_during_which_the_device_is_lost_are_tried_alone_on_request(
    clips: Path, pruner: VideoPruner, seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(tower: Tower, patches: Tensor) -> Any:
        if seen.together[-1:] == [["04", "06", "07"]]:
            raise torch.AcceleratorError(ILLEGAL_ACCESS)
        return ENCODE(tower, patches)

    monkeypatch.setattr(encoder, "encode_frames", lose)
    with pytest.raises(DeviceLostError, match=r"04\.mp4, encoded with 2 more: the device failed"):
        run(clips, pruner, tmp_path / "store", seen)
    store = open_store(tmp_path / "store")
    assert list(store) == NAMES[:4]
    assert set(store.failures) == {"04", "06", "07"}

    seen.together.clear()
    again = replace(PACKED, retries=Retries(failed=True))
    store = run(clips, pruner, tmp_path / "store", seen, again)
    assert joined(seen) == [["08", "09"]]
    assert set(store.failures) == {"05-none"}


def test_other_passes_and_second_tries_go_alone(
    clips: Path, seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mini = packing().encoder
    inside = VideoPruner(mini, check_selection("window-diff", 0.3, prune_at=1))
    run(clips, inside, tmp_path / "inside", seen)
    assert joined(seen) == []

    select, tries = passes.select_tokens, iter("x")

    def refuse_once(*given: Any) -> Any:
        for _ in tries:
            raise ValueError("not now")
        return select(*given)

    monkeypatch.setattr(passes, "select_tokens", refuse_once)
    twice = replace(PACKED, retries=Retries(attempts=2))
    store = run(clips, packing(), tmp_path / "twice", seen, twice)
    assert seen.ids[-12:] == [*NAMES, "00", "05-none"]
    assert ["00"] not in joined(seen)
    assert set(store.failures) == {"05-none"}


def test_an_interrupted_run_goes_on_to_all_videos(
    clips: Path, pruner: VideoPruner, seen: Seen, tmp_path: Path
) -> None:
    seen.most = 2
    with pytest.raises(KeyboardInterrupt):
        run(clips, pruner, tmp_path / "store", seen)
    seen.most = None
    assert 2 <= len(open_store(tmp_path / "store")) < 9
    store = run(clips, pruner, tmp_path / "store", seen)
    assert list(store) == [name for name in NAMES if name != "05-none"]


def test_segments_share_calls_too(
    clips: Path, pruner: VideoPruner, seen: Seen, tmp_path: Path
) -> None:
    engine = replace(PACKED, segment=0.5)
    store = run(clips / "06.mp4", pruner, tmp_path / "store", seen, engine)
    assert joined(seen) == [list(store)]
    assert seen.calls == 1
    assert len(store) == BLOCK  # 96 frames at 24 a second
    expected = run(clips / "06.mp4", pruner, tmp_path / "alone", Seen(), replace(engine, block=1))
    for name in expected:
        assert torch.allclose(store[name].embeds, expected[name].embeds, atol=1e-5)


def make_fatal(_: str) -> VideoPruner:
    """A pruner that dies where it encodes a video named so, together with others or alone."""

    def together(clips: Sequence[HeldVideo], encoder: VideoEncoder, *, stay: bool) -> Any:
        if any(clip.planned.video.id == "fatal" for clip in clips):
            os.kill(os.getpid(), signal.SIGKILL)
        return CLIPS(clips, encoder, stay=stay)

    results = groups.results_of

    def alone(task: Task, *given: Any, **more: Any) -> Any:
        if task.video.id == "fatal":
            os.kill(os.getpid(), signal.SIGKILL)
        return results(task, *given, **more)

    groups.encode_held = together  # type: ignore[assignment]
    groups.results_of = alone
    return packing()


@pytest.mark.slow
@pytest.mark.parametrize("before", ["00", "02"])
def test_a_video_that_ends_its_workers_fails_alone(
    clips: Path, tmp_path: Path, before: str
) -> None:
    folder = shutil.copytree(clips, tmp_path / "in")
    (folder / f"{before}.mp4").rename(folder / "fatal.mp4")
    videos = [folder / "fatal.mp4", *sorted(folder.glob("0*"))]
    order = videos if before == "00" else [*videos[1:3], videos[0], *videos[3:]]
    seen = Seen()
    engine = replace(PACKED, devices=("cpu", "cpu"))
    prune_corpus(
        find_videos([str(path) for path in order]),
        make_fatal,
        [tmp_path / "store"],
        listener=seen,
        engine=engine,
    )
    store = open_store(tmp_path / "store")
    assert len(store) == len(NAMES) - 2
    kinds = {name: one.kind for name, one in store.failures.items() if isinstance(one, Failure)}
    assert kinds["fatal"] == "Crashed"
    assert set(kinds) == {"fatal", "05-none"}
