"""/openapi.json describes relationships correctly."""

from collections.abc import Callable
from typing import Any

import pytest
from api.conftest import CheckedClient
from api.constants import ATOMIC, GROUPS, JSONAPI, USERS
from api.identifiers import users
from api.tokens import SECRET
from api_client import ApiClient
from flask import Flask
from jsonschema import Draft202012Validator

MEMBERS = f"{GROUPS}/{{id}}/relationships/members"

Create = Callable[..., dict[str, Any]]


@pytest.fixture
def described(client: ApiClient) -> Any:
    return client.get("/openapi.json").json


def validator(described: Any, schema: Any) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": described["components"]})


@pytest.mark.parametrize(
    "value",
    [
        "",
        "owner",
        "members",
        "owner,members",
        "members.groups",
        "owner.groups.owner",
        "x",
        "Owner",
        "owner,",
        "members.owner",
        "members.groups.members",
        "owner.groups.members.groups",
        ",".join(["owner"] * 10),
        ",".join(["owner"] * 11),
    ],
)
def test_include_is_accepted_as_described(
    client: ApiClient, create_group: Create, described: Any, value: str
) -> None:
    create_group()
    for path in (GROUPS, f"{GROUPS}/{{id}}"):
        (parameter,) = (
            each
            for each in described["paths"][path]["get"]["parameters"]
            if each["name"] == "include"
        )
        url = path.format(id=1)
        taken = client.get(f"{url}?include={value}").status_code == 200
        # The number of included resources limits combinations of paths as well.
        assert Draft202012Validator(parameter["schema"]).is_valid(value) is taken, url


@pytest.mark.parametrize(
    ("data", "valid"),
    [
        ([], True),
        (users(1, 2), True),
        ([{**users(1)[0], "meta": {}}], True),
        (None, False),
        (users(1)[0], False),
        ([{"type": "users"}], False),
        ([{"type": "groups", "id": "1"}], False),
        ([{"type": "users", "id": 1}], False),
        ([{"type": "users", "lid": "x"}], False),
        (users(*range(1, 1002)), False),
    ],
)
@pytest.mark.parametrize("method", ["post", "patch", "delete"])
def test_linkage_is_accepted_as_described(
    client: ApiClient,
    create: Create,
    create_group: Create,
    described: Any,
    method: str,
    data: Any,
    valid: bool,
) -> None:
    create()
    create()
    create_group()
    body = described["paths"][MEMBERS][method]["requestBody"]["content"][JSONAPI]["schema"]
    assert validator(described, body).is_valid({"data": data}) is valid
    response = client.open(MEMBERS.format(id=1), method=method.upper(), json={"data": data})
    assert (response.status_code == 204) is valid
    assert str(response.status_code) in described["paths"][MEMBERS][method]["responses"]


@pytest.mark.parametrize("never", ["0", "01", "x", "", str(2**63)])
@pytest.mark.parametrize(
    ("method", "op", "status"),
    [("post", "add", 404), ("patch", "update", 404), ("delete", "remove", 204)],
)
def test_only_a_removal_may_have_an_id_that_can_never_exist(
    client: ApiClient,
    create_group: Create,
    described: Any,
    method: str,
    op: str,
    status: int,
    never: str,
) -> None:
    create_group()
    data = users(never)
    body = described["paths"][MEMBERS][method]["requestBody"]["content"][JSONAPI]["schema"]
    assert validator(described, body).is_valid({"data": data}) is (status == 204)
    response = client.open(MEMBERS.format(id=1), method=method.upper(), json={"data": data})
    assert response.status_code == status
    ref = {"type": "groups", "id": "1", "relationship": "members"}
    operations = {"atomic:operations": [{"op": op, "ref": ref, "data": data}]}
    schema = validator(described, described["components"]["schemas"]["Operations"])
    assert schema.is_valid(operations) is (status == 204)
    response = client.post("/api/v1/operations", json=operations, content_type=ATOMIC)
    assert response.status_code == (200 if status == 204 else status)


@pytest.mark.parametrize("relationship", ["members", "owner"])
def test_the_accepted_filters_of_a_relationship_are_described(
    client: ApiClient, described: Any, relationship: str
) -> None:
    names = {each["name"] for each in described["paths"][GROUPS]["get"]["parameters"]}
    operators = ("", "[eq]", "[ne]", "[in]", "[empty]", "[lt]", "[ge]", "[contains]")
    filters = {f"filter[{relationship}]{each}": "1" for each in operators}
    filters[f"filter[{relationship}][empty]"] = "true"
    responses = {name: client.get(f"{GROUPS}?{name}={filters[name]}") for name in filters}
    accepted = [name for name, response in responses.items() if response.status_code == 200]
    assert accepted == [name for name in filters if name in names]
    assert len(accepted) == 5


NEW_GROUP = {"type": "groups", "attributes": {"name": "New"}}
DATA_BY_OP: dict[str, list[dict[str, Any]]] = {
    "add": [{"data": NEW_GROUP}, {"data": users(1)}],
    "update": [{"data": {"type": "groups", "id": "9"}}, {"data": users(1)}, {"data": None}],
    "remove": [{}, {"data": users(1)}],
}


@pytest.mark.parametrize("end", ["", "/", ".json", "/x", "?x=1"])
@pytest.mark.parametrize(
    "href",
    [
        *(GROUPS, f"{GROUPS}/9", "groups", "groups/9", f"{GROUPS}/x", "/api/v1/nothing/9"),
        *(f"{GROUPS}/9/relationships/{name}" for name in ("members", "owner", "nothing")),
        *("groups/9/relationships/members", f"{GROUPS}/9/members", f"{GROUPS}/9/history"),
    ],
)
def test_an_href_is_accepted_as_described(
    client: ApiClient, described: Any, href: str, end: str
) -> None:
    schema = validator(described, described["components"]["schemas"]["Operations"])
    for op, members in DATA_BY_OP.items():
        for each in members:
            operation = {"op": op, "href": f"{href}{end}", **each}
            document = {"atomic:operations": [operation]}
            response = client.post("/api/v1/operations", json=document, content_type=ATOMIC)
            errors = response.json.get("errors", [{"code": "none"}])
            # The only error of a valid operation is that group 9 does not exist.
            is_accepted = errors[0]["code"] in ("none", "group_not_found", "name_taken")
            assert is_accepted is schema.is_valid(document), (operation, errors)


def test_resources_with_relationships_can_be_sent_back_by_the_description(
    client: ApiClient, create: Create, create_group: Create, described: Any
) -> None:
    create()
    create_group(members=["1"], owner="1")
    document = client.get(f"{GROUPS}/1?include=members").json
    content = described["paths"][f"{GROUPS}/{{id}}"]["patch"]["requestBody"]["content"]
    validator(described, content[JSONAPI]["schema"]).validate(document)
    document["data"]["relationships"]["owner"]["data"] = {"type": "groups", "id": "1"}
    assert not validator(described, content[JSONAPI]["schema"]).is_valid(document)


def test_operations_on_relationships_are_described(described: Any) -> None:
    schema = validator(described, described["components"]["schemas"]["Operations"])
    ref = {"type": "groups", "id": "1", "relationship": "members"}
    lid = {"type": "users", "lid": "a"}
    owner = {**ref, "relationship": "owner"}
    for operation, valid in (
        ({"op": "add", "ref": ref, "data": [*users(1), lid]}, True),
        ({"op": "remove", "href": f"{GROUPS}/1/relationships/members", "data": []}, True),
        ({"op": "update", "ref": owner, "data": lid, "meta": {"version": 1}}, True),
        ({"op": "update", "ref": owner, "data": None}, True),
        ({"op": "add", "ref": owner, "data": None}, False),
        ({"op": "add", "ref": ref, "data": None}, False),
        ({"op": "add", "ref": {**ref, "relationship": "x"}, "data": []}, False),
    ):
        assert schema.is_valid({"atomic:operations": [operation]}) is valid, operation


@pytest.mark.parametrize(
    ("resource_id", "code"),
    [
        ("9", "group_not_found"),
        ("x", "not_found"),
        ("", "not_found"),
        (9, "wrong_json_type"),
        (None, "wrong_json_type"),
    ],
)
def test_an_operation_accepts_the_ids_that_are_described(
    client: ApiClient, described: Any, resource_id: Any, code: str
) -> None:
    schema = validator(described, described["components"]["schemas"]["Operations"])
    resource = {"type": "groups", "id": resource_id}
    for operation in ({"op": "remove", "ref": resource}, {"op": "update", "data": resource}):
        document = {"atomic:operations": [operation]}
        response = client.post("/api/v1/operations", json=document, content_type=ATOMIC)
        assert response.json["errors"][0]["code"] == code
        assert schema.is_valid(document) is (code == "group_not_found")


def test_every_url_names_all_scopes_that_it_requires(build: Callable[..., Flask]) -> None:
    app = build({"ROSTER_JWT_SECRET": SECRET})
    paths = CheckedClient(app).get("/openapi.json").json["paths"]
    group, user = f"{GROUPS}/{{id}}", f"{USERS}/{{id}}"
    for path, method, *scopes in (
        (GROUPS, "get", "groups:read"),
        (group, "patch", "groups:read", "groups:write"),
        (f"{group}/members", "get", "groups:read", "users:read"),
        (f"{group}/owner", "get", "groups:read", "users:read"),
        (f"{group}/relationships/members", "get", "groups:read"),
        (f"{group}/relationships/members", "delete", "groups:write"),
        (f"{group}/relationships/owner", "patch", "groups:write"),
        (f"{user}/groups", "get", "users:read", "groups:read"),
        (f"{user}/relationships/groups", "get", "users:read", "groups:read"),
        (f"{user}/relationships/groups", "post", "users:read", "groups:write"),
    ):
        assert paths[path][method]["security"] == [{"bearer": scopes}], (path, method)


def test_nullable_types_are_described_as_such(described: Any) -> None:
    attributes = described["components"]["schemas"]["Groups"]["properties"]["attributes"]
    assert attributes["properties"]["description"]["type"] == ["string", "null"]
