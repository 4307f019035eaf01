"""Methods on the stand-in for a GPU: the masks of the CPU, and how often the host waits."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from evscli.encoders.scorer import expected_shapes
from evscli.pruners import check_selection, get_pruner, method_names, select_tokens, select_windows
from evscli.records import (
    KeptTokens,
    OptionValue,
    PixelSource,
    PruneInputs,
    VideoTokens,
    VideoWindows,
)
from tests.pruners.videos import noise
from tests.stand_in import OnGpu, StandIn

T, H, W, WIDTH, PATCHES = 8, 4, 5, 160, 4


@dataclass(frozen=True)
class Case:
    """A method, and the waits of one selection by it."""

    method: str
    options: dict[str, OptionValue] = field(default_factory=dict)
    uploads: int = 0
    reads: int = 1
    """One counts the mask, to compare it with what the method promised."""
    downloads: int = 0


NESTED = 2
"""The reads of a method whose order is compared with its mask."""
CASES = [
    Case("surprise", uploads=2, reads=NESTED),  # the signs of sketches, for two walks
    Case("surprise", {"frames": "curvature", "score": "outlier+uniqueness"}, 2, NESTED),
    Case("evs", reads=NESTED),
    Case("evs", {"window": 1}, reads=NESTED),
    Case("evs", {"rule": "paper"}),
    Case("evs", {"space": "rgb"}, uploads=1, reads=NESTED),
    Case("vcast"),
    Case("vcast", {"largest_remainder": True}),
    Case("vidcom2"),
    Case("vidcom2", {"exact": False}, reads=2),  # the number that the content decides
    Case("stts"),
    Case("stts", {"score": "easy"}, uploads=1),
    Case("stts", {"score": "heuristic"}, uploads=1),
    # The directions that a frame adds decide the size of the basis, and budgets are slices.
    Case("glean", reads=T + 2, downloads=1),
    Case("dtd", reads=NESTED),
    Case("dtd", {"threshold": 0.5}, reads=2),
    Case("dycoke", uploads=1),
    Case("frame-diff", uploads=1),
    Case("rlt", uploads=1, reads=NESTED),
    Case("divprune"),
    Case("cdpruner", uploads=1),
    Case("semvid", uploads=1, reads=2),  # the most steps that a frame takes
    Case("window-diff"),
    Case("norm", reads=NESTED),
    Case("first-of-2x2", uploads=1),
    Case("uniform-frames", uploads=1),
    Case("uniform-grid", uploads=1),
    Case("random", uploads=1, reads=NESTED),
    Case("none"),
]


def selection(case: Case, *, on_gpu: bool) -> KeptTokens:
    """What a method chooses, of values that are the same in both places."""

    def there(value: Tensor) -> Tensor:
        return OnGpu(value) if on_gpu else value

    pruner = get_pruner(case.method)
    request = check_selection(pruner, None if pruner.keeps_all else 0.3, case.options)
    if pruner.inside is not None:
        generator = torch.Generator().manual_seed(0)
        scorer = {
            name: there(0.1 * torch.randn(shape, generator=generator))
            for name, shape in expected_shapes(WIDTH, 8).items()
        }
        states = there(noise(T * PATCHES, H, W, WIDTH).view(T, H, W, PATCHES, WIDTH))
        inputs = PruneInputs(scorer=scorer, heads=4)
        return select_windows(request, VideoWindows(states=states), inputs).kept
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (2 * T, 3, 8 * H, 8 * W), dtype=torch.uint8, generator=generator)
    inputs = PruneInputs(
        query=noise(1, 1, 3, WIDTH).view(3, -1),
        pixels=PixelSource(chunks=lambda: iter(pixels.split(8)), temporal_patch_size=2),
    )
    embeds = there(noise(T, H, W, WIDTH).bfloat16())
    return select_tokens(request, VideoTokens.from_embeds(embeds), inputs)


def test_every_method_is_here() -> None:
    built_in = {name for name in method_names() if get_pruner(name).plugin is None}
    assert {case.method for case in CASES} == built_in


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_method_mixes_no_devices_and_waits_no_oftener_than_it_must(case: Case) -> None:
    expected = selection(case, on_gpu=False)
    with StandIn() as device:
        kept = selection(case, on_gpu=True)
        here = kept.on_cpu()
    assert isinstance(kept.mask, OnGpu)
    assert here.expected == expected.expected
    pairs = [(getattr(here, name), getattr(expected, name)) for name in ("mask", "order")]
    assert all(ours is theirs or torch.equal(ours, theirs) for ours, theirs in pairs)
    moved = sum(getattr(kept, name) is not None for name in ("mask", "scores", "order"))
    wanted = {"upload": case.uploads, "read": case.reads, "download": case.downloads + moved}
    assert device.waits == {kind: number for kind, number in wanted.items() if number}, device.seen
