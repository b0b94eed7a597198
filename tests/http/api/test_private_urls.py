"""No URL that the service makes shows a personal value that the client did not send.

Proxies log URLs.
"""

import re
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from itertools import permutations
from typing import Any
from urllib.parse import unquote, urlencode

import pytest
from api.constants import JSONAPI, PROFILE, USERS
from api_client import ApiClient

from adapters.resources.users import USERS as RESOURCE
from domain.users import PERSONAL_DATA

Create = Callable[..., dict[str, Any]]

PEOPLE = [
    {"email": f"{name}.{name}@{name}.example", "name": f"{name.title()} {name}sen"}
    for name in ("ann", "zoë", "人人", "josé", "quentin")
]
ORDERS = [",".join(names) for names in permutations(("email", "name", "role"), 2)]
SORTS = (*RESOURCE.sortable, *(f"-{name}" for name in RESOURCE.sortable), *ORDERS)
PLACES: tuple[dict[str, Any], ...] = (
    {},
    {"page[number]": 2},
    {"filter[name][contains]": "e"},
    {"fields[users]": ""},
)


@pytest.fixture
def people(create: Create) -> list[dict[str, Any]]:
    return [create(**each) for each in PEOPLE]


def urls(value: Any) -> Iterator[str]:
    """Every link and every cursor of a document. Clients put cursors into URLs."""
    if isinstance(value, dict):
        for name, part in value.items():
            if isinstance(part, str) and name in ("self", "href", "describedby", "about", "cursor"):
                yield part
            elif name == "links":
                yield from filter(lambda each: isinstance(each, str), part.values())
                yield from urls(part)
            elif name != "attributes":
                yield from urls(part)
    elif isinstance(value, list):
        for part in value:
            yield from urls(part)


def readable(url: str) -> str:
    """The URL in plain text, with its base64 decoded."""
    plain = unquote(url)
    words = re.findall(r"[A-Za-z0-9_-]{8,}", plain)
    decoded = (
        urlsafe_b64decode(word + "=" * (-len(word) % 4)) for word in words if len(word) % 4 != 1
    )
    return "\n".join([plain, *(each.decode(errors="replace") for each in decoded)]).lower()


def assert_private(found: list[str], sent: str) -> None:
    assert found
    for url in found:
        shown = readable(url)
        for person in PEOPLE:
            for value in person.values():
                for part in re.split(r"[ .@]", value.lower()):
                    assert len(part) < 5 or part not in shown or part in sent, (part, url)


@pytest.mark.parametrize("place", PLACES, ids=str)
@pytest.mark.parametrize("sort", SORTS)
def test_links_and_cursors_of_a_list_show_no_personal_values(
    client: ApiClient, people: list[Any], sort: str, place: dict[str, Any]
) -> None:
    query = urlencode({"sort": sort, "page[size]": 2, **place})
    for accept in (JSONAPI, f'{JSONAPI};profile="{PROFILE}"'):
        following: str | None = f"{USERS}?{query}"
        while following:
            document = client.get(following, headers={"Accept": accept}).json
            assert_private([*urls(document)], sent=query)
            following = document["links"]["next"]
    back = client.get(f"{USERS}?{query}").json["links"].get("last")
    assert back is None or "page%5Bnumber%5D" in back


def test_readable_decodes_base64() -> None:
    assert "ann" in readable("/api/v1/users?page[after]=xEwULA0ECc1GWyJBbm4iLDdd")


def test_other_urls_show_no_personal_values(client: ApiClient, people: list[Any]) -> None:
    taken = {"data": {"type": "users", "attributes": PEOPLE[0]}}
    conflict = client.post(USERS, json=taken)
    new = {"data": {"type": "users", "attributes": {"email": "new@x.example", "name": "New"}}}
    created = client.post(USERS, json=new)
    changed = client.patch(
        f"{USERS}/1", json={"data": {"type": "users", "id": "1", "attributes": {"name": "Bo"}}}
    )
    history = client.get(f"{USERS}/1/history?page[size]=1")
    assert [r.status_code for r in (conflict, created, changed, history)] == [409, 201, 200, 200]
    found = [created.headers["Location"]]
    for response in (conflict, created, changed, history, client.get("/api/v1")):
        found += urls(response.json)
    assert_private(found, sent="")


def test_the_personal_attributes_of_domain_and_resource_are_the_same() -> None:
    assert {name for name, each in RESOURCE.sortable.items() if each.personal} == PERSONAL_DATA
