"""What `evs prune --store-dtype` saves, takes and loses.

    python -m benchmarks.store_dtype [--rounds 5]

The bundled model on the sample videos: bytes, errors, and what they do to the next token after one
question for each video. Then tokens of the sizes of Qwen3-VL-8B, drawn at random: 4,096 wide with
three DeepStack planes, in bfloat16, normal, eight channels 50 times larger. Written and read as a
store does it, hashing and syncing included, in turns; the files stay in memory. Writes
results/store_dtype.md.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from benchmarks.machine import describe_machine
from evscli import prune_video
from evscli.bundled import MINI
from evscli.cli.notes import quiet_loading
from evscli.compare.agreement import usual_question
from evscli.compare.storing import storing_loss
from evscli.corpus.inputs import find_videos
from evscli.needs import Recipe
from evscli.pruners import check_selection
from evscli.records import PrunedVideo, RunConfig, VideoInput
from evscli.store import StoreWriter, open_store
from evscli.store.narrow import narrowed
from evscli.store.schema import AUTO, STORE_DTYPES, token_bytes

RESULTS = Path(__file__).parent / "results" / "store_dtype.md"
SAMPLES = Path(__file__).parents[1] / "sample_videos"
KEPT, WIDTH, PLANES, OUTLIERS = 4096, 4096, 3, 8
CONFIG = RunConfig(settings={"made": "for benchmarks.store_dtype"})


def sample_rows(computed: str) -> Iterator[str]:
    """A line for each dtype that narrows what was computed."""
    videos = find_videos([str(SAMPLES)])
    for store_dtype in STORE_DTYPES:
        if store_dtype == computed:
            continue
        recipe = Recipe(
            model=MINI,
            requests=(check_selection("vcast", 0.3),),
            dtype=computed,
            store_dtype=store_dtype,
        )
        with tempfile.TemporaryDirectory() as folder:
            yield sample_row(recipe, videos, Path(folder) / "store")


def sample_row(recipe: Recipe, videos: list[VideoInput], folder: Path) -> str:
    """Prune all of them into a store, and measure each."""
    pruner = recipe.make("cpu")
    with StoreWriter(folder, pruner.configs[0]) as writer:
        for video in videos:
            writer.add(pruner(video))
    store, question = open_store(folder), usual_question(recipe.model)
    losses = [
        storing_loss(store[video.id], video, recipe, device="cpu", question=question)
        for video in videos
    ]
    infos = [store.info(video.id) for video in videos]
    model, bytes_ = infos[0].model, token_bytes(infos[0].model, recipe.store_dtype)
    share = bytes_ / token_bytes(replace(model, dtype="bfloat16"))
    disk = sum(path.stat().st_size for path in folder.iterdir()) / sum(info.kept for info in infos)
    return (
        f"| {model.dtype} | {recipe.store_dtype} | {bytes_:,} | {share:.2f} | {disk:,.0f} | "
        f"{statistics.mean(info.store_rms_error or 0 for info in infos):.2g} | "
        f"{max(info.store_max_error or 0 for info in infos):.2g} | "
        f"{max(loss.logit_difference for loss in losses):.2g} | "
        f"{max(loss.kl for loss in losses):.2g} | "
        f"{sum(loss.same_token for loss in losses)} of {len(losses)} |"
    )


@dataclass
class Times:
    """Seconds of every round."""

    narrow: list[float] = field(default_factory=list)
    write: list[float] = field(default_factory=list)
    read: list[float] = field(default_factory=list)


def large_rows(rounds: int) -> Iterator[str]:
    """A line for each dtype, bfloat16 as computed first."""
    made = large_video()
    names = [AUTO, *(name for name in STORE_DTYPES if name != made.info.model.dtype)]
    times, rows = {name: Times() for name in names}, {}
    for _ in range(rounds):
        for name in names:
            with tempfile.TemporaryDirectory() as folder:
                rows[name] = once(made, name, Path(folder) / "store", times[name])
    base = {kind: statistics.median(getattr(times[AUTO], kind)) for kind in ("write", "read")}
    for name in names:
        narrow, write, read = (
            statistics.median(getattr(times[name], kind)) for kind in ("narrow", "write", "read")
        )
        shown = "bfloat16, as computed" if name == AUTO else name
        alone = "" if name == AUTO else f"{KEPT / narrow:,.0f}"
        yield (
            f"| {shown} | {rows[name]} | {alone} | "
            f"{KEPT / write:,.0f} | {base['write'] / write:.2f} | "
            f"{KEPT / read:,.0f} | {base['read'] / read:.2f} |"
        )


def once(made: PrunedVideo, name: str, folder: Path, times: Times) -> str:
    """Write and read it once; bytes of a token, their share, and the errors, as cells."""
    store_dtype = None if name == AUTO else name
    video = replace(made, info=replace(made.info, store_dtype=store_dtype))
    before = time.perf_counter()
    narrowed(video)
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
    return f"{size:,} | {size / computed:.2f} | {rms:.2g} | {worst:.2g}"


def large_video() -> PrunedVideo:
    """Tokens of a large model, drawn."""
    like = prune_video(SAMPLES / "fixed-camera.mp4", method="vcast", budget=0.3)
    grid = (16, 32, 32)
    mask = (torch.arange(16 * 32 * 32) < KEPT).view(grid)
    model = replace(
        like.info.model, embed_dim=WIDTH, deepstack_planes=PLANES, dtype="bfloat16", name="drawn"
    )
    torch.manual_seed(0)
    size = torch.ones(WIDTH)
    size[torch.randperm(WIDTH)[:OUTLIERS]] = 50
    tokens = (torch.randn(1 + PLANES, KEPT, WIDTH) * size).bfloat16()
    return PrunedVideo(
        info=replace(like.info, id="drawn", kept=KEPT, grid_thw=grid, model=model),
        embeds=tokens[0].clone(),
        deepstack=tokens[1:].clone(),
        position_ids=mask.nonzero().to(torch.int32),
        keep_mask=mask,
        source_index=torch.arange(32),
        frame_times=torch.arange(32).double(),
        prompt_times=torch.arange(16).double(),
    )


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    quiet_loading()
    lines = [
        "# Store dtypes\n",
        f"`python -m benchmarks.store_dtype --rounds {rounds}`, {describe_machine()}\n",
        "The bundled model (width 128, 2 DeepStack planes) on the sample videos, V-CAST at 0.3. "
        "Bytes of a token: embedding, planes and scales; on disk: the whole store over the tokens "
        "kept. Errors are relative: root of the mean square (mean of the videos), and of the "
        "token and plane that loses most. Logits, KL divergence and first token: after "
        f'"{usual_question(MINI)}", the largest of the videos, against the same tokens as '
        "computed; the language model runs in the computed dtype too.\n",
        "| computed | stored | bytes | of bfloat16 | on disk | error | worst token | logits | KL, "
        "nats | same first token |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        *sample_rows("float32"),
        *sample_rows("bfloat16"),
        f"\n{KEPT:,} tokens {WIDTH:,} wide with {PLANES} DeepStack planes, as Qwen3-VL-8B has, "
        f"drawn from a normal distribution in bfloat16, {OUTLIERS} channels 50 times larger. "
        "Tokens a second to make narrow, with the error measured; to write (that, hash, sync); to "
        "read (make wide, touch); "
        f"medians of {rounds} rounds in turns, and times as fast as bfloat16:\n",
        "| stored | bytes | of bfloat16 | error | worst token | made narrow/s | written/s | ratio "
        "| read/s | ratio |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
        *large_rows(rounds),
    ]
    RESULTS.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
