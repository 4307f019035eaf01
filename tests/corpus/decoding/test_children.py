"""What a decoder process imports, in a fresh run: the one of tests has imported everything."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

CODE = """
import json, sys
from pathlib import Path
from evscli.corpus.decoding import process
from evscli.corpus.decoding.children import warm_up
from evscli.corpus.decoding.wire import Request
from evscli.records import VideoInput
from tests.corpus.decoding.modules import serve_and_tell

path, resizing = Path(sys.argv[1]), sys.argv[2] == "cpu"
warm_up(resizing=resizing)
process.serve = serve_and_tell
resize = None
if resizing:
    from evscli.models.parts.pixels import resize_exact as resize
decoder = process.DecoderProcess()
video = VideoInput(id="clip", path=path, root=path.parent)
request = Request(video=video, chunk_frames=1, resize=resize)
(chunk,) = decoder.decode(request, lambda source, index: "any plan")
decoder.kill()
print(json.dumps(bytes(chunk.pixels.tolist()).decode().split()))
"""


def modules_of(clip: Path, resize: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(clip), resize],
        cwd=Path(__file__).parents[3],
        env={"PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout))


def test_a_decoder_that_resizes_imports_torch_and_nothing_of_models(clip: Path) -> None:
    modules = modules_of(clip, "cpu")
    assert {"torch", "evscli.models.parts.pixels", "av"} <= modules
    heavy = {"transformers", "torch._dynamo", "torch.distributed.tensor", "sympy", "scipy", "PIL"}
    assert modules & {*heavy, "huggingface_hub", "evscli.encoders", "evscli.pipeline"} == set()


def test_a_decoder_that_resizes_nothing_imports_no_torch(clip: Path) -> None:
    modules = modules_of(clip, "device")
    assert "av" in modules
    assert modules & {"torch", "transformers", "evscli.models.parts.pixels"} == set()
    assert len(modules) < 600
