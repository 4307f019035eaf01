from __future__ import annotations

import pytest

from evscli.corpus.executors.ray.cluster import Node, find_placement
from evscli.errors import DeviceError, EvsError, UsageError

HEAD, LARGE = Node(cpus=8), Node(cpus=64, gpus=8)


@pytest.mark.parametrize(
    ("nodes", "device", "workers", "count", "each"),
    [
        ([LARGE], "auto", None, 8, "8 CPUs and 1 GPU"),
        ([HEAD, LARGE, LARGE], "cuda", None, 16, "8 CPUs and 1 GPU"),
        ([HEAD, LARGE], "auto", 2, 2, "32 CPUs and 1 GPU"),
        ([Node(cpus=2, gpus=1), LARGE], "auto", None, 9, "2 CPUs and 1 GPU"),
        ([HEAD, LARGE], "cpu", None, 2, "32 CPUs"),
        ([HEAD, HEAD, Node(cpus=0)], "auto", None, 2, "8 CPUs"),
        ([Node(cpus=2)], "auto", 2, 2, "1 CPU"),
    ],
)
def test_workers_share_the_cpus_of_their_nodes(
    nodes: list[Node], device: str, workers: int | None, count: int, each: str
) -> None:
    placement = find_placement(nodes, device, workers)
    assert placement.devices == (("cuda",) if "GPU" in each else ("cpu",)) * count
    assert str(placement) == each


@pytest.mark.parametrize(
    ("nodes", "device", "workers", "message"),
    [
        ([HEAD], "cpu", 9, "9 workers need a CPU each, and the nodes .* have 8 CPUs and 0 GPUs"),
        ([LARGE], "auto", 9, "need a CPU and a GPU each, .* have 64 CPUs and 8 GPUs: give fewer"),
        ([Node(cpus=1, gpus=2)], "auto", None, "2 workers need a CPU and a GPU each"),
        ([Node(cpus=0)], "auto", None, "1 workers need a CPU each"),
    ],
)
def test_what_there_is_too_little_of_is_said(
    nodes: list[Node], device: str, workers: int | None, message: str
) -> None:
    with pytest.raises(EvsError, match=message):
        find_placement(nodes, device, workers)


def test_a_device_is_a_kind_and_its_number_is_for_ray_to_choose() -> None:
    with pytest.raises(DeviceError, match="the Ray cluster has no GPU; use --device cpu"):
        find_placement([HEAD], "cuda", None)
    with pytest.raises(UsageError, match="'cuda:1': Ray chooses which GPU"):
        find_placement([LARGE], "cuda:1", None)
