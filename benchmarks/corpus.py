"""Many videos into one store: the local engine against a plain loop over videos.

The loop decodes, encodes, prunes and writes one video after the other in one process, with the same
functions. Another one saves a file for each video, with the tensors alone and nothing that makes
them durable. All ways take turns in one process with the model loaded; the clean process that
children are forks of has been started before. Decoding alone and encoding alone then show which of
them the engine waits for. The stores of all ways but the second must hold the same bytes.
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

from benchmarks.harness import Benchmark, Report
from benchmarks.harness.turns import Turns, medians_of, ranges_of, take_turns
from evscli.corpus.executors.engine import Engine
from evscli.corpus.executors.local import prune_corpus
from evscli.corpus.inputs import find_videos
from evscli.corpus.tasks import Done, Summary, Task
from evscli.encoders import load_encoder
from evscli.pipeline import VideoPruner, encode, plan_video
from evscli.pipeline.frames import decoded_once, resized
from evscli.pruners import check_selection
from evscli.records import VideoInput
from evscli.store import StoreWriter
from evscli.store.schema import list_shards

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
    """Prune one video after the other."""
    with StoreWriter(folder, pruner.configs[0]) as writer:
        for video in videos:
            writer.add(pruner(video))


def single_files(videos: Sequence[VideoInput], pruner: VideoPruner, folder: Path) -> None:
    """Prune one video after the other, and save each into a file of its own."""
    folder.mkdir()
    for video in videos:
        tensors = pruner(video).tensors()
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
        frames = decoded_once(partial(resized, pruner.encoder, planned), planned)
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


def measure(*, rounds: int = 3, warm: int = 1, copies: int = 4, samples: int = 5) -> Report:
    """Measure all ways on `samples` sample videos, `copies` of each, in `rounds` rounds."""
    found = find_videos([str(SAMPLES)])[:samples]
    videos = [replace(v, id=f"{v.id}-{copy}") for copy in range(copies) for v in found]
    pruner = VideoPruner(load_encoder("mini"), check_selection("vcast", 0.3))
    turns = compare(videos, pruner, rounds, warm)
    decoding, encoding = alone(videos, pruner)
    length = sum(pruner(video).info.duration for video in found) * copies
    rows = "\n".join(
        f"| {name} | {turns.of(name).text()} | {length / taken:.0f} "
        f"| {turns.ratio('plain loop', name).text()} |"
        for name, taken in turns.medians.items()
    )
    spreads = {name: turns.of(name) for name in turns.seconds}
    spreads["sized / loop"] = turns.ratio(SIZED, "plain loop")
    spreads["engine / loop"] = turns.ratio("engine, 2 decoder processes", "plain loop")
    return Report(
        title="Many videos: the local engine against a plain loop",
        body=(
            f"{len(videos)} videos, {length:.0f} s of video, mini, V-CAST at 0.3; median (least to "
            f"most) of {rounds} rounds in turns, equal shards.\n\n"
            f"| way | seconds | times real time | loop / way |\n|---|---:|---:|---:|\n{rows}\n\n"
            f"Alone: decoding and resizing {decoding:.2f} s in one process, encoding and pruning "
            f"{encoding:.2f} s. The bottleneck is {'decode' if decoding > encoding else 'encode'}."
        ),
        figures={**medians_of(spreads), "decoding": decoding, "encoding": encoding},
        spread=ranges_of(spreads),
    )


BENCHMARK = Benchmark(
    measure=measure,
    smoke={"rounds": 1, "warm": 0, "copies": 1, "samples": 1},
    code=(
        "corpus/executors/local.py",
        "corpus/decoding/ahead.py",
        "corpus/decoding/sizing.py",
        "corpus/executors/pruning.py",
        "corpus/executors/groups.py",
    ),
    minutes=1.5,
)
