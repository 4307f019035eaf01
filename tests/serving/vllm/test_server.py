"""`evs serve` answers over HTTP as transformers does, and refuses what is wrong by one line."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from evscli.language.generate import LanguageModel
from evscli.serving.served import ServedVideo
from evscli.store import open_store
from tests.serving.vllm.engine import ANSWER, Engine
from tests.serving.vllm.made import QUESTIONS, SAMPLES
from tests.serving.vllm.servers import free_port, wait_for

CLOSE = 1e-4
OPTIONS = (
    "--dtype float32 --enforce-eager --max-model-len 8192 --max-num-seqs 4 "
    "--max-num-batched-tokens 256"
)


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server that runs, and the model that it serves in transformers."""

    port: int
    language: LanguageModel
    raw: bool

    def post(self, parts: list[Any], question: str) -> dict[str, Any]:
        """The reply to a question about parts of a message, or the status of a refusal."""
        content = [*parts, {"type": "text", "text": question}]
        body = {
            "model": "mini",
            "messages": [{"role": "user", "content": content}],
            "max_tokens": ANSWER,
            "temperature": 0,
            "ignore_eos": True,
            "logprobs": True,
            "return_token_ids": True,
        }
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v1/chat/completions",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as reply:
                found: dict[str, Any] = json.load(reply)
                return found
        except urllib.error.HTTPError as error:
            return {"error": error.code, "message": json.load(error)["error"]["message"]}

    def embeds(self, value: Any) -> dict[str, Any]:
        """A video as `video_embeds`."""
        return {"type": "video_embeds", "video_embeds": value}

    def url(self, value: str) -> dict[str, Any]:
        """A video as `video_url`."""
        return {"type": "video_url", "video_url": {"url": value}}


@pytest.fixture(scope="module", params=["stores", "raw"])
def server(
    request: pytest.FixtureRequest, stores: Path, language: LanguageModel, tmp_path_factory: Any
) -> Iterator[Server]:
    """A server for stores alone, whose workers read shards, and one with a vision tower."""
    port, raw = free_port(), request.param == "raw"
    log = tmp_path_factory.mktemp("server") / "log"
    served = [stores / name for name in ("vcast-0.3", "surprise-0.3", "float8")]
    options = f"{OPTIONS} --allowed-local-media-path {stores}"
    words = ["serve", *served, "--port", str(port), "--vllm", options]
    words += ["--raw", "2"] if raw else []
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "VLLM_LOGGING_LEVEL": "WARNING"}
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "evscli", *words], stdout=out, stderr=out, env=environment
        )
    try:
        wait_for(port, process, log)
        yield Server(port=port, language=language, raw=raw)
        assert process.poll() is None, log.read_text()[-3000:]
    finally:
        process.terminate()
        process.wait(60)


def assert_answer(server: Server, found: dict[str, Any], question: str, *records: Any) -> None:
    """Assert that a reply is what transformers answers from `prefill`."""
    expected = Engine(llm=None, language=server.language).expected(question, *records)
    assert "error" not in found, found
    (choice,) = found["choices"]
    assert found["prompt_token_ids"] == expected.prompt
    assert choice["token_ids"] == expected.tokens
    for row, token, one in zip(
        expected.logprobs, expected.tokens, choice["logprobs"]["content"], strict=True
    ):
        assert abs(float(row[token]) - one["logprob"]) < CLOSE


@pytest.mark.parametrize("way", ["embeds", "url"])
def test_both_ways_name_a_video(server: Server, stores: Path, way: str) -> None:
    name = getattr(server, way)
    for video_id, question in zip(SAMPLES, QUESTIONS * 2, strict=False):
        record = open_store(stores / "vcast-0.3")[video_id]
        found = server.post([name(f"evs:vcast-0.3#{video_id}")], question)
        assert_answer(server, found, question, record)


@pytest.mark.parametrize("way", ["embeds", "url"])
def test_budgets_paths_and_several_videos(server: Server, stores: Path, way: str) -> None:
    name, store = getattr(server, way), open_store(stores / "surprise-0.3")
    narrow = open_store(stores / "float8")
    asked = {
        "evs:surprise-0.3#hard-cuts?budget=0.1": store["hard-cuts"].at(0.1),
        f"evs:{stores}/surprise-0.05#moving-camera": store["moving-camera"].at(0.05),
        "evs:float8#hard-cuts": narrow["hard-cuts"],
    }
    for url, record in asked.items():
        found = server.post([name(url)], QUESTIONS[0])
        assert_answer(server, found, QUESTIONS[0], record)
    for urls in ([*asked][:2], [*asked][::2]):  # the second is in no store that workers know
        found = server.post([name(url) for url in urls], QUESTIONS[0])
        assert_answer(server, found, QUESTIONS[0], *(asked[url] for url in urls))


def test_wrong_requests_are_refused_by_one_line_and_the_server_goes_on(
    server: Server, stores: Path, tmp_path: Path
) -> None:
    outside = Path(shutil.copytree(stores / "vcast-0.3", tmp_path / "outside"))
    refused = {
        "evs:vcast-0.3#hard-cut": "did you mean 'hard-cuts'",
        "evs:nowhere#hard-cuts": "the store 'nowhere' is not served",
        "evs:vcast-0.3": "names no video of a store",
        "evs:vcast-0.3#hard-cuts?budget=0.1": "masks are not nested",
        "evs:surprise-0.3#hard-cuts?budget=0.9": "give at most 0.3",
        f"evs:{outside}#hard-cuts": "is not served",
    }
    for url, line in refused.items():
        for name in (server.embeds, server.url):
            found = server.post([name(url)], QUESTIONS[0])
            assert found["error"] == 400, found
            assert line in found["message"]
    record = open_store(stores / "vcast-0.3")["hard-cuts"]
    found = server.post([server.embeds("evs:vcast-0.3#hard-cuts")], QUESTIONS[0])
    assert_answer(server, found, QUESTIONS[0], record)


def test_a_damaged_shard_is_refused_by_one_line(server: Server, stores: Path) -> None:
    damaged = Path(shutil.copytree(stores / "vcast-0.3", stores / f"damaged-{server.port}"))
    (shard,) = damaged.glob("shard-*")
    shard.write_bytes(shard.read_bytes()[:-50])
    found = server.post([server.embeds(f"evs:{damaged}#hard-cuts")], QUESTIONS[0])
    assert found["error"] == 400
    assert "is damaged" in found["message"]


def encoded(tensor: torch.Tensor) -> str:
    """A tensor as the body of a request holds it."""
    buffer = io.BytesIO()
    torch.save(tensor.contiguous().clone(), buffer)
    return base64.b64encode(buffer.getvalue()).decode()


def test_embeddings_in_a_request_are_checked(server: Server, stores: Path) -> None:
    store = open_store(stores / "vcast-0.3")
    video = ServedVideo.read(store, "fixed-camera")
    t, h, w = video.info.grid_thw
    body = {
        "video_embeds": encoded(video.rows()),
        "video_grid_thw": [t, 2 * h, 2 * w],
        "timestamps": video.prompt_times.tolist(),
        "keep_mask": video.keep_mask.flatten().long().tolist(),
    }
    found = server.post([server.embeds(body)], QUESTIONS[0])
    assert_answer(server, found, QUESTIONS[0], store["fixed-camera"])
    wrong = {
        "864 rows for the 2,880 cells": {"keep_mask": [1] * (t * h * w)},
        "keep_mask has 5 values for the 2,880 cells": {"keep_mask": [1] * 5},
        "128 wide, and the model takes 384": {"video_embeds": encoded(video.rows()[:, :128])},
        "timestamps are [1]": {"timestamps": [1.0]},
        "timestamps are [0]": {"timestamps": []},
        "other values than 0 and 1": {"keep_mask": [2] * (t * h * w)},
        "hold values beyond 65,504": {"video_embeds": encoded(video.rows() * 1e30)},
        "is not a grid of whole windows": {"video_grid_thw": [0, 2, 2]},
        "none that this server made": {"video_embeds": encoded(torch.zeros(9, dtype=torch.uint8))},
    }
    for line, change in wrong.items():
        found = server.post([server.embeds({**body, **change})], QUESTIONS[0])
        assert found["error"] == 400, found
        assert line in found["message"]
    rows = body.pop("video_embeds")
    found = server.post([server.embeds(body)], QUESTIONS[0])
    assert found["error"] == 400, found
    body["video_embeds"] = rows
    forged = {**server.embeds(body), "uuid": video.key}
    found = server.post([forged], QUESTIONS[0])
    assert found["error"] == 400
    assert "begins as those of videos of stores" in found["message"]


def test_a_request_names_no_store_but_by_an_address(server: Server, stores: Path) -> None:
    address = "evs:vcast-0.3#hard-cuts"
    for value in (
        {"evs_store": str(stores / "vcast-0.3"), "id": "hard-cuts"},
        {"evs_store": [1, 2], "id": [3]},
        {"evs_store": address, "id": address},
        {"video_grid_thw": address},
        {"video_grid_thw": [100000, 2000, 2000]},
        "vcast-0.3#hard-cuts",
        "AAAA",
    ):
        found = server.post([server.embeds(value)], QUESTIONS[0])
        assert found["error"] == 400, found
        assert str(stores) not in found["message"]


def test_a_video_file_needs_the_tower(server: Server) -> None:
    clip = base64.b64encode(Path("sample_videos/hard-cuts.mp4").read_bytes()).decode()
    found = server.post([server.url(f"data:video/mp4;base64,{clip}")], QUESTIONS[0])
    if server.raw:
        assert "choices" in found
        return
    for url in (f"data:video/mp4;base64,{clip}", "https://example.com/a.mp4", "file:///etc/hosts"):
        found = server.post([server.url(url)], QUESTIONS[0])
        assert found["error"] == 400
        assert "takes videos of stores only" in found["message"]


def test_images_are_not_taken_as_embeddings(server: Server) -> None:
    for width in (128, 384):
        rows = {"image_embeds": encoded(torch.zeros(4, width))}
        rows["image_grid_thw"] = encoded(torch.tensor([1, 4, 4]))
        found = server.post([{"type": "image_embeds", "image_embeds": rows}], QUESTIONS[0])
        assert found["error"] == 400, found
    found = server.post([server.embeds("evs:vcast-0.3#hard-cuts")], QUESTIONS[0])
    assert "choices" in found


def test_a_damaged_copy_does_not_stand_for_the_whole_store(server: Server, stores: Path) -> None:
    """It states the same digests."""
    damaged = Path(shutil.copytree(stores / "surprise-0.05", stores / f"infinite-{server.port}"))
    (shard,) = damaged.glob("shard-*")
    with safe_open(shard, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        about = file.metadata()
    for name in tensors:
        if name.endswith("embeds"):
            tensors[name] = torch.full_like(tensors[name], float("nan"))
    save_file(tensors, shard, metadata=about)
    for url in (f"evs:{damaged}#hard-cuts", f"evs:{stores}/surprise-0.05#hard-cuts"):
        found = server.post([server.embeds(url)], QUESTIONS[0])
        assert ("error" in found) == (str(damaged) in url), found
    record = open_store(stores / "surprise-0.05")["hard-cuts"]
    assert_answer(server, found, QUESTIONS[0], record)


def test_an_image_stands_beside_a_video_of_a_store(server: Server) -> None:
    from PIL import Image

    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((64, 64)).convert("RGB").save(buffer, "png")
    shown = base64.b64encode(buffer.getvalue()).decode()
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{shown}"}}
    parts = [image, server.url("evs:vcast-0.3#hard-cuts")]
    found = server.post(parts, QUESTIONS[0])
    if not server.raw:
        assert found["error"] == 400
        return
    alone = server.post(parts[1:], QUESTIONS[0])
    assert len(found["prompt_token_ids"]) > len(alone["prompt_token_ids"])
    assert "choices" in found
