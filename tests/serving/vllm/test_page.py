"""docs/serving.md does what it says: a server that is asked, and an engine in Python."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.serving.page import blocks, commands
from tests.serving.vllm.servers import free_port, wait_for

ROOT = Path(__file__).parents[3]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def evs(command: str) -> list[str]:
    """The words that run a command of evs."""
    return [sys.executable, "-m", "evscli", *shlex.split(command)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the page's store was made."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "sample_videos").symlink_to(ROOT / "sample_videos")
    subprocess.run(evs(commands("evs")[0]), cwd=folder, env=ENVIRONMENT, check=True)
    return folder


def asked(curl: str, port: int) -> str:
    """The answer to a request that is written as a command of curl."""
    words = shlex.split(curl.replace("\\\n", " "))
    address, body = words[1], words[words.index("-d") + 1]
    request = urllib.request.Request(
        address.replace(":8000/", f":{port}/"),
        body.encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=120) as reply:
        text: str = json.load(reply)["choices"][0]["message"]["content"]
    return text


def test_the_server_answers_the_request_of_the_page_and_the_one_it_prints(folder: Path) -> None:
    port, log = free_port(), folder / "log"
    command = f"{commands('evs')[1]} --port {port} --vllm '--max-model-len 8192 --enforce-eager'"
    with log.open("w") as out:
        process = subprocess.Popen(
            evs(command), cwd=folder, env=ENVIRONMENT, stdout=out, stderr=out
        )
    try:
        wait_for(port, process, log)
        (curl,) = (block for block in blocks() if block.startswith("curl"))
        printed = next(line for line in log.read_text().splitlines() if line.startswith("curl"))
        assert asked(curl, port)
        assert asked(printed, port)
    finally:
        process.terminate()
        process.wait(60)


def test_the_engine_of_the_page_answers(folder: Path) -> None:
    (code,) = (block for block in blocks("python") if "import vllm" in block)
    limits = "enable_mm_embeds=True, max_model_len=8192, enforce_eager=True,"
    code = code.replace("enable_mm_embeds=True,", limits)
    (folder / "ask.py").write_text(code)
    result = subprocess.run(
        [sys.executable, "ask.py"], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.strip().splitlines()[-1]
