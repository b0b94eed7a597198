"""The page of docs/frontend.md in a browser, with the service at another origin."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.clients

GUIDE = Path(__file__).parents[3] / "docs" / "frontend.md"
ADDRESS = "http://127.0.0.1:5000"


def test_the_page_of_the_guide_searches_pages_and_edits(
    run_in_browser: Callable[..., str],
    serve: Callable[[str], str],
    sqlite_url: str,
    page_port: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    guide = GUIDE.read_text()
    (setting,) = re.findall(
        r"^(ROSTER_\w+)=http://127.0.0.1:8080 roster serve$", guide, re.MULTILINE
    )
    monkeypatch.setenv(setting, f"http://127.0.0.1:{page_port}")
    base_url = serve(sqlite_url)
    (html,) = re.findall(r"```html\n(.*?)```", guide, re.DOTALL)
    assert html.count(ADDRESS) == 1
    (tmp_path / "index.html").write_text(html.replace(ADDRESS, base_url))
    foreign = f"http://localhost:{page_port}/"
    assert "all done" in run_in_browser(
        "frontend.mjs", base_url, f"http://127.0.0.1:{page_port}/", foreign
    )
