"""Every error links to the explanation of its code."""

import re
from pathlib import Path
from typing import Any

import pytest
from api.conftest import CheckedClient
from api.constants import USERS
from api_client import ApiClient

from adapters.api.errors import error_codes
from application.groups import GROUP_TYPE
from application.users import USER_TYPE

ERRORS = error_codes([USER_TYPE, GROUP_TYPE])
ROOT = Path(__file__).parents[3]
CODE = re.compile(
    r'(?:\bcode(?:: \S+)? ?= ?|Problem\(\s*|_request_error\(\s*|_fail\(\s*)"([a-z_]+)"'
)
# The codes of files are documented in docs/command-line.md.
MODULES_OF_FILES = {"adapters/tabular", "adapters/files"}


def codes_in(source: Path) -> set[str]:
    return set(CODE.findall(source.read_text(encoding="utf-8")))


def codes_of_requests() -> set[str]:
    """The codes of errors of requests in the source."""
    sources = [*(ROOT / "domain").rglob("*.py"), *(ROOT / "adapters").rglob("*.py")]
    sources += [
        path
        for path in (ROOT / "application").rglob("*.py")
        if path.stem not in ("imports", "record_import", "imported_hashes")
    ]
    about_files = [path for path in sources if any(part in str(path) for part in MODULES_OF_FILES)]
    return set().union(*(codes_in(path) for path in sources if path not in about_files))


def test_the_explained_codes_are_those_in_the_source() -> None:
    # Werkzeug finds bad requests. The errors of each resource have their own codes.
    assert codes_of_requests() | {"bad_request"} == ERRORS.keys()


@pytest.mark.parametrize("code", ERRORS)
def test_each_error_code_has_a_section(client: ApiClient, code: str) -> None:
    page = client.get("/docs/errors")
    assert page.status_code == 200
    assert f'<section id="{code}">' in page.text


def test_an_error_links_to_its_section(client: ApiClient) -> None:
    (error,) = client.get(f"{USERS}/9").json["errors"]
    assert error["links"] == {"about": "/docs/errors#user_not_found"}


def test_an_error_of_a_profile_keeps_its_type(client: ApiClient) -> None:
    (error,) = client.get(f"{USERS}?page[size]=5000").json["errors"]
    assert error["links"]["about"] == "/docs/errors#max_size_exceeded"
    assert error["links"]["type"].startswith("https://jsonapi.org/profiles/")


def test_the_link_to_an_error_is_absolute_with_a_public_url(build: Any) -> None:
    client = CheckedClient(build({"ROSTER_PUBLIC_URL": "https://example.org/people/"}))
    (error,) = client.get("/nowhere").json["errors"]
    assert error["links"]["about"] == "https://example.org/people/docs/errors#not_found"
