"""`evs visualize`: pictures of a store, and one clear line for everything that cannot be drawn."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import av
import pytest
from PIL import Image

from evscli.store import open_store
from tests.cli.in_process import run_here
from tests.evs import Running, run_evs, wait_until
from tests.videos import write_video

BOTH = ("--method", "vcast", "--method", "random", "--budget", "0.25", "--scores")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """in/a.mp4, in/b.mp4 and stores/vcast-0.25, stores/random-0.25 of both."""
    folder = tmp_path_factory.mktemp("visualize")
    (folder / "in").mkdir()
    for number, name in enumerate("ab"):
        write_video(folder / "in" / f"{name}.mp4", frames=32, size=(144, 192), seed=number)
    result = run_here("prune", "in", *BOTH, "-o", "stores", cwd=folder)
    assert result.code == 0, result.err
    return folder


VCAST, RANDOM = "stores/vcast-0.25", "stores/random-0.25"


@pytest.mark.slow
def test_a_contact_sheet(folder: Path) -> None:
    result = run_here("visualize", VCAST, "a", "-o", "a.png", cwd=folder)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("a.png: ")
    assert "tokens kept" in result.out
    with Image.open(folder / "a.png") as sheet:
        assert (sheet.format, sheet.width) == ("PNG", 1920)
    again = run_evs("visualize", VCAST, "a", "-o", "again.png", cwd=folder)
    assert again.code == 0
    assert (folder / "again.png").read_bytes() == (folder / "a.png").read_bytes()


def test_time_and_frames_choose_what_a_sheet_shows(folder: Path) -> None:
    few = run_here(
        "visualize", VCAST, "a", "-o", "few.png", "--frames", "2", "--time", "0.5-1", cwd=folder
    )
    assert few.code == 0, few.err
    assert few.out.startswith("few.png: 2 of ")


@pytest.mark.parametrize(
    "extra",
    [
        (),
        pytest.param(("--scores",), marks=pytest.mark.slow),
        pytest.param(("--against", RANDOM), marks=pytest.mark.slow),
    ],
)
def test_an_overlay_video(folder: Path, extra: tuple[str, ...]) -> None:
    result = run_here("visualize", VCAST, "b", "-o", "b.mp4", *extra, cwd=folder)
    assert result.code == 0, result.err
    with av.open(str(folder / "b.mp4")) as container:
        frames = sum(1 for _ in container.decode(video=0))
    assert frames == open_store(folder / VCAST)["b"].info.source_frames
    assert not list(folder.glob(".b.*"))


@pytest.mark.parametrize("extra", [(), ("--beside", RANDOM), ("--against", RANDOM)])
def test_a_report(folder: Path, extra: tuple[str, ...]) -> None:
    result = run_here("visualize", VCAST, "a", "-o", "a.html", *extra, cwd=folder)
    assert result.code == 0, result.err
    page = (folder / "a.html").read_text()
    assert "vcast 0.25" in page
    assert ("random 0.25" in page) == bool(extra)
    assert "http" not in page.replace("http-equiv", "")


class TestSources:
    @pytest.mark.slow
    def test_are_remembered_outside_the_store(self, folder: Path, tmp_path: Path) -> None:
        shutil.copytree(folder / "in", tmp_path / "in")
        state = {"XDG_STATE_HOME": str(tmp_path / "state")}
        chosen = ("--method", "vcast", "--budget", "0.25", "-o", "store")
        assert run_here("prune", "in", *chosen, cwd=tmp_path, env=state).code == 0
        for file in (tmp_path / "store").iterdir():
            assert str(tmp_path).encode() not in file.read_bytes()
        found = run_here("visualize", "store", "a", "-o", "a.png", cwd=tmp_path, env=state)
        assert (found.code, found.err) == (0, "")
        elsewhere = {"XDG_STATE_HOME": str(tmp_path / "other")}
        blind = run_here("visualize", "store", "a", "-o", "b.png", cwd=tmp_path, env=elsewhere)
        assert blind.code == 0
        assert "a.mp4 was not found, so cells are drawn without pictures" in blind.err
        named = run_here(
            "visualize", "store", "a", "--root", "in", "-o", "c.png", cwd=tmp_path, env=elsewhere
        )
        assert (named.code, named.err) == (0, "")
        assert (tmp_path / "a.png").read_bytes() == (tmp_path / "c.png").read_bytes()
        assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()

    @pytest.mark.slow
    def test_the_root_that_has_the_very_file_is_taken(self, folder: Path, tmp_path: Path) -> None:
        state = {"XDG_STATE_HOME": str(tmp_path / "state")}
        chosen = ("--method", "vcast", "--budget", "0.25", "-o", "store")
        for name, videos in (("first", {"a": "a"}), ("later", {"a": "b", "b": "b"})):
            (tmp_path / name).mkdir()
            for new, old in videos.items():
                shutil.copy(folder / "in" / f"{old}.mp4", tmp_path / name / f"{new}.mp4")
        for given in ("first/a.mp4", "later/b.mp4"):
            assert run_here("prune", given, *chosen, cwd=tmp_path, env=state).code == 0
        for store in ("store", min((tmp_path / "store").glob("shard-*"))):
            found = run_here("visualize", store, "a", "-o", "a.png", cwd=tmp_path, env=state)
            assert (found.code, found.err) == (0, "")

    @pytest.mark.slow
    def test_of_another_size_are_refused_even_when_forced(self, folder: Path) -> None:
        write_video(folder / "wide.mp4", frames=40, size=(144, 256))
        given = ("--video", "wide.mp4", "--force", "-o", "wide.png")
        refused = run_here("visualize", VCAST, "a", *given, cwd=folder)
        assert refused.code == 1
        assert "shows 256x144 and 'a' was pruned from 192x144" in refused.error

    @pytest.mark.slow
    def test_that_are_no_files_are_refused(self, folder: Path) -> None:
        for given, code, words in (
            (("--video", "in"), 1, "there is no file in"),
            (("--video", "absent.mp4"), 1, "there is no file absent.mp4"),
            (("--video", ""), 2, "--video is empty"),
            (("--root", ""), 2, "--root is empty"),
        ):
            refused = run_here("visualize", VCAST, "a", *given, "-o", "x.png", cwd=folder)
            assert (refused.code, words in refused.error) == (code, True), refused

    def test_that_have_changed_are_refused_unless_forced(self, folder: Path) -> None:
        given = ("visualize", VCAST, "a", "--video", "in/b.mp4", "-o", "changed.png")
        refused = run_here(*given, cwd=folder)
        assert refused.code == 1
        assert "in/b.mp4 is not the file that 'a' was pruned from" in refused.error
        assert not (folder / "changed.png").exists()
        assert run_here(*given, "--force", cwd=folder).code == 0

    @pytest.mark.slow
    def test_that_are_too_short_are_refused_even_then(self, folder: Path) -> None:
        write_video(folder / "short.mp4", frames=5, size=(144, 192))
        given = ("--video", "short.mp4", "--force", "-o", "short.png")
        refused = run_here("visualize", VCAST, "a", *given, cwd=folder)
        assert refused.code == 1
        assert "has 5 frames and 'a' was pruned from 32" in refused.error

    def test_that_are_not_where_they_are_said_to_be(self, folder: Path) -> None:
        refused = run_here("visualize", VCAST, "a", "--root", "stores", "-o", "x.png", cwd=folder)
        assert refused.code == 2
        assert "there is no a.mp4 below stores" in refused.error


class TestOutputs:
    def test_the_video_itself_is_never_overwritten(self, folder: Path) -> None:
        before = (folder / "in" / "a.mp4").read_bytes()
        result = run_here("visualize", VCAST, "a", "-o", "in/a.mp4", cwd=folder)
        assert (result.code, "is the video itself" in result.error) == (2, True)
        assert (folder / "in" / "a.mp4").read_bytes() == before

    @pytest.mark.slow
    def test_folders_are_made_and_never_taken_for_files(self, folder: Path) -> None:
        made = run_here("visualize", VCAST, "a", "-o", "new/deep/a.png", cwd=folder)
        assert made.code == 0, made.err
        assert (folder / "new" / "deep" / "a.png").is_file()
        (folder / "folder.png").mkdir()
        refused = run_here("visualize", VCAST, "a", "-o", "folder.png", cwd=folder)
        assert (refused.code, "is a folder" in refused.error) == (2, True)

    @pytest.mark.slow
    def test_colons_are_no_protocol(self, folder: Path) -> None:
        result = run_here("visualize", VCAST, "a", "-o", "a:b.mp4", cwd=folder)
        assert result.code == 0, result.err
        assert (folder / "a:b.mp4").stat().st_size > 1000

    @pytest.mark.slow
    def test_an_end_from_outside_leaves_nothing(self, tmp_path: Path) -> None:
        write_video(tmp_path / "long.mp4", frames=240, size=(144, 192), gop=250)
        chosen = ("--method", "vcast", "--budget", "0.25", "-o", "store")
        assert run_here("prune", "long.mp4", *chosen, cwd=tmp_path).code == 0
        for number in (signal.SIGINT, signal.SIGTERM):
            running = Running("visualize", "store", "-o", "long_overlay.mp4", cwd=tmp_path)
            wait_until(lambda: bool(list(tmp_path.glob(".evs-*.mp4"))))
            running.send(number)
            result = running.wait()
            assert (result.code, result.error) == (130, "interrupted: nothing was written")
            assert sorted(path.name for path in tmp_path.iterdir()) == ["long.mp4", "store"]


@pytest.mark.slow
def test_a_report_may_begin_with_scores(folder: Path) -> None:
    given = ("visualize", VCAST, "a", "--beside", RANDOM, "--scores", "-o", "scored.html")
    assert run_here(*given, cwd=folder).code == 0  # random has none
    assert 'id="layer-scores" checked' in (folder / "scored.html").read_text()
    refused = run_here("visualize", RANDOM, "a", "--scores", "-o", "none.html", cwd=folder)
    assert (refused.code, "no store here holds scores" in refused.error) == (2, True)


def test_a_truth_of_somebody_else_is_no_matter(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "in", tmp_path / "in")
    (tmp_path / "in" / "truth.json").write_text("[1, 2]")
    given = ("--root", tmp_path / "in", "-o", tmp_path / "a.html")
    assert run_here("visualize", VCAST, "a", *given, cwd=folder).code == 0


@pytest.mark.slow
def test_an_empty_store_says_so(tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_text("no video")
    chosen = ("--method", "vcast", "--budget", "0.25", "-o", "store")
    run_here("prune", "broken.mp4", *chosen, cwd=tmp_path)
    result = run_here("visualize", "store", "-o", "a.png", cwd=tmp_path)
    assert (result.code, "holds no video yet" in result.error) == (2, True)


@pytest.mark.slow
def test_what_cannot_be_drawn_is_one_clear_line(folder: Path) -> None:
    plain = run_here("prune", "in/a.mp4", *BOTH[:2], "--budget", "0.5", "-o", "plain", cwd=folder)
    assert plain.code == 0
    coarse = ("--method", "vcast", "--budget", "0.25", "--num-frames", "4", "-o", "coarse")
    assert run_here("prune", "in/a.mp4", *coarse, cwd=folder).code == 0
    for arguments, code, words in (
        ((VCAST, "a", "-o", "a.gif"), 2, "let it end in .png"),
        ((VCAST, "-o", "a.png"), 2, "holds 2 videos: name one after it: a, b"),
        ((VCAST, "c", "-o", "a.png"), 1, "has no video 'c'"),
        (("absent", "a", "-o", "a.png"), 1, "absent"),
        ((VCAST, "a", "-o", "a.mp4", "--time", "1-2"), 2, "contact sheet"),
        ((VCAST, "a", "-o", "a.mp4", "--beside", RANDOM), 2, "in a report"),
        ((VCAST, "a", "-o", "a.png", "--time", "2-1"), 2, "write 1-2"),
        ((VCAST, "a", "-o", "a.png", "--time", "soon"), 2, "12.5-20"),
        ((VCAST, "a", "-o", "a.png", "--time", "70-"), 2, "no sampled frame"),
        ((VCAST, "a", "-o", "a.png", "--against", "coarse"), 1, "cannot be laid over"),
        ((VCAST, "a", "-o", "a.png", "--against", RANDOM, "--scores"), 2, "--against goes with"),
        (("plain", "-o", "a.png", "--scores"), 2, "holds no scores of 'a'"),
    ):
        result = run_here("visualize", *arguments, cwd=folder)
        assert result.code == code, (arguments, result)
        assert words in result.error, (arguments, result)


@pytest.mark.slow
def test_names_are_harmless(folder: Path, tmp_path: Path) -> None:
    name = 'a "b" <script>alert(1)</script> ünï 中 &amp;'.replace("/", "")
    (tmp_path / "in").mkdir()
    shutil.copy(folder / "in" / "a.mp4", tmp_path / "in" / f"{name}.mp4")
    chosen = ("--method", "vcast", "--budget", "0.25", "-o", "store")
    assert run_here("prune", "in", *chosen, cwd=tmp_path).code == 0
    for form in ("png", "mp4", "html"):
        result = run_here("visualize", "store", name, "-o", f"out.{form}", cwd=tmp_path)
        assert result.code == 0, result.err
    page = (tmp_path / "out.html").read_text()
    assert "<script>alert" not in page
    data = page.split('id="data">')[1].split("</script>")[0]
    assert json.loads(data)["views"][0]["name"] == "vcast 0.25"
