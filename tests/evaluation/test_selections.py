from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from evscli.errors import UsageError
from evscli.evaluation.selections import selections
from evscli.job import Selection
from evscli.pruners import PruneRequest
from evscli.pruners.seeds import video_seed


def requests(*methods: str, **options: Any) -> list[PruneRequest]:
    return selections(Selection(methods=methods, **options))


def named(methods: list[str], budgets: list[float]) -> list[tuple[str, float]]:
    return [(r.pruner.name, r.fraction) for r in requests(*methods, budgets=budgets)]


def test_unpruned_and_random_are_always_there() -> None:
    assert named(["vcast"], [0.5, 0.25]) == [
        ("none", 1.0),
        ("vcast", 0.25),
        ("vcast", 0.5),
        ("random", 0.25),
        ("random", 0.5),
    ]


def test_what_is_named_twice_or_always_there_is_run_once() -> None:
    assert named(["random", "vcast", "none", "vcast"], [0.5, 0.5]) == named(["vcast"], [0.5])
    assert named(["random"], [0.5]) == [("none", 1.0), ("random", 0.5)]


def test_an_option_goes_to_every_method_that_has_it() -> None:
    made = requests("evs", "vcast", budgets=0.5, options=["tau=0.3", "space=rgb"])
    by_method = {request.pruner.name: request.options for request in made}
    assert by_method["vcast"]["tau"] == 0.3
    assert by_method["evs"]["space"] == "rgb"
    assert "tau" not in by_method["evs"]


def test_a_method_is_compared_with_itself() -> None:
    made = requests("vcast", "vcast:tau=0.3", "vcast:prune_at=1", budgets=0.5)
    assert [one.name for one in made] == [
        "none",
        "vcast",
        "vcast tau=0.3",
        "vcast after block 1",
        "random",
    ]


@pytest.mark.parametrize(
    ("methods", "budget", "options", "words"),
    [
        (["vcst"], 0.5, [], "'vcst'"),
        (["vcast"], 1.5, [], "1.5"),
        (["vcast"], 0.5, ["tua=1"], "did you mean 'tau'"),
        (["vcast"], 0.5, ["tau=hot"], "'hot'"),
        (["vcast"], 0.5, ["tau"], "NAME=VALUE"),
        (["uniform-grid"], 0.5, ["tau=1"], "leave it out"),
    ],
)
def test_a_wrong_selection_is_refused(
    methods: list[str], budget: float, options: list[str], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        requests(*methods, budgets=budget, options=options)


def test_every_video_draws_its_own_random_tokens() -> None:
    seeds = {video_seed(seed, video) for seed in (0, 1) for video in ("a", "b", "0a")}
    assert len(seeds) == 6
    assert video_seed(0, "a") == video_seed(0, "a")
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.slow
def test_it_imports_no_torch() -> None:
    code = "import sys, evscli.evaluation.selections; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_budgets_of_tokens_come_after_fractions_in_their_order() -> None:
    made = requests("vcast", budgets=["64tok", "0.5", "8tok/s", "0.25"])
    assert [one.named_budget for one in made if one.pruner.name == "vcast"] == [
        0.25,
        0.5,
        "64tok",
        "8tok/s",
    ]
    assert [one.named_budget for one in made if one.pruner.name == "random"][2:] == [
        "64tok",
        "8tok/s",
    ]


def test_methods_inside_the_encoder_and_with_a_question_are_taken() -> None:
    made = requests("stts", "cdpruner", "vcast", budgets=0.5)
    assert [(one.pruner.name, one.prune_at) for one in made] == [
        ("none", None),
        ("stts", 3),
        ("cdpruner", None),
        ("vcast", None),
        ("random", None),
    ]
    inside = requests("vcast", budgets=0.5, prune_at=1)
    assert [one.prune_at for one in inside] == [None, 1, None]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"scorer": "weights.safetensors"}, "no method here uses a scorer"),
        ({"query": "a red car"}, "no method here uses a query"),
    ],
)
def test_an_input_without_use_is_refused(given: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        requests("vcast", budgets=0.5, **given)
