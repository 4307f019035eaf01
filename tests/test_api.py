"""`prune_video` and `prune_videos` take everything that `evs prune` does."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from evscli import open_store, prune_video, prune_videos
from evscli.api import Silent
from evscli.bundled import MINI_FOLDER
from evscli.corpus.tasks import Done
from evscli.encoders import files as files_module
from evscli.encoders.files import LocalFolder
from evscli.encoders.scorer import expected_shapes
from evscli.errors import EvsError, UsageError
from evscli.job import Execution, Job, Selection, Storage

MINI_WIDTH = 128


def test_budgets_are_written_as_on_the_command_line(clip: Path) -> None:
    record = prune_video(clip, method="vcast", budget="40tok")
    assert (record.info.kept, record.info.budget_rule) == (40, "40tok")


def test_a_question_is_asked(clip: Path) -> None:
    ball, star = (
        prune_video(clip, method="semvid", budget=0.2, query=text)
        for text in ("the red ball", "a blue star")
    )
    assert ball.info.query == "the red ball"
    assert not torch.equal(ball.keep_mask, star.keep_mask)


def test_a_scorer_chooses_inside_the_encoder(clip: Path, tmp_path: Path) -> None:
    shapes = expected_shapes(MINI_WIDTH, 16).items()
    generator = torch.Generator().manual_seed(0)
    weights = {name: torch.randn(shape, generator=generator) for name, shape in shapes}
    save_file(weights, tmp_path / "scorer.safetensors")
    record = prune_video(
        clip, method="stts", budget=0.5, prune_at=1, scorer=tmp_path / "scorer.safetensors"
    )
    assert record.info.prune_at == 1
    assert record.info.kept == record.info.expected == len(record.embeds)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"method": "semvid", "budget": 0.5}, "'semvid' needs a question"),
        ({"method": "evs", "budget": 0.5, "query": "a ball"}, "no method here uses a query"),
        ({"method": "stts", "budget": 0.5, "prune_at": 2}, "was trained to look after block 1"),
        ({"method": "evs", "budget": 0.5, "scorer": "x"}, "no method here uses a scorer"),
        ({"method": "evs", "budget": "half"}, "budget 'half' is not understood"),
        ({"method": "evs", "budget": 0.5, "start": "1"}, "start must be a number of seconds"),
        ({"method": "evs", "budget": 0.5, "end": float("inf")}, "end must be a number of seconds"),
        ({"method": "evs", "budget": 0.5, "model": ""}, "--model is empty"),
        ({"method": "evs", "budget": 0.5, "damaged": "mend"}, "'mend' is not one of 'trim'"),
        (
            {"method": "evs", "budget": 0.5, "model": 3},
            "--model must be text or a Path or a ModelFiles, got 3",
        ),
        ({"method": "evs", "budget": 0.5, "device": None}, "device 'None' is unknown"),
    ],
)
def test_what_is_missing_or_unused_is_refused(
    clip: Path, given: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        prune_video(clip, **given)  # type: ignore[arg-type]


def test_the_checkpoint_is_found_once_however_often_it_is_used(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[str] = []

    def folder(path: Path, *, name: str) -> LocalFolder:
        found.append(name)
        return LocalFolder(path, name=name)

    monkeypatch.setattr(files_module, "LocalFolder", folder)
    model = str(shutil.copytree(MINI_FOLDER, tmp_path / "copy"))
    for text in ("the red ball", "a blue star"):
        prune_video(clip, method="semvid", budget=0.2, query=text, model=model)
    assert found == ["copy"]


def test_random_draws_anew_for_every_video_and_alike_for_one(clip: Path, tmp_path: Path) -> None:
    masks = [
        prune_video(shutil.copy(clip, tmp_path / name), method="random", budget=0.5).keep_mask
        for name in ("a.mp4", "b.mp4", "a.mp4")
    ]
    assert torch.equal(masks[0], masks[2])
    assert not torch.equal(masks[0], masks[1])


def test_a_path_and_a_device_of_torch_are_taken_for_their_texts(clip: Path) -> None:
    given = {"method": "evs", "budget": 0.5}
    texts = prune_video(str(clip), model=str(MINI_FOLDER), device="cpu", **given)  # type: ignore[arg-type]
    other = prune_video(clip, model=MINI_FOLDER, device=torch.device("cpu"), **given)  # type: ignore[arg-type]
    assert other.embeds.equal(texts.embeds)
    assert other.info.model == texts.info.model


@pytest.mark.parametrize("path", [None, 3, b"a.mp4", ["a.mp4"], "a\0.mp4"])
def test_what_is_no_path_is_refused(path: object) -> None:
    with pytest.raises(UsageError, match="path must be a str or a Path"):
        prune_video(path, method="evs", budget=0.5)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="path must be a str or a Path"):
        open_store(path)  # type: ignore[arg-type]


@pytest.mark.parametrize("span", [(2.0, 1.0), (-1.0, None), (1.0, 1.0), (float("nan"), None)])
def test_what_is_no_part_is_refused(clip: Path, span: tuple[float, float | None]) -> None:
    with pytest.raises(UsageError, match=r"name no part of a video|start must be a number"):
        prune_video(clip, method="vcast", budget=0.3, start=span[0], end=span[1])


UNGUARDED = """
from evscli import prune_videos
from evscli.cli import run
from evscli.job import Execution, Job, Selection, Storage

print("begun", flush=True)
selection = Selection(methods=("vcast",), budgets=(0.3,))
job = Job(selection=selection, storage=Storage(output="store"), execution=Execution(processes=1))
print(prune_videos({clip!r}, job)[0].pruned, "pruned", flush=True)
print("ended", run(["inspect", "store", "--verify"], debug=False))
"""


def two_methods(folder: Path) -> Job:
    return Job(
        selection=Selection(methods=("evs", "vcast"), budgets=(0.25,)),
        storage=Storage(output=str(folder / "stores")),
        execution=Execution(processes=1),
    )


@pytest.fixture(scope="module")
def once(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int], list[str]]:
    """A folder with stores, how many videos each took, and what was told meanwhile."""
    folder, told = tmp_path_factory.mktemp("once"), list[str]()

    class Listener(Silent):
        def done(self, done: Done, *, again: bool) -> None:
            told.append(f"{done.outcome.id} {done.store} {again}")

    summaries = prune_videos([clip], two_methods(folder), listener=Listener())
    return folder, [summary.pruned for summary in summaries], told


class TestPruneVideos:
    """Many videos into stores."""

    def test_they_are_those_of_one_by_one(
        self, clip: Path, once: tuple[Path, list[int], list[str]]
    ) -> None:
        folder, pruned, _ = once
        assert pruned == [1, 1]
        for method in ("evs", "vcast"):
            stored = open_store(folder / "stores" / f"{method}-0.25")["clip"]
            assert stored.embeds.equal(prune_video(clip, method=method, budget=0.25).embeds)

    def test_a_second_call_goes_on(
        self, clip: Path, once: tuple[Path, list[int], list[str]]
    ) -> None:
        again = prune_videos([clip], two_methods(once[0]))
        assert [(one.pruned, one.skipped) for one in again] == [(0, 1), (0, 1)]

    def test_one_input_needs_no_list(
        self, clip: Path, once: tuple[Path, list[int], list[str]]
    ) -> None:
        for one in (clip, str(clip), (clip,)):
            again = prune_videos(one, two_methods(once[0]))
            assert [summary.skipped for summary in again] == [1, 1]

    @pytest.mark.parametrize("inputs", [None, 3, [3], [None], b"clips", {"clips": 1}, {"clips"}])
    def test_what_is_no_input_is_refused(self, inputs: Any, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="an input must be a str or a Path"):
            prune_videos(inputs, two_methods(tmp_path))

    def test_no_input_and_a_listener_without_methods_are_refused(self, clip: Path) -> None:
        with pytest.raises(UsageError, match="there is no input"):
            prune_videos([], two_methods(clip.parent))
        with pytest.raises(UsageError, match="listener must have the methods"):
            prune_videos([clip], two_methods(clip.parent), listener=print)  # type: ignore[arg-type]

    @pytest.mark.parametrize("job", [None, {}, two_methods(Path()).selection])
    def test_what_is_no_job_is_refused(self, clip: Path, job: Any) -> None:
        kind = type(job).__name__
        with pytest.raises(UsageError, match=f"job must be a Job of evscli.job, got a {kind}$"):
            prune_videos([clip], job)

    @pytest.mark.parametrize("output", ["a\0b", Path("a\0b"), 3, b"a"])
    def test_what_is_no_folder_is_refused(self, clip: Path, output: Any, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"--output must be (text|a str) or a Path"):
            prune_videos([clip], replace(two_methods(tmp_path), storage=Storage(output=output)))

    def test_a_folder_may_be_a_path(
        self, clip: Path, once: tuple[Path, list[int], list[str]]
    ) -> None:
        job = replace(two_methods(once[0]), storage=Storage(output=once[0] / "stores"))
        assert [summary.skipped for summary in prune_videos([clip], job)] == [1, 1]

    def test_a_current_folder_that_was_deleted_is_named_as_the_reason(
        self, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = two_methods(tmp_path)
        gone = tmp_path / "gone"
        gone.mkdir()
        monkeypatch.chdir(gone)
        gone.rmdir()
        with pytest.raises(EvsError, match="the current folder was deleted"):
            prune_videos([clip], job)
        with pytest.raises(EvsError, match="the current folder was deleted"):
            prune_video(clip, method="evs", budget=0.5)

    @pytest.mark.slow
    def test_a_script_on_standard_input_needs_no_guard(self, clip: Path, tmp_path: Path) -> None:
        done = subprocess.run(
            [sys.executable, "-"],
            input=UNGUARDED.format(clip=str(clip)),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.splitlines() == [
            "begun",
            "1 pruned",
            "store: no problems, 1 video checked",
            "ended 0",
        ]

    def test_results_are_told_as_they_come(self, once: tuple[Path, list[int], list[str]]) -> None:
        assert once[2] == ["clip 0 False", "clip 1 False"]

    def test_many_videos_need_a_model(self, clip: Path, tmp_path: Path) -> None:
        names = [shutil.copy(clip, tmp_path / f"{n}.mp4") for n in range(21)]
        with pytest.raises(UsageError, match="21 videos but no --model"):
            prune_videos(names, two_methods(tmp_path))
