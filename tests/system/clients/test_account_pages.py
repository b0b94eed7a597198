"""The page of docs/accounts.md, and Roster's own page for links, in a browser."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.clients

GUIDE = Path(__file__).parents[3] / "docs" / "accounts.md"
SERVICE, PAGE = "http://127.0.0.1:5000", "http://127.0.0.1:8080"


@pytest.fixture
def emails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of emails of a service with accounts."""
    folder = tmp_path / "emails"
    monkeypatch.setenv("ROSTER_ACCOUNTS", "on")
    monkeypatch.setenv("ROSTER_SIGNUP", "on")
    monkeypatch.setenv("ROSTER_MAIL_FOLDER", str(folder))
    return folder


def test_the_page_of_the_guide_signs_up_logs_in_recovers_and_logs_out(
    run_in_browser: Callable[..., str],
    serve: Callable[[str], str],
    sqlite_url: str,
    emails: Path,
    page_port: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    guide = GUIDE.read_text()
    page_url = f"http://127.0.0.1:{page_port}"
    (command,) = re.findall(r"```sh\n(.*?) roster serve\n```", guide, re.DOTALL)
    settings = re.findall(r"(ROSTER_\w+)='?([^'\s]*)", command)
    assert len(settings) == 4
    for name, value in settings:
        monkeypatch.setenv(name, value.replace(PAGE, page_url))
    base_url = serve(sqlite_url)
    (html,) = re.findall(r"```html\n(.*?)```", guide, re.DOTALL)
    assert html.count(SERVICE) == 1
    (tmp_path / "index.html").write_text(html.replace(SERVICE, base_url))
    assert "all done" in run_in_browser("accounts.mjs", f"{page_url}/", emails)


def test_the_page_for_links_sets_passwords_and_confirms_addresses(
    run_in_browser: Callable[..., str], serve: Callable[[str], str], sqlite_url: str, emails: Path
) -> None:
    assert "all done" in run_in_browser("account_page.mjs", serve(sqlite_url), emails)
