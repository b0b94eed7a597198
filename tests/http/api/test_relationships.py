"""The URLs of relationships: what they show, and how they are changed."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from api.constants import GROUPS, JSONAPI, PROFILE, USERS
from api.identifiers import users
from api_client import ApiClient

MEMBERS = f"{GROUPS}/1/relationships/members"
OWNER = f"{GROUPS}/1/relationships/owner"
PARAMETERS = ("include=members", "page[size]=3", "x=1", "fields[users]=name")

Create = Callable[..., dict[str, Any]]


def ids(client: ApiClient, url: str = MEMBERS) -> list[str]:
    return [each["id"] for each in client.get(url).json["data"]]


@pytest.fixture(autouse=True)
def directory(create: Create, create_group: Create) -> None:
    """Four users, the first two of which are members of the first group."""
    for _ in range(4):
        create()
    create_group(name="Staff", members=["1", "2"], owner="3")
    create_group(name="Board")


def test_a_relationship_shows_identifiers_and_links(client: ApiClient) -> None:
    document = client.get(MEMBERS).json
    assert document["links"] == {
        "self": MEMBERS,
        "related": f"{GROUPS}/1/members",
        "first": MEMBERS,
        "prev": None,
        "next": None,
        "describedby": "/openapi.json",
    }
    for number, each in enumerate(document["data"], 1):
        assert each.pop("meta")["page"]["cursor"]
        assert each == {"type": "users", "id": str(number)}


def test_both_sides_show_the_same_memberships(client: ApiClient) -> None:
    client.post(f"{USERS}/1/relationships/groups", json={"data": [{"type": "groups", "id": "2"}]})
    assert ids(client, f"{USERS}/1/relationships/groups") == ["1", "2"]
    assert ids(client, f"{GROUPS}/2/relationships/members") == ["1"]
    assert ids(client, f"{USERS}/1/groups") == ["1", "2"]
    assert ids(client, f"{GROUPS}/2/members") == ["1"]


@pytest.mark.parametrize("url", [MEMBERS, f"{GROUPS}/1/members"])
def test_the_profile_is_applied_to_the_list(client: ApiClient, url: str) -> None:
    response = client.get(url, headers={"Accept": f'{JSONAPI};profile="{PROFILE}"'})
    assert PROFILE in response.headers["Content-Type"]
    assert PROFILE in response.json["links"]["self"]["type"]


@pytest.mark.parametrize("url", [MEMBERS, f"{GROUPS}/1/members"])
def test_the_list_is_read_like_a_collection(client: ApiClient, url: str) -> None:
    first = client.get(f"{url}?page[size]=1&sort=-id&page[total]=true").json
    assert [each["id"] for each in first["data"]] == ["2"]
    assert first["meta"]["page"]["total"] == 2
    second = client.get(first["links"]["next"]).json
    assert [each["id"] for each in second["data"]] == ["1"]
    assert second["links"]["next"] is None
    assert ids(client, f"{url}?filter[email]=user1@example.org") == ["2"]
    assert client.get(f"{url}?page[number]=2&page[size]=1").json["data"][0]["id"] == "2"
    assert client.get(f"{url}?sort=x").status_code == 400


@pytest.mark.parametrize("path", ["relationships/members", "members"])
def test_a_cursor_belongs_to_one_list(client: ApiClient, path: str) -> None:
    cursor = client.get(f"{GROUPS}/1/{path}").json["data"][0]["meta"]["page"]["cursor"]
    query = f"page[after]={cursor}"
    assert ids(client, f"{GROUPS}/1/relationships/members?{query}") == ["2"]
    assert ids(client, f"{GROUPS}/1/members?{query}") == ["2"]
    for other in (f"{GROUPS}/2/{path}", USERS):
        (error,) = client.get(f"{other}?{query}").json["errors"]
        assert (error["status"], error["code"]) == ("400", "invalid_cursor")


def test_related_resources_are_whole(client: ApiClient) -> None:
    (first, _) = client.get(f"{GROUPS}/1/members").json["data"]
    del first["meta"]
    assert first == client.get(f"{USERS}/1").json["data"]
    assert client.get(f"{GROUPS}/1/owner").json["data"] == client.get(f"{USERS}/3").json["data"]
    assert client.get(f"{GROUPS}/2/owner").json["data"] is None
    trimmed = client.get(f"{GROUPS}/1/owner?fields[users]=name").json["data"]
    assert (trimmed["attributes"], "relationships" in trimmed) == ({"name": "User 2"}, False)


def test_a_to_one_relationship_is_an_identifier_or_null(client: ApiClient) -> None:
    document = client.get(OWNER).json
    assert document["data"] == {"type": "users", "id": "3"}
    assert document["links"] == {
        "self": OWNER,
        "related": f"{GROUPS}/1/owner",
        "describedby": "/openapi.json",
    }
    assert client.get(f"{GROUPS}/2/relationships/owner").json["data"] is None


@pytest.mark.parametrize("suffix", ["", "/", ".json", ".json/"])
@pytest.mark.parametrize("path", ["members", "owner", "relationships/members"])
def test_urls_have_the_forms_of_all_urls(client: ApiClient, path: str, suffix: str) -> None:
    response = client.get(f"{GROUPS}/1/{path}{suffix}")
    assert (response.status_code, response.json["links"]["self"]) == (200, f"{GROUPS}/1/{path}")


@pytest.mark.parametrize("path", ["members", "owner", "relationships/members"])
def test_a_document_that_the_client_has_is_not_sent_again(client: ApiClient, path: str) -> None:
    url = f"{GROUPS}/1/{path}"
    etag = client.get(url).headers["ETag"]
    assert client.get(url, headers={"If-None-Match": etag}).status_code == 304
    assert client.head(url).headers["ETag"] == etag


@pytest.mark.parametrize(
    ("method", "url", "allowed"),
    [
        ("POST", OWNER, "GET, HEAD, OPTIONS, PATCH"),
        ("DELETE", OWNER, "GET, HEAD, OPTIONS, PATCH"),
        ("PUT", MEMBERS, "DELETE, GET, HEAD, OPTIONS, PATCH, POST"),
        ("POST", f"{GROUPS}/1/members", "GET, HEAD, OPTIONS"),
        ("PATCH", f"{GROUPS}/1/owner", "GET, HEAD, OPTIONS"),
        ("DELETE", f"{USERS}/1/groups", "GET, HEAD, OPTIONS"),
    ],
)
def test_other_methods_are_405(client: ApiClient, method: str, url: str, allowed: str) -> None:
    response = client.open(url, method=method, json={"data": []})
    assert (response.status_code, response.headers["Allow"]) == (405, allowed)
    assert client.options(url).headers["Allow"] == allowed


@pytest.mark.parametrize(
    ("path", "suggestion"),
    [
        ("/groups/1/relationships/member", MEMBERS),
        ("/groups/1/member", f"{GROUPS}/1/members"),
        ("/users/7/relationships/members", None),
        ("/groups/1/relationships/x", None),
        ("/groups/1/relationships", None),
        ("/groups/0/members", None),
    ],
)
def test_other_urls_are_404(client: ApiClient, path: str, suggestion: str | None) -> None:
    (error,) = client.get(f"/api/v1{path}").json["errors"]
    assert (error["status"], error["code"]) == ("404", "not_found")
    assert error.get("meta", {}).get("suggestion") == suggestion


@pytest.mark.parametrize(
    ("method", "path", "data"),
    [
        ("GET", "members", None),
        ("GET", "relationships/members", None),
        ("GET", "owner", None),
        ("GET", "relationships/owner", None),
        ("POST", "relationships/members", []),
        ("PATCH", "relationships/members", users(99)),
        ("DELETE", "relationships/members", users(1)),
        ("PATCH", "relationships/owner", None),
    ],
)
def test_a_source_that_does_not_exist_is_404(
    client: ApiClient, method: str, path: str, data: Any
) -> None:
    sent = {} if method == "GET" else {"json": {"data": data}}
    response = client.open(f"{GROUPS}/9/{path}", method=method, **sent)
    assert response.problems == [("404", "group_not_found", None)]


def test_members_are_added_removed_and_replaced(client: ApiClient) -> None:
    added = client.post(MEMBERS, json={"data": users(2, 3, 3)})
    assert (added.status_code, added.data) == (204, b"")
    assert ids(client) == ["1", "2", "3"]
    assert client.delete(MEMBERS, json={"data": users(1, 4)}).status_code == 204
    assert ids(client) == ["2", "3"]
    assert client.patch(MEMBERS, json={"data": users(4, 2)}).status_code == 204
    assert ids(client) == ["2", "4"]
    assert client.patch(MEMBERS, json={"data": []}).status_code == 204
    assert ids(client) == []


def test_a_membership_changes_neither_side(client: ApiClient) -> None:
    before = [client.get(url) for url in (f"{GROUPS}/1", f"{USERS}/4")]
    client.post(MEMBERS, json={"data": users(4)})
    after = [client.get(url) for url in (f"{GROUPS}/1", f"{USERS}/4")]
    assert [(each.data, each.headers["ETag"]) for each in before] == [
        (each.data, each.headers["ETag"]) for each in after
    ]


def test_a_change_of_owner_is_a_change_of_the_group(client: ApiClient) -> None:
    before = client.get(f"{GROUPS}/1")
    assert client.patch(OWNER, json={"data": users(1)[0]}).status_code == 204
    after = client.get(f"{GROUPS}/1")
    assert client.get(OWNER).json["data"] == users(1)[0]
    assert after.headers["ETag"].startswith('"2-')
    update_times = [each.json["data"]["attributes"]["update_time"] for each in (before, after)]
    assert update_times[0] < update_times[1]
    assert client.patch(OWNER, json={"data": None}).status_code == 204
    assert client.get(OWNER).json["data"] is None


MALFORMED: list[tuple[Any, list[tuple[str, str, str | None]]]] = [
    ({}, [("400", "missing_member", "")]),
    ({"data": None}, [("400", "wrong_json_type", "/data")]),
    ({"data": {"type": "users", "id": "1"}}, [("400", "wrong_json_type", "/data")]),
    (
        {"data": [users(1)[0], 1, {"id": "1"}, {"type": "users"}]},
        [
            ("400", "missing_member", "/data/2"),
            ("400", "missing_member", "/data/3"),
            ("400", "wrong_json_type", "/data/1"),
        ],
    ),
    (
        {"data": [{"type": 1, "id": 2}, {"type": "users", "id": None}]},
        [
            ("400", "wrong_json_type", "/data/0/id"),
            ("400", "wrong_json_type", "/data/0/type"),
            ("400", "wrong_json_type", "/data/1/id"),
        ],
    ),
    ({"data": [{"type": "users", "lid": "x"}]}, [("400", "unknown_lid", "/data/0/lid")]),
    ({"data": users(*range(1, 1002))}, [("400", "too_many_identifiers", "/data")]),
    (
        {"data": [{"type": "groups", "id": "1"}, *users(1), {"type": "x", "id": "1"}]},
        [("409", "type_mismatch", "/data/0/type"), ("409", "type_mismatch", "/data/2/type")],
    ),
]


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
@pytest.mark.parametrize(("document", "problems"), MALFORMED)
def test_linkage_is_checked(
    client: ApiClient, method: str, document: Any, problems: list[Any]
) -> None:
    response = client.open(MEMBERS, method=method, json=document)
    assert response.problems == problems
    assert ids(client) == ["1", "2"]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ([], ("400", "wrong_json_type", "/data")),
        ({"type": "users"}, ("400", "missing_member", "/data")),
        ({"type": "users", "id": 1}, ("400", "wrong_json_type", "/data/id")),
        ({"type": "users", "lid": "x"}, ("400", "unknown_lid", "/data/lid")),
        ({"type": "groups", "id": "1"}, ("409", "type_mismatch", "/data/type")),
        (users(99)[0], ("404", "related_not_found", "/data/id")),
        (users("x")[0], ("404", "related_not_found", "/data/id")),
    ],
)
def test_linkage_of_a_to_one_relationship_is_checked(
    client: ApiClient, data: Any, problem: Any
) -> None:
    assert client.patch(OWNER, json={"data": data}).problems == [problem]


@pytest.mark.parametrize(
    ("document", "has_example"),
    [({"data": {}}, True), ({}, True), ([], True), ({"data": users(*range(1, 1002))}, False)],
    ids=["object", "missing", "array", "too many"],
)
def test_an_error_about_the_whole_document_has_an_example(
    client: ApiClient, document: Any, has_example: bool
) -> None:
    (error,) = client.post(MEMBERS, json=document).json["errors"]
    assert ("Send a document such as" in error["detail"]) is has_example
    if has_example:
        example = re.search(r"such as (\{.*\})", error["detail"])
        assert example
        assert client.post(MEMBERS, json=json.loads(example[1])).status_code == 204


def test_a_thousand_identifiers_are_accepted_however_often_they_occur(
    client: ApiClient,
) -> None:
    data = users(*range(1, 1001), *range(1, 501))
    for each in data:
        each["meta"] = {"page": {"cursor": "x"}}
    assert client.delete(MEMBERS, json={"data": data}).status_code == 204
    assert ids(client) == []


def test_the_limit_also_counts_invalid_identifiers(client: ApiClient) -> None:
    data = [*users(*range(1, 1001)), "x"]
    response = client.delete(MEMBERS, json={"data": data})
    assert response.problems == [
        ("400", "too_many_identifiers", "/data"),
        ("400", "wrong_json_type", "/data/1000"),
    ]


def test_undefined_members_are_ignored(client: ApiClient) -> None:
    data = [{**users(3)[0], "meta": {"a": 1}, "attributes": 5, "@x": 1, "lid": "y"}]
    assert client.post(MEMBERS, json={"data": data, "x": 1, "meta": {}}).status_code == 204
    assert ids(client) == ["1", "2", "3"]


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_each_related_resource_must_exist(client: ApiClient, method: str) -> None:
    data = users(3, 99, "x", "007", 2**70, 98, 99, "x")
    response = client.open(MEMBERS, method=method, json={"data": data})
    assert response.problems == [
        ("404", "related_not_found", f"/data/{position}/id") for position in (1, 2, 3, 4, 5)
    ]
    assert ids(client) == ["1", "2"]


def test_missing_resources_are_not_related_after_a_deletion(client: ApiClient) -> None:
    response = client.delete(MEMBERS, json={"data": users(1, 99, "x", 2**70)})
    assert response.status_code == 204
    assert ids(client) == ["2"]


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
@pytest.mark.parametrize("query", PARAMETERS)
def test_changes_take_no_parameters(client: ApiClient, method: str, query: str) -> None:
    response = client.open(f"{MEMBERS}?{query}", method=method, json={"data": []})
    (error,) = response.json["errors"]
    assert (error["status"], error["code"]) == ("400", "unknown_parameter")


@pytest.mark.parametrize("link", ["prev", "next"])
def test_a_part_of_a_list_replaces_nothing(client: ApiClient, link: str) -> None:
    links = {"self": MEMBERS, "prev": None, "next": None}
    whole = {"data": users(3), "links": links}
    part = {"data": users(4), "links": {**links, link: "/x"}}
    assert client.patch(MEMBERS, json=part).problems == [("403", "partial_linkage", "/data")]
    assert client.patch(MEMBERS, json=whole).status_code == 204
    assert ids(client) == ["3"]
    assert client.post(MEMBERS, json=part).status_code == 204
    assert client.delete(MEMBERS, json=part).status_code == 204


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_every_change_needs_a_document(client: ApiClient, method: str) -> None:
    assert client.open(MEMBERS, method=method).status_code == 400
    response = client.open(MEMBERS, method=method, data="{}", content_type="text/plain")
    assert response.status_code == 415
    response = client.open(MEMBERS, method=method, data="{", content_type="application/json")
    assert response.problems == [("400", "malformed_json", None)]


def test_long_lists_are_not_replaced(client: ApiClient, create: Create) -> None:
    found = [create()["id"] for _ in range(1001)]
    client.post(MEMBERS, json={"data": users(*found[:900])})
    client.post(MEMBERS, json={"data": users(*found[900:])})
    response = client.patch(MEMBERS, json={"data": []})
    assert response.problems == [("403", "replacement_too_large", "/data")]
    change = {
        "data": {"type": "groups", "id": "1", "relationships": {"members": {"data": users(1)}}}
    }
    response = client.patch(f"{GROUPS}/1", json=change)
    at = "/data/relationships/members/data"
    assert response.problems == [("403", "replacement_too_large", at)]
    etag = client.get(f"{MEMBERS}?page[size]=1000").headers["ETag"]
    response = client.post(MEMBERS, json={"data": users(1)}, headers={"If-Match": etag})
    assert response.problems == [("412", "precondition_failed", None)]


def test_a_repeated_post_is_executed_once(client: ApiClient) -> None:
    headers = {"Idempotency-Key": "k"}
    for _ in range(2):
        response = client.post(MEMBERS, json={"data": users(3)}, headers=headers)
        assert (response.status_code, response.data) == (204, b"")
        client.delete(MEMBERS, json={"data": users(3)})
    assert ids(client) == ["1", "2"]
    response = client.post(MEMBERS, json={"data": users(4)}, headers=headers)
    assert response.problems == [("422", "idempotency_key_reused", None)]


def test_deletions_end_memberships_and_ownerships(client: ApiClient) -> None:
    client.patch(f"{GROUPS}/2/relationships/owner", json={"data": users(1)[0]})
    assert client.delete(f"{USERS}/1").status_code == 204
    assert ids(client) == ["2"]
    assert client.get(f"{GROUPS}/2/relationships/owner").json["data"] is None
    assert client.delete(f"{GROUPS}/1").status_code == 204
    assert ids(client, f"{USERS}/2/relationships/groups") == []
    assert client.get(f"{USERS}/2").headers["ETag"].startswith('"1-')


@pytest.mark.parametrize("name", ["links", "meta"])
def test_members_of_a_relationship_object_are_objects(
    client: ApiClient, create: Create, name: str
) -> None:
    create()
    related: Any = {"groups": {"data": [], name: []}}
    data = {"type": "users", "id": "1", "attributes": {}, "relationships": related}
    response = client.patch("/api/v1/users/1", json={"data": data})
    assert response.problems == [("400", "wrong_json_type", f"/data/relationships/groups/{name}")]
