"""The files around the code: pins that must agree, what an archive of the project holds."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_a_commit_is_checked_by_the_tested_ruff() -> None:
    (tested,) = re.findall(r"^ruff==.*$", (ROOT / "constraints.txt").read_text(), flags=re.M)
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    assert {*re.findall(r"\[(ruff==[^]]*)\]", hooks)} == {tested}


def test_a_citation_names_this_version() -> None:
    (version,) = re.findall(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), flags=re.M)
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == version


FOLDERS = (".ci", "benchmarks", "docs", "evscli", "examples", "sample_videos", "tests")
FILES = """.pre-commit-config.yaml CHANGELOG.md CITATION.cff CONTRIBUTING.md LICENSE MANIFEST.in
    README.md constraints.txt mkdocs.yml pyproject.toml setup.py""".split()


def files_of(*folders: str) -> set[str]:
    """Every file of the checkout below `folders`, caches aside."""
    found = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file())
    return {str(path.relative_to(ROOT)) for path in found if "__pycache__" not in path.parts}


def build(kind: str, source: Path, archives: Path) -> Path:
    """Build an archive of `source` as installers do, without a network."""
    code = f"from setuptools import build_meta; build_meta.build_{kind}({str(archives)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=source, check=True, capture_output=True)
    return max(archives.iterdir(), key=lambda path: path.stat().st_mtime_ns)


def copy_or_touch(source: str, target: str) -> None:
    """Copy a file, or only its name where it is large: nobody looks into it here."""
    if Path(source).stat().st_size > 100_000:
        Path(target).touch()
    else:
        shutil.copy(source, target)


@pytest.fixture(scope="module")
def source_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive of a checkout where tests ran before."""
    folder = tmp_path_factory.mktemp("source")
    for name in FOLDERS:
        caches = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=caches, copy_function=copy_or_touch)
    for name in FILES:
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, folder)
    (folder / "tests" / "__pycache__").mkdir()
    (folder / "tests" / "__pycache__" / "test_old.pyc").touch()
    return build("sdist", folder, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(source_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that follows from the source archive alone."""
    folder = tmp_path_factory.mktemp("unpacked")
    shutil.unpack_archive(source_archive, folder, filter="data")
    (source,) = folder.iterdir()
    return build("wheel", source, tmp_path_factory.mktemp("wheel"))


@pytest.mark.slow
def test_a_source_archive_holds_what_builds_and_tests_need(source_archive: Path) -> None:
    with tarfile.open(source_archive) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    made = {name for name in names if name.startswith("evscli.egg-info/")}
    here = {name for name in FILES if (ROOT / name).exists()}
    assert names - made == files_of(*FOLDERS) | here | {"PKG-INFO", "setup.cfg"}


@pytest.mark.slow
def test_a_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = {*zipfile.ZipFile(wheel).namelist()}
    made = {name for name in names if ".dist-info/" in name}
    assert names - made == files_of("evscli")
    assert {"evscli/py.typed", "evscli/mini/model.safetensors"} < names
    assert any(name.endswith("/licenses/LICENSE") for name in made)


@pytest.mark.slow
def test_a_wheel_describes_itself_without_files_beside_it(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
    about = message_from_bytes(archive.read(name))
    text = about.get_payload(decode=True).decode()
    assert about["Description-Content-Type"] == "text/markdown"
    assert not re.findall(r"\]\((?!https?://|#)", text)
    assert "![" not in text
    for path in re.findall(
        r"(?<!!)\[[^]]*\]\((?!\w+:|#)([^)#]+)", (ROOT / "README.md").read_text()
    ):
        assert path in text
        assert (ROOT / path).exists()
