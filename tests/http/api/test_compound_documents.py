"""Relationships in documents: includes, sparse fieldsets, and what request bodies change."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from api.constants import GROUPS, USERS
from api.identifiers import groups, users
from api_client import ApiClient

MEMBERS = f"{GROUPS}/1/relationships/members"
OWNER = f"{GROUPS}/1/relationships/owner"

Create = Callable[..., dict[str, Any]]


def names(resources: Any) -> set[tuple[str, str]]:
    return {(each["type"], each["id"]) for each in resources}


def included(client: ApiClient, url: str) -> set[tuple[str, str]]:
    return names(client.get(url).json["included"])


@pytest.fixture(autouse=True)
def directory(create: Create, create_group: Create) -> None:
    """Users 1 to 4; groups 1 (of 1 and 2, owned by 3) and 2 (of 2)."""
    for _ in range(4):
        create()
    create_group(name="Staff", members=["1", "2"], owner="3")
    create_group(name="Board", members=["2"])


def test_resources_have_their_relationships(client: ApiClient) -> None:
    user = {
        "groups": {
            "links": {
                "self": f"{USERS}/1/relationships/groups",
                "related": f"{USERS}/1/groups",
            }
        }
    }
    group = {
        "members": {"links": {"self": MEMBERS, "related": f"{GROUPS}/1/members"}},
        "owner": {
            "links": {"self": OWNER, "related": f"{GROUPS}/1/owner"},
            "data": {"type": "users", "id": "3"},
        },
    }
    for url in (f"{USERS}/1", USERS, f"{GROUPS}/1/members"):
        data = client.get(url).json["data"]
        assert (data[0] if isinstance(data, list) else data)["relationships"] == user
    for url in (f"{GROUPS}/1", GROUPS, f"{USERS}/1/groups"):
        data = client.get(url).json["data"]
        assert (data[0] if isinstance(data, list) else data)["relationships"] == group
    assert client.get(f"{GROUPS}/2").json["data"]["relationships"]["owner"]["data"] is None


@pytest.mark.parametrize(
    ("url", "found"),
    [
        (f"{GROUPS}/1?include=owner", {("users", "3")}),
        (f"{GROUPS}/1?include=owner,members", {("users", each) for each in "123"}),
        (f"{GROUPS}/1?include=members.groups", {("users", "1"), ("users", "2"), ("groups", "2")}),
        (f"{GROUPS}?include=members.groups", {("users", "1"), ("users", "2")}),
        (f"{GROUPS}?include=owner", {("users", "3")}),
        (f"{USERS}/4?include=groups", set()),
        (f"{USERS}?include=groups.owner", {("groups", "1"), ("groups", "2")}),
        (f"{GROUPS}/1/members?include=groups", {("groups", "1"), ("groups", "2")}),
        (f"{GROUPS}/1/owner?include=groups", set()),
        (f"{GROUPS}/2/owner?include=groups", set()),
        (f"{MEMBERS}?include=members", {("users", "1"), ("users", "2")}),
        (
            f"{MEMBERS}?include=members.groups",
            {("users", "1"), ("users", "2")} | names(groups(1, 2)),
        ),
        (f"{OWNER}?include=owner", {("users", "3")}),
        (f"{GROUPS}/2/relationships/owner?include=owner.groups", set()),
        (f"{GROUPS}/1?include=", set()),
        (f"{MEMBERS}?include=", set()),
    ],
)
def test_include_adds_the_resources_of_its_paths(
    client: ApiClient, url: str, found: set[tuple[str, str]]
) -> None:
    assert included(client, url) == found


def test_nothing_is_included_without_include(client: ApiClient) -> None:
    for url in (USERS, f"{GROUPS}/1", MEMBERS, OWNER, f"{GROUPS}/1/owner"):
        assert "included" not in client.get(url).json


def test_data_is_where_a_step_loaded_it(client: ApiClient) -> None:
    document = client.get(f"{GROUPS}/1?include=members.groups").json
    members = document["data"]["relationships"]["members"]
    assert members["data"] == users(1, 2)
    assert (members["links"]["prev"], members["links"]["next"]) == (None, None)
    by_name = {(each["type"], each["id"]): each for each in document["included"]}
    assert by_name["users", "2"]["relationships"]["groups"]["data"] == groups(1, 2)
    assert "data" not in by_name["groups", "2"]["relationships"]["members"]


def test_a_primary_resource_that_a_later_step_reaches_is_linked(client: ApiClient) -> None:
    client.post(MEMBERS, json={"data": users(3)})
    document = client.get(f"{GROUPS}/1?include=owner.groups.members").json
    assert document["data"]["relationships"]["members"]["data"] == users(1, 2, 3)
    assert names(document["included"]) == names(users(1, 2, 3))


def test_a_to_many_relationship_includes_the_first_25(client: ApiClient, create: Create) -> None:
    client.post(MEMBERS, json={"data": users(*(create()["id"] for _ in range(30)))})
    document = client.get(f"{GROUPS}/1?include=members").json
    members = document["data"]["relationships"]["members"]
    assert len(members["data"]) == len(document["included"]) == 25
    assert members["links"]["prev"] is None
    following = client.get(members["links"]["next"]).json
    assert following["links"]["related"] == f"{GROUPS}/1/members"
    every = [*members["data"], *following["data"]]
    assert [each["id"] for each in every] == [
        each["id"] for each in client.get(f"{MEMBERS}?page[size]=1000").json["data"]
    ]
    assert following["links"]["next"] is None
    change = {"data": {"type": "groups", "id": "1", "relationships": {"members": members}}}
    response = client.patch(f"{GROUPS}/1", json=change)
    assert response.problems == [("403", "partial_linkage", "/data/relationships/members/data")]


def test_fieldsets_select_attributes_and_relationships(client: ApiClient) -> None:
    document = client.get(
        f"{GROUPS}/1?include=members,owner&fields[groups]=name,owner&fields[users]="
    ).json
    assert document["data"]["attributes"] == {"name": "Staff"}
    assert document["data"]["relationships"].keys() == {"owner"}
    assert names(document["included"]) == names(users(1, 2, 3))
    for each in document["included"]:
        assert (each["attributes"], "relationships" in each) == ({}, False)
    (first, *_) = client.get(f"{USERS}?fields[users]=groups").json["data"]
    assert (first["attributes"], [*first["relationships"]]) == ({}, ["groups"])
    assert client.get(f"{USERS}?fields[groups]=name").status_code == 200


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("include=x", "unknown_relationship"),
        ("include=Members", "unknown_relationship"),
        ("include=members,%20owner", "unknown_relationship"),
        ("include=members.owner", "unknown_relationship"),
        ("include=members,", "unknown_relationship"),
        ("include=" + ",".join(["owner"] * 11), "too_much_included"),
        ("include=members.groups.members.groups", "too_much_included"),
        ("include=members.groups.members&page[size]=2", "too_much_included"),
        ("fields[groups]=x", "unknown_attribute"),
        ("fields[events]=time", "unknown_parameter"),
    ],
)
def test_queries_are_checked(client: ApiClient, query: str, code: str) -> None:
    for url in (GROUPS, f"{USERS}/1/groups"):
        (error,) = client.get(f"{url}?{query}").json["errors"]
        assert (error["status"], error["code"]) == ("400", code)


def test_each_wrong_path_is_reported(client: ApiClient) -> None:
    query = "include=x,members,members.y,x,members.groups.owner.groups"
    errors = client.get(f"{GROUPS}?{query}").json["errors"]
    expected = ["unknown_relationship", "unknown_relationship", "too_much_included"]
    assert [each["code"] for each in errors] == expected
    for name, error in zip(("x", "y", "members.groups.owner.groups"), errors, strict=True):
        assert f"'{name}'" in error["detail"]
        assert error["source"] == {"parameter": "include"}


@pytest.mark.parametrize(
    ("method", "url"),
    [("DELETE", f"{USERS}/1"), ("PATCH", OWNER), ("POST", MEMBERS), ("DELETE", MEMBERS)],
)
def test_other_changes_include_nothing(client: ApiClient, method: str, url: str) -> None:
    response = client.open(f"{url}?include=owner", method=method, json={"data": None})
    (error,) = response.json["errors"]
    assert (error["status"], error["code"]) == ("400", "unknown_parameter")


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}])
def test_changes_include_what_they_created(client: ApiClient, headers: dict[str, str]) -> None:
    document = {
        "data": {
            "type": "groups",
            "attributes": {"name": "New"},
            "relationships": {"owner": {"data": users(4)[0]}, "members": {"data": users(2, 1, 2)}},
        }
    }
    response = client.post(f"{GROUPS}?include=owner,members", json=document, headers=headers)
    assert response.status_code == 201
    assert names(response.json["included"]) == names(users(1, 2, 4))
    assert response.json["data"]["relationships"]["members"]["data"] == users(1, 2)
    again = client.get(f"{GROUPS}/3?include=owner,members")
    assert again.json["data"] == response.json["data"]
    change = {"data": {"type": "groups", "id": "3", "relationships": {"members": {"data": []}}}}
    response = client.patch(f"{GROUPS}/3?include=members", json=change)
    assert response.json["included"] == []
    assert response.json["data"]["relationships"]["members"]["data"] == []


def test_a_stored_response_is_erased_with_what_it_includes(client: ApiClient) -> None:
    document = {
        "data": {
            "type": "groups",
            "attributes": {"name": "New"},
            "relationships": {"owner": {"data": users(4)[0]}},
        }
    }
    headers = {"Idempotency-Key": "k"}
    url = f"{GROUPS}?include=owner"
    assert client.post(url, json=document, headers=headers).status_code == 201
    assert client.delete(f"{USERS}/4?erase_history=true").status_code == 204
    response = client.post(url, json=document, headers=headers)
    assert response.problems == [("409", "response_erased", None)]


def body(relationships: Any = None, attributes: Any = None) -> dict[str, Any]:
    data: dict[str, Any] = {"type": "groups", "id": "1", "attributes": attributes or {}}
    if relationships is not None:
        data["relationships"] = relationships
    return {"data": data}


AT = "/data/relationships"


@pytest.mark.parametrize(
    ("relationships", "problems"),
    [
        ({"members": {}}, [("400", "missing_member", f"{AT}/members")]),
        ({"members": 1}, [("400", "wrong_json_type", f"{AT}/members")]),
        ({"members": {"data": None}}, [("400", "wrong_json_type", f"{AT}/members/data")]),
        ({"owner": {"data": []}}, [("400", "wrong_json_type", f"{AT}/owner/data")]),
        (
            {"owner": {"data": {"id": "1"}}, "members": {"data": [{"type": "users"}, 1]}},
            [
                ("400", "missing_member", f"{AT}/members/data/0"),
                ("400", "missing_member", f"{AT}/owner/data"),
                ("400", "wrong_json_type", f"{AT}/members/data/1"),
            ],
        ),
        (
            {"members": {"data": [{"type": "users", "lid": "x"}]}},
            [("400", "unknown_lid", f"{AT}/members/data/0/lid")],
        ),
        (
            {"members": {"data": users(*range(1, 1002))}},
            [("400", "too_many_identifiers", f"{AT}/members/data")],
        ),
        ({"x": {"data": None}}, [("422", "unknown_attribute", f"{AT}/x")]),
        (
            {"members": {"data": groups(1)}, "owner": {"data": groups(1)[0]}},
            [
                ("409", "type_mismatch", f"{AT}/members/data/0/type"),
                ("409", "type_mismatch", f"{AT}/owner/data/type"),
            ],
        ),
        (
            {"members": {"data": users(1, 99, "x")}, "owner": {"data": users(98)[0]}},
            [
                ("404", "related_not_found", f"{AT}/members/data/1/id"),
                ("404", "related_not_found", f"{AT}/members/data/2/id"),
                ("404", "related_not_found", f"{AT}/owner/data/id"),
            ],
        ),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_linkage_in_resources_is_checked(
    client: ApiClient, method: str, relationships: Any, problems: Any
) -> None:
    before = client.get(f"{GROUPS}?include=members").data
    document = body(relationships, {"name": "New"})
    if method == "POST":
        del document["data"]["id"]
    url = GROUPS if method == "POST" else f"{GROUPS}/1"
    assert client.open(url, method=method, json=document).problems == problems
    assert client.get(f"{GROUPS}?include=members").data == before


def test_checks_of_linkage_have_their_order(client: ApiClient) -> None:
    part = {"data": groups(1), "links": {"next": "x"}}
    document = body({"members": part}, {"name": ""})
    document["data"]["type"] = "users"
    assert {each[0] for each in client.patch(f"{GROUPS}/1", json=document).problems} == {"403"}
    part["links"] = {}
    assert {each[0] for each in client.patch(f"{GROUPS}/1", json=document).problems} == {"409"}
    document = body({"members": {"data": users(99)}}, {"name": ""})
    assert {each[0] for each in client.patch(f"{GROUPS}/1", json=document).problems} == {"422"}


def test_data_is_the_complete_new_value(client: ApiClient) -> None:
    changed = client.patch(
        f"{GROUPS}/1", json=body({"members": {"data": users(4, 2)}, "owner": {"data": None}})
    )
    assert (changed.status_code, changed.headers["ETag"][:3]) == (200, '"2-')
    assert [each["id"] for each in client.get(MEMBERS).json["data"]] == ["2", "4"]
    assert client.get(OWNER).json["data"] is None
    user = {"type": "users", "id": "1", "relationships": {"groups": {"data": groups(2, 1)}}}
    changed = client.patch(f"{USERS}/1", json={"data": user})
    assert (changed.status_code, changed.headers["ETag"][:3]) == (200, '"1-')
    assert [each["id"] for each in client.get(f"{USERS}/1/groups").json["data"]] == ["1", "2"]


@pytest.mark.parametrize("name", ["members", "owner"])
@pytest.mark.parametrize(
    "value", [{"links": {"self": "/x"}}, {"meta": {}}, {"links": {}, "meta": {}}]
)
@pytest.mark.parametrize("place", ["attributes", "relationships"])
def test_a_relationship_without_data_is_left_unchanged(
    client: ApiClient, name: str, value: Any, place: str
) -> None:
    before = client.get(f"{GROUPS}/1?include=members").json["data"]
    document = body()
    document["data"][place] = {name: value}
    assert client.patch(f"{GROUPS}/1", json=document).status_code == 200
    assert client.get(f"{GROUPS}/1?include=members").json["data"] == before
    del document["data"]["id"]
    document["data"].setdefault("attributes", {})["name"] = "New"
    response = client.post(f"{GROUPS}?include=members", json=document)
    assert response.json["data"]["relationships"]["members"]["data"] == []


@pytest.mark.parametrize("value", [None, [], "1", {"data": []}, {"links": {}, "data": None}])
@pytest.mark.parametrize("name", ["members", "owner"])
def test_a_relationship_is_not_an_attribute(client: ApiClient, name: str, value: Any) -> None:
    response = client.patch(f"{GROUPS}/1", json=body(attributes={name: value}))
    assert response.problems == [("422", "unknown_attribute", f"/data/attributes/{name}")]


@pytest.mark.parametrize("value", [{"data": None}, {"data": users(1)}, {"links": {}}])
@pytest.mark.parametrize("name", ["name", "description", "creation_time", "update_time"])
def test_an_attribute_is_not_a_relationship(client: ApiClient, name: str, value: Any) -> None:
    sent = {"name": value, "description": value} | {name: value}
    problem = ("422", "unknown_attribute")
    expected = [(*problem, f"{AT}/{each}") for each in sorted(sent)]
    changed = client.patch(f"{GROUPS}/1", json=body(sent))
    assert changed.problems == expected
    assert changed.json["errors"][0]["detail"].endswith(
        " is not a relationship of this type. Known: members, owner."
    )
    document = body(sent)
    del document["data"]["id"]
    assert client.post(GROUPS, json=document).problems == expected
    operation = {"op": "update", "data": body(sent)["data"]}
    atomic = 'application/vnd.api+json;ext="https://jsonapi.org/ext/atomic"'
    performed = client.post(
        "/api/v1/operations",
        data=json.dumps({"atomic:operations": [operation]}),
        content_type=atomic,
    )
    at = "/atomic:operations/0"
    assert performed.problems == [(*problem, f"{at}{pointer}") for *_, pointer in expected]


def test_unknown_relationships_are_reported_with_the_attributes(client: ApiClient) -> None:
    document = body({"description": {"data": []}, "x": {"data": []}}, {"name": "", "y": 1})
    assert client.patch(f"{GROUPS}/1", json=document).problems == [
        ("422", "blank", "/data/attributes/name"),
        ("422", "unknown_attribute", "/data/attributes/y"),
        ("422", "unknown_attribute", f"{AT}/description"),
        ("422", "unknown_attribute", f"{AT}/x"),
    ]


@pytest.mark.parametrize("query", ["", "?include=members,owner", "?include=members.groups"])
@pytest.mark.parametrize("url", [f"{GROUPS}/1", f"{USERS}/2"])
def test_a_document_that_was_read_can_be_sent_back(client: ApiClient, url: str, query: str) -> None:
    if url.startswith(USERS):
        query = query and "?include=groups"
    read = client.get(f"{url}{query}")
    response = client.patch(f"{url}{query}", data=read.data, content_type="application/json")
    assert response.status_code == 200, response.text
    assert response.json["data"] == read.json["data"]
    assert response.headers["ETag"] == read.headers["ETag"]


@pytest.mark.parametrize("url", [MEMBERS, f"{MEMBERS}?include=members", OWNER])
def test_a_relationship_that_was_read_can_be_sent_back(client: ApiClient, url: str) -> None:
    read = client.get(url)
    sent = {"If-Match": read.headers["ETag"]}
    response = client.patch(
        url.partition("?")[0], data=read.data, content_type="application/json", headers=sent
    )
    assert response.status_code == 204
    assert client.get(url).data == read.data


def test_a_thousand_identifiers_that_were_read_can_be_sent_back(
    client: ApiClient, create: Create
) -> None:
    client.patch(MEMBERS, json={"data": users(*(create()["id"] for _ in range(1000)))})
    read = client.get(f"{MEMBERS}?page[size]=1000").json
    assert client.patch(MEMBERS, json=read).status_code == 204
    document = body({"members": {"data": read["data"], "links": read["links"]}})
    response = client.patch(
        f"{GROUPS}/1", data=json.dumps(document), content_type="application/json"
    )
    assert response.status_code == 200
