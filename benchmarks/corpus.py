"""Many videos into one store: the local engine against a plain loop over videos.

The loop decodes by one thread, encodes, prunes and writes one video after the other in one process,
with the same functions. Another one saves a file for each video, with the tensors alone and nothing
that makes them durable, and a third decodes on all cores. All ways take turns in one process with
the model loaded; the clean process that children are forks of has been started before. Decoding
alone and encoding alone then show which of them the engine waits for. The stores of all ways but
the second must hold the same bytes.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from safetensors.torch import save_file

from benchmarks.end_to_end import write_clip
from benchmarks.harness import Benchmark, Report
from benchmarks.harness.turns import Spread, Turns, medians_of, ranges_of, take_turns
from evscli.corpus.executors.engine import Engine
from evscli.corpus.executors.local import prune_corpus
from evscli.corpus.inputs import find_videos
from evscli.corpus.tasks import Done, Summary, Task
from evscli.encoders import load_encoder
from evscli.pipeline import VideoPruner, encode, plan_video
from evscli.pipeline.frames import ahead, decoded_once, resized
from evscli.pruners import check_selection
from evscli.records import PrunedVideo, VideoInput
from evscli.store import StoreWriter
from evscli.store.schema import list_shards

HEIGHT = 360
"""The rows of clips whose decoding takes about as long as encoding by `mini`."""
SINGLE = "a file for each video"
SIZED = "engine, decoders sized by waiting"
SAMPLES = Path(__file__).parents[1] / "sample_videos"


class Silent:
    """A listener to a run that prints nothing."""

    def begin(self, tasks: Sequence[Task], summaries: Sequence[Summary]) -> None:
        """Print nothing."""

    def done(self, done: Done, *, again: bool) -> None:
        """Print nothing."""


def loop(videos: Sequence[VideoInput], pruner: VideoPruner, folder: Path) -> None:
    """Prune one video after the other, each decoded by one thread."""
    with StoreWriter(folder, pruner.configs[0]) as writer:
        for video in videos:
            writer.add(pruned_by_one(video, pruner))


def pruned_by_one(video: VideoInput, pruner: VideoPruner) -> PrunedVideo:
    """Prune a video that one thread decodes, the next chunk while the last one is encoded."""
    planned = plan_video(video, pruner.encoder)
    frames = partial(resized, pruner.encoder, planned, threads=1)
    _, record = next(pruner.prune_planned(planned, [0], frames=lambda: ahead(frames())))
    assert isinstance(record, PrunedVideo), record
    return record


def own_loop(videos: Sequence[VideoInput], pruner: VideoPruner, folder: Path) -> None:
    """Prune one video after the other by `VideoPruner`, which decodes on all cores."""
    with StoreWriter(folder, pruner.configs[0]) as writer:
        for video in videos:
            writer.add(pruner(video))


def single_files(videos: Sequence[VideoInput], pruner: VideoPruner, folder: Path) -> None:
    """Prune one video after the other, and save each into a file of its own."""
    folder.mkdir()
    for video in videos:
        tensors = pruned_by_one(video, pruner).tensors()
        whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
        save_file(whole, folder / f"{video.id}.safetensors")


def engine(processes: int | None) -> Callable[[Sequence[VideoInput], VideoPruner, Path], None]:
    """Return the local engine with this number of decoder processes, None for its own choice."""

    def run(videos: Sequence[VideoInput], pruner: VideoPruner, folder: Path) -> None:
        asked = Engine(processes=processes)
        prune_corpus(videos, lambda _: pruner, [folder], listener=Silent(), engine=asked)

    return run


def alone(videos: Sequence[VideoInput], pruner: VideoPruner) -> tuple[float, float]:
    """Return seconds of decoding and resizing alone in one process, and of the rest alone."""
    decoding = encoding = 0.0
    for video in videos:
        start = time.perf_counter()
        planned = plan_video(video, pruner.encoder)
        frames = decoded_once(partial(resized, pruner.encoder, planned, threads=1), planned)
        decoding += time.perf_counter() - start
        start = time.perf_counter()
        encode(planned, pruner.encoder, frames=frames).prune(pruner.requests[0])
        encoding += time.perf_counter() - start
    return decoding, encoding


def compare(
    videos: Sequence[VideoInput], pruner: VideoPruner, rounds: int, warm: int
) -> Turns[Path]:
    """Run the ways in turns, and check that their stores are equal."""
    ways = {
        "plain loop": loop,
        SINGLE: single_files,
        "loop, decoding on all cores": own_loop,
        "engine, 1 decoder process": engine(1),
        "engine, 2 decoder processes": engine(2),
        SIZED: engine(None),
    }
    with tempfile.TemporaryDirectory() as temporary:

        def into_folder(name: str) -> Path:
            ways[name](videos, pruner, Path(temporary) / name)
            return Path(temporary) / name

        def check(stores: Mapping[str, Path]) -> None:
            check_equal([folder for name, folder in stores.items() if name != SINGLE])
            for store in stores.values():
                shutil.rmtree(store)

        runs = {name: partial(into_folder, name) for name in ways}
        return take_turns(runs, rounds=rounds, warm=warm, check=check)


def check_equal(folders: Sequence[Path]) -> None:
    """Raise SystemExit unless all stores have the same shards."""
    contents = [[path.read_bytes() for path in list_shards(folder)] for folder in folders]
    if any(content != contents[0] for content in contents):
        raise SystemExit("the stores differ")


def section(
    name: str, videos: Sequence[VideoInput], pruner: VideoPruner, rounds: int, warm: int
) -> tuple[str, dict[str, Spread], dict[str, float]]:
    """Return a part of the page about some videos, the spreads of its figures, and others."""
    turns = compare(videos, pruner, rounds, warm)
    decoding, encoding = alone(videos, pruner)
    distinct = {video.path: video for video in videos}
    lengths = {path: pruner(video).info.duration for path, video in distinct.items()}
    length = sum(lengths[video.path] for video in videos)
    rows = "\n".join(
        f"| {way} | {turns.of(way).text()} | {length / taken:.0f} "
        f"| {turns.ratio('plain loop', way).text()} |"
        for way, taken in turns.medians.items()
    )
    spreads = {way: turns.of(way) for way in turns.seconds} | {"sized": turns.of(SIZED)}
    spreads["sized / loop"] = turns.ratio(SIZED, "plain loop")
    spreads["loop / sized"] = turns.ratio("plain loop", SIZED)

    text = (
        f"## {name}\n\n{len(videos)} videos, {length:.0f} s of video.\n\n"
        f"| way | seconds | times real time | loop / way |\n|---|---:|---:|---:|\n{rows}\n\n"
        f"Alone: decoding and resizing {decoding:.2f} s in one process, encoding and pruning "
        f"{encoding:.2f} s."
    )
    return text, spreads, {"decoding": decoding, "encoding": encoding}


def measure(
    *, rounds: int = 5, warm: int = 1, copies: int = 4, samples: int = 5, seconds: int = 8
) -> Report:
    """Measure all ways on `samples` sample videos and on clips of `seconds`, `copies` of each."""
    found = find_videos([str(SAMPLES)])[:samples]
    pruner = VideoPruner(load_encoder("mini"), check_selection("vcast", 0.3))
    texts, spreads, figures = list[str](), dict[str, Spread](), dict[str, float]()
    with tempfile.TemporaryDirectory() as folder:
        write_clip(Path(folder) / "clip.mp4", seconds, HEIGHT)
        clips = find_videos([folder]) * samples
        for name, some in (("samples", found), ("alike", clips)):
            videos = [
                replace(video, id=f"{video.id}-{number}")
                for number, video in enumerate([*some] * copies)
            ]
            text, ranges, others = section(name, videos, pruner, rounds, warm)
            texts.append(text)
            spreads |= {f"{name} {key}": spread for key, spread in ranges.items()}
            figures |= {f"{name} {key}": value for key, value in others.items()}
    return Report(
        title="Many videos: the local engine against a plain loop",
        body=(
            f"mini, V-CAST at 0.3; median (least to most) of {rounds} rounds in turns, equal "
            "shards. `samples` are sample videos, of which encoding takes the most; `alike` is one "
            f"clip of {HEIGHT} rows again and again, of which decoding takes about as long.\n\n"
            + "\n\n".join(texts)
        ),
        figures={**medians_of(spreads), **figures},
        spread=ranges_of(spreads),
    )


BENCHMARK = Benchmark(
    measure=measure,
    smoke={"rounds": 1, "warm": 0, "copies": 2, "samples": 1, "seconds": 2},
    code=(
        "corpus/executors/local.py",
        "corpus/decoding/ahead.py",
        "corpus/decoding/sizing.py",
        "corpus/executors/pruning.py",
        "corpus/executors/groups.py",
    ),
    minutes=8,
)
