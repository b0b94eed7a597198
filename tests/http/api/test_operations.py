"""POST /operations: the atomic extension (jsonapi.org/ext/atomic)."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from api.conftest import CheckedClient
from api.constants import ATOMIC, JSONAPI, USERS
from api_client import ApiClient
from flask import Flask

Create = Callable[..., dict[str, Any]]

URL = "/api/v1/operations"
EXTENSION = "https://jsonapi.org/ext/atomic"
ANN = {"email": "ann@example.org", "name": "Ann"}


def perform(client: ApiClient, *operations: Any, **more: Any) -> Any:
    document = {"atomic:operations": operations, **more}
    return client.post(URL, data=json.dumps(document), content_type=ATOMIC)


def add(attributes: Any = ANN, **more: Any) -> dict[str, Any]:
    return {"op": "add", "data": {"type": "users", "attributes": attributes, **more}}


def update(user_id: str = "1", attributes: Any = None, **more: Any) -> dict[str, Any]:
    data = {"type": "users", "id": user_id, "attributes": attributes or {"name": "Zoë"}}
    return {"op": "update", "data": data, **more}


def remove(user_id: str = "1", **more: Any) -> dict[str, Any]:
    return {"op": "remove", "ref": {"type": "users", "id": user_id}, **more}


def names(client: ApiClient) -> list[str]:
    return [user["attributes"]["name"] for user in client.get(USERS).json["data"]]


def at(position: int, rest: str = "") -> str:
    return f"/atomic:operations/{position}{rest}"


def test_operations_are_performed_in_order_and_return_results(
    client: ApiClient, create: Create
) -> None:
    create()
    new = {"email": "zoe@example.org", "name": "Zoe"}
    response = perform(client, add(), update(), remove(), add(new))
    assert response.status_code == 200
    assert response.headers["Content-Type"] == ATOMIC
    ann, changed, removed, zoe = response.json["atomic:results"]
    assert removed == {}
    assert changed["data"]["attributes"]["name"] == "Zoë"
    assert changed["meta"] == {"version": 2}
    assert ann["data"] == client.get(f"{USERS}/{ann['data']['id']}").json["data"]
    assert names(client) == ["Ann", "Zoe"]
    assert zoe["data"]["links"] == {"self": f"{USERS}/3"}


def test_an_email_can_be_used_again_in_the_same_request(client: ApiClient, create: Create) -> None:
    create(email="ann@example.org")
    response = perform(client, update("1", {"email": "old@example.org"}), add())
    assert response.status_code == 200


def test_all_changes_of_a_request_have_one_time(client: ApiClient, create: Create) -> None:
    create()
    results = perform(client, add(), update()).json["atomic:results"]
    times = [result["data"]["attributes"]["update_time"] for result in results]
    assert times[0] == times[1]


@pytest.mark.parametrize(
    ("last", "problem"),
    [
        (
            add({**ANN, "email": "USER0@example.org"}),
            ("409", "email_taken", "/data/attributes/email"),
        ),
        (update("9"), ("404", "user_not_found", "/data")),
        (remove("9"), ("404", "user_not_found", "/ref")),
        ({"op": "remove", "href": f"{USERS}/9"}, ("404", "user_not_found", "/href")),
        (
            update("1", {"creation_time": "x"}),
            ("403", "read_only", "/data/attributes/creation_time"),
        ),
        (update("1", meta={"version": 9}), ("412", "stale_version", "/meta/version")),
        (remove("1", meta={"version": '"9-ab"'}), ("412", "stale_version", "/meta/version")),
    ],
)
def test_a_failed_operation_rolls_back_all(
    client: ApiClient, create: Create, last: Any, problem: tuple[str, str, str]
) -> None:
    create()
    before = client.get(USERS).data
    others = [add({"email": "new@example.org", "name": "New"}), update("1", {"role": "admin"})]
    response = perform(client, *others, last)
    status, code, place = problem
    assert response.problems == [(status, code, at(2, place))]
    assert response.headers["Content-Type"] == JSONAPI
    assert client.get(USERS).data == before


def test_the_first_operation_with_a_conflict_determines_the_error(
    client: ApiClient, create: Create
) -> None:
    create()
    response = perform(client, update("7"), remove("8"), add({**ANN, "email": "user0@example.org"}))
    assert response.problems == [("404", "user_not_found", at(0, "/data"))]


HREFS = (
    f"{USERS}/1",
    f"{USERS}/1.json",
    f"{USERS}/1/",
    "users/1",
    "/api/v1/%75sers/%31",
)


@pytest.mark.parametrize("href", HREFS)
def test_an_operation_accepts_every_url_of_its_resource(
    client: ApiClient, create: Create, href: str
) -> None:
    create()
    assert perform(client, {**update(), "href": href}).status_code == 200
    assert perform(client, {"op": "remove", "href": href}).json["atomic:results"] == [{}]
    assert names(client) == []


def test_the_url_of_an_operation_has_at_most_2048_characters(
    client: ApiClient, create: Create
) -> None:
    create()
    longest, too_long = f"{'/.' * 1016}{USERS}/1/", f"{'/.' * 1017}{USERS}/1"
    assert (len(longest), len(too_long)) == (2048, 2049)
    assert perform(client, {**update(), "href": longest}).status_code == 200
    response = perform(client, {**update(), "href": too_long})
    assert response.problems == [("404", "not_found", at(0, "/href"))]


@pytest.mark.parametrize("href", [USERS, f"{USERS}.json", f"{USERS}/", "users"])
def test_an_add_may_have_the_url_of_its_collection(client: ApiClient, href: str) -> None:
    assert perform(client, {**add(), "href": href}).status_code == 200


@pytest.mark.parametrize(
    "href", ["https://x.org/roster/api/v1/users/1", "/roster/api/v1/users/1", "/api/v1/users/1"]
)
def test_links_with_the_public_url_are_accepted(
    build: Callable[..., Flask], create: Create, href: str
) -> None:
    create()
    client = CheckedClient(build({"ROSTER_PUBLIC_URL": "https://x.org/roster/"}))
    response = perform(client, {**update(), "href": href})
    (result,) = response.json["atomic:results"]
    assert result["data"]["links"]["self"] == "https://x.org/roster/api/v1/users/1"


@pytest.mark.parametrize(
    "href",
    [
        "",
        "/",
        "/api/v1",
        "/users/1",
        "/api/v1/people/1",
        "/api/v1/users/01",
        "/api/v1/users/x",
        "/api/v1/users/9223372036854775808",
        "/api/v1/users/1/relationships/friends",
        "https://x.org/api/v1/users/1",
        "//x.org/api/v1/users/1",
        "http://[/api/v1/users/1",
        "\ud800",
        "\0/api/v1/users/1",
        " /api/v1/users/1",
        "/api/v1/us\ters/1",
        "/api/v1/users/1\n",
    ],
)
def test_an_unknown_url_in_an_operation_is_404(
    client: ApiClient, create: Create, href: str
) -> None:
    create()
    response = perform(client, {"op": "remove", "href": href})
    assert response.problems == [("404", "not_found", at(0, "/href"))]


@pytest.mark.parametrize("wrong", ["01", "", "x", "9223372036854775808", "١"])
def test_an_impossible_id_is_404(client: ApiClient, wrong: str) -> None:
    assert perform(client, remove(wrong)).problems == [("404", "not_found", at(0, "/ref"))]
    assert perform(client, update(wrong)).problems == [("404", "not_found", at(0, "/data"))]


def test_an_unknown_relationship_is_404_with_any_data(client: ApiClient, create: Create) -> None:
    create()
    ref = {"type": "users", "id": "1", "relationship": "friends"}
    for data in (None, [], [{"type": "users", "id": "1"}]):
        for op in ("add", "update", "remove"):
            response = perform(client, {"op": op, "ref": ref, "data": data})
            assert response.problems == [("404", "not_found", at(0, "/ref/relationship"))]


def test_the_error_about_an_unknown_relationship_lists_the_known_ones(client: ApiClient) -> None:
    ref = {"type": "groups", "id": "1", "relationship": "Members"}
    by_ref = perform(client, {"op": "add", "ref": ref, "data": []})
    href = "/groups/1/relationships/Members"
    by_href = perform(client, {"op": "add", "href": f"/api/v1{href}", "data": []})
    for response in (by_ref, by_href):
        assert response.json["errors"][0]["detail"] == (
            "Unknown relationship 'Members' of groups. Did you mean 'members'? "
            "Known: members, owner."
        )


def test_a_local_id_names_the_resource_of_an_earlier_operation(client: ApiClient) -> None:
    ref = {"type": "users", "lid": "a"}
    data = {**ref, "attributes": {"name": "Zoë"}}
    response = perform(
        client,
        add(lid="a"),
        {"op": "update", "data": data},
        {"op": "update", "ref": ref, "data": {**data, "attributes": {"role": "admin"}}},
        add({"email": "b@example.org", "name": "B"}, lid="b"),
        {"op": "remove", "ref": {"type": "users", "lid": "b"}},
    )
    results = response.json["atomic:results"]
    assert [result.get("meta") for result in results[:3]] == [{"version": n} for n in (1, 2, 3)]
    assert results[2]["data"]["attributes"]["role"] == "admin"
    assert names(client) == ["Zoë"]


def test_a_user_can_be_added_and_removed_in_one_request(client: ApiClient) -> None:
    deleted = {"op": "remove", "ref": {"type": "users", "lid": "a"}}
    response = perform(client, add(lid="a"), deleted, deleted)
    assert response.problems == [("404", "user_not_found", at(2, "/ref"))]
    assert names(client) == []


def test_a_local_id_must_be_defined_earlier_and_only_once(client: ApiClient) -> None:
    ref = {"op": "remove", "ref": {"type": "users", "lid": "a"}}
    assert perform(client, ref, add(lid="a")).problems == [
        ("400", "unknown_lid", at(0, "/ref/lid"))
    ]
    other = add({"email": "b@example.org", "name": "B"}, lid="a")
    assert perform(client, add(lid="a"), other).problems == [
        ("400", "invalid_document", at(1, "/data/lid"))
    ]
    data = {"op": "update", "data": {"type": "users", "lid": "x"}}
    assert perform(client, data).problems == [("400", "unknown_lid", at(0, "/data/lid"))]


def test_the_local_id_in_the_data_is_that_of_the_ref(client: ApiClient) -> None:
    bob = {"email": "bob@example.org", "name": "Bob"}
    data = {"type": "users", "lid": "b", "attributes": {"name": "Zoë"}}
    change = {"op": "update", "ref": {"type": "users", "lid": "a"}, "data": data}
    response = perform(client, add(lid="a"), add(bob, lid="b"), change)
    assert response.problems == [("409", "id_mismatch", at(2, "/data/lid"))]


def test_a_local_id_of_an_add_without_an_existing_target_is_not_unknown(
    client: ApiClient,
) -> None:
    """The only error is that of the target."""
    later = {"op": "update", "data": {"type": "users", "lid": "a", "attributes": {}}}
    missing = {**add(lid="a"), "href": "/api/v1/nothing"}
    response = perform(client, missing, later)
    assert response.problems == [("404", "not_found", at(0, "/href"))]
    identities: Any = (
        None,
        [],
        {},
        {"lid": "a"},
        {"type": 1, "lid": "a"},
        {"type": "users", "lid": []},
    )
    for data in identities:
        assert perform(client, {**missing, "data": data}, later).problems == [
            ("400", "unknown_lid", at(1, "/data/lid"))
        ]


@pytest.mark.parametrize("version", [1, '"1-ab"', '"7-00", "1-ab"', "*", None])
def test_an_operation_with_the_current_version_succeeds(
    client: ApiClient, create: Create, version: Any
) -> None:
    create()
    assert perform(client, update(meta={"version": version})).status_code == 200


@pytest.mark.parametrize(
    ("version", "code"),
    [
        *((version, "stale_version") for version in (0, -1, 2, 2**63, 10**300, '"2-ab"')),
        *((version, "precondition_failed") for version in ("", 'W/"1-ab"', '"1-ab-gzip"', "1")),
    ],
)
def test_an_operation_with_another_version_is_412(
    client: ApiClient, create: Create, version: Any, code: str
) -> None:
    create()
    for operation in (update, remove):
        response = perform(client, operation(meta={"version": version}))
        assert response.problems == [("412", code, at(0, "/meta/version"))]


@pytest.mark.parametrize("version", [1, '"1-ab"', "no ETag"])
def test_the_version_of_a_missing_user_is_not_compared(client: ApiClient, version: object) -> None:
    for operation, pointer in ((update, "/data"), (remove, "/ref")):
        response = perform(client, operation(meta={"version": version}))
        assert response.problems == [("404", "user_not_found", at(0, pointer))]


def test_the_version_of_a_result_is_valid_for_the_next_operation(client: ApiClient) -> None:
    (created,) = perform(client, add()).json["atomic:results"]
    guarded = update(meta=created["meta"])
    assert perform(client, guarded).status_code == 200
    assert perform(client, guarded).status_code == 412


def test_an_operation_accepts_the_etag_of_the_user(client: ApiClient, create: Create) -> None:
    create()
    guarded = update(meta={"version": client.get(f"{USERS}/1").headers["ETag"]})
    assert perform(client, guarded).status_code == 200
    assert perform(client, guarded).status_code == 412


FAULTS: list[tuple[Any, str, str]] = [
    (None, "wrong_json_type", ""),
    ([], "wrong_json_type", ""),
    ({}, "missing_member", ""),
    ({"op": 1}, "wrong_json_type", "/op"),
    ({"op": "Add"}, "invalid_document", "/op"),
    ({"op": "add"}, "missing_member", ""),
    ({"op": "add", "data": None}, "wrong_json_type", "/data"),
    ({"op": "add", "data": []}, "wrong_json_type", "/data"),
    ({"op": "add", "data": {}}, "missing_member", "/data"),
    ({"op": "add", "data": {"type": 1}}, "wrong_json_type", "/data/type"),
    ({**add(), "href": f"{USERS}/1"}, "invalid_document", "/href"),
    ({**add(), "href": 1}, "wrong_json_type", "/href"),
    ({**add(), "href": f"{USERS}?fields[users]="}, "unknown_parameter", "/href"),
    ({**update(), "href": f"{USERS}/1?x=1"}, "unknown_parameter", "/href"),
    (
        {"op": "remove", "href": f"{USERS}/1?erase_history=true"},
        "unknown_parameter",
        "/href",
    ),
    ({**add(), "meta": []}, "wrong_json_type", "/meta"),
    ({**add(), "ref": {"type": "users", "id": "1"}}, "invalid_document", "/ref"),
    ({"op": "update"}, "missing_member", ""),
    ({"op": "update", "data": {"type": "users"}}, "missing_member", "/data"),
    ({"op": "update", "data": {"type": "users", "id": None}}, "wrong_json_type", "/data/id"),
    ({**update(), "href": USERS}, "invalid_document", "/href"),
    ({**update(), "ref": []}, "wrong_json_type", "/ref"),
    ({**update(), "ref": {"id": "1"}}, "missing_member", "/ref"),
    (update(meta={"version": True}), "wrong_json_type", "/meta/version"),
    (update(meta={"version": 1.0}), "wrong_json_type", "/meta/version"),
    (update(meta={"version": [1]}), "wrong_json_type", "/meta/version"),
    (remove(href=USERS), "invalid_document", ""),
    ({"op": "remove"}, "missing_member", ""),
    ({"op": "remove", "href": USERS}, "invalid_document", "/href"),
    (remove(ref={"type": "users", "id": "1", "lid": "a"}), "invalid_document", "/ref"),
    (
        remove(ref={"type": "users", "id": "1", "relationship": 1}),
        "wrong_json_type",
        "/ref/relationship",
    ),
]


@pytest.mark.parametrize(("operation", "code", "place"), FAULTS)
def test_an_error_of_structure_is_400_with_its_place(
    client: ApiClient, create: Create, operation: Any, code: str, place: str
) -> None:
    create()
    response = perform(client, add(), operation)
    assert response.problems == [("400", code, at(1, place))]
    assert response.status_code == 400
    assert len(names(client)) == 1


@pytest.mark.parametrize(
    ("ref", "problems"),
    [
        ({"type": "users"}, [("400", "invalid_document", at(1, "/ref"))]),
        ({"type": "users", "id": 1}, [("400", "wrong_json_type", at(1, "/ref/id"))]),
    ],
)
def test_an_invalid_ref_is_reported_once(client: ApiClient, ref: Any, problems: Any) -> None:
    assert perform(client, add(), {**update(), "ref": ref}).problems == problems


def test_the_id_identifies_a_resource_that_also_has_a_lid(
    client: ApiClient, create: Create
) -> None:
    create()
    data = {"type": "users", "id": "1", "lid": "x", "attributes": {"name": "New"}}
    assert perform(client, {"op": "update", "data": data}).status_code == 200
    assert names(client) == ["New"]


def test_all_errors_of_structure_are_reported_together(client: ApiClient) -> None:
    response = perform(client, {"op": "x"}, add({"role": "R"}), {"op": "remove"}, data={})
    assert response.problems == [
        ("400", "invalid_document", "/atomic:operations/0/op"),
        ("400", "invalid_document", "/data"),
        ("400", "missing_member", "/atomic:operations/2"),
    ]


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ([], ("wrong_json_type", "")),
        ({}, ("missing_member", "")),
        ({"atomic:operations": {}}, ("wrong_json_type", "/atomic:operations")),
        ({"atomic:operations": []}, ("invalid_document", "/atomic:operations")),
        ({"atomic:operations": [{}] * 101}, ("too_many_operations", "/atomic:operations")),
        ({"atomic:operations": [add()], "included": []}, ("invalid_document", "/included")),
        ({"atomic:operations": [add()], "errors": []}, ("invalid_document", "/errors")),
        (
            {"atomic:operations": [add()], "atomic:results": []},
            ("invalid_document", "/atomic:results"),
        ),
        ({"atomic:operations": [add()], "meta": 1}, ("wrong_json_type", "/meta")),
    ],
)
def test_the_document_must_have_operations(
    client: ApiClient, document: Any, problem: tuple[str, str]
) -> None:
    response = client.post(URL, data=json.dumps(document), content_type=ATOMIC)
    assert response.problems == [("400", *problem)]


def test_undefined_members_are_ignored(client: ApiClient) -> None:
    response = perform(client, {**add(), "x": 1, "@y": 2, "meta": {"z": 3}}, other=[], links={})
    assert response.status_code == 200


def test_a_hundred_operations_are_accepted(client: ApiClient) -> None:
    many = [add({"email": f"u{n}@example.org", "name": "U"}) for n in range(100)]
    assert len(perform(client, *many).json["atomic:results"]) == 100


IN_ORDER = [
    ({"op": "add"}, [("400", "missing_member", "")]),
    (remove("x"), [("404", "not_found", "/ref")]),
    (add(id="1", type="people"), [("403", "client_generated_id", "/data/id")]),
    (
        {**update("2", ref={"type": "users", "id": "1"}), "data": {"type": "people", "id": "2"}},
        [("409", "id_mismatch", "/data/id"), ("409", "type_mismatch", "/data/type")],
    ),
    (
        add({"role": "R", "email": "x@example.org"}),
        [
            ("422", "invalid_format", "/data/attributes/role"),
            ("422", "missing", "/data/attributes"),
        ],
    ),
    (add({**ANN, "creation_time": "x"}), [("403", "read_only", "/data/attributes/creation_time")]),
    (remove("9"), [("404", "user_not_found", "/ref")]),
]


@pytest.mark.parametrize("first", range(len(IN_ORDER)))
def test_the_first_failed_check_determines_the_error_of_all_operations(
    client: ApiClient, first: int
) -> None:
    operation, problems = IN_ORDER[first]
    later = [each for each, _ in IN_ORDER[first + 1 :]]
    response = perform(client, *later, operation, operation)
    only_the_database_knows = operation == remove("9")
    places = (0,) if only_the_database_knows else (len(later), len(later) + 1)
    expected = {(status, code, at(n, place)) for n in places for status, code, place in problems}
    assert set(response.problems) == expected


@pytest.mark.parametrize("operation", [add(type="people"), update("1")])
def test_an_unknown_type_is_409(client: ApiClient, operation: Any) -> None:
    operation["data"]["type"] = "people"
    response = perform(client, operation)
    assert response.problems == [("409", "type_mismatch", at(0, "/data/type"))]


def test_a_ref_to_a_type_that_does_not_exist_is_404(client: ApiClient) -> None:
    response = perform(client, remove(ref={"type": "people", "id": "1"}))
    assert response.problems == [("404", "not_found", at(0, "/ref"))]


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        JSONAPI,
        "application/json",
        f'application/json;ext="{EXTENSION}"',
        f'{JSONAPI};ext=""',
        f'{JSONAPI};ext="{EXTENSION} https://x.org/e"',
        f'{JSONAPI};ext="{EXTENSION}";charset=utf-8',
        "text/plain",
    ],
)
def test_the_extension_must_be_named(client: ApiClient, content_type: str | None) -> None:
    document = json.dumps({"atomic:operations": [add()]})
    response = client.post(URL, data=document, content_type=content_type)
    assert response.status_code == 415
    assert response.json["errors"][0]["source"] == {"header": "Content-Type"}


@pytest.mark.parametrize("content_type", [ATOMIC, f'{JSONAPI} ; EXT="{EXTENSION}";profile="x:y"'])
@pytest.mark.parametrize("accept", [ATOMIC, JSONAPI, "*/*", "application/json"])
def test_the_extension_is_negotiated(client: ApiClient, content_type: str, accept: str) -> None:
    document = json.dumps({"atomic:operations": [add()]})
    headers = {"Accept": accept}
    response = client.post(URL, data=document, content_type=content_type, headers=headers)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == ATOMIC


def test_other_urls_reject_the_extension(client: ApiClient, create: Create) -> None:
    create()
    document = json.dumps({"data": {"type": "users", "attributes": ANN}})
    assert client.post(USERS, data=document, content_type=ATOMIC).status_code == 415
    assert client.get(f"{USERS}/1", headers={"Accept": ATOMIC}).status_code == 406
    wanted = {"Accept": f'{JSONAPI};ext="https://x.org/e"'}
    assert client.post(URL, content_type=ATOMIC, headers=wanted).status_code == 406


def test_operations_accept_only_post_at_both_urls(client: ApiClient) -> None:
    for method in ("GET", "PATCH", "DELETE"):
        response = client.open(URL, method=method)
        assert response.status_code == 405
        assert response.headers["Allow"] == "OPTIONS, POST"
    document = json.dumps({"atomic:operations": [add()]})
    assert client.post(f"{URL}.json", data=document, content_type=ATOMIC).status_code == 200
    response = client.post(f"{URL}?x=1", data=document, content_type=ATOMIC)
    assert response.json["errors"][0]["source"] == {"parameter": "x"}


def test_the_limit_for_bodies_is_eight_times_that_of_other_urls(client: ApiClient) -> None:
    document = json.dumps({"atomic:operations": [add()]})
    assert client.post(URL, data=document.ljust(2**23), content_type=ATOMIC).status_code == 200
    assert client.post(URL, data=document.ljust(2**23 + 1), content_type=ATOMIC).status_code == 413
    assert client.post(USERS, data=b" " * (2**20 + 1), content_type=JSONAPI).status_code == 413


@pytest.mark.parametrize("text", [b"", b"{", b'{"a":1,"a":2}', b"\xff"])
def test_a_body_that_is_not_json_is_400(client: ApiClient, text: bytes) -> None:
    response = client.post(URL, data=text, content_type=ATOMIC)
    assert [status for status, _, _ in response.problems] == ["400"]
