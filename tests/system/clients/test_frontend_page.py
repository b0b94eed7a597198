"""The page of docs/frontend.md in a browser, with the service at another origin."""

import re
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

pytestmark = pytest.mark.clients

GUIDE = Path(__file__).parents[3] / "docs" / "frontend.md"
ADDRESS = "http://127.0.0.1:5000"


class _Files(SimpleHTTPRequestHandler):
    """Serves a directory without a log."""

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """The port of a server of static files."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=tmp_path)) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_the_page_of_the_guide_searches_pages_and_edits(
    run: Callable[..., str],
    serve: Callable[[str], str],
    sqlite_url: str,
    port: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chromium = shutil.which("chromium")
    assert chromium, "make test-clients installs Chromium"
    monkeypatch.setenv("CHROMIUM", chromium)
    guide = GUIDE.read_text()
    (setting,) = re.findall(
        r"^(ROSTER_\w+)=http://127.0.0.1:8080 roster serve$", guide, re.MULTILINE
    )
    monkeypatch.setenv(setting, f"http://127.0.0.1:{port}")
    base_url = serve(sqlite_url)
    (html,) = re.findall(r"```html\n(.*?)```", guide, re.DOTALL)
    assert html.count(ADDRESS) == 1
    (tmp_path / "index.html").write_text(html.replace(ADDRESS, base_url))
    foreign = f"http://localhost:{port}/"
    assert "all done" in run("node", "frontend.mjs", base_url, f"http://127.0.0.1:{port}/", foreign)
