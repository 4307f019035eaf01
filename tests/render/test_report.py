"""The HTML report in a real browser: what it shows, what moves it, and that it asks nobody."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from evscli.records import PrunedVideo
from evscli.render.frames import BLANK
from evscli.render.jpegs import LARGEST, bytes_each, data_uri, small_jpeg
from evscli.render.report import display_size, html_report
from evscli.render.views import View, against_view, views_of
from evscli.video import index_video
from tests.render.stores import LIGHT, checkerboard, flat_video, known_record
from tests.videos import write_video

CHROMIUM = shutil.which("chromium")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")
SIZE = (96, 128)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    return flat_video(folder / "flat.mp4", size=SIZE, frames=32)


@pytest.fixture(scope="module")
def record(video: Path) -> PrunedVideo:
    return known_record(video, checkerboard, method="vcast", store_scores=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def tab(browser: Browser) -> Page:
    """The one that shows every report; a new one takes a process of its own."""
    return browser.new_context(viewport={"width": 900, "height": 900}).new_page()


class Opened:
    """A page with everything that it said and asked for."""

    def __init__(self, tab: Page, path: Path) -> None:
        self.page = tab
        self.said: list[str] = []
        self.asked: list[str] = []
        self.listeners: dict[str, Callable[[Any], None]] = {
            "console": lambda message: self.said.append(message.text),
            "pageerror": lambda error: self.said.append(str(error)),
            "request": lambda request: self.asked.append(request.url),
        }
        for event, listener in self.listeners.items():
            self.page.on(event, listener)  # type: ignore[call-overload]
        self.page.mouse.move(1, 1)
        self.page.goto(path.as_uri())
        self.page.wait_for_timeout(200)

    def close(self) -> None:
        """Listen no more."""
        for event, listener in self.listeners.items():
            self.page.remove_listener(event, listener)

    def pixels(self, cells: list[tuple[int, int]], view: int = 0) -> list[list[int]]:
        """The middles of cells (h, w) of the frame shown."""
        return list(
            self.page.evaluate(
                """([view, cells, high, wide]) => cells.map(([h, w]) => {
                    const canvas = document.querySelectorAll("canvas.frame")[view];
                    const x = Math.floor((w + 0.5) * canvas.width / wide);
                    const y = Math.floor((h + 0.5) * canvas.height / high);
                    return [...canvas.getContext("2d").getImageData(x, y, 1, 1).data].slice(0, 3);
                })""",
                [view, cells, *self.grid[1:]],
            )
        )

    def pixel(self, h: int, w: int, view: int = 0) -> list[int]:
        """The middle of a cell of the frame shown."""
        return self.pixels([(h, w)], view)[0]

    def hover(self, h: int, w: int, view: int = 0) -> None:
        """Put the pointer into the middle of a cell."""
        canvas = self.page.locator("canvas.frame").nth(view)
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        assert box is not None
        _, high, wide = self.grid
        x, y = (w + 0.5) * box["width"] / wide, (h + 0.5) * box["height"] / high
        self.page.mouse.move(box["x"] + x, box["y"] + y)

    @property
    def grid(self) -> list[int]:
        text = "JSON.parse(document.getElementById('data').textContent).grid"
        return list(self.page.evaluate(text))

    @property
    def now(self) -> str:
        return self.page.locator("#now").inner_text()


@pytest.fixture(scope="module")
def report(record: PrunedVideo, video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    views = views_of([(Path("store"), record)], scores=True, must=True)
    return write_report(views, video, tmp_path_factory.mktemp("page"))


@pytest.fixture
def opened(tab: Page, report: Path) -> Iterator[Opened]:
    yield from open_page(tab, report)


def write_report(views: list[View], video: Path | None, folder: Path) -> Path:
    page = html_report(views, None if video is None else index_video(video))
    (folder / "report.html").write_text(page, encoding="utf-8")
    return folder / "report.html"


def open_page(tab: Page, path: Path) -> Iterator[Opened]:
    opened = Opened(tab, path)
    yield opened
    assert opened.said == []
    assert [url for url in opened.asked if not url.startswith("data:")] == [path.as_uri()]
    opened.close()


@pytest.mark.slow
@needs_browser
class TestPlayer:
    def test_cells_are_bright_or_dim(self, opened: Opened, record: PrunedVideo) -> None:
        _, high, wide = record.info.grid_thw
        cells = [(h, w) for h in range(high) for w in range(wide)]
        for frame, t in ((0, 0), (2, 1)):
            opened.page.locator("#frame").fill(str(frame))
            opened.page.wait_for_timeout(100)
            for (h, w), pixel in zip(cells, opened.pixels(cells), strict=True):
                if record.keep_mask[t, h, w]:
                    assert np.abs(np.array(pixel) - LIGHT).max() <= 8
                else:
                    assert max(pixel) <= 70

    def test_slider_and_keys_change_the_frame(self, opened: Opened) -> None:
        assert opened.now.startswith("t 0 of ")
        opened.page.locator("#frame").fill("4")
        assert opened.now.startswith("t 2 of ")
        opened.page.keyboard.press("ArrowLeft")
        assert opened.now.startswith("t 1 of ")
        for key, start in (("End", "t 7 of 8"), ("Home", "t 0 of 8"), ("ArrowLeft", "t 0 of 8")):
            opened.page.keyboard.press(key)
            assert opened.now.startswith(start)

    def test_play_goes_on_and_stops(self, opened: Opened) -> None:
        opened.page.keyboard.press(" ")
        assert opened.page.locator("#play").inner_text() == "Pause"
        for _ in range(100):  # no evaluation of texts as scripts: the page's own policy forbids it
            if opened.page.locator("#frame").input_value() != "0":
                break
            opened.page.wait_for_timeout(50)
        assert not opened.now.startswith("t 0 of 8, 0.00 s")
        opened.page.locator("#play").click()
        assert opened.page.locator("#play").inner_text() == "Play"

    def test_layers_change_pixels(self, opened: Opened, record: PrunedVideo) -> None:
        mask = record.keep_mask[0]
        h, w = (int(place) for place in (~mask).nonzero()[0])
        dim = opened.pixel(h, w)
        opened.page.locator("#layer-mask").uncheck()
        assert np.abs(np.array(opened.pixel(h, w)) - LIGHT).max() <= 8
        opened.page.keyboard.press("s")
        assert opened.page.locator("#layer-scores").is_checked()
        heated = opened.pixel(h, w)
        assert np.abs(np.array(heated) - LIGHT).max() > 8
        opened.page.keyboard.press("s")
        opened.page.locator("#layer-picture").uncheck()
        assert opened.pixel(h, w) == [196, 198, 202]
        opened.page.keyboard.press("m")
        opened.page.locator("#layer-picture").check()
        assert opened.pixel(h, w) == dim

    def test_hover_shows_the_cell(self, opened: Opened, record: PrunedVideo) -> None:
        _, high, wide = record.info.grid_thw
        assert record.scores is not None
        flat = record.scores[...].flatten().float()
        for t, h, w in ((0, 0, 0), (1, high - 1, wide - 1), (2, 1, 2)):
            opened.hover(h, w)
            opened.page.locator("#frame").fill(str(2 * t))  # under the pointer that rests
            lines = opened.page.locator(".tip").inner_text().splitlines()
            score = float(record.scores[t, h, w])
            state = "kept" if record.keep_mask[t, h, w] else "dropped"
            assert lines[0] == f"(t, h, w) = ({t}, {h}, {w})"
            assert lines[1] == f"{record.frame_times[2 * t]:.2f} s, {state}"
            assert float(lines[2].split()[1]) == pytest.approx(score, rel=1e-3)
            rank = int(lines[3].split()[1].replace(",", ""))
            assert int((flat > score).sum()) < rank <= int((flat >= score).sum())
        opened.page.mouse.move(1, 1)
        assert opened.page.locator(".tip").is_hidden()

    def test_keys_move_over_the_cells(self, opened: Opened) -> None:
        canvas = opened.page.locator("canvas.frame")
        canvas.focus()
        for key in ("Shift+ArrowDown", "Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowUp"):
            canvas.press(key)
        assert opened.page.locator(".tip").inner_text().startswith("(t, h, w) = (0, 0, 2)")
        assert opened.now.startswith("t 0 of 8, 0.00 s")
        canvas.press("ArrowRight")
        canvas.press("ArrowRight")
        assert opened.page.locator(".tip").inner_text().startswith("(t, h, w) = (1, 0, 2)")

    def test_a_click_into_the_curve_goes_there(self, opened: Opened) -> None:
        curve = opened.page.locator("canvas.curve")
        box = curve.bounding_box()
        assert box is not None
        curve.click(position={"x": 0.7 * box["width"], "y": 20})
        assert opened.now.startswith("t 5 of 8")

    def test_everything_has_a_name_for_screen_readers(self, opened: Opened) -> None:
        for element in opened.page.locator("canvas, input, button, section.view").all():
            name = element.get_attribute("aria-label") or element.inner_text()
            labels = element.evaluate("e => [...(e.labels || [])].map((l) => l.innerText).join()")
            assert (name or labels).strip()
        assert "frame 1: " in str(opened.page.locator("canvas.frame").get_attribute("aria-label"))


@pytest.mark.slow
@needs_browser
def test_selections_side_by_side_move_together(
    tab: Page, record: PrunedVideo, video: Path, tmp_path: Path
) -> None:
    other = known_record(video)
    named = [(Path("a"), record), (Path("b"), other)]
    views = [against_view(*named), *views_of(named, scores=False, must=False)]
    both = record.keep_mask[1] & other.keep_mask[1]
    h, w = (int(place) for place in both.nonzero()[0])
    for opened in open_page(tab, write_report(views, video, tmp_path)):
        assert opened.page.locator("canvas.frame").count() == 3
        opened.page.keyboard.press("ArrowRight")
        opened.page.keyboard.press("ArrowRight")
        assert opened.now.startswith("t 1 of 8")
        assert "overlap" in opened.now
        for view, words in enumerate(("kept by both", "kept", "kept")):
            assert np.abs(np.array(opened.pixel(h, w, view)) - LIGHT).max() <= 8
            opened.hover(h, w, view)
            assert opened.page.locator(".tip").nth(view).inner_text().endswith(words)


@pytest.mark.slow
@needs_browser
def test_a_dark_page_shows_the_same_pixels(tab: Page, report: Path) -> None:
    cells = [(h, w) for h in range(2) for w in range(2)]
    shown, papers = [], []
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for opened in open_page(tab, report):
            shown.append(opened.pixels(cells))
            papers.append(tab.evaluate("getComputedStyle(document.body).backgroundColor"))
    tab.emulate_media(color_scheme="light")
    assert shown[0] == shown[1]
    assert papers[0] != papers[1]


@pytest.mark.slow
@needs_browser
def test_no_frame_is_grey_on_the_way(tab: Page, tmp_path: Path) -> None:
    """Frames that all differ, looked at before the browser could decode the next one."""
    video = write_video(tmp_path / "moving.mp4", frames=32)
    views = views_of([(Path("store"), known_record(video))], scores=False, must=False)
    at_once = """() => {
        document.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
        const canvas = document.querySelector("canvas.frame");
        return [...canvas.getContext("2d").getImageData(9, 9, 1, 1).data].slice(0, 3);
    }"""
    for opened in open_page(tab, write_report(views, video, tmp_path)):
        opened.page.locator("#layer-mask").uncheck()
        opened.page.locator("#layer-grid").uncheck()
        for _ in range(len(views[0].record.source_index) - 1):
            assert opened.page.evaluate(at_once) != list(BLANK)


@pytest.mark.slow
@needs_browser
def test_names_are_harmless(tab: Page, record: PrunedVideo, video: Path, tmp_path: Path) -> None:
    evil = "\"'></script><script>window.hacked = 1</script><img src=http://x/> ünï 中 \u2028 &amp;"
    info = replace(record.info, id=evil, query=evil, notes=(evil,), options={"tau": evil})
    named = replace(record, info=replace(info, source=replace(info.source, path=evil)))
    (view,) = views_of([(Path("store"), named)], scores=False, must=False)
    named_page = write_report([replace(view, name=evil)], video, tmp_path)
    for opened in open_page(tab, named_page):
        assert opened.page.evaluate("window.hacked") is None
        assert opened.page.locator("h1").text_content() == evil
        assert opened.page.locator("h2").first.text_content() == evil
        assert opened.page.locator("script").count() == 2
        assert opened.page.locator("img").count() == 0


@pytest.mark.slow
@needs_browser
def test_without_a_source_it_says_so(tab: Page, record: PrunedVideo, tmp_path: Path) -> None:
    views = views_of([(Path("store"), record)], scores=False, must=False)
    for opened in open_page(tab, write_report(views, None, tmp_path)):
        assert opened.page.locator("#layer-picture").is_disabled()
        assert "cells are drawn without pictures" in opened.page.inner_text("main")


def test_pictures_stay_small() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (360, 640, 3), dtype=np.uint8)
    most = bytes_each(20_000_000, 768)
    assert len(small_jpeg(Image.fromarray(noise), most)) <= most
    assert 768 * len(data_uri(bytes(most))) <= 20_000_000
    assert bytes_each(20_000_000, 8) == LARGEST
    assert len(small_jpeg(Image.new("RGB", (640, 360), LIGHT), LARGEST)) < 6000


def test_pictures_are_shown_at_their_size_or_less() -> None:
    assert display_size((96, 128)) == (128, 96)
    assert display_size((1080, 1920)) == (640, 360)
    assert display_size((1920, 1080)) == (315, 560)
