"""The header Roster-Position: responses to changes have it, and reads accept it.

The store is in memory, so a fake of the port has the positions.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from api.conftest import Build, CheckedClient
from api.constants import ATOMIC, GROUPS, JSONAPI, OPERATIONS, USERS
from api.tokens import secret_token
from api_client import ApiClient

from adapters.sql.replicas.position import parse_position
from application.access import Principal
from application.ports import Positions, RequestPosition

POSITION = "Roster-Position"
ORIGIN = "https://app.example.org"
SCOPES = ("users:read", "users:write", "groups:read", "groups:write")
BOTH = {"Authorization": f"Bearer {secret_token(*SCOPES, subject='both')}"}


class FakeRequest(RequestPosition):
    """The position of a request that has changed something, unless it reads."""

    def __init__(self) -> None:
        self.reached: str | None = "1-16B3748"
        self.required: list[tuple[str | None, str | None]] = []

    def allow_replicas(self, principal: Principal | None, position: str | None) -> None:
        self.reached = None
        if position is not None:
            parse_position(position)
        self.required.append((principal.subject if principal else None, position))


class FakeReplication(Positions):
    """Stands for the replicas of a store."""

    def __init__(self) -> None:
        self.positions = self.reads = self
        self.last = FakeRequest()
        self.replicas = ()

    @contextmanager
    def track(self) -> Iterator[RequestPosition]:
        self.last = FakeRequest()
        yield self.last

    def watch(self) -> None: ...

    def counts(self) -> dict[str, int]:
        return {"replica": 3}

    def usable(self) -> int:
        return 2

    def lag(self) -> float:
        return 1.5


@pytest.fixture
def replication() -> FakeReplication:
    return FakeReplication()


@pytest.fixture
def replicated(build: Build, secured: dict[str, str], replication: FakeReplication) -> ApiClient:
    return CheckedClient(build(secured, replication=replication))


def test_every_successful_change_has_a_position(replicated: ApiClient) -> None:
    ann = {"type": "users", "attributes": {"email": "ann@x.org", "name": "Ann"}}
    group = {"type": "groups", "attributes": {"name": "Staff"}}
    user = {"type": "users", "id": "1"}
    operation = {"op": "remove", "ref": user}
    members = f"{GROUPS}/1/relationships/members"
    for method, url, document, status in (
        ("POST", USERS, {"data": ann}, 201),
        ("POST", GROUPS, {"data": group}, 201),
        ("PATCH", f"{USERS}/1", {"data": {**user, "attributes": {"name": "Anna"}}}, 200),
        ("POST", members, {"data": [user]}, 204),
        ("DELETE", members, {"data": [user]}, 204),
        ("PATCH", members, {"data": [user]}, 204),
        ("PATCH", f"{GROUPS}/1/relationships/owner", {"data": user}, 204),
        ("PATCH", f"{GROUPS}/1/relationships/owner", {"data": None}, 204),
        ("POST", OPERATIONS, {"atomic:operations": [operation]}, 200),
        ("DELETE", f"{GROUPS}/1", None, 204),
    ):
        more = {"Content-Type": ATOMIC, "Accept": ATOMIC} if url == OPERATIONS else {}
        response = replicated.open(
            url,
            method=method,
            data=None if document is None else json.dumps(document),
            headers={"Content-Type": JSONAPI, **BOTH, **more},
        )
        assert (response.status_code, method, url) == (status, method, url)
        assert response.headers[POSITION] == "1-16B3748", (method, url)


def test_a_refused_change_has_no_position(replicated: ApiClient) -> None:
    responses = (
        replicated.post(USERS, json={"data": {"type": "users"}}, headers=BOTH),
        replicated.delete(f"{USERS}/7", headers=BOTH),
        replicated.delete(f"{USERS}/7"),
    )
    assert [response.status_code for response in responses] == [422, 404, 401]
    assert not any(POSITION in response.headers for response in responses)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("url", [USERS, GROUPS, "/api/v1", f"{USERS}/7/history"])
def test_a_read_may_use_replicas_that_have_the_position(
    replicated: ApiClient, replication: FakeReplication, method: str, url: str
) -> None:
    for sent in ("1-16B3748", "FFFFFFFF-FFFFFFFFFFFFFFFF", None):
        headers = {**BOTH, **({POSITION: sent} if sent else {})}
        response = replicated.open(url, method=method, headers=headers)
        assert replication.last.required == [("both", sent)]
        assert POSITION not in response.headers


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "0/16B3748",
        "1-",
        "-1",
        "1-16b3748",
        "01-1",
        "1-1-1",
        "111111111-1",
        "1-11111111111111111",
        "X1-1",
        "1-1X",
    ],
)
def test_an_invalid_position_is_rejected(replicated: ApiClient, sent: str) -> None:
    response = replicated.get(USERS, headers={**BOTH, POSITION: sent})
    assert response.status_code == 400
    (error,) = response.get_json()["errors"]
    assert (error["code"], error["source"]) == ("invalid_position", {"header": POSITION})
    assert replicated.get(USERS, headers={POSITION: sent}).status_code == 401


def test_scripts_of_other_origins_may_send_and_read_the_position(
    build: Build, secured: dict[str, str], replication: FakeReplication
) -> None:
    client = ApiClient(build({**secured, "ROSTER_CORS_ORIGINS": ORIGIN}, replication=replication))
    headers = {"Origin": ORIGIN, **BOTH}
    exposed = client.get(USERS, headers=headers).headers["Access-Control-Expose-Headers"]
    assert POSITION in exposed.split(", ")
    preflight = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization,roster-position",
    }
    allowed = client.options(USERS, headers=preflight).headers["Access-Control-Allow-Headers"]
    assert "roster-position" in allowed.lower().split(", ")


def test_without_replicas_the_header_is_neither_sent_nor_read(client: ApiClient) -> None:
    ann = {"type": "users", "attributes": {"email": "ann@x.org", "name": "Ann"}}
    created = client.post(USERS, json={"data": ann})
    assert created.status_code == 201
    assert POSITION not in created.headers
    assert client.get(USERS, headers={POSITION: "nonsense"}).status_code == 200
    assert POSITION not in client.get("/openapi.json").get_data(as_text=True)
    assert "roster_replica" not in client.get("/metrics").get_data(as_text=True)


def test_the_description_has_the_header(replicated: ApiClient) -> None:
    described: Any = replicated.get("/openapi.json").json
    for path, item in described["paths"].items():
        for method in {"get", "post", "patch", "delete"} & item.keys():
            names = [each["name"] for each in item[method].get("parameters", ())]
            is_resource = path.startswith((USERS, GROUPS))
            assert (POSITION in names) is (method == "get" and is_resource), (method, path)
            for status, response in item[method]["responses"].items():
                expected = method != "get" and status.startswith("2")
                assert (POSITION in response.get("headers", {})) is expected, (method, path)


def test_the_metrics_show_the_reads_and_the_replicas(
    build: Build, replication: FakeReplication
) -> None:
    client = ApiClient(build({"ROSTER_METRICS": "on"}, replication=replication))
    text = client.get("/metrics").get_data(as_text=True)
    assert 'roster_reads_total{result="replica"}' in text
    assert "roster_replicas_used 2.0" in text
    assert "roster_replica_lag_seconds 1.5" in text
