"""The responses over each database have the same bytes as those over the in-memory store."""

import json
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest
from api.conftest import RELATIONSHIPS, CheckedClient
from api.constants import ATOMIC, GROUPS, USERS
from api.identifiers import users
from api_client import ApiClient
from flask import Flask

from adapters.memory.store import MemoryStore
from adapters.sql import schema
from adapters.sql.engine import make_engine

pytestmark = pytest.mark.slow

Build = Callable[..., Flask]
Parts = tuple[int, dict[str, str], bytes]

NAMES = ("Zoë", "Zoe", "zoe", "Ånn", "𝒜nn", "\uffee", "a,b", "100%", "o_o", "Straße", "b\\")
FILTERS = (
    "",
    "filter[name][contains]=%25",
    "filter[name][contains]=_",
    "filter[name][contains]=%5C",
    "filter[name][contains]=STRASSE",
    "filter[name][starts_with]=zo",
    "filter[name]=Zoe,zoe",
    "filter[name][]=a,b",
    "filter[name][ge]=Z",
    "filter[name][lt]=%EF%BF%AE",
    "filter[email][eq]=PERSON3@EXAMPLE.ORG",
    "filter[email][ne]=PERSON3@EXAMPLE.ORG",
    "filter[email][gt]=p",
    "filter[is_active]=true",
    "filter[is_active][ne]=true",
    "filter[role][ne]=user&filter[is_active]=false",
    "filter[id]=3,5,99&filter[id][gt]=3",
    "filter[id][le]=9223372036854775807",
    "filter[id][gt]=0&filter[id][lt]=9999999999999999999",
    "filter[creation_time][gt]=2026-11-22T09:30:00.1500001Z",
    "filter[creation_time][le]=2026-11-22T11:30:00.150%2B02:00",
    "filter[update_time]=2026-11-22T09:30:00.130Z",
)
SORTS = ("", "name", "-name,role", "is_active,-email", "role,-update_time", "-creation_time", "-id")


@pytest.fixture(scope="module")
def expected(build: Build, new_clock: Callable[[], Any]) -> list[Parts]:
    """The responses over the in-memory store."""
    return list(
        responses(
            CheckedClient(build(memory_store=MemoryStore(new_clock(), relationships=RELATIONSHIPS)))
        )
    )


@pytest.fixture(params=["sqlite_url", "postgresql_url", "mariadb_url"])
def over_sql(
    request: pytest.FixtureRequest, build: Build, new_clock: Callable[[], Any]
) -> Iterator[ApiClient]:
    """The service over an empty database."""
    url = request.getfixturevalue(request.param)
    engine = make_engine(url)
    schema.upgrade(engine)
    app = build({"ROSTER_DATABASE_URL": url}, engine=engine, clock=new_clock())
    yield ApiClient(app)
    engine.dispose()


def test_every_store_gives_the_same_responses(expected: list[Parts], over_sql: ApiClient) -> None:
    for memory, sql in zip(expected, responses(over_sql), strict=True):
        assert sql == memory


def responses(client: ApiClient) -> Iterator[Parts]:
    """The responses to a series of requests that covers the API."""
    yield from _change_users(client)
    yield from _operations(client)
    for filters, sort in product(FILTERS, SORTS):
        query = f"{filters}&sort={sort}" if sort else filters
        yield from _follow(client, f"{USERS}?{query}&page[size]=9")
        yield _get(client, f"{USERS}?{query}&page[size]=9&page[number]=2")
    yield from _errors(client)
    yield from _relationships(client)


def _relationships(client: ApiClient) -> Iterator[Parts]:
    def send(method: str, url: str, data: Any, **headers: str) -> Parts:
        return _parts(client.open(url, method=method, json={"data": data}, headers=headers))

    members, owner = (f"{GROUPS}/1/relationships/{name}" for name in ("members", "owner"))
    for name in ("Staff", "Straße", "STRASSE"):
        related = {"members": {"data": users(*range(6, 34))}, "owner": {"data": users(7)[0]}}
        group = {"type": "groups", "attributes": {"name": name}, "relationships": related}
        yield send("POST", f"{GROUPS}?include=owner,members", group, **{"Idempotency-Key": name})
    tag = client.get(f"{members}?page[size]=30").headers["ETag"]
    for method, ids in (("POST", (1, 6)), ("DELETE", (6, 99)), ("PATCH", (7, 8)), ("POST", (99,))):
        yield send(method, members, users(*ids), **{"If-Match": "*"})
        yield send(method, members, users(*ids), **{"If-Match": tag})
        yield _get(client, members)
    for data in (users(8)[0], users(99)[0], None):
        yield send("PATCH", owner, data)
        yield _get(client, f"{owner}?include=owner")
    for query in ("", "?include=groups", "?include=groups.owner&page[size]=5&sort=-name"):
        yield from _follow(client, f"{USERS}{query}")
        yield from _follow(client, f"{GROUPS}/2/members{query}")
    for test in ("[owner]=7", "[members]=8", "[members][empty]=true", "[owner.name][ne]=Zoe"):
        yield _get(client, f"{GROUPS}?filter{test}&include=members,owner")
    for url in (f"{USERS}/7", f"{GROUPS}/1", f"{GROUPS}/9"):
        yield send("DELETE", url, None)
    yield _get(client, f"{GROUPS}?include=members.groups,owner")
    for url in (f"{GROUPS}/1", f"{GROUPS}/2", f"{USERS}/8"):
        # Request ids are random.
        yield _get(client, f"{url}/history?fields[events]=action,version,changes,time")


def _operations(client: ApiClient) -> Iterator[Parts]:
    local = {"type": "users", "lid": "new"}
    new = {**local, "attributes": {"email": "new@example.org", "name": "New"}}
    changed = {"type": "users", "id": "2", "attributes": {"name": "Two"}}
    operations = [
        {"op": "add", "data": new},
        {"op": "update", "data": {**local, "attributes": {"name": "Newer"}}},
        {"op": "update", "data": changed},
        {"op": "remove", "ref": local},
    ]
    for _ in range(2):  # the second time, the stored response is sent again
        yield _parts(
            client.post(
                "/api/v1/operations",
                data=json.dumps({"atomic:operations": operations}),
                content_type=ATOMIC,
                headers={"Idempotency-Key": "operations"},
            )
        )
    yield _get(client, f"{USERS}?sort=-update_time&page[size]=2")


def _change_users(client: ApiClient) -> Iterator[Parts]:
    for number in range(36):
        attributes = {
            "email": f"{'Person' if number % 2 else 'üser'}{number}@example.org",
            "name": NAMES[number % len(NAMES)],
            "is_active": number % 3 == 0,
            "role": ("user", "admin", "x-1", "x_1")[number % 4],
        }
        yield _send(client, "POST", USERS, attributes)
    for number in (3, 9, 9, 12):
        url = f"{USERS}/{number}"
        yield _send(client, "PATCH", url, {"name": "Changed"}, number)
        yield _send(client, "PATCH", url, {"email": f"Moved{number}@EXAMPLE.org"}, number)
    for number in (5, 36):
        yield _send(client, "DELETE", f"{USERS}/{number}")


def _errors(client: ApiClient) -> Iterator[Parts]:
    one = f"{USERS}/1"
    for attributes in (
        {"email": "MOVED9@example.ORG"},
        {"email": "ÜSER4@example.org", "creation_time": "x"},
        {"creation_time": "2026-11-22T10:30:00.124+01:00"},
        {"name": "a" * 250, "email": "ａ" * 60 + "@example.org"},
    ):
        yield _send(client, "PATCH", one, attributes, 1)
    for method in ("GET", "DELETE", "PATCH"):
        for number in (5, 99, 2**63 - 1):
            yield _send(client, method, f"{USERS}/{number}", {}, number)
        for condition in ('"99-ab"', "W/*", '"x"'):
            yield _send(client, method, one, {"name": "N"}, 1, **{"If-Match": condition})
    tag = client.get(one).headers["ETag"]
    yield _send(client, "PATCH", one, {"name": "N"}, 1, **{"If-Match": tag})
    yield _send(client, "DELETE", one, None, None, **{"If-Match": tag})
    tag = client.get(one).headers["ETag"]
    yield _send(client, "DELETE", one, None, None, **{"If-Match": tag})
    yield _send(client, "POST", USERS, {"email": "Moved9@example.org", "name": "Clash"})


def _follow(client: ApiClient, url: str | None) -> Iterator[Parts]:
    while url is not None:
        status, _, body = response = _get(client, url)
        yield response
        assert status == 200
        url = json.loads(body)["links"]["next"]


def _get(client: ApiClient, url: str) -> Parts:
    return _parts(client.get(url))


def _send(
    client: ApiClient,
    method: str,
    url: str,
    attributes: dict[str, Any] | None = None,
    number: int | None = None,
    **headers: str,
) -> Parts:
    data = {"type": "users", "attributes": attributes or {}}
    document = {"data": {**data, **({} if number is None else {"id": str(number)})}}
    return _parts(client.open(url, method=method, json=document, headers=headers))


def _parts(response: Any) -> Parts:
    headers = {name: value for name, value in response.headers if name != "X-Request-ID"}
    return response.status_code, headers, response.data
