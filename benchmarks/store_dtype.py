"""The bytes that `evs prune --store-dtype` saves, its time, and its errors.

The bundled model runs on the sample videos: bytes, errors, and their effect on the next token after
one question for each video. Then tokens of the sizes of Qwen3-VL-8B are drawn at random: 4,096 wide
with three DeepStack planes, in bfloat16, normal, eight channels 50 times larger. They are written
and read as by a store, hashing and syncing included, in turns; the files stay in memory.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import torch

from benchmarks.harness import Benchmark, Report
from evscli import prune_video
from evscli.bundled import MINI, usual_question
from evscli.cli.loading import quiet_loading
from evscli.corpus.inputs import find_videos
from evscli.evaluation.compare.store_dtype_loss import measure_loss
from evscli.job import Encoding, Job, Selection, Storage
from evscli.job.loading import make_pruner
from evscli.job.storage import StoreDtype
from evscli.records import PrunedVideo, RunConfig, VideoInput
from evscli.store import StoreWriter, open_store
from evscli.store.quantize import quantized
from evscli.store.schema import AUTO_STORE_DTYPE, STORE_DTYPES, token_bytes

SAMPLES = Path(__file__).parents[1] / "sample_videos"
WIDTH, PLANES, OUTLIERS = 4096, 3, 8
CONFIG = RunConfig(settings={"made": "for benchmarks.store_dtype"})


@dataclass(frozen=True)
class Row:
    """A line of a table, and its figures that are quoted elsewhere."""

    line: str
    figures: dict[str, float]


def sample_rows(computed: str, wanted: int) -> Iterator[Row]:
    """Yield a row for each dtype narrower than `computed`, from `wanted` sample videos."""
    videos = find_videos([str(SAMPLES)])[:wanted]
    for store_dtype in STORE_DTYPES:
        if store_dtype == computed:
            continue
        job = Job(
            selection=Selection(methods=("vcast",), budgets=(0.3,)),
            encoding=Encoding(device="cpu", dtype=computed),
            storage=Storage(store_dtype=cast("StoreDtype", store_dtype)),
        )
        with tempfile.TemporaryDirectory() as folder:
            yield sample_row(job, videos, Path(folder) / "store")


def sample_row(job: Job, videos: list[VideoInput], folder: Path) -> Row:
    """Prune all of them into a store, and measure each."""
    pruner = make_pruner(job, "cpu")
    with StoreWriter(folder, pruner.configs[0]) as writer:
        for video in videos:
            writer.add(pruner(video))
    store, question = open_store(folder), usual_question(job.encoding.files.name)
    losses = [measure_loss(store[video.id], video, job, question=question) for video in videos]
    infos = [store.info(video.id) for video in videos]
    model, bytes_ = infos[0].model, token_bytes(infos[0].model, job.storage.store_dtype)
    share = bytes_ / token_bytes(replace(model, dtype="bfloat16"))
    disk = sum(path.stat().st_size for path in folder.iterdir()) / sum(info.kept for info in infos)
    error = statistics.mean(info.store_rms_error or 0 for info in infos)
    logits, kl = max(x.logit_difference for x in losses), max(x.kl for x in losses)
    name = f"{model.dtype} {job.storage.store_dtype}"
    return Row(
        f"| {model.dtype} | {job.storage.store_dtype} | {bytes_:,} | {share:.2f} | {disk:,.0f} | "
        f"{error:.2g} | {max(info.store_max_error or 0 for info in infos):.2g} | {logits:.2g} | "
        f"{kl:.2g} | {sum(loss.same_token for loss in losses)} of {len(losses)} |",
        {f"{name} error": error, f"{name} logits": logits, f"{name} kl": kl},
    )


@dataclass
class Times:
    """The seconds of every round."""

    narrow: list[float] = field(default_factory=list)
    write: list[float] = field(default_factory=list)
    read: list[float] = field(default_factory=list)


def large_rows(rounds: int, kept: int) -> Iterator[Row]:
    """Return a row for each dtype, bfloat16 as computed first."""
    made = large_video(kept)
    names = [AUTO_STORE_DTYPE, *(name for name in STORE_DTYPES if name != made.info.model.dtype)]
    times, rows = {name: Times() for name in names}, {}
    for _ in range(rounds):
        for name in names:
            with tempfile.TemporaryDirectory() as folder:
                rows[name] = once(made, name, Path(folder) / "store", times[name])
    base = {
        kind: statistics.median(getattr(times[AUTO_STORE_DTYPE], kind))
        for kind in ("write", "read")
    }
    for name in names:
        narrow, write, read = (
            statistics.median(getattr(times[name], kind)) for kind in ("narrow", "write", "read")
        )
        shown = "bfloat16, as computed" if name == AUTO_STORE_DTYPE else name
        alone = "" if name == AUTO_STORE_DTYPE else f"{kept / narrow:,.0f}"
        yield Row(
            f"| {shown} | {rows[name][0]} | {alone} | "
            f"{kept / write:,.0f} | {base['write'] / write:.2f} | "
            f"{kept / read:,.0f} | {base['read'] / read:.2f} |",
            {
                f"large {name} error": rows[name][1],
                f"large {name} read": kept / read,
                f"large {name} write, times": write / base["write"],
            },
        )


def once(made: PrunedVideo, name: str, folder: Path, times: Times) -> tuple[str, float]:
    """Write and read a video once. Return its bytes and errors as cells, and its error."""
    store_dtype = None if name == AUTO_STORE_DTYPE else name
    video = replace(made, info=replace(made.info, store_dtype=store_dtype))
    before = time.perf_counter()
    quantized(video)
    start = time.perf_counter()
    times.narrow.append(start - before)
    with StoreWriter(folder, CONFIG) as writer:
        writer.add(video)
    written = time.perf_counter()
    record = open_store(folder)[video.id]
    # A sum reads every value of those that are mapped, as a model would.
    assert record.deepstack is not None
    assert (record.embeds.sum() + record.deepstack.sum()).isfinite()
    times.write.append(written - start)
    times.read.append(time.perf_counter() - written)
    size, computed = token_bytes(made.info.model, store_dtype), token_bytes(made.info.model)
    rms, worst = record.info.store_rms_error or 0, record.info.store_max_error or 0
    return f"{size:,} | {size / computed:.2f} | {rms:.2g} | {worst:.2g}", rms


def large_video(kept: int) -> PrunedVideo:
    """Make tokens of a large model, drawn at random."""
    like = prune_video(SAMPLES / "fixed-camera.mp4", method="vcast", budget=0.3)
    grid = (16, 32, 32)
    mask = (torch.arange(16 * 32 * 32) < kept).view(grid)
    model = replace(
        like.info.model, embed_dim=WIDTH, deepstack_planes=PLANES, dtype="bfloat16", name="drawn"
    )
    torch.manual_seed(0)
    size = torch.ones(WIDTH)
    size[torch.randperm(WIDTH)[:OUTLIERS]] = 50
    tokens = (torch.randn(1 + PLANES, kept, WIDTH) * size).bfloat16()
    return PrunedVideo(
        info=replace(like.info, id="drawn", kept=kept, grid_thw=grid, model=model),
        embeds=tokens[0].clone(),
        deepstack=tokens[1:].clone(),
        position_ids=mask.nonzero().to(torch.int32),
        keep_mask=mask,
        source_index=torch.arange(32),
        frame_times=torch.arange(32).double(),
        prompt_times=torch.arange(16).double(),
    )


def measure(
    *, rounds: int = 5, kept: int = 4096, videos: int = 5, computed: str = "float32,bfloat16"
) -> Report:
    """Measure `videos` sample videos in the dtypes `computed`, and `kept` drawn tokens."""
    quiet_loading()
    samples = [row for dtype in computed.split(",") for row in sample_rows(dtype, videos)]
    large = list(large_rows(rounds, kept))
    tables = ["\n".join(row.line for row in rows) for rows in (samples, large)]
    return Report(
        title="Store dtypes",
        body=(
            "The bundled model (width 128, 2 DeepStack planes) on the sample videos, V-CAST at "
            "0.3. Bytes of a token: embedding, planes and scales; on disk: the whole store over "
            "the tokens kept. Errors are relative: root of the mean square (mean of the videos), "
            "and of the token and plane that loses most. Logits, KL divergence and first token: "
            f'after "{usual_question(MINI)}", the largest of the videos, against the same tokens '
            "as computed; the language model runs in the computed dtype too.\n\n"
            "| computed | stored | bytes | of bfloat16 | on disk | error | worst token | logits "
            "| KL, nats | same first token |\n"
            f"|---|---|---:|---:|---:|---:|---:|---:|---:|---:|\n{tables[0]}\n\n"
            f"{kept:,} tokens {WIDTH:,} wide with {PLANES} DeepStack planes, as Qwen3-VL-8B has, "
            f"drawn from a normal distribution in bfloat16, {OUTLIERS} channels 50 times larger. "
            "Tokens a second to make narrow, with the error measured; to write (that, hash, "
            f"sync); to read (make wide, touch); medians of {rounds} rounds in turns, and times as "
            "fast as bfloat16:\n\n"
            "| stored | bytes | of bfloat16 | error | worst token | made narrow/s | written/s "
            "| ratio | read/s | ratio |\n"
            f"|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n{tables[1]}"
        ),
        figures={name: value for row in (*samples, *large) for name, value in row.figures.items()},
    )


BENCHMARK = Benchmark(
    measure=measure,
    smoke={"rounds": 1, "kept": 64, "videos": 1, "computed": "bfloat16"},
    code=("store/quantize.py", "store/codec.py", "evaluation/compare/store_dtype_loss.py"),
    minutes=2,
)
