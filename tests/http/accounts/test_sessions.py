"""Login, and the lists of sessions."""

import json
import re
from base64 import urlsafe_b64decode
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from accounts.conftest import Build, Service, bearer, other_issuer
from accounts.table import PASSWORD, PREFIX, document
from api.constants import PROFILE

from adapters.memory.accounts import MemoryAccountReader, MemorySessions

SESSIONS = f"{PREFIX}/sessions"
ATTRIBUTES = {"creation_time", "use_time", "expiry_time", "address", "user_agent", "is_current"}
TOKENS = {"access_token", "token_type", "expires_in", "refresh_token", "scope"}
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def login_document(**attributes: Any) -> dict[str, Any]:
    return document("sessions", **{"email": "ann@example.org", "password": PASSWORD, **attributes})


def claims(token: str) -> Any:
    head, content, _ = token.split(".")
    parts = (json.loads(urlsafe_b64decode(part + "==")) for part in (head, content))
    return tuple(parts)


def test_a_login_begins_a_session(service: Service) -> None:
    service.user()
    headers = {"User-Agent": "B" * 300}
    response = service.send("POST", "/sessions", login_document(), headers)
    assert response.status_code == 201
    data = response.json["data"]
    url = f"{SESSIONS}/{data['id']}"
    assert response.headers["Location"] == url
    assert response.headers["Cache-Control"] == "no-store"
    assert response.json["links"] == {"self": url, "describedby": "/openapi.json"}
    assert data["links"] == {"self": url}
    assert len(data["id"]) >= 16
    assert not data["id"].isdigit()
    attributes = data["attributes"]
    assert attributes.keys() == ATTRIBUTES
    assert attributes["address"] == "127.0.0.1"
    assert attributes["user_agent"] == "B" * 250
    assert attributes["is_current"] is True
    times = [attributes[name] for name in ("creation_time", "use_time", "expiry_time")]
    assert all(map(RFC_3339.fullmatch, times))
    begin, use, expiry = map(datetime.fromisoformat, times)
    assert begin == use
    assert expiry - use == timedelta(days=7)
    meta = data["meta"]
    assert meta.keys() == TOKENS
    assert (meta["token_type"], meta["expires_in"], meta["scope"]) == ("Bearer", 600, "me")
    assert re.fullmatch(r"rrt_[\w-]{43}", meta["refresh_token"])


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("::ffff:203.0.113.7", "203.0.113.7"),  # a server that listens on ::
        ("fe80::1%eth0", "fe80::1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("", ""),
    ],
)
def test_the_address_of_a_session_is_written_in_one_way(
    service: Service, peer: str, address: str
) -> None:
    service.user()
    session = service.log_in(environ_base={"REMOTE_ADDR": peer})
    assert session["attributes"]["address"] == address


def test_an_access_token_has_the_claims_of_rfc_9068(build: Build) -> None:
    service = build(ROSTER_PUBLIC_URL="https://roster.example.org")
    user_id = service.user(role="admin")
    session = service.log_in()
    head, content = claims(session["meta"]["access_token"])
    assert head["typ"] == "at+jwt"
    assert head["alg"] == "ES256"
    assert head["kid"]
    assert content.pop("exp") - content.pop("iat") == 600
    assert content.pop("jti")
    assert content.pop("auth_time")
    assert {*content.pop("scope").split(" ")} == {
        *("users:read", "users:write", "users:erase", "groups:read", "groups:write", "me")
    }
    assert content == {
        "iss": "https://roster.example.org",
        "aud": "https://roster.example.org",
        "sub": str(user_id),
        "client_id": "roster",
        "roles": ["admin"],
        "sid": session["id"],
        "amr": ["pwd"],
    }


REFUSED: dict[str, dict[str, Any]] = {
    "unknown address": {"email": "unknown@example.org"},
    "wrong password": {"password": "wrong password 7"},
    "no password": {"email": "bob@example.org"},
    "inactive": {"email": "carl@example.org"},
    "no address": {"email": "not an address"},
    "empty address": {"email": ""},
    "empty password": {"password": ""},
    "short password": {"password": "x"},
    "long password": {"password": "x" * 10_000},
    "long address": {"email": "x" * 10_000},
    "long address of other letters": {"email": "é" * 10_000},
    "address that folding lengthens": {"email": "\ufdfa" * 60 + "\u200b@example.org"},
    "control characters": {"email": "a\tb\n", "password": "a\tb\n\x7f"},
}


def test_all_refused_logins_are_the_same(service: Service) -> None:
    service.user()
    service.user("bob", has_password=False)
    service.user("carl", is_active=False)
    seen = set()
    for attributes in REFUSED.values():
        response = service.send("POST", "/sessions", login_document(**attributes))
        assert response.problems == [("401", "invalid_credentials", None)]
        headers = {k: v for k, v in response.headers.items() if k != "X-Request-ID"}
        assert headers["WWW-Authenticate"].startswith("Bearer")
        seen.add((response.data, *headers.items()))
    assert len(seen) == 1


@pytest.mark.parametrize("email", ["ANN@EXAMPLE.org", "ａnn@example.org", "an\u200bn@example.org"])
def test_an_address_is_compared_by_its_key(service: Service, email: str) -> None:
    service.user()
    assert service.send("POST", "/sessions", login_document(email=email)).status_code == 201


def test_a_password_is_compared_in_nfkc(service: Service) -> None:
    service.user()
    password = PASSWORD.replace("c", "ｃ").replace(" ", "\u3000")
    assert service.send("POST", "/sessions", login_document(password=password)).status_code == 201


def test_read_only_attributes_of_a_new_session_are_rejected(service: Service) -> None:
    service.user()
    response = service.send("POST", "/sessions", login_document(address="192.0.2.1"))
    assert response.problems == [("403", "read_only", "/data/attributes/address")]
    response = service.send("POST", "/sessions", login_document(address="::1", user_agent="x"))
    assert response.problems == [
        ("403", "read_only", f"/data/attributes/{name}") for name in ("address", "user_agent")
    ]
    assert service.send("POST", "/sessions", login_document(address=None)).status_code == 201


def test_a_blocked_login_gets_429(build: Build) -> None:
    service = build(ROSTER_LOGIN_FAILURES="2/15m")
    service.user()
    for _ in range(2):
        response = service.send("POST", "/sessions", login_document(password="wrong"))
        assert response.status_code == 401
    for email in ("ann@example.org", "ANN@example.org"):
        response = service.send("POST", "/sessions", login_document(email=email))
        assert response.problems == [("429", "too_many_failures", None)]
        assert 0 < int(response.headers["Retry-After"]) <= 900
    elsewhere = {"REMOTE_ADDR": "198.51.100.9"}
    response = service.send("POST", "/sessions", login_document(), environ_base=elsewhere)
    assert response.status_code == 201


@pytest.fixture
def own(service: Service) -> tuple[dict[str, str], list[str]]:
    """The header of a user with three sessions, and their ids in the order of logins."""
    service.user()
    service.user("bob")
    service.log_in("bob")
    sessions = [service.log_in(headers={"User-Agent": f"Agent {n}"}) for n in range(3)]
    return bearer(sessions[1]["meta"]["access_token"]), [each["id"] for each in sessions]


def ids(response: Any) -> list[str]:
    assert response.status_code == 200, response.text
    return [each["id"] for each in response.json["data"]]


def test_sessions_are_those_of_the_user(
    service: Service, own: tuple[dict[str, str], list[str]]
) -> None:
    headers, known = own
    response = service.send("GET", "/sessions", headers=headers)
    assert ids(response) == sorted(known)
    for each in response.json["data"]:
        assert each["attributes"].keys() == ATTRIBUTES
        assert each["attributes"]["is_current"] is (each["id"] == known[1])
        assert each["links"] == {"self": f"{SESSIONS}/{each['id']}"}
        assert each["meta"].keys() == {"page"}
    assert response.json["links"]["self"] == SESSIONS
    assert response.json["links"]["next"] is None


@pytest.mark.parametrize("url", ["/sessions", "/users/1/sessions"])
def test_sessions_have_pages_in_both_directions(
    service: Service, own: tuple[dict[str, str], list[str]], url: str
) -> None:
    headers, known = own
    headers = headers if url == "/sessions" else other_issuer("users:read")
    first = service.send("GET", f"{url}?page[size]=2&sort=-creation_time", headers=headers)
    assert ids(first) == [known[2], known[1]]
    second = service.client.get(first.json["links"]["next"], headers=headers)
    assert ids(second) == [known[0]]
    back = service.client.get(second.json["links"]["prev"], headers=headers)
    assert ids(back) == [known[2], known[1]]
    numbered = service.send("GET", f"{url}?page[number]=2&page[size]=2", headers=headers)
    assert ids(numbered) == sorted(known)[2:]
    assert numbered.json["meta"]["page"]["total"] == 3
    for each in ("first", "prev"):
        link = numbered.json["links"][each]
        assert ids(service.client.get(link, headers=headers)) == sorted(known)[:2]
    accept = {"Accept": f'application/vnd.api+json;profile="{PROFILE}"', **headers}
    profiled = service.send("GET", url, headers=accept)
    assert PROFILE in profiled.headers["Content-Type"]
    assert profiled.json["links"]["self"]["href"] == f"{PREFIX}{url}"


@pytest.mark.parametrize("url", ["/sessions", "/users/1/sessions"])
@pytest.mark.parametrize("sort", ["", "-id", "-creation_time", "address,-id"])
def test_empty_pages_of_sessions_link_to_the_others(
    service: Service, own: tuple[dict[str, str], list[str]], url: str, sort: str
) -> None:
    headers = own[0] if url == "/sessions" else other_issuer("users:read")

    def get(query: str) -> Any:
        return service.send("GET", f"{url}?sort={sort}&{query}", headers=headers)

    def follow(page: Any, link: str) -> list[str]:
        return ids(service.client.get(page.json["links"][link], headers=headers))

    everything = get("")
    known = ids(everything)
    cursors = [each["meta"]["page"]["cursor"] for each in everything.json["data"]]
    after = get(f"page[after]={cursors[-1]}&page[size]=2")
    assert (ids(after), after.json["links"]["next"]) == ([], None)
    assert follow(after, "prev") == known[-2:]
    before = get(f"page[before]={cursors[0]}&page[size]=2")
    assert (ids(before), before.json["links"]["prev"]) == ([], None)
    assert follow(before, "next") == known[:2]
    between = get(f"page[after]={cursors[0]}&page[before]={cursors[1]}&page[size]=1")
    assert (ids(between), follow(between, "prev"), follow(between, "next")) == (
        [],
        known[:1],
        known[1:2],
    )


def test_a_page_after_the_last_session_ended_is_empty(
    service: Service, own: tuple[dict[str, str], list[str]]
) -> None:
    headers, _ = own
    first = service.send("GET", "/sessions?page[size]=2", headers=headers).json
    service.send("DELETE", "/sessions", headers=headers)
    page = service.client.get(first["links"]["next"], headers=headers)
    assert (ids(page), page.json["links"]["next"]) == ([], None)
    assert ids(service.client.get(page.json["links"]["prev"], headers=headers)) == []


@pytest.mark.parametrize(
    ("query", "positions"),
    [
        ("sort=-creation_time", [2, 1, 0]),
        ("sort=user_agent", [0, 1, 2]),
        ("sort=-use_time,id", [2, 1, 0]),
        ("sort=creation_time&filter[user_agent]=Agent 2,Agent 0", [0, 2]),
        ("sort=creation_time&filter[user_agent][ne]=Agent 2", [0, 1]),
        ("filter[user_agent][null]=true", []),
        ("sort=creation_time&filter[address]=127.0.0.1", [0, 1, 2]),
        ("filter[address]=192.0.2.1", []),
        ("filter[expiry_time][lt]=2026-01-01", []),
        ("sort=creation_time&filter[creation_time][gt]=2026-01-01", [0, 1, 2]),
    ],
)
def test_sessions_are_sorted_and_filtered(
    service: Service, own: tuple[dict[str, str], list[str]], query: str, positions: list[int]
) -> None:
    headers, known = own
    found = ids(service.send("GET", f"/sessions?{quote(query, safe='=&')}", headers=headers))
    assert found == [known[each] for each in positions]


def test_sessions_can_be_filtered_by_id(
    service: Service, own: tuple[dict[str, str], list[str]]
) -> None:
    headers, known = own
    both = ",".join(known[:2])
    assert ids(service.send("GET", f"/sessions?filter[id]={both}", headers=headers)) == sorted(
        known[:2]
    )


@pytest.mark.parametrize("url", ["/sessions", "/sessions/current", "/users/1/sessions"])
def test_fields_select_attributes(
    service: Service, own: tuple[dict[str, str], list[str]], url: str
) -> None:
    headers = own[0] if url.startswith("/sessions") else other_issuer("users:read")
    for fields, expected in [("address,is_current", {"address", "is_current"}), ("", set())]:
        response = service.send("GET", f"{url}?fields[sessions]={fields}", headers=headers)
        data = response.json["data"]
        for each in data if isinstance(data, list) else [data]:
            assert each["attributes"].keys() == expected
    assert service.send("GET", f"{url}?include=", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("sort=password", "sort"),
        ("sort=email", "sort"),
        ("fields[sessions]=password", "fields[sessions]"),
        ("fields[users]=email", "fields[users]"),
        ("filter[email]=a", "filter[email]"),
        ("filter[user_id]=1", "filter[user_id]"),
        ("filter[id]=7", "filter[id]"),
        ("filter[creation_time]=x", "filter[creation_time]"),
        ("filter[address][contains]=127", "filter[address][contains]"),
        ("include=user", "include"),
        ("page[size]=0", "page[size]"),
        ("page[after]=x", "page[after]"),
        ("q=x", "q"),
    ],
)
def test_invalid_parameters_of_the_list_get_400(
    service: Service, query: str, parameter: str
) -> None:
    service.user()
    response = service.send("GET", f"/sessions?{query}", headers=service.access())
    assert response.status_code == 400
    assert [each["source"] for each in response.json["errors"]] == [{"parameter": parameter}]


def test_a_session_is_read_by_its_id_or_as_the_current_one(
    service: Service, own: tuple[dict[str, str], list[str]]
) -> None:
    headers, known = own
    for each in known:
        response = service.send("GET", f"/sessions/{each}", headers=headers)
        assert response.json["data"]["id"] == each
        assert response.json["data"]["attributes"]["is_current"] is (each == known[1])
        assert "meta" not in response.json["data"]
    current = service.send("GET", "/sessions/current", headers=headers)
    assert current.json["data"]["id"] == known[1]
    assert current.json["links"]["self"] == f"{SESSIONS}/{known[1]}"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_sessions_of_others_do_not_exist(service: Service, method: str) -> None:
    service.user()
    bob = service.user("bob")
    other, headers = service.log_in("bob")["id"], service.access()
    admin = other_issuer("users:read", "users:write")
    for url, sent in [
        (f"/sessions/{other}", headers),
        ("/sessions/0123456789abcdefghijkl", headers),
        ("/sessions/7", headers),
        ("/sessions/%00", headers),
        (f"/users/1/sessions/{other}", admin),
        (f"/users/{bob}/sessions/current", admin),
        (f"/users/99/sessions/{other}", admin),
    ]:
        response = service.send(method, url, headers=sent)
        assert response.status_code == 404, url
    assert service.send("GET", f"/users/{bob}/sessions/{other}", headers=admin).status_code == 200


@pytest.mark.parametrize("session_id", ["%00", "0123456789abcdef%00", "é" * 20, "a" * 65])
def test_no_store_receives_an_id_that_no_session_can_have(
    service: Service, monkeypatch: pytest.MonkeyPatch, session_id: str
) -> None:
    """PostgreSQL rejects a text with NUL."""
    service.user()
    headers, admin = service.access(), other_issuer("users:read", "users:write")

    def refuse(_: object, text: str) -> None:
        pytest.fail(f"the store receives {text!r}")

    monkeypatch.setattr(MemoryAccountReader, "session", refuse)
    monkeypatch.setattr(MemorySessions, "get", refuse)
    for method in ("GET", "DELETE"):
        for url, sent in (("/sessions", headers), ("/users/1/sessions", admin)):
            response = service.send(method, f"{url}/{session_id}", headers=sent)
            assert response.status_code == 404
            assert response.json["errors"][0]["code"] == "session_not_found"


def test_a_logout_ends_only_the_current_session(
    service: Service, own: tuple[dict[str, str], list[str]]
) -> None:
    headers, known = own
    response = service.send("DELETE", "/sessions/current", headers=headers)
    assert response.status_code == 204
    admin = other_issuer("users:read", "users:write")
    assert {*ids(service.send("GET", "/users/1/sessions", headers=admin))} == {known[0], known[2]}
    url = f"/users/1/sessions/{known[0]}"
    assert service.send("DELETE", url, headers=admin).status_code == 204
    assert service.send("DELETE", url, headers=admin).status_code == 404
    assert service.send("DELETE", "/users/1/sessions", headers=admin).status_code == 204
    assert ids(service.send("GET", "/users/1/sessions", headers=admin)) == []
    assert service.send("DELETE", "/users/1/sessions", headers=admin).status_code == 204


@pytest.mark.parametrize("url", ["/sessions", "/users/1/sessions"])
def test_conditional_requests_of_one_session(
    service: Service, own: tuple[dict[str, str], list[str]], url: str
) -> None:
    headers, known = own
    headers = headers if url == "/sessions" else other_issuer("users:read", "users:write")
    one, other = (f"{url}/{each}" for each in (known[0], known[2]))
    etag = service.send("GET", f"{one}?fields[sessions]=address", headers=headers).headers["ETag"]
    assert service.send("GET", one, headers={**headers, "If-Match": etag}).status_code == 200
    for method in ("GET", "DELETE"):
        response = service.send(method, one, headers={**headers, "If-Match": '"7-00"'})
        assert [each[:2] for each in response.problems] == [("412", "stale_version")]
    refused = {**headers, "If-None-Match": etag}
    assert service.send("DELETE", one, headers=refused).status_code == 412
    assert service.send("DELETE", one, headers={**headers, "If-Match": etag}).status_code == 204
    assert service.send("DELETE", other, headers={**headers, "If-Match": "*"}).status_code == 204
    assert service.send("DELETE", other, headers={**headers, "If-Match": "*"}).status_code == 404


@pytest.mark.parametrize("url", ["/sessions", "/users/1/sessions"])
def test_conditional_requests_that_end_all_sessions(
    service: Service, own: tuple[dict[str, str], list[str]], url: str
) -> None:
    own_headers, known = own
    reader, headers = own_headers, own_headers
    if url != "/sessions":
        reader, headers = other_issuer("users:read"), other_issuer("users:write")

    def end(conditions: dict[str, str]) -> int:
        response = service.send("DELETE", url, headers={**headers, **conditions})
        if response.status_code == 412:
            assert response.problems == [("412", "precondition_failed", None)]
        return response.status_code

    etag = service.send("GET", url, headers=reader).headers["ETag"]
    service.send("DELETE", f"/sessions/{known[0]}", headers=own_headers)
    current = service.send("GET", url, headers=reader).headers["ETag"]
    for conditions in (
        {"If-Match": etag},
        {"If-Match": ""},
        {"If-Match": f"W/{current}"},
        {"If-None-Match": "*"},
        {"If-None-Match": f"{etag}, {current}"},
    ):
        assert end(conditions) == 412, conditions
    assert {*ids(service.send("GET", url, headers=reader))} == {*known[1:]}
    assert end({"If-Match": f"{etag}, {current}", "If-None-Match": etag}) == 204
    assert ids(service.send("GET", "/users/1/sessions", headers=other_issuer("users:read"))) == []
    if url != "/sessions":
        assert end({"If-Match": "*"}) == 204


def test_an_invalid_id_of_a_session_is_explained(
    service: Service, own: tuple[dict[str, str], list[str]]
) -> None:
    response = service.send("GET", "/sessions?filter[id]=7", headers=own[0])
    assert response.json["errors"][0]["detail"] == (
        "'7' is not a valid id. It must be 16 to 64 characters of A-Z, a-z, 0-9, _ and -."
    )


def test_a_user_ends_all_sessions(service: Service, own: tuple[dict[str, str], list[str]]) -> None:
    assert service.send("DELETE", "/sessions", headers=own[0]).status_code == 204
    admin = other_issuer("users:read")
    assert ids(service.send("GET", "/users/1/sessions", headers=admin)) == []
    assert len(ids(service.send("GET", "/users/2/sessions", headers=admin))) == 1


def test_the_sessions_of_a_user_have_their_own_urls(
    service: Service, own: tuple[dict[str, str], list[str]]
) -> None:
    _, known = own
    admin = other_issuer("users:read")
    listed = service.send("GET", "/users/1/sessions", headers=admin).json
    url = f"{PREFIX}/users/1/sessions"
    assert listed["links"]["self"] == url
    for each in listed["data"]:
        assert each["links"]["self"] == f"{url}/{each['id']}"
        assert each["attributes"]["is_current"] is False
    one = service.send("GET", f"/users/1/sessions/{known[0]}", headers=admin).json
    assert one["links"]["self"] == one["data"]["links"]["self"] == f"{url}/{known[0]}"


def test_links_are_absolute_with_a_public_url(build: Build) -> None:
    service = build(ROSTER_PUBLIC_URL="https://roster.example.org/directory")
    service.user()
    response = service.send("POST", "/sessions", login_document())
    base = "https://roster.example.org/directory/api/v1"
    url = f"{base}/sessions/{response.json['data']['id']}"
    assert response.headers["Location"] == response.json["links"]["self"] == url
    headers = bearer(response.json["data"]["meta"]["access_token"])
    assert service.send("GET", "/me", headers=headers).json["links"]["self"] == f"{base}/me"


ACTOR = ("actor", "actor_kind", "actor_issuer")


def test_a_session_has_one_identity_in_the_audit_log(build: Build) -> None:
    """The login has no token yet; the other changes are made with one."""
    service = build(ROSTER_PUBLIC_URL="https://roster.example.org")
    user = service.user()
    headers = service.access()
    body = {"data": {"type": "users", "id": str(user), "attributes": {"name": "Anna"}}}
    assert service.send("PATCH", "/me", body, headers).status_code == 200
    assert service.send("DELETE", "/sessions/current", headers=headers).status_code == 204
    history = service.send("GET", f"/users/{user}/history", headers=other_issuer("users:read"))
    events = [each["attributes"] for each in history.json["data"]]
    actors = {each["action"]: [each[name] for name in ACTOR] for each in events}
    own = ["users/1", "session", None]
    assert {name: actors[name] for name in ("logged_in", "changed", "session_ended")} == {
        "logged_in": own,
        "changed": own,
        "session_ended": own,
    }
