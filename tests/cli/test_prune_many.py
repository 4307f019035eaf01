"""Several methods, budgets and questions in one run of `evs prune`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from evscli.encoders.scorer import expected_shapes
from evscli.store import open_store
from tests.cli.in_process import run_here
from tests.videos import write_video

pytestmark = pytest.mark.slow

PAIRS = ("--method", "evs", "--method", "vcast", "--budget", "0.5", "--budget", "40tok")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prune_many")
    for number, name in enumerate("ab"):
        write_video(folder / f"{name}.mp4", frames=24, seed=number)
    return folder


@pytest.fixture
def videos(made: Path, tmp_path: Path) -> Path:
    """A copy that may be changed."""
    return Path(shutil.copytree(made, tmp_path / "videos"))


def same_tensors(one: Path, other: Path) -> bool:
    first, second = open_store(one), open_store(other)
    return [*first] == [*second] and all(
        torch.equal(first[key].embeds, second[key].embeds)
        and torch.equal(first[key].keep_mask, second[key].keep_mask)
        for key in first
    )


def test_every_pair_has_a_store_like_that_of_a_run_of_its_own(videos: Path, tmp_path: Path) -> None:
    result = run_here("prune", videos, *PAIRS, "-o", "many", cwd=tmp_path)
    assert result.code == 0, result.err
    names = sorted(path.name for path in (tmp_path / "many").iterdir())
    assert names == ["evs-0.5", "evs-40tok", "vcast-0.5", "vcast-40tok"]
    for name in ("evs-0.5", "vcast-40tok"):
        method, _, budget = name.partition("-")
        chosen = ("--method", method, "--budget", budget)
        assert run_here("prune", videos, *chosen, "-o", f"one/{name}", cwd=tmp_path).code == 0
        assert same_tensors(tmp_path / "many" / name, tmp_path / "one" / name)
        run = [(tmp_path / place / name / "run.json").read_bytes() for place in ("many", "one")]
        assert run[0] == run[1]
    infos = [record.info for record in open_store(tmp_path / "many" / "vcast-40tok").values()]
    assert {(info.kept, info.budget_rule) for info in infos} == {(40, "40tok")}
    shown = run_here("inspect", tmp_path / "many" / "vcast-40tok", "a", cwd=tmp_path)
    assert "(40tok)" in shown.out


def test_one_budget_written_twice_is_one_store(videos: Path, tmp_path: Path) -> None:
    chosen = ("--method", "vcast", "--budget", "0.5", "--budget", ".50")
    result = run_here("prune", videos, *chosen, "-o", "out", cwd=tmp_path)
    assert result.code == 0, result.err
    assert len(open_store(tmp_path / "out")) == 2


def test_a_failure_is_said_once_whichever_stores_it_is_for(videos: Path, tmp_path: Path) -> None:
    first = ("--method", "evs", "--budget", "0.5", "-o", "many/evs-0.5")
    assert run_here("prune", videos / "a.mp4", *first, cwd=tmp_path).code == 0
    size = (videos / "a.mp4").stat().st_size
    (videos / "a.mp4").write_bytes(bytes(size))
    both = ("--method", "evs", "--method", "vcast", "--method", "norm", "--budget", "0.5")
    result = run_here("prune", videos, *both, "-o", "many", cwd=tmp_path)
    assert result.code == 3
    assert "a.mp4" in result.error  # one line


def test_a_rate_of_pruning_needs_one_budget_for_all(videos: Path, tmp_path: Path) -> None:
    chosen = ("--method", "evs", "--budget", "0.1:0.9", "--option", "pruning_rate=0.5")
    result = run_here("prune", videos, *chosen, cwd=tmp_path)
    assert result.code == 2
    assert "pruning_rate is the same for every video" in result.error


def test_a_store_that_lacks_a_video_gets_that_one_only(videos: Path, tmp_path: Path) -> None:
    first = ("--method", "vcast", "--budget", "0.5", "-o", "many/vcast-0.5")
    assert run_here("prune", videos / "a.mp4", *first, cwd=tmp_path).code == 0
    before = open_store(tmp_path / "many" / "vcast-0.5")["a"].embeds
    result = run_here("prune", videos, *PAIRS, "-o", "many", "--json", cwd=tmp_path)
    assert result.code == 0, result.err
    for name in ("evs-0.5", "evs-40tok", "vcast-0.5", "vcast-40tok"):
        assert sorted(open_store(tmp_path / "many" / name)) == ["a", "b"]
    assert torch.equal(open_store(tmp_path / "many" / "vcast-0.5")["a"].embeds, before)


def test_drawn_budgets_depend_on_the_id_and_the_seed_alone(videos: Path, tmp_path: Path) -> None:
    chosen = ("--method", "vcast", "--budget", "0.1:0.9", "--budget-dist", "beta:2,2")
    assert run_here("prune", videos, *chosen, "-o", "both", cwd=tmp_path).code == 0
    assert run_here("prune", videos / "b.mp4", *chosen, "-o", "alone", cwd=tmp_path).code == 0
    assert run_here("prune", videos, *chosen, "-o", "other", "--seed", "1", cwd=tmp_path).code == 0
    both, alone, other = (open_store(tmp_path / name) for name in ("both", "alone", "other"))
    assert both["b"].info.budget == alone["b"].info.budget
    assert both["a"].info.budget != both["b"].info.budget
    assert both["b"].info.budget != other["b"].info.budget
    assert torch.equal(both["b"].keep_mask, alone["b"].keep_mask)


class TestQueries:
    def rows(self, videos: Path, **queries: str) -> Path:
        path = videos / "list.jsonl"
        rows = [{"path": f"{name}.mp4", "query": query} for name, query in queries.items()]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    def test_come_from_a_list_or_the_command(self, videos: Path, tmp_path: Path) -> None:
        given = self.rows(videos, a="the red ball", b="")
        chosen = ("--method", "semvid", "--method", "vcast", "--budget", "0.25", "-o", "out")
        result = run_here("prune", given, *chosen, "--query", "a blue star", cwd=tmp_path)
        assert result.code == 0, result.err
        asked = open_store(tmp_path / "out" / "semvid-0.25")
        assert {key: asked[key].info.query for key in asked} == {
            "a": "the red ball",
            "b": "a blue star",
        }
        assert open_store(tmp_path / "out" / "vcast-0.25")["a"].info.query is None
        shown = run_here("inspect", tmp_path / "out" / "semvid-0.25", "a", cwd=tmp_path)
        assert "the red ball" in shown.out

    def test_another_one_for_a_finished_video_is_refused(
        self, videos: Path, tmp_path: Path
    ) -> None:
        chosen = ("--method", "cdpruner", "--budget", "0.25", "-o", "out")
        given = self.rows(videos, a="the red ball")
        assert run_here("prune", given, *chosen, cwd=tmp_path).code == 0
        again = run_here("prune", given, *chosen, cwd=tmp_path)
        assert (again.code, "already done" in again.out) == (0, True)
        other = run_here("prune", self.rows(videos, a="a star"), *chosen, cwd=tmp_path)
        assert other.code == 1
        assert "'the red ball'" in other.error
        assert "'a star'" in other.error

    def test_that_are_missing_or_unknown_are_refused_before_any_work(
        self, videos: Path, tmp_path: Path
    ) -> None:
        chosen = ("--method", "semvid", "--budget", "0.25", "-o", "out")
        for arguments, words in (
            ((videos,), "needs a question: give it with --query TEXT"),
            ((self.rows(videos, a="the red ball", b=""),), "b.mp4 has no query"),
            ((videos, "--query", "the zebra"), "zebra"),
        ):
            result = run_here("prune", *arguments, *chosen, cwd=tmp_path)
            assert result.code == 2, result
            assert words in result.error
        unused = run_here(
            "prune", videos, "--method", "evs", "--budget", "0.5", "--query", "x", cwd=tmp_path
        )
        assert (unused.code, "no method here uses a query" in unused.error) == (2, True)
        assert not (tmp_path / "out").exists()


def test_pruning_inside_says_what_it_needs(clip: Path, tmp_path: Path) -> None:
    half = ("--budget", "0.5")
    shapes = expected_shapes(1152, 8).items()
    save_file({name: torch.zeros(shape) for name, shape in shapes}, tmp_path / "wide")
    for arguments, words in (
        (("--method", "stts", *half, "--prune-at", "2"), "to look after block 1, not 2"),
        (("--method", "window-diff", *half), "not after 3: give such a number with --prune-at"),
        (("--method", "evs", *half, "--scorer", "x"), "no method here uses a scorer"),
        (("--method", "stts", *half, "--scorer", "absent"), "absent does not exist; name a"),
        (("--method", "none", "--prune-at", "1"), "keeps everything"),
        (("--method", "stts", *half, "--scorer", "wide", "--prune-at", "1"), "of width 128 needs"),
    ):
        result = run_here("prune", clip, *arguments, cwd=tmp_path)
        assert result.code in (1, 2), result
        assert words in result.error
    done = run_here(
        "prune", clip, "--method", "window-diff", *half, "--prune-at", "1", cwd=tmp_path
    )
    assert done.code == 0, done.err
    (store,) = (tmp_path / "evs-out").iterdir()
    assert open_store(store)["clip"].info.prune_at == 1
    shown = run_here("inspect", store, "clip", cwd=tmp_path).out
    assert "pruned\tinside the encoder, after block 1\n" in shown


def test_pruning_before_the_encoder_is_recorded(tmp_path: Path, clip: Path) -> None:
    asked = ("prune", clip, "--method", "evs:space=rgb", "--budget", "0.5", "-o", "store")
    for _ in range(2):
        done = run_here(*asked, "--prune-at", "input", cwd=tmp_path)
        assert done.code == 0, done.err
    assert open_store(tmp_path / "store")["clip"].info.prune_at == "input"
    shown = run_here("inspect", "store", "clip", cwd=tmp_path).out
    assert "pruned\tbefore the encoder\n" in shown
    assert run_here(*asked, cwd=tmp_path).code == 1
    refused = run_here(*asked, "--prune-at", "inputs", cwd=tmp_path)
    assert refused.code == 2
    assert "--prune-at must be a block of the encoder counted from 0, or input" in refused.error
