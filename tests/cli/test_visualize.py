"""`evs visualize`: pictures of a store, and one clear line for everything that cannot be drawn."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import av
import pytest
from PIL import Image

from evscli.store import open_store
from tests.evs import run_evs
from tests.videos import write_video

BOTH = ("--method", "vcast", "--method", "random", "--budget", "0.25", "--scores")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """in/a.mp4, in/b.mp4 and stores/vcast-0.25, stores/random-0.25 of both."""
    folder = tmp_path_factory.mktemp("visualize")
    (folder / "in").mkdir()
    for number, name in enumerate("ab"):
        write_video(folder / "in" / f"{name}.mp4", frames=32, size=(144, 192), seed=number)
    result = run_evs("prune", "in", *BOTH, "-o", "stores", cwd=folder)
    assert result.code == 0, result.err
    return folder


VCAST, RANDOM = "stores/vcast-0.25", "stores/random-0.25"


def test_a_contact_sheet(folder: Path) -> None:
    result = run_evs("visualize", VCAST, "a", "-o", "a.png", cwd=folder)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("a.png: ")
    assert "tokens kept" in result.out
    with Image.open(folder / "a.png") as sheet:
        assert (sheet.format, sheet.width) == ("PNG", 1920)
    again = run_evs("visualize", VCAST, "a", "-o", "again.png", cwd=folder)
    assert again.code == 0
    assert (folder / "again.png").read_bytes() == (folder / "a.png").read_bytes()


def test_time_and_frames_choose_what_a_sheet_shows(folder: Path) -> None:
    few = run_evs(
        "visualize", VCAST, "a", "-o", "few.png", "--frames", "2", "--time", "0.5-1", cwd=folder
    )
    assert few.code == 0, few.err
    assert few.out.startswith("few.png: 2 of ")


@pytest.mark.parametrize("extra", [(), ("--scores",), ("--against", RANDOM)])
def test_an_overlay_video(folder: Path, extra: tuple[str, ...]) -> None:
    result = run_evs("visualize", VCAST, "b", "-o", "b.mp4", *extra, cwd=folder)
    assert result.code == 0, result.err
    with av.open(str(folder / "b.mp4")) as container:
        frames = sum(1 for _ in container.decode(video=0))
    assert frames == open_store(folder / VCAST)["b"].info.source_frames
    assert not list(folder.glob(".b.*"))


@pytest.mark.parametrize("extra", [(), ("--beside", RANDOM), ("--against", RANDOM)])
def test_a_report(folder: Path, extra: tuple[str, ...]) -> None:
    result = run_evs("visualize", VCAST, "a", "-o", "a.html", *extra, cwd=folder)
    assert result.code == 0, result.err
    page = (folder / "a.html").read_text()
    assert "vcast 0.25" in page
    assert ("random 0.25" in page) == bool(extra)
    assert "http" not in page.replace("http-equiv", "")


class TestSources:
    def test_are_remembered_outside_the_store(self, folder: Path, tmp_path: Path) -> None:
        shutil.copytree(folder / "in", tmp_path / "in")
        state = {"XDG_STATE_HOME": str(tmp_path / "state")}
        chosen = ("--method", "vcast", "--budget", "0.25", "-o", "store")
        assert run_evs("prune", "in", *chosen, cwd=tmp_path, env=state).code == 0
        for file in (tmp_path / "store").iterdir():
            assert str(tmp_path).encode() not in file.read_bytes()
        found = run_evs("visualize", "store", "a", "-o", "a.png", cwd=tmp_path, env=state)
        assert (found.code, found.err) == (0, "")
        elsewhere = {"XDG_STATE_HOME": str(tmp_path / "other")}
        blind = run_evs("visualize", "store", "a", "-o", "b.png", cwd=tmp_path, env=elsewhere)
        assert blind.code == 0
        assert "a.mp4 was not found, so cells are drawn without pictures" in blind.err
        named = run_evs(
            "visualize", "store", "a", "--root", "in", "-o", "c.png", cwd=tmp_path, env=elsewhere
        )
        assert (named.code, named.err) == (0, "")
        assert (tmp_path / "a.png").read_bytes() == (tmp_path / "c.png").read_bytes()
        assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()

    def test_that_have_changed_are_refused_unless_forced(self, folder: Path) -> None:
        given = ("visualize", VCAST, "a", "--video", "in/b.mp4", "-o", "changed.png")
        refused = run_evs(*given, cwd=folder)
        assert refused.code == 1
        assert "in/b.mp4 is not the file that 'a' was pruned from" in refused.error
        assert not (folder / "changed.png").exists()
        assert run_evs(*given, "--force", cwd=folder).code == 0

    def test_that_are_too_short_are_refused_even_then(self, folder: Path) -> None:
        write_video(folder / "short.mp4", frames=5, size=(144, 192))
        given = ("--video", "short.mp4", "--force", "-o", "short.png")
        refused = run_evs("visualize", VCAST, "a", *given, cwd=folder)
        assert refused.code == 1
        assert "has 5 frames and 'a' was pruned from 32" in refused.error

    def test_that_are_not_where_they_are_said_to_be(self, folder: Path) -> None:
        refused = run_evs("visualize", VCAST, "a", "--root", "stores", "-o", "x.png", cwd=folder)
        assert refused.code == 2
        assert "there is no a.mp4 below stores" in refused.error


def test_what_cannot_be_drawn_is_one_clear_line(folder: Path) -> None:
    plain = run_evs("prune", "in/a.mp4", *BOTH[:2], "--budget", "0.5", "-o", "plain", cwd=folder)
    assert plain.code == 0
    coarse = ("--method", "vcast", "--budget", "0.25", "--num-frames", "4", "-o", "coarse")
    assert run_evs("prune", "in/a.mp4", *coarse, cwd=folder).code == 0
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
        result = run_evs("visualize", *arguments, cwd=folder)
        assert result.code == code, (arguments, result)
        assert words in result.error, (arguments, result)


def test_names_are_harmless(folder: Path, tmp_path: Path) -> None:
    name = 'a "b" <script>alert(1)</script> ünï 中 &amp;'.replace("/", "")
    (tmp_path / "in").mkdir()
    shutil.copy(folder / "in" / "a.mp4", tmp_path / "in" / f"{name}.mp4")
    chosen = ("--method", "vcast", "--budget", "0.25", "-o", "store")
    assert run_evs("prune", "in", *chosen, cwd=tmp_path).code == 0
    for form in ("png", "mp4", "html"):
        result = run_evs("visualize", "store", name, "-o", f"out.{form}", cwd=tmp_path)
        assert result.code == 0, result.err
    page = (tmp_path / "out.html").read_text()
    assert "<script>alert" not in page
    data = page.split('id="data">')[1].split("</script>")[0]
    assert json.loads(data)["views"][0]["name"] == "vcast 0.25"
