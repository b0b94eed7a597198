"""Every error says where its kind is explained, and every kind is."""

import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from adapters.api.errors import error_codes
from application.groups import GROUP_TYPE
from application.users import USER_TYPE

ERRORS = error_codes([USER_TYPE, GROUP_TYPE])
ROOT = Path(__file__).parents[3]
CODE = re.compile(r'(?:\bcode(?:: \S+)? ?= ?|Problem\(\s*|_refused?\(\s*|_fail\(\s*)"([a-z_]+)"')
USERS = "/api/v1/users"
# What only files of users are told, in docs/command-line.md.
OF_FILES = {"adapters/tabular", "adapters/resources/files.py"}


def codes_in(source: Path) -> set[str]:
    return set(CODE.findall(source.read_text(encoding="utf-8")))


def of_requests() -> set[str]:
    """The codes that the source gives to what a request may meet."""
    rooms = [*(ROOT / "domain").rglob("*.py"), *(ROOT / "adapters").rglob("*.py")]
    rooms += [path for path in (ROOT / "application").rglob("*.py") if path.stem != "record_import"]
    of_files = [path for path in rooms if any(part in str(path) for part in OF_FILES)]
    return set().union(*(codes_in(path) for path in rooms if path not in of_files))


def test_each_code_in_the_source_is_explained_and_no_other() -> None:
    # Abstract kinds, whose aggregates say what it is.
    own = of_requests() - {"invalid", "stale"}
    assert own | {"bad_request"} == ERRORS.keys()  # Werkzeug finds bad requests


@pytest.mark.parametrize("code", ERRORS)
def test_the_link_of_an_error_leads_to_its_section(client: FlaskClient, code: str) -> None:
    page = client.get("/docs/errors")
    assert page.status_code == 200
    assert f'<section id="{code}">' in page.text


def test_an_error_links_to_its_section(client: FlaskClient) -> None:
    (error,) = client.get(f"{USERS}/9").json["errors"]
    assert error["links"] == {"about": "/docs/errors#user_not_found"}


def test_an_error_of_a_profile_keeps_its_type(client: FlaskClient) -> None:
    (error,) = client.get(f"{USERS}?page[size]=5000").json["errors"]
    assert error["links"]["about"] == "/docs/errors#max_size_exceeded"
    assert error["links"]["type"].startswith("https://jsonapi.org/profiles/")


def test_below_a_public_url_the_link_is_absolute(build: Any) -> None:
    client = build(public_url="https://example.org/people/").test_client()
    (error,) = client.get("/nowhere").json["errors"]
    assert error["links"]["about"] == "https://example.org/people/docs/errors#not_found"
