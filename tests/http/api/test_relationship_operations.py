"""Operations on relationships, and relationships in the data of operations."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from api.constants import ATOMIC, GROUPS
from api.identifiers import users
from api_client import ApiClient

MEMBERS = f"{GROUPS}/1/relationships/members"
OWNER = f"{GROUPS}/1/relationships/owner"
AT = "/atomic:operations/0"

Create = Callable[..., dict[str, Any]]


def perform(client: ApiClient, *operations: Any) -> Any:
    document = json.dumps({"atomic:operations": operations})
    return client.post("/api/v1/operations", data=document, content_type=ATOMIC)


def members(op: str, data: Any, **more: Any) -> dict[str, Any]:
    return {"op": op, "ref": {"type": "groups", "id": "1", "relationship": "members"}} | {
        "data": data,
        **more,
    }


def owner(data: Any, op: str = "update", **more: Any) -> dict[str, Any]:
    ref = {"type": "groups", "id": "1", "relationship": "owner"}
    return {"op": op, "ref": ref, "data": data, **more}


def ids(client: ApiClient, url: str = MEMBERS) -> list[str]:
    return [each["id"] for each in client.get(url).json["data"]]


@pytest.fixture(autouse=True)
def directory(create: Create, create_group: Create) -> None:
    for _ in range(4):
        create()
    create_group(name="Staff", members=["1", "2"], owner="3")


def test_a_lid_of_a_deleted_resource_is_reported_where_it_is(client: ApiClient) -> None:
    lid = {"type": "users", "lid": "ann"}
    ann = {**lid, "attributes": {"email": "ann@example.org", "name": "Ann"}}
    deleted = [{"op": "add", "data": ann}, {"op": "remove", "ref": lid}]
    group = {"type": "groups", "attributes": {"name": "New"}}
    group["relationships"] = {"owner": {"data": lid}, "members": {"data": [*users(1), lid]}}
    at = "/atomic:operations/2/data"
    for operation, pointers in [
        (members("add", [*users(1), lid, *users(99)]), [f"{at}/1/lid", f"{at}/2/id"]),
        (owner(lid), [f"{at}/lid"]),
        (
            {"op": "add", "data": group},
            [f"{at}/relationships/{name}/lid" for name in ("owner/data", "members/data/1")],
        ),
    ]:
        response = perform(client, *deleted, operation)
        expected = sorted(("404", "related_not_found", each) for each in pointers)
        assert sorted(response.problems) == expected


@pytest.mark.parametrize(
    ("op", "left"), [("add", ["1", "2", "4"]), ("remove", ["1"]), ("update", ["2", "4"])]
)
@pytest.mark.parametrize("by_href", [False, True])
def test_a_to_many_relationship_is_changed(
    client: ApiClient, op: str, left: list[str], by_href: bool
) -> None:
    operation = members(op, users(2, 4, 2))
    if by_href:
        del operation["ref"]
        operation["href"] = MEMBERS
    response = perform(client, operation)
    assert (response.status_code, response.json["atomic:results"]) == (200, [{}])
    assert ids(client) == left


def test_a_to_one_relationship_is_changed(client: ApiClient) -> None:
    response = perform(client, owner(users(4)[0], meta={"version": 1}))
    assert response.json["atomic:results"] == [{}]
    assert client.get(OWNER).json["data"] == users(4)[0]
    etag = client.get(OWNER).headers["ETag"]
    by_href = {"op": "update", "href": OWNER, "data": None, "meta": {"version": etag}}
    assert perform(client, by_href).status_code == 200
    assert client.get(OWNER).json["data"] is None
    response = perform(client, owner(None, meta={"version": 1}))
    assert response.problems == [("412", "stale_version", f"{AT}/meta/version")]


def test_a_created_resource_is_related_by_its_lid(client: ApiClient) -> None:
    ann = {"email": "ann@example.org", "name": "Ann"}
    lid = {"type": "users", "lid": "ann"}
    group = {
        "type": "groups",
        "lid": "new",
        "attributes": {"name": "New"},
        "relationships": {"owner": {"data": lid}, "members": {"data": [lid, *users(1)]}},
    }
    response = perform(
        client,
        {"op": "add", "data": {**lid, "attributes": ann}},
        {"op": "add", "data": group},
        {
            "op": "add",
            "ref": {"type": "groups", "lid": "new", "relationship": "members"},
            "data": users(2),
        },
        members("add", [lid]),
        owner(lid),
        {"op": "update", "data": {"type": "groups", "id": "1", "attributes": {"name": "Old"}}},
    )
    assert response.status_code == 200, response.text
    results = response.json["atomic:results"]
    assert results[1]["data"]["relationships"]["owner"]["data"] == users(5)[0]
    assert results[2:5] == [{}, {}, {}]
    assert ids(client, f"{GROUPS}/2/relationships/members") == ["1", "2", "5"]
    assert ids(client) == ["1", "2", "5"]
    assert client.get(OWNER).json["data"] == users(5)[0]


def test_an_update_changes_relationships_of_a_resource(client: ApiClient) -> None:
    lid = {"type": "users", "lid": "ann"}
    ann = {**lid, "attributes": {"email": "ann@example.org", "name": "Ann"}}
    relationships = {"owner": {"data": lid}, "members": {"data": [lid]}}
    data = {"type": "groups", "id": "1", "relationships": relationships}
    response = perform(client, {"op": "add", "data": ann}, {"op": "update", "data": data})
    assert response.status_code == 200, response.text
    assert ids(client) == ["5"]
    assert client.get(OWNER).json["data"] == users(5)[0]


LONG = users(*range(1, 1002))


@pytest.mark.parametrize(
    ("operation", "problem"),
    [
        (members("add", None), ("400", "wrong_json_type", f"{AT}/data")),
        (members("add", [*users(1), 1]), ("400", "wrong_json_type", f"{AT}/data/1")),
        (members("add", [{"type": "users"}]), ("400", "missing_member", f"{AT}/data/0")),
        (
            members("remove", [{"type": "users", "lid": "x"}]),
            ("400", "unknown_lid", f"{AT}/data/0/lid"),
        ),
        (members("update", LONG), ("400", "too_many_identifiers", f"{AT}/data")),
        (
            {"op": "remove", "ref": members("remove", [])["ref"]},
            ("400", "missing_member", AT),
        ),
        (
            members("add", [{"type": "groups", "id": "1"}]),
            ("409", "type_mismatch", f"{AT}/data/0/type"),
        ),
        (
            members("add", users(1, 2, 3, 99)),
            ("404", "related_not_found", f"{AT}/data/3/id"),
        ),
        (members("update", users("x")), ("404", "related_not_found", f"{AT}/data/0/id")),
        (owner(users(99)[0]), ("404", "related_not_found", f"{AT}/data/id")),
        (owner({"type": "groups", "id": "1"}), ("409", "type_mismatch", f"{AT}/data/type")),
        (owner(None, "add"), ("400", "invalid_document", f"{AT}/op")),
        (owner(None, "remove"), ("400", "invalid_document", f"{AT}/op")),
        (
            members("add", [], meta={"version": 1}),
            ("400", "invalid_document", f"{AT}/meta/version"),
        ),
        (
            {"op": "add", "href": f"{GROUPS}/1/members", "data": []},
            ("400", "invalid_document", f"{AT}/href"),
        ),
        (
            {"op": "update", "href": f"{GROUPS}/1/owner", "data": None},
            ("400", "invalid_document", f"{AT}/href"),
        ),
        (
            {
                "op": "update",
                "ref": {"type": "groups", "id": "1", "relationship": "x"},
                "data": None,
            },
            ("404", "not_found", f"{AT}/ref/relationship"),
        ),
        (
            {"op": "update", "href": f"{GROUPS}/1/relationships/x", "data": None},
            ("404", "not_found", f"{AT}/href"),
        ),
        (
            {
                "op": "add",
                "ref": {"type": "groups", "id": "9", "relationship": "members"},
                "data": [],
            },
            ("404", "group_not_found", f"{AT}/ref"),
        ),
        (
            {
                "op": "add",
                "ref": {"type": "x", "id": "9", "relationship": "members"},
                "data": [],
            },
            ("404", "not_found", f"{AT}/ref"),
        ),
    ],
)
def test_operations_on_relationships_are_checked(
    client: ApiClient, operation: Any, problem: Any
) -> None:
    assert perform(client, operation).problems == [problem]
    assert (ids(client), client.get(OWNER).json["data"]) == (["1", "2"], users(3)[0])


def test_missing_resources_can_be_removed(client: ApiClient) -> None:
    assert perform(client, members("remove", users(1, 99, "x"))).status_code == 200
    assert ids(client) == ["2"]


def test_linkage_in_data_has_its_pointers(client: ApiClient) -> None:
    relationships = {
        "members": {"data": users(1, 99)},
        "owner": {"data": users("x")[0]},
    }
    data = {"type": "groups", "id": "1", "relationships": relationships}
    at = f"{AT}/data/relationships"
    assert perform(client, {"op": "update", "data": data}).problems == [
        ("404", "related_not_found", f"{at}/members/data/1/id"),
        ("404", "related_not_found", f"{at}/owner/data/id"),
    ]
    relationships["members"] = {"data": users(1), "links": {"next": "/x"}}
    assert perform(client, {"op": "update", "data": data}).problems == [
        ("403", "partial_linkage", f"{at}/members/data")
    ]


def test_a_failed_operation_undoes_the_changes_of_relationships(client: ApiClient) -> None:
    response = perform(client, members("update", []), owner(None), members("add", users(99)))
    pointer = "/atomic:operations/2/data/0/id"
    assert response.problems == [("404", "related_not_found", pointer)]
    assert (ids(client), client.get(OWNER).json["data"]) == (["1", "2"], users(3)[0])


@pytest.mark.slow
def test_a_batch_changes_at_most_10000_memberships(client: ApiClient, create: Create) -> None:
    found = users(*(create()["id"] for _ in range(1000)))
    batch = [members(op, found) for op in ("add", "remove") * 5]
    assert perform(client, *batch).status_code == 200
    response = perform(client, *batch, members("add", found[:1]))
    assert response.problems == [("409", "too_many_memberships", "/atomic:operations/10")]
    assert ids(client) == ["1", "2"]
