"""/docs in a browser: search, requests from the page, and no requests to other hosts."""

from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.clients

Run = Callable[..., str]


@pytest.fixture
def read(run_in_browser: Run, tmp_path: Path) -> Callable[[str, str], None]:
    """Reads the page at a base URL with a token, or with an empty one."""

    def read(base_url: str, token: str) -> None:
        assert "all done" in run_in_browser("docs.mjs", base_url, token, tmp_path)

    return read


def test_the_page_of_an_open_service_can_be_searched_and_tried(
    read: Callable[[str, str], None], base_url: str
) -> None:
    read(base_url, "")


def test_the_page_of_a_guarded_service_needs_a_token_once(
    read: Callable[[str, str], None], guarded: tuple[str, str]
) -> None:
    read(*guarded)


def test_the_page_is_dark_for_readers_who_prefer_that(
    run_in_browser: Run, base_url: str, tmp_path: Path
) -> None:
    assert "all done" in run_in_browser("docs_dark.mjs", base_url, tmp_path)
