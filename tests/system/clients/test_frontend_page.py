"""The page of docs/frontend.md in a browser, with the service at another origin."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.clients

GUIDE = Path(__file__).parents[3] / "docs" / "frontend.md"
ADDRESS = "http://127.0.0.1:5000"
PREFIX = "/roster"


class _Proxy(BaseHTTPRequestHandler):
    """Forwards requests under the prefix to the service, without the prefix."""

    service = ""

    def forward(self) -> None:
        if not self.path.startswith(f"{PREFIX}/"):
            self.send_error(404)
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with closing(HTTPConnection(urlsplit(self.service).netloc)) as client:
            client.request(
                self.command, self.path.removeprefix(PREFIX), body, dict(self.headers.items())
            )
            response = client.getresponse()
            content = response.read()
            self.send_response_only(response.status)
            for name, value in response.getheaders():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_DELETE = do_OPTIONS = forward  # noqa: N815 (its names)

    def log_message(self, *arguments: object) -> None:
        """Writes nothing."""


@contextmanager
def proxy() -> Iterator[tuple[type[_Proxy], str]]:
    """A proxy whose `service` must be set, and its URL with the prefix."""

    class Proxy(_Proxy):
        pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield Proxy, f"http://127.0.0.1:{server.server_port}{PREFIX}"
        server.shutdown()
        thread.join()


@pytest.fixture
def guide() -> str:
    return GUIDE.read_text()


@pytest.fixture
def run_page(
    guide: str, run_in_browser: Callable[..., str], page_port: int, tmp_path: Path
) -> Callable[[str], None]:
    """Uses the page with the service at a URL."""

    def run(base_url: str) -> None:
        (html,) = re.findall(r"```html\n(.*?)```", guide, re.DOTALL)
        assert html.count(ADDRESS) == 1
        (tmp_path / "index.html").write_text(html.replace(ADDRESS, base_url))
        foreign = f"http://localhost:{page_port}/"
        assert "all done" in run_in_browser(
            "frontend.mjs", base_url, f"http://127.0.0.1:{page_port}/", foreign
        )

    return run


@pytest.fixture(autouse=True)
def allow_origin(guide: str, page_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    (setting,) = re.findall(
        r"^(ROSTER_\w+)=http://127.0.0.1:8080 roster serve$", guide, re.MULTILINE
    )
    monkeypatch.setenv(setting, f"http://127.0.0.1:{page_port}")


def test_the_page_of_the_guide_searches_pages_and_edits(
    run_page: Callable[[str], None], serve: Callable[[str], str], sqlite_url: str
) -> None:
    run_page(serve(sqlite_url))


def test_the_page_of_the_guide_works_under_a_path_prefix(
    run_page: Callable[[str], None],
    serve: Callable[[str], str],
    sqlite_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with proxy() as (handler, public_url):
        monkeypatch.setenv("ROSTER_PUBLIC_URL", public_url)
        handler.service = serve(sqlite_url)
        run_page(public_url)
