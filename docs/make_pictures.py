"""Makes the pictures of docs/visualize.md again, by the commands that stand there.

    python docs/make_pictures.py

Runs in the project's folder and needs Debian's chromium and the extra `test`. The stills of the
overlay and of the report are taken here, a frame and two screenshots.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

import av
from playwright.sync_api import sync_playwright

DOCS = Path(__file__).resolve().parent
PAGE = DOCS / "visualize.md"
PICTURES = DOCS / "pictures"
STILL = 60
"""Frame of the overlay."""
STEPS = 13
"""Frames that the report is moved on by."""


def commands() -> list[list[str]]:
    """Every command of the page, in order."""
    lines = re.findall(r"^evs .*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return [shlex.split(line) for line in lines]


def still(video: Path, picture: Path) -> None:
    """One frame of a video as a PNG."""
    with av.open(str(video)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number == STILL:
                frame.to_image().save(picture)
                return


def screenshot(report: Path, picture: Path, scheme: str) -> None:
    """A report as people see it, the pointer on a cell."""
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        size = {"width": 1500, "height": 740}
        page = browser.new_page(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]
        page.goto(report.as_uri())
        page.wait_for_timeout(300)
        for _ in range(STEPS):
            page.keyboard.press("ArrowRight")
        if scheme == "dark":
            page.keyboard.press("s")
        box = page.locator("canvas.frame").first.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 0.35 * box["width"], box["y"] + 0.6 * box["height"])
        page.wait_for_timeout(300)
        page.screenshot(path=picture)
        browser.close()


def main() -> None:
    """Run the commands in a folder of their own and keep the pictures."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sample_videos").symlink_to(DOCS.parent / "sample_videos")
        for command in commands():
            subprocess.run(command, cwd=folder, check=True)
        for picture in folder.glob("*.png"):
            shutil.copy(picture, PICTURES)
        still(folder / "overlay.mp4", PICTURES / "overlay.png")
        for scheme in ("light", "dark"):
            screenshot(folder / "report.html", PICTURES / f"report-{scheme}.png", scheme)


if __name__ == "__main__":
    main()
