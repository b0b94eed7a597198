"""The documentation site: its navigation, and the links between its pages."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.site import PAGES, rewrite_links

ROOT = Path(__file__).parents[3]
PATHS = {"README.md": "index.md", "docs/search.md": "search.md", "docs/ops/a.md": "ops/a.md"}


def leaves(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav
    return [leaf for part in parts for leaf in leaves(part)]


def test_the_navigation_has_every_page_once() -> None:
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    folders = ("docs", "docs/operations", "docs/performance")
    pages = [page for folder in folders for page in (ROOT / folder).glob("*.md")]
    expected = {*PAGES.values(), "decisions/README.md"}
    expected |= {str(page.relative_to(ROOT / "docs")) for page in pages}
    listed = leaves(config["nav"])
    assert sorted(listed) == sorted(expected)


def test_pages_load_no_fonts_from_other_hosts() -> None:
    assert yaml.safe_load((ROOT / "mkdocs.yml").read_text())["theme"]["font"] is False


@pytest.mark.parametrize(
    ("source", "text", "expected"),
    [
        ("README.md", "[Search](docs/search.md)", "[Search](search.md)"),
        ("docs/search.md", "[Start](../README.md#start)", "[Start](index.md#start)"),
        (
            "docs/ops/a.md",
            "[S](../search.md), [R](../../README.md)",
            "[S](../search.md), [R](../index.md)",
        ),
        ("docs/search.md", "[A page](ops/a.md)", "[A page](ops/a.md)"),
        ("docs/search.md", "[The source](../domain/users.py)", "The source"),
        ("docs/search.md", "[Here](#filters)", "[Here](#filters)"),
        ("docs/search.md", "[RFC](https://example.org/a.md)", "[RFC](https://example.org/a.md)"),
        ("docs/search.md", "[API](/docs)", "[API](/docs)"),
    ],
)
def test_links_lead_to_pages_of_the_site(source: str, text: str, expected: str) -> None:
    assert rewrite_links(text, source, PATHS) == expected
