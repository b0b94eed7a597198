"""A user's own data, and the account of any user."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from accounts.conftest import Build, Service, other_issuer
from accounts.table import NEW_PASSWORD, PASSWORD, PREFIX, document

from entrypoints.container import utc_now

ME = f"{PREFIX}/me"


def change(**attributes: Any) -> dict[str, Any]:
    return {"data": {"type": "users", "id": "1", "attributes": attributes}}


@pytest.fixture
def headers(service: Service) -> dict[str, str]:
    service.user(role="user")
    return service.access()


def test_me_is_the_user_of_the_token(service: Service, headers: dict[str, str]) -> None:
    me = service.send("GET", "/me", headers=headers)
    user = service.send("GET", "/users/1", headers=other_issuer("users:read"))
    assert me.json["data"] == user.json["data"]
    assert me.json["links"] == {"self": ME, "describedby": "/openapi.json"}
    admin = {**other_issuer("users:read", "users:write"), "If-Match": me.headers["ETag"]}
    assert service.send("PATCH", "/users/1", change(role="user"), admin).status_code == 200
    queried = service.send("GET", "/me?fields[users]=name", headers=headers).json
    assert queried["links"]["self"] == f"{ME}?fields[users]=name"
    assert queried["data"]["attributes"] == {"name": "Ann"}
    assert queried["data"]["links"]["self"] == f"{PREFIX}/users/1"


def test_users_can_change_their_own_name(service: Service, headers: dict[str, str]) -> None:
    before = service.send("GET", "/me", headers=headers)
    response = service.send("PATCH", "/me", change(name="Ann Other"), headers)
    assert response.status_code == 200
    assert response.json["links"]["self"] == ME
    assert response.json["data"]["attributes"]["name"] == "Ann Other"
    assert response.headers["ETag"] != before.headers["ETag"]
    again = service.send("PATCH", "/me", change(name="Ann Other"), headers)
    assert again.headers["ETag"] == response.headers["ETag"]
    event = service.send("GET", "/users/1/history", headers=other_issuer("users:read")).json
    assert event["data"][-1]["attributes"]["actor"] == "users/1"


def test_users_can_send_back_their_own_document(service: Service, headers: dict[str, str]) -> None:
    got = service.send("GET", "/me", headers=headers).json
    assert service.send("PATCH", "/me", got, headers).status_code == 200
    assert service.send("PATCH", "/me", change(), headers).status_code == 200


def test_users_do_not_change_their_own_relationships(
    service: Service, headers: dict[str, str]
) -> None:
    sent = change(name="Zoe")
    sent["data"]["relationships"] = {"groups": {"data": []}}
    response = service.send("PATCH", "/me", sent, headers)
    assert [each[:2] for each in response.problems] == [("403", "read_only")]
    assert response.problems[0][2].startswith("/data/relationships/groups")


def test_a_document_that_includes_groups_can_be_sent_back(
    service: Service, headers: dict[str, str]
) -> None:
    service.user("admin", role="admin")
    of_admin = service.access("admin")
    admin = service.send("GET", "/me", headers=of_admin).json["data"]["id"]
    members = {"members": {"data": [{"type": "users", "id": admin}]}}
    for name in ("Staff", "Board"):
        group = {"type": "groups", "attributes": {"name": name}, "relationships": members}
        assert service.send("POST", "/groups", {"data": group}, of_admin).status_code == 201
    document = service.send("GET", "/me?include=groups", headers=of_admin).json
    document["data"]["attributes"]["name"] = "Zoe"
    groups = document["data"]["relationships"]["groups"]["data"]
    assert len(groups) == 2
    sent_back = service.send("PATCH", "/me", {"data": document["data"]}, of_admin)
    assert (sent_back.status_code, sent_back.json["data"]["attributes"]["name"]) == (200, "Zoe")
    groups.pop()
    refused = service.send("PATCH", "/me", {"data": document["data"]}, of_admin)
    assert refused.problems == [("403", "read_only", "/data/relationships/groups/data")]
    after = service.send("GET", "/me?include=groups", headers=of_admin).json["data"]
    assert len(after["relationships"]["groups"]["data"]) == 2


def test_a_part_of_the_groups_is_not_the_list(service: Service) -> None:
    """A response includes at most 25 related resources of a list."""
    service.user("admin", role="admin")
    of_admin = service.access("admin")
    me = service.send("GET", "/me", headers=of_admin).json["data"]
    members = {"members": {"data": [{"type": "users", "id": me["id"]}]}}
    sent = {key: me[key] for key in ("type", "id")}
    linkage = []
    for number in range(26):
        group = {"type": "groups", "attributes": {"name": f"G{number}"}, "relationships": members}
        created = service.send("POST", "/groups", {"data": group}, of_admin).json["data"]
        linkage.append({"type": "groups", "id": created["id"]})
    sent["relationships"] = {"groups": {"data": linkage[:25]}}
    refused = service.send("PATCH", "/me", {"data": sent}, of_admin)
    assert refused.problems == [("403", "read_only", "/data/relationships/groups/data")]


def test_me_includes_related_resources_with_their_scopes(
    service: Service, headers: dict[str, str]
) -> None:
    service.user("admin", role="admin")
    response = service.send("GET", "/me?include=groups", headers=service.access("admin"))
    assert response.json["included"] == []
    assert response.json["data"]["relationships"]["groups"]["data"] == []
    response = service.send("GET", "/me?include=groups", headers=headers)
    assert response.problems == [("403", "insufficient_scope", None)]
    response = service.send("PATCH", "/me?include=groups", change(name="Zoe"), headers)
    assert response.problems == [("403", "insufficient_scope", None)]
    unchanged = service.send("GET", "/me?include=", headers=headers).json
    assert (unchanged["data"]["attributes"]["name"], unchanged["included"]) == ("Ann", [])
    query = "/me?fields[groups]=name"
    assert service.send("GET", query, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("attributes", "problem"),
    [
        ({"role": "admin"}, ("403", "read_only", "/data/attributes/role")),
        ({"is_active": False}, ("403", "read_only", "/data/attributes/is_active")),
        ({"email": "new@example.org"}, ("403", "read_only", "/data/attributes/email")),
        ({"email": 7}, ("403", "read_only", "/data/attributes/email")),
        ({"is_active": 1}, ("403", "read_only", "/data/attributes/is_active")),
        ({"is_active": "yes"}, ("403", "read_only", "/data/attributes/is_active")),
        ({"role": None}, ("403", "read_only", "/data/attributes/role")),
        (
            {"creation_time": "2020-01-01T00:00:00Z"},
            ("403", "read_only", "/data/attributes/creation_time"),
        ),
        ({"name": ""}, ("422", "blank", "/data/attributes/name")),
        ({"name": "a" * 251}, ("422", "too_long", "/data/attributes/name")),
        ({"name": None}, ("422", "wrong_type", "/data/attributes/name")),
        ({"password": PASSWORD}, ("422", "unknown_attribute", "/data/attributes/password")),
        ({"name": "New", "role": "admin"}, ("403", "read_only", "/data/attributes/role")),
    ],
)
def test_users_change_nothing_else_of_themselves(
    service: Service, headers: dict[str, str], attributes: Any, problem: Any
) -> None:
    response = service.send("PATCH", "/me", change(**attributes), headers)
    assert response.problems == [problem]
    me = service.send("GET", "/me", headers=headers).json["data"]["attributes"]
    assert (me["name"], me["role"], me["is_active"]) == ("Ann", "user", True)


def test_everything_that_users_cannot_change_is_reported(
    service: Service, headers: dict[str, str]
) -> None:
    sent = change(name="Zoe", email="new@example.org", role="admin", is_active=False)
    sent["data"]["relationships"] = {"groups": {"data": []}}
    response = service.send("PATCH", "/me", sent, headers)
    assert {each[:2] for each in response.problems} == {("403", "read_only")}
    attributes = {each["meta"]["attribute"] for each in response.json["errors"]}
    assert attributes == {"groups", "email", "role", "is_active"}


def test_a_user_sends_preconditions(service: Service, headers: dict[str, str]) -> None:
    etag = service.send("GET", "/me", headers=headers).headers["ETag"]
    stale = {**headers, "If-Match": '"9-0123456789abcdef"'}
    assert service.send("PATCH", "/me", change(name="Zoe"), stale).status_code == 412
    current = {**headers, "If-Match": etag}
    assert service.send("PATCH", "/me", change(name="Zoe"), current).status_code == 200


def test_the_id_of_the_document_is_that_of_the_user(
    service: Service, headers: dict[str, str]
) -> None:
    sent = change(name="Zoe")
    sent["data"]["id"] = "2"
    assert service.send("PATCH", "/me", sent, headers).problems == [
        ("409", "id_mismatch", "/data/id")
    ]
    del sent["data"]["id"]
    assert service.send("PATCH", "/me", sent, headers).status_code == 400


def password_document(current: str = PASSWORD, new: str = NEW_PASSWORD) -> dict[str, Any]:
    return document("passwords", current_password=current, password=new)


def test_a_new_password_ends_all_other_sessions(service: Service, headers: dict[str, str]) -> None:
    service.log_in()
    response = service.send("POST", "/me/password", password_document(), headers)
    assert (response.status_code, response.data) == (204, b"")
    assert len(service.send("GET", "/sessions", headers=headers).json["data"]) == 1
    sent = document("sessions", email="ann@example.org", password=PASSWORD)
    assert service.send("POST", "/sessions", sent).status_code == 401
    sent = document("sessions", email="ann@example.org", password=NEW_PASSWORD)
    assert service.send("POST", "/sessions", sent).status_code == 201


BAD_PASSWORDS = [
    ("short", "too_short"),
    ("", "too_short"),
    ("ﬃ" * 3, "too_short"),
    ("x y z " * 43, "too_long"),
    ("a tab\tin the password", "control_character"),
    ("a password with NUL \0", "forbidden_character"),
    ("a lone surrogate \ud800", "forbidden_character"),
    ("password1234", "guessable"),
    ("ann@example.org", "guessable"),
]


@pytest.mark.parametrize(("new", "code"), BAD_PASSWORDS, ids=ascii)
def test_a_password_that_breaks_the_rules_gets_422(
    service: Service, headers: dict[str, str], new: str, code: str
) -> None:
    response = service.send("POST", "/me/password", password_document(new=new), headers)
    assert response.problems == [("422", code, "/data/attributes/password")]
    assert response.json["errors"][0]["meta"]["attribute"] == "password"
    assert len(new) < 6 or new not in response.text


def test_the_rules_of_a_new_password_are_checked_before_the_current_one(build: Build) -> None:
    service = build(ROSTER_LOGIN_FAILURES="1/15m")
    service.user()
    headers = service.access()
    for _ in range(2):  # the wrong one does not count
        sent = password_document("wrong", new="short")
        response = service.send("POST", "/me/password", sent, headers)
        assert response.problems == [("422", "too_short", "/data/attributes/password")]
    assert service.send("POST", "/me/password", password_document(), headers).status_code == 204


@pytest.mark.parametrize("current", ["wrong", "", "x", "x" * 5000, "a\tb"], ids=ascii)
def test_a_wrong_password_gets_403(service: Service, headers: dict[str, str], current: str) -> None:
    response = service.send("POST", "/me/password", password_document(current), headers)
    assert response.problems == [("403", "wrong_password", "/data/attributes/current_password")]
    sent = document("emails", email="new@example.org", password=current)
    response = service.send("POST", "/me/email", sent, headers)
    assert response.problems == [("403", "wrong_password", "/data/attributes/password")]
    assert service.next_email() is None


def test_wrong_passwords_are_limited(build: Build) -> None:
    service = build(ROSTER_LOGIN_FAILURES="2/15m")
    service.user()
    headers = service.access()
    assert service.send("POST", "/me/password", password_document("no"), headers).status_code == 403
    sent = document("emails", email="new@example.org", password="no")
    assert service.send("POST", "/me/email", sent, headers).status_code == 403
    for url, valid in [
        ("/me/password", password_document()),
        ("/me/email", document("emails", email="new@example.org", password=PASSWORD)),
    ]:
        response = service.send("POST", url, valid, headers)
        assert response.problems == [("429", "too_many_failures", None)]
        assert int(response.headers["Retry-After"]) > 0


@pytest.mark.parametrize("email", ["new@example.org", "bob@example.org", "ann@example.org"])
def test_a_new_address_is_accepted_whether_or_not_it_is_taken(
    service: Service, headers: dict[str, str], email: str
) -> None:
    service.user("bob")
    sent = document("emails", email=email, password=PASSWORD)
    response = service.send("POST", "/me/email", sent, headers)
    assert response.status_code == 202
    assert response.json.keys() == {"jsonapi", "meta"}
    assert service.send("GET", "/me", headers=headers).json["data"]["attributes"]["email"] == (
        "ann@example.org"
    )
    if email == "new@example.org":
        confirmed = document("confirmations", token=service.link_token())
        assert service.send("POST", "/confirmations", confirmed).status_code == 204
        me = service.send("GET", "/me", headers=headers).json["data"]
        assert me["attributes"]["email"] == email


@pytest.mark.parametrize("email", ["not an address", "", "x" * 300 + "@example.org"])
def test_an_invalid_new_address_gets_422(
    service: Service, headers: dict[str, str], email: str
) -> None:
    sent = document("emails", email=email, password=PASSWORD)
    (problem,) = service.send("POST", "/me/email", sent, headers).problems
    assert problem[0] == "422"
    assert problem[2] == "/data/attributes/email"


ACCOUNT = ("has_password", "password_time", "email_verified_time", "login_time", "locked_until")


def test_an_account_has_its_own_url(service: Service) -> None:
    service.user()
    service.user("bob", has_password=False)
    service.log_in()
    reader = other_issuer("users:read")
    for user_id, has_password in (("1", True), ("2", False)):
        response = service.send("GET", f"/users/{user_id}/account", headers=reader)
        data = response.json["data"]
        url = f"{PREFIX}/users/{user_id}/account"
        assert response.json["links"]["self"] == url
        assert (data["type"], data["id"], data["links"]) == ("accounts", user_id, {"self": url})
        assert tuple(data["attributes"]) == ACCOUNT
        assert data["attributes"]["has_password"] is has_password
        assert (data["attributes"]["login_time"] is not None) is has_password
        assert data["attributes"]["locked_until"] is None
    url = "/users/1/account?fields[accounts]=has_password"
    response = service.send("GET", url, headers=reader)
    assert response.json["data"]["attributes"] == {"has_password": True}
    assert response.json["links"]["self"] == PREFIX + url


@pytest.mark.parametrize(
    "addresses",
    [["198.51.100.7"] * 2, [f"198.51.100.{n}" for n in range(20)]],
    ids=["one network", "many networks"],
)
def test_an_account_shows_how_long_it_is_locked(build: Build, addresses: list[str]) -> None:
    service = build(ROSTER_LOGIN_FAILURES="2/15m")
    service.user()
    sent = document("sessions", email="ann@example.org", password="wrong")
    for address in addresses:
        shown = service.send("GET", "/users/1/account", headers=other_issuer("users:read"))
        assert shown.json["data"]["attributes"]["locked_until"] is None
        elsewhere = {"REMOTE_ADDR": address}
        response = service.send("POST", "/sessions", sent, environ_base=elsewhere)
        assert response.status_code == 401
    response = service.send("GET", "/users/1/account", headers=other_issuer("users:read"))
    locked_until = response.json["data"]["attributes"]["locked_until"]
    left = datetime.fromisoformat(locked_until) - utc_now()
    assert timedelta(minutes=14) < left <= timedelta(minutes=15)


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_user_does_not_have_the_attribute_password(service: Service, method: str) -> None:
    service.user()
    attributes = {"email": "bob@example.org", "name": "Bob", "password": NEW_PASSWORD}
    data: dict[str, Any] = {"type": "users", "attributes": attributes}
    if method == "PATCH":
        data["id"] = "1"
    url = "/users" if method == "POST" else "/users/1"
    admin = other_issuer("users:read", "users:write")
    response = service.send(method, url, {"data": data}, admin)
    assert response.problems == [("422", "unknown_attribute", "/data/attributes/password")]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}, None])
def test_requests_to_accounts_count_for_the_rate_limit(build: Build, headers: Any) -> None:
    service = build(ROSTER_RATE_LIMIT="4/minute")
    service.user()
    sent = service.access() if headers is None else headers
    statuses = [service.send("GET", "/me", headers=sent).status_code for _ in range(5)]
    assert statuses[2] == (200 if headers is None else 401)
    assert statuses[4] == 429


def test_related_resources_require_no_permission_to_read_all_users(build: Build) -> None:
    service = build(ROSTER_ROLE_SCOPES="*=me groups:read")
    service.user(role="user")
    headers = service.access()
    response = service.send("GET", "/me?include=groups", headers=headers)
    assert (response.status_code, response.json["included"]) == (200, [])
    response = service.send("PATCH", "/me?include=groups", change(name="Ann"), headers)
    assert response.status_code == 200
    response = service.send("GET", "/me?include=groups.members", headers=headers)
    assert response.problems == [("403", "insufficient_scope", None)]
    assert response.json["errors"][0]["detail"] == "The token lacks the scope users:read."
