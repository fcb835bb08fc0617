"""The page on PyPI: README.md with absolute links and pictures, and it can be rendered there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from scripts.release.absolute_links import PAGES, PICTURES, absolute

ROOT = Path(__file__).parents[2]
TEXT = absolute((ROOT / "README.md").read_text(encoding="utf-8"))


def test_every_link_of_the_page_is_absolute_and_leads_somewhere() -> None:
    targets = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert len(targets) > 20
    for target in targets:
        assert target.startswith(("https://", "#")), target
        for root in (PAGES, PICTURES):
            if target.startswith(root):
                assert (ROOT / target.removeprefix(root).partition("#")[0]).exists(), target


def test_pictures_are_files_and_not_pages() -> None:
    assert f"]({PICTURES}docs/demo.png)" in TEXT
    assert not re.search(rf"!\[[^]]*\]\({PAGES}", TEXT)


def test_the_package_names_pages_that_exist() -> None:
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
    pages = [url.removeprefix(PAGES) for url in urls.values() if url.startswith(PAGES)]
    assert "docs/api.md" in pages
    assert all((ROOT / page).is_file() for page in pages)


def test_pypi_renders_the_page() -> None:
    markdown = pytest.importorskip("readme_renderer.markdown", reason="readme-renderer is not installed")
    page = markdown.render(TEXT)
    if page is None:
        pytest.skip("cmarkgfm is not installed: pip install 'readme-renderer[md]'")
    assert "<table" in page and "<img" in page


def test_torch_is_bounded_for_development_only() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert "torch>=2.6" in extras["train"]
    assert "torch<2.14" in (ROOT / "scripts" / "dev" / "constraints.txt").read_text().splitlines()
    assert "--constraint scripts/dev/constraints.txt" in (ROOT / "scripts" / "dev" / "venv").read_text()
