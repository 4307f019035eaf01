"""Which pages the documentation's site has: those of the checkout at their own paths, so that links
between them work, and one for every package that others build on.

mkdocs calls it; see mkdocs.yml.
"""

from __future__ import annotations

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
PAGES = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs/**/*.md",
    "docs/**/*.png",
    "docs/**/*.svg",
    "docs/**/*.json",
    "docs/site/*.css",
    "benchmarks/results/*.md",
    "evscli/mini/README.md",
    "examples/*.py",
)
PACKAGES = (
    "",
    "job",
    "models",
    "records",
    "pruners",
    "store",
    "datasets",
    "language",
    "video",
    "errors",
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The files of the theme and of the site, in place of those of docs/ alone."""
    found = sorted({path for pattern in PAGES for path in ROOT.glob(pattern)})
    site = [
        File.generated(config, str(path.relative_to(ROOT)), abs_src_path=str(path))
        for path in found
    ]
    site.append(File.generated(config, "examples/index.md", content=examples()))
    for name in PACKAGES:
        package = f"evscli.{name}".rstrip(".")
        site.append(File.generated(config, f"reference/{package}.md", content=f"::: {package}\n"))
    return Files([*(file for file in files if file.src_dir != config.docs_dir), *site])


def examples() -> str:
    """A page with the scripts of examples/: what each says of itself, and its code."""
    return "# Examples\n\n" + "\n".join(map(example, sorted((ROOT / "examples").glob("*.py"))))


def example(script: Path) -> str:
    """A part of that page."""
    _, said, code = script.read_text(encoding="utf-8").split('"""', 2)
    return f"## {script.name}\n\n{said}\n```python\n{code.strip()}\n```\n"
