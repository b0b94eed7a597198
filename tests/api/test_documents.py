"""What documents are taken, what is wrong with the others, and in which order it is told."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Create = Callable[..., dict[str, Any]]
Problem = tuple[str, str, str | None]

USERS = "/api/v1/users"
ANN = {"email": "ann@example.org", "name": "Ann"}


def new(attributes: Any = ANN, **more: Any) -> dict[str, Any]:
    """A document that creates a user."""
    return {"data": {"type": "users", "attributes": attributes, **more}}


def change(attributes: Any, **more: Any) -> dict[str, Any]:
    """A document that changes user 1."""
    return {"data": {"type": "users", "id": "1", "attributes": attributes, **more}}


def problems(response: Any) -> list[Problem]:
    """Status, code and pointer of each problem, in a fixed order."""
    errors = response.get_json()["errors"]
    return sorted((e["status"], e["code"], e.get("source", {}).get("pointer")) for e in errors)


# -- what is created and changed ---------------------------------------------------------------


def test_a_user_is_created_whole(client: FlaskClient) -> None:
    attributes = {"email": "Ünn@exämple.org", "name": "Zoë  𝒜", "is_active": True, "role": "admin"}
    response = client.post(USERS, json=new(attributes))
    assert response.status_code == 201
    assert response.headers["Content-Type"] == "application/vnd.api+json"
    data = response.json["data"]
    times = {name: data["attributes"].pop(name) for name in ("creation_time", "update_time")}
    assert data == {
        "type": "users",
        "id": "1",
        "attributes": attributes,
        "links": {"self": "/api/v1/users/1"},
    }
    assert times == dict.fromkeys(times, "2026-11-22T09:30:00.124Z")
    assert response.headers["Location"] == response.json["links"]["self"] == "/api/v1/users/1"
    assert response.json["links"]["describedby"] == "/openapi.json"
    shown = client.get("/api/v1/users/1")
    assert shown.json == response.json
    assert shown.headers["ETag"] == response.headers["ETag"]


def test_what_is_left_out_has_its_default(create: Create) -> None:
    attributes = create()["attributes"]
    assert (attributes["is_active"], attributes["role"]) == (False, "user")


def test_a_change_changes_what_it_names_and_nothing_else(
    client: FlaskClient, create: Create
) -> None:
    before = create(role="admin", is_active=True)["attributes"]
    after = client.patch(f"{USERS}/1", json=change({"name": "Zoë"})).json["data"]["attributes"]
    assert after.pop("update_time") > before.pop("update_time")
    assert after == {**before, "name": "Zoë"}


@pytest.mark.parametrize("document", [change({}), {"data": {"type": "users", "id": "1"}}])
def test_a_change_of_nothing_is_fine(
    client: FlaskClient, create: Create, document: dict[str, Any]
) -> None:
    before = create()
    response = client.patch(f"{USERS}/1", json=document)
    assert response.status_code == 200
    assert response.json["data"] == before


def test_a_deleted_user_is_gone_and_its_id_never_returns(
    client: FlaskClient, create: Create
) -> None:
    create(email="ann@example.org")
    assert client.delete(f"{USERS}/1").status_code == 204
    for method in ("GET", "DELETE"):
        response = client.open(f"{USERS}/1", method=method)
        assert problems(response) == [("404", "user_not_found", None)]
    assert problems(client.patch(f"{USERS}/1", json=change({}))) == [
        ("404", "user_not_found", None)
    ]
    assert create(email="ann@example.org")["id"] == "2"


def test_a_resource_that_was_read_can_be_sent_back_whole(
    client: FlaskClient, create: Create
) -> None:
    create()
    read = client.get(f"{USERS}/1")
    assert client.patch(f"{USERS}/1", json=read.json).json == read.json
    listed = client.get(USERS).json["data"][0]
    assert client.patch(f"{USERS}/1", json={"data": listed}).status_code == 200


# -- taken without complaint -------------------------------------------------------------------

HARMLESS: dict[str, Any] = {
    "lid": {"lid": "a-1"},
    "empty relationships": {"relationships": {}},
    "empty links": {"links": {}},
    "empty meta": {"meta": {}},
    "links": {"links": {"self": "/api/v1/users/1", "x": None, "y": {"href": "/z"}}},
    "meta": {"meta": {"page": {"cursor": "x"}}},
    "unknown members": {"x": 1, "nested": {"a": []}, "version:id": "4"},
    "@-members": {"@type": "Person", "@": None},
    "@-members in relationships": {"relationships": {"@x": 5}},
}


@pytest.mark.parametrize("members", HARMLESS.values(), ids=HARMLESS.keys())
def test_members_that_real_clients_send_are_no_complaint(
    client: FlaskClient, members: dict[str, Any]
) -> None:
    created = client.post(USERS, json=new(**members))
    assert created.status_code == 201
    changed = client.patch(f"{USERS}/1", json=change({"name": "Zoë"}, **members))
    assert changed.status_code == 200


@pytest.mark.parametrize(
    "members",
    [
        {"jsonapi": {"version": "1.0", "meta": {}}},
        {"meta": {"client": "x"}},
        {"links": {"self": "/x"}},
        {"included": []},
        {"included": [{"type": "x", "id": "1"}]},
        {"@context": "https://schema.org", "x": None},
    ],
)
def test_top_level_members_are_no_complaint(client: FlaskClient, members: dict[str, Any]) -> None:
    assert client.post(USERS, json={**new(), **members}).status_code == 201


def test_a_null_id_is_taken_on_post_and_at_members_are_no_attributes(client: FlaskClient) -> None:
    response = client.post(USERS, json=new({**ANN, "@id": 1, "@": {}}, id=None))
    assert response.status_code == 201
    assert not {"@id", "@"} & response.json["data"]["attributes"].keys()


# -- structure: 400 ----------------------------------------------------------------------------

MISSING, WRONG = "missing_member", "wrong_json_type"
FAULTS: list[tuple[Any, list[Problem]]] = [
    ([], [("400", WRONG, "")]),
    ("users", [("400", WRONG, "")]),
    (5, [("400", WRONG, "")]),
    (True, [("400", WRONG, "")]),
    ({}, [("400", MISSING, "")]),
    ({"meta": {}}, [("400", MISSING, "")]),
    ({"data": None}, [("400", WRONG, "/data")]),
    ({"data": []}, [("400", WRONG, "/data")]),
    ({"data": [new()["data"]]}, [("400", WRONG, "/data")]),
    ({"data": "users"}, [("400", WRONG, "/data")]),
    ({"data": {}}, [("400", MISSING, "/data")]),
    ({"data": {"attributes": ANN}}, [("400", MISSING, "/data")]),
    (new(type=None), [("400", WRONG, "/data/type")]),
    (new(type=1), [("400", WRONG, "/data/type")]),
    (new(type=["users"]), [("400", WRONG, "/data/type")]),
    (new(id=1), [("400", WRONG, "/data/id")]),
    (new(id={}), [("400", WRONG, "/data/id")]),
    (new(id=True), [("400", WRONG, "/data/id")]),
    (new(lid=1), [("400", WRONG, "/data/lid")]),
    (new(None), [("400", WRONG, "/data/attributes")]),
    (new([]), [("400", WRONG, "/data/attributes")]),
    (new("x"), [("400", WRONG, "/data/attributes")]),
    (new(relationships=[]), [("400", WRONG, "/data/relationships")]),
    (new(relationships=None), [("400", WRONG, "/data/relationships")]),
    (new(relationships={"a": None}), [("400", WRONG, "/data/relationships/a")]),
    (new(relationships={"a/b~c": []}), [("400", WRONG, "/data/relationships/a~1b~0c")]),
    (new(relationships={"a": {}}), [("400", MISSING, "/data/relationships/a")]),
    (
        new(relationships={"name": {"data": None}}),
        [("400", "invalid_document", "/data/relationships/name")],
    ),
    (new(links=[]), [("400", WRONG, "/data/links")]),
    (new(meta="x"), [("400", WRONG, "/data/meta")]),
    ({**new(), "jsonapi": "1.1"}, [("400", WRONG, "/jsonapi")]),
    ({**new(), "meta": []}, [("400", WRONG, "/meta")]),
    ({**new(), "links": "x"}, [("400", WRONG, "/links")]),
    ({**new(), "included": {}}, [("400", WRONG, "/included")]),
    ({**new(), "errors": []}, [("400", "invalid_document", "/errors")]),
    (
        {"data": {"type": 1, "id": 2, "attributes": [], "meta": 3}, "jsonapi": []},
        [
            ("400", WRONG, "/data/attributes"),
            ("400", WRONG, "/data/id"),
            ("400", WRONG, "/data/meta"),
            ("400", WRONG, "/data/type"),
            ("400", WRONG, "/jsonapi"),
        ],
    ),
    (
        {"data": {"id": 2, "attributes": []}},
        [
            ("400", MISSING, "/data"),
            ("400", WRONG, "/data/attributes"),
            ("400", WRONG, "/data/id"),
        ],
    ),
]


@pytest.mark.parametrize(("document", "expected"), FAULTS)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_faults_of_structure_are_told_together_where_they_are(
    client: FlaskClient, create: Create, method: str, document: Any, expected: list[Problem]
) -> None:
    create()
    if method == "PATCH" and isinstance(document, dict) and isinstance(document.get("data"), dict):
        document = {**document, "data": {"id": "1", **document["data"]}}
    url = USERS if method == "POST" else f"{USERS}/1"
    response = client.open(url, method=method, json=document)
    assert response.status_code == 400
    assert problems(response) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"type": "users", "attributes": {}}, (MISSING, "/data")),
        ({"type": "users", "lid": "a", "attributes": {}}, (MISSING, "/data")),
        ({"type": "users", "id": None}, (WRONG, "/data/id")),
        ({"type": "users", "id": 1}, (WRONG, "/data/id")),
    ],
)
def test_a_change_must_name_its_id(
    client: FlaskClient, create: Create, data: dict[str, Any], expected: tuple[str, str]
) -> None:
    create()
    assert problems(client.patch(f"{USERS}/1", json={"data": data})) == [("400", *expected)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"data":{"type":"users","type":"users"}}',
        b'\xef\xbb\xbf{"data":{}}',
        '{"data":{}}'.encode("utf-16"),
        b'{"data":{"type":"\xff"}}',
        b'{"data":NaN}',
        b'{"data":{"type":"users","attributes":{"name":1e400}}}',
        b'{"data":' * 100,
        b'{"data":{"type":"users","meta":{"x":' + b"9" * 500 + b"}}}",
    ],
)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_bodies_that_are_not_strict_json_are_400(
    client: FlaskClient, create: Create, method: str, body: bytes
) -> None:
    create()
    url = USERS if method == "POST" else f"{USERS}/1"
    response = client.open(url, method=method, data=body, content_type="application/json")
    assert response.status_code == 400
    assert "source" not in response.json["errors"][0]


def test_null_is_no_document(client: FlaskClient) -> None:
    response = client.post(USERS, data=b"null", content_type="application/json")
    assert problems(response) == [("400", WRONG, "")]


def test_a_body_shorter_than_its_length_is_400(client: FlaskClient) -> None:
    body = json.dumps(new()).encode()
    response = client.post(
        USERS,
        data=body,
        content_type="application/json",
        environ_overrides={"CONTENT_LENGTH": str(len(body) + 1)},
    )
    assert problems(response) == [("400", "incomplete_body", None)]
    assert client.get(USERS).json["data"] == []


@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_over_the_limit_is_413(build: Callable[..., Flask], chunked: bool) -> None:
    client = build(body_limit=200).test_client()

    def post(size: int) -> Any:
        body = json.dumps(new()).encode().ljust(size)
        how = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
        overrides = {**how, "CONTENT_LENGTH": ""} if chunked else {}
        return client.post(
            USERS, data=body, content_type="application/json", environ_overrides=overrides
        )

    assert problems(post(201)) == [("413", "body_too_large", None)]
    assert post(200).status_code == 201


# -- attributes: 422 ---------------------------------------------------------------------------

BAD_VALUES: list[tuple[str, Any, str]] = [
    ("email", None, "wrong_type"),
    ("email", 5, "wrong_type"),
    ("email", ["a@b.org"], "wrong_type"),
    ("email", "", "invalid_email"),
    ("email", "ann", "invalid_email"),
    ("email", "ann@localhost", "invalid_email"),
    ("email", "ann@[127.0.0.1]", "invalid_email"),
    ("email", '"ann b"@example.org', "invalid_email"),
    ("email", " ann@example.org", "invalid_email"),
    ("email", "Ann <ann@example.org>", "invalid_email"),
    ("email", "a" * 60 + "@" + "b." * 94 + "org", "too_long"),
    ("email", "a\0b@example.org", "forbidden_character"),
    ("email", "\ud800@example.org", "forbidden_character"),
    ("name", None, "wrong_type"),
    ("name", True, "wrong_type"),
    ("name", {}, "wrong_type"),
    ("name", "", "blank"),
    ("name", " \u3000\u200b", "blank"),
    ("name", "a\nb", "control_character"),
    ("name", "a\u2028b", "control_character"),
    ("name", "a" * 251, "too_long"),
    ("name", "a\0", "forbidden_character"),
    ("name", "a\udfff", "forbidden_character"),
    ("is_active", None, "wrong_type"),
    ("is_active", "true", "wrong_type"),
    ("is_active", 1, "wrong_type"),
    ("is_active", 0.0, "wrong_type"),
    ("role", None, "wrong_type"),
    ("role", "", "invalid_format"),
    ("role", "Admin", "invalid_format"),
    ("role", "1st", "invalid_format"),
    ("role", "a b", "invalid_format"),
    ("role", "é", "invalid_format"),
    ("role", "a\n", "invalid_format"),
    ("role", "a" * 51, "too_long"),
]
GOOD_VALUES: list[tuple[str, Any]] = [
    ("email", "ann@host.test"),
    ("email", "ann@printer.local"),
    ("email", "ännchen@exämple.org"),
    ("email", "用户@例え.jp"),
    ("email", "o'hara+tag@example.org"),
    ("email", "a" * 60 + "@" + "b." * 92 + "museum"[:5]),
    ("name", "a"),
    ("name", " a "),
    ("name", "𝒜" * 250),
    ("name", "👩‍👩‍👧"),
    ("name", "'; DROP TABLE users; --"),
    ("is_active", True),
    ("role", "a"),
    ("role", "a_-9" + "z" * 46),
]


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize(("attribute", "value", "code"), BAD_VALUES)
def test_a_value_that_breaks_its_rule_is_422(
    client: FlaskClient, create: Create, method: str, attribute: str, value: Any, code: str
) -> None:
    before = create()
    creating = method == "POST"
    document = new({**ANN, attribute: value}) if creating else change({attribute: value})
    response = client.open(USERS if creating else f"{USERS}/1", method=method, json=document)
    assert problems(response) == [("422", code, f"/data/attributes/{attribute}")]
    assert response.json["errors"][0]["meta"] == {"attribute": attribute}
    assert client.get(USERS).json["data"][0]["attributes"] == before["attributes"]


@pytest.mark.parametrize(("attribute", "value"), GOOD_VALUES)
def test_a_good_value_is_kept_as_it_was_sent(
    client: FlaskClient, attribute: str, value: Any
) -> None:
    created = client.post(USERS, json=new({**ANN, attribute: value}))
    assert created.status_code == 201
    assert created.json["data"]["attributes"][attribute] == value


def test_all_broken_rules_are_told_together(client: FlaskClient, create: Create) -> None:
    create()
    sent = {"email": "x", "is_active": 1, "role": "R", "nick": 1, "id": "1", "a/b~": 0, "": 0}
    expected = [
        ("422", "invalid_email", "/data/attributes/email"),
        ("422", "invalid_format", "/data/attributes/role"),
        ("422", "unknown_attribute", "/data/attributes/"),
        ("422", "unknown_attribute", "/data/attributes/a~1b~0"),
        ("422", "unknown_attribute", "/data/attributes/id"),
        ("422", "unknown_attribute", "/data/attributes/nick"),
        ("422", "wrong_type", "/data/attributes/is_active"),
    ]
    assert problems(client.patch(f"{USERS}/1", json=change(sent))) == expected
    missing = ("422", "missing", "/data/attributes")
    assert problems(client.post(USERS, json=new(sent))) == sorted([*expected, missing])


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        ({"type": "users"}, "/data"),
        ({"type": "users", "attributes": {}}, "/data/attributes"),
        ({"type": "users", "attributes": {"@x": 1}}, "/data/attributes"),
    ],
)
def test_what_is_missing_is_told_at_what_is_there(
    client: FlaskClient, data: dict[str, Any], pointer: str
) -> None:
    response = client.post(USERS, json={"data": data})
    assert problems(response) == [("422", "missing", pointer)] * 2
    assert [e["meta"]["attribute"] for e in response.json["errors"]] == ["email", "name"]


def test_a_relationship_that_does_not_exist_is_unknown(client: FlaskClient, create: Create) -> None:
    create()
    groups = {"groups": {"data": [{"type": "groups", "id": "1"}]}}
    expected = [("422", "unknown_attribute", "/data/relationships/groups")]
    assert problems(client.post(USERS, json=new(relationships=groups))) == expected
    assert problems(client.patch(f"{USERS}/1", json=change({}, relationships=groups))) == expected


# -- read-only attributes: 403 -----------------------------------------------------------------


@pytest.mark.parametrize(
    "moment",
    [
        "2026-11-22T09:30:00.124Z",
        "2026-11-22t09:30:00.124z",
        "2026-11-22T09:30:00.124000000Z",
        "2026-11-22T11:30:00.124+02:00",
        "2026-11-21T23:30:00.124-10:00",
        "2026-11-22T09:30:00.124-00:00",
    ],
)
def test_the_same_instant_in_another_spelling_is_ignored(
    client: FlaskClient, create: Create, moment: str
) -> None:
    before = create()
    assert before["attributes"]["creation_time"] == "2026-11-22T09:30:00.124Z"
    response = client.patch(f"{USERS}/1", json=change({"creation_time": moment}))
    assert response.status_code == 200
    assert response.json["data"] == before


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-22T09:30:00.125Z",
        "2026-11-22T09:30:00.1240001Z",
        "2026-11-22T09:30:00.124+02:00",
        "2026-11-22T09:30:00.124",
        "2026-11-22",
        "",
        "now",
        "9999-12-31T23:59:59-23:59",
        None,
        0,
        [],
        "\ud800",
    ],
)
def test_a_changed_creation_time_is_403(client: FlaskClient, create: Create, value: Any) -> None:
    create()
    response = client.patch(f"{USERS}/1", json=change({"creation_time": value, "name": "Zoë"}))
    assert problems(response) == [("403", "read_only", "/data/attributes/creation_time")]
    assert response.json["errors"][0]["meta"] == {"attribute": "creation_time"}
    assert client.get(f"{USERS}/1").json["data"]["attributes"]["name"] == "User 0"


def test_a_creation_time_is_nobodys_to_give(client: FlaskClient) -> None:
    given = new({**ANN, "creation_time": "2026-11-22T09:30:00.124Z"})
    expected = [("403", "read_only", "/data/attributes/creation_time")]
    assert problems(client.post(USERS, json=given)) == expected
    null = new({**ANN, "creation_time": None, "update_time": None})
    created = client.post(USERS, json=null)
    assert created.json["data"]["attributes"]["creation_time"] is not None


@pytest.mark.parametrize("value", [None, 0, "", "x", "2000-01-01T00:00:00Z", {}, "\ud800\0"])
def test_an_update_time_is_ignored_whatever_it_is(
    client: FlaskClient, create: Create, value: Any
) -> None:
    before = create()
    changed = client.patch(f"{USERS}/1", json=change({"update_time": value}))
    assert changed.json["data"] == before
    created = client.post(USERS, json=new({**ANN, "update_time": value}))
    assert created.status_code == 201


# -- the order of the checks -------------------------------------------------------------------

TAKEN = {"email": "USER0@example.org", "name": "Ann"}
IN_ORDER_ON_POST: list[tuple[int, dict[str, Any]]] = [
    (406, {"accept": "text/html"}),
    (415, {"content_type": "text/plain"}),
    (413, {"size": 2**20 + 1}),
    (400, {"query": "x=1"}),
    (400, {"members": {"meta": []}}),
    (403, {"members": {"id": "5"}}),
    (409, {"members": {"type": "people"}}),
    (422, {"attributes": {"role": "R"}}),
    (403, {"attributes": {"creation_time": "x"}}),
    (409, {"attributes": TAKEN}),
]


def _post(client: FlaskClient, faults: list[dict[str, Any]]) -> Any:
    attributes = {k: v for fault in faults for k, v in fault.get("attributes", {}).items()}
    members = {k: v for fault in faults for k, v in fault.get("members", {}).items()}
    wishes = {k: v for fault in faults for k, v in fault.items()}
    body = json.dumps(new({**ANN, **attributes}, **members)).encode()
    return client.post(
        f"{USERS}?{wishes.get('query', '')}",
        data=body.ljust(wishes.get("size", 0)),
        content_type=wishes.get("content_type", "application/json"),
        headers={"Accept": wishes.get("accept", "*/*")},
    )


@pytest.mark.parametrize("first", range(len(IN_ORDER_ON_POST)))
def test_the_first_check_that_fails_answers_alone(
    client: FlaskClient, create: Create, first: int
) -> None:
    create()
    status = IN_ORDER_ON_POST[first][0]
    alone = _post(client, [IN_ORDER_ON_POST[first][1]])
    assert alone.status_code == status
    for _, later in IN_ORDER_ON_POST[first + 1 :]:
        both = _post(client, [IN_ORDER_ON_POST[first][1], later])
        assert problems(both) == problems(alone)
    everything = _post(client, [fault for _, fault in IN_ORDER_ON_POST[first:]])
    assert problems(everything) == problems(alone)


def test_a_wrong_query_hides_a_wrong_body(client: FlaskClient) -> None:
    response = client.post(f"{USERS}?x=1", data=b"{", content_type="application/json")
    assert response.json["errors"][0]["source"] == {"parameter": "x"}


def test_a_type_and_an_id_that_are_not_the_urls_are_told_together(
    client: FlaskClient, create: Create
) -> None:
    create()
    document = {"data": {"type": "people", "id": "2", "attributes": {"role": "R"}}}
    assert problems(client.patch(f"{USERS}/1", json=document)) == [
        ("409", "id_mismatch", "/data/id"),
        ("409", "type_mismatch", "/data/type"),
    ]


@pytest.mark.parametrize("wrong", ["2", "01", "", " 1", "1.0", "١", "user"])
def test_an_id_that_is_not_the_urls_is_409(client: FlaskClient, create: Create, wrong: str) -> None:
    create()
    document = {"data": {"type": "users", "id": wrong}}
    assert problems(client.patch(f"{USERS}/1", json=document)) == [
        ("409", "id_mismatch", "/data/id")
    ]


@pytest.mark.parametrize("wrong", ["user", "Users", "", " users", "groups", "users\ud800"])
def test_a_type_that_the_collection_does_not_hold_is_409(client: FlaskClient, wrong: str) -> None:
    response = client.post(USERS, json=new(type=wrong))
    assert problems(response) == [("409", "type_mismatch", "/data/type")]


@pytest.mark.parametrize("client_id", ["1", "", "0b6c2d2e-9d0e-4c38-a0fb-8b33b6b6d7d8", "x"])
def test_an_id_that_the_client_made_is_403(client: FlaskClient, client_id: str) -> None:
    response = client.post(USERS, json=new({}, id=client_id, type="people"))
    assert problems(response) == [("403", "client_generated_id", "/data/id")]


def test_what_only_the_database_knows_comes_last_and_in_order(
    client: FlaskClient, create: Create
) -> None:
    create()
    create()
    stale = {"If-Match": '"9-0"'}
    clash = {"creation_time": "x", "email": "user1@EXAMPLE.org"}

    def answer(user_id: int, attributes: dict[str, Any], headers: dict[str, str]) -> Any:
        data = {"type": "users", "id": str(user_id), "attributes": attributes}
        return problems(client.patch(f"{USERS}/{user_id}", json={"data": data}, headers=headers))

    assert answer(9, {**clash, "role": "R"}, stale)[0][0] == "422"
    assert answer(9, clash, stale) == [("404", "user_not_found", None)]
    assert answer(1, clash, stale) == [("412", "stale_version", None)]
    assert answer(1, clash, {}) == [("403", "read_only", "/data/attributes/creation_time")]
    del clash["creation_time"]
    assert answer(1, clash, {}) == [("409", "email_taken", "/data/attributes/email")]


@pytest.mark.parametrize(
    "email", ["Ann@Example.Org", "ANN@EXAMPLE.ORG", "ａnn@example.org", "ann@example.org"]
)
def test_an_email_is_held_once_however_it_is_written(client: FlaskClient, email: str) -> None:
    assert client.post(USERS, json=new()).status_code == 201
    response = client.post(USERS, json=new({**ANN, "email": email}))
    assert problems(response) == [("409", "email_taken", "/data/attributes/email")]
    assert response.json["errors"][0]["meta"] == {"attribute": "email"}


def test_a_user_may_write_its_own_email_anew(client: FlaskClient, create: Create) -> None:
    create(email="ann@example.org")
    response = client.patch(f"{USERS}/1", json=change({"email": "ANN@example.org"}))
    assert response.json["data"]["attributes"]["email"] == "ANN@example.org"


# -- hostile envelopes -------------------------------------------------------------------------

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=8)
    | st.sampled_from(["users", "1", "ann@example.org", "\0", "\ud800", "2026-11-22T09:30:00Z"])
)
MEMBERS = [
    "data",
    "type",
    "id",
    "lid",
    "attributes",
    "relationships",
    "links",
    "meta",
    "errors",
    "included",
    "jsonapi",
]
ATTRIBUTES = ["email", "name", "is_active", "role", "creation_time", "update_time", "�"]
NAMES = st.text(st.characters(), max_size=3) | st.sampled_from([*MEMBERS, *ATTRIBUTES])
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)
OBJECTS = st.dictionaries(NAMES, ANYTHING, max_size=4)
ENVELOPES = ANYTHING | st.builds(
    lambda data, more: {**more, "data": data},
    ANYTHING
    | st.builds(
        lambda attributes, more: {"type": "users", **more, "attributes": attributes},
        ANYTHING | OBJECTS.map(lambda found: {**ANN, **found}),
        OBJECTS,
    ),
    OBJECTS,
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=ENVELOPES, method=st.sampled_from(["POST", "PATCH"]))
def test_no_envelope_is_too_hostile_for_an_answer(
    client: FlaskClient, document: Any, method: str
) -> None:
    url = USERS if method == "POST" else f"{USERS}/1"
    response = client.open(url, method=method, json=document)
    assert response.status_code in (200, 201, 400, 403, 404, 409, 422)
