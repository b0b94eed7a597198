"""/openapi.json is valid and describes the service correctly."""

import json
import re
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

import pytest
from api.conftest import CheckedClient
from api.constants import GROUPS, JSONAPI, OPERATIONS, USERS
from api_client import ApiClient
from flask import Flask
from jsonschema import Draft202012Validator
from openapi_fields import mistakes

from adapters.api.errors import error_codes
from adapters.memory.store import MemoryStore
from application.ports import Unavailable
from application.users import USER_TYPE

Create = Callable[..., dict[str, Any]]

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


@pytest.fixture
def described(client: ApiClient) -> Any:
    """The description."""
    response = client.get("/openapi.json")
    assert response.headers["Content-Type"] == "application/json"
    return response.json


def operations(described: Any) -> Iterator[tuple[str, str, Any]]:
    """The path, the method and the description of each operation."""
    for path, item in described["paths"].items():
        for method in METHODS:
            if method in item:
                shared = item.get("parameters", [])
                own = item[method].get("parameters", [])
                yield path, method, {**item[method], "parameters": [*shared, *own]}


def inner(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in the description."""
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from inner(part)
    elif isinstance(value, list):
        for part in value:
            yield from inner(part)


def test_the_description_has_the_version_of_the_package_and_an_introduction(described: Any) -> None:
    assert described["info"]["version"] == version("roster-directory")
    assert f"GET {USERS}" in described["info"]["description"]


def test_the_description_is_openapi_3_1(described: Any) -> None:
    assert re.fullmatch(r"3\.1\.\d+", described["openapi"])
    assert {"title", "version"} <= described["info"].keys()
    assert described["servers"] == [{"url": "/"}]
    assert mistakes(described) == []
    ids = [operation["operationId"] for _, _, operation in operations(described)]
    assert len(ids) == len(set(ids))


def test_the_target_of_every_reference_exists(described: Any) -> None:
    references = [found["$ref"] for found in inner(described) if "$ref" in found]
    assert references
    for reference in references:
        target = described
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]


def test_every_schema_is_json_schema(described: Any) -> None:
    schemas = [found["schema"] for found in inner(described) if "schema" in found]
    for schema in [*schemas, *described["components"]["schemas"].values()]:
        Draft202012Validator.check_schema(schema)


def test_operations_are_complete(described: Any) -> None:
    for path, _, operation in operations(described):
        for status, response in operation["responses"].items():
            assert re.fullmatch(r"[1-5]\d\d|default", status)
            assert response.get("description") or "$ref" in response
        parameters = [(p["name"], p["in"]) for p in operation["parameters"]]
        assert len(parameters) == len(set(parameters))
        in_path = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", path))
        assert all(p["required"] for p in operation["parameters"] if p["in"] == "path")


def test_the_described_routes_are_those_of_the_application(app: Flask, described: Any) -> None:
    routes = {
        (re.sub(r"<(?:\w+:)?(?:user_|group_|subject_)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if not rule.rule.startswith("/docs/")  # the files of the page /docs
    }
    assert {(path, method) for path, method, _ in operations(described)} == routes


SAMPLES = {
    "email": "ann@example.org",
    "name": "Ann",
    "is_active": "true",
    "role": "user",
    "creation_time": "2026-11-22T09:30:00Z",
    "update_time": "2026-11-22T09:30:00Z",
    "id": "1",
}
OF_GROUPS = {"description": "All"}
ANY_SAMPLES = {
    **SAMPLES,
    **OF_GROUPS,
    "time": "2026-11-22T09:30:00Z",
    "action": "created",
    "q": "ann",
}


def _sample(client: ApiClient, path: str, name: str) -> str:
    cursor = client.get(path).json["data"][0]["meta"]["page"]["cursor"]
    plain = {
        "page[size]": "10",
        "page[number]": "1",
        "page[after]": cursor,
        "page[before]": cursor,
        "page[total]": "true",
        "sort": "-id",
        "fields[users]": "email,name",
        "fields[events]": "time,changes",
        "fields[groups]": "name,owner",
        "include": "",
    }
    if name.endswith(("[null]", "[empty]")):
        return "true"
    if found := re.match(r"filter\[(?:(\w+)\.)?(\w+)\]", name):
        return ANY_SAMPLES.get(found[2], "1")
    return plain[name]


def test_every_documented_parameter_is_accepted(
    client: ApiClient, create: Create, create_group: Create, described: Any
) -> None:
    create()
    create_group(members=["1"], owner="1")
    for path, method, operation in operations(described):
        if method != "get":
            continue
        for parameter in operation["parameters"]:
            if parameter["in"] == "query" and parameter.get("style") != "deepObject":
                url = path.format(id=1)
                listed = USERS if path.endswith(("{id}", "owner")) else url
                sample = _sample(client, listed, parameter["name"])
                query = f"{quote(parameter['name'])}={quote(sample)}"
                assert client.get(f"{url}?{query}").status_code == 200, query


@pytest.mark.parametrize(("value", "status"), [(True, 200), (False, 400)])
def test_a_total_can_only_be_requested(
    client: ApiClient, described: Any, value: bool, status: int
) -> None:
    parameters = described["paths"][USERS]["get"]["parameters"]
    (total,) = (each for each in parameters if each["name"] == "page[total]")
    assert Draft202012Validator(total["schema"]).is_valid(value) is (status == 200)
    assert client.get(f"{USERS}?page[total]={json.dumps(value)}").status_code == status


def test_every_form_of_a_filter_is_documented(described: Any) -> None:
    (listing,) = (o for path, m, o in operations(described) if (path, m) == (USERS, "get"))
    descriptions = {
        parameter["name"]: parameter["description"] for parameter in listing["parameters"]
    }
    for attribute in SAMPLES:
        expected = {"", "[eq]", "[ne]", "[in]"}
        if attribute != "is_active":
            expected |= {"[lt]", "[le]", "[gt]", "[ge]"}
        if attribute in ("email", "name", "role"):
            expected |= {"[contains]", "[starts_with]"}
        name = f"filter[{attribute}]"
        suffixes = {each.removeprefix(name) for each in descriptions if each.startswith(name)}
        assert suffixes == expected
        assert f"`filter[{attribute}][]`" in descriptions[f"filter[{attribute}]"]


@pytest.mark.parametrize("op", ["", "[eq]", "[ne]", "[in]", "[lt]", "[contains]"])
def test_a_filter_by_role_is_accepted_as_described(
    described: Any, client: ApiClient, op: str
) -> None:
    (listing,) = (o for path, m, o in operations(described) if (path, m) == (USERS, "get"))
    schemas = {parameter["name"]: parameter["schema"] for parameter in listing["parameters"]}
    validator = Draft202012Validator(schemas[f"filter[role]{op}"])
    for value in ("admin", "admin,x-1", "Admin", "admin,", "r" * 51, "-", ""):
        is_accepted = (
            client.get(USERS, query_string={f"filter[role]{op}": value}).status_code == 200
        )
        assert validator.is_valid(value) is is_accepted, value


@pytest.mark.parametrize("op", ["", "[eq]", "[ne]", "[in]", "[lt]", "[contains]"])
def test_a_filter_by_name_is_accepted_as_described(
    described: Any, client: ApiClient, op: str
) -> None:
    (listing,) = (o for path, m, o in operations(described) if (path, m) == (USERS, "get"))
    schemas = {parameter["name"]: parameter["schema"] for parameter in listing["parameters"]}
    validator = Draft202012Validator(schemas[f"filter[name]{op}"])
    for value in (
        *(
            "Ann",
            "Ann, Bob",
            "a,",
            ",",
            "",
            " ",
            "\u3164",
            "\u2800a",
            "a\u2028",
            "x" * 250,
            "\u200b,a",
        ),
        *(["x" * 251] if op in ("[eq]", "[ne]") else []),
        *(["x" * 1000, "x" * 1001] if op in ("[lt]", "[contains]") else []),
    ):
        is_accepted = (
            client.get(USERS, query_string={f"filter[name]{op}": value}).status_code == 200
        )
        assert validator.is_valid(value) is is_accepted, value


def test_every_pattern_has_the_same_meaning_in_all_regular_expressions(described: Any) -> None:
    """The white space, digits and letters of these classes differ, for example in JavaScript."""
    patterns = {
        each["pattern"] for each in inner(described) if isinstance(each.get("pattern"), str)
    }
    assert len(patterns) > 20
    assert [each for each in patterns if re.search(r"\\[sSdDwWbB]", each)] == []


@pytest.mark.parametrize(
    ("key", "rest"),
    [
        ("not", "[name]"),
        ("not", "[name][contains]"),
        ("not", "[id][]"),
        ("or", "[1][name]"),
        ("or", "[a.1][not][id][]"),
    ],
)
def test_a_filter_of_filters_is_accepted_as_described(
    described: Any, client: ApiClient, key: str, rest: str
) -> None:
    parameters = described["paths"][USERS]["get"]["parameters"]
    (schema,) = [each["schema"] for each in parameters if each["name"] == f"filter[{key}]"]
    assert Draft202012Validator(schema).is_valid({rest: "1"})
    assert client.get(f"{USERS}?{quote(f'filter[{key}]{rest}')}=1").status_code == 200


TEXTS = (
    *("Ann", " a ", "é", "a b", "a\u200bb", "x\ufeff", "\u2800a", "a,b", "😀"),
    *("", " ", "\u3000", "\u200b", "\u2800", "\ufeff", "\u2028", "\t", "\n"),
    *("a\tb", "a\nb", "a\r\nb", "a\u2028b", "a\u2029", "a\x00", "a\x1f", "a\x7f", "a\x85", "a\x9f"),
)


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
@pytest.mark.parametrize("attribute", ["users.name", "groups.name", "groups.description"])
def test_a_text_is_accepted_as_described(
    described: Any, client: ApiClient, attribute: str, text: str
) -> None:
    named, name = attribute.split(".")
    schema = described["components"]["schemas"][f"{named.capitalize()}Creation"]
    attributes = {"email": "ann@example.org"} if named == "users" else {}
    data = {"type": named, "attributes": {**attributes, "name": "Ann", name: text}}
    validator = Draft202012Validator({**schema, "components": described["components"]})
    response = client.post(f"/api/v1/{named}", json={"data": data})
    assert response.status_code in (201, 422)
    assert (response.status_code == 201) is validator.is_valid({"data": data})
    parameters = described["paths"][f"/api/v1/{named}"]["get"]["parameters"]
    schemas = {each["name"]: each["schema"] for each in parameters}
    for op in ("", "[eq]", "[ne]", "[in]"):
        parameter = f"filter[{name}]{op}"
        response = client.get(f"/api/v1/{named}?{quote(parameter)}={quote(text)}")
        assert response.status_code in (200, 400)
        is_described = Draft202012Validator(schemas[parameter]).is_valid(text)
        assert (response.status_code == 200) is is_described, parameter


def test_a_sort_is_accepted_as_described(described: Any, client: ApiClient) -> None:
    (listing,) = (o for path, m, o in operations(described) if (path, m) == (USERS, "get"))
    schemas = {parameter["name"]: parameter["schema"] for parameter in listing["parameters"]}
    for value in ("", "name", "-name,id", "name,", ",", "nick", ",".join(["id"] * 8)):
        is_accepted = client.get(USERS, query_string={"sort": value}).status_code == 200
        assert Draft202012Validator(schemas["sort"]).is_valid(value) is is_accepted, value


def _schema(described: Any, path: str, method: str, status: int) -> Any:
    response = described["paths"][path][method]["responses"][str(status)]
    if "$ref" in response:
        response = described["components"]["responses"][response["$ref"].rpartition("/")[2]]
    content = response["content"]
    (only,) = content.values()
    return only["schema"]


def _validate(described: Any, schema: Any, document: Any) -> None:
    whole = {**schema, "components": described["components"]}
    Draft202012Validator(whole).validate(document)


def _body(described: Any, path: str, method: str) -> Any:
    return described["paths"][path][method]["requestBody"]["content"][JSONAPI]["schema"]


ONE = f"{USERS}/{{id}}"
HISTORY = f"{ONE}/history"


def test_documents_are_as_described(
    client: ApiClient, create: Create, create_group: Create, described: Any
) -> None:
    create()
    create(name="Zoë")
    create_group(members=["1", "2"], owner="1")
    create_group(description="Decides")
    one_group = f"{GROUPS}/{{id}}"
    profile = "https://jsonapi.org/profiles/ethanresnick/cursor-pagination"
    for url, path in [
        ("/api/v1", "/api/v1"),
        (USERS, USERS),
        (f"{USERS}?page[size]=1", USERS),
        (f"{USERS}?page[number]=1", USERS),
        (f"{USERS}?page[total]=true&include=", USERS),
        (f"{USERS}/1", ONE),
        (f"{USERS}/1/history", HISTORY),
        (f"{USERS}/1/history?page[number]=1", HISTORY),
        (GROUPS, GROUPS),
        (f"{GROUPS}?include=members.groups,owner", GROUPS),
        (f"{GROUPS}/1", one_group),
        (f"{GROUPS}/2?include=owner", one_group),
        (f"{GROUPS}/1/history", f"{one_group}/history"),
        (f"{GROUPS}/1/members", f"{one_group}/members"),
        (f"{GROUPS}/1/owner?include=groups", f"{one_group}/owner"),
        (f"{GROUPS}/2/owner", f"{one_group}/owner"),
        (f"{GROUPS}/1/relationships/members", f"{one_group}/relationships/members"),
        (f"{GROUPS}/1/relationships/members?include=members", f"{one_group}/relationships/members"),
        (f"{GROUPS}/1/relationships/owner", f"{one_group}/relationships/owner"),
        (f"{GROUPS}/2/relationships/owner?include=owner", f"{one_group}/relationships/owner"),
        (f"{USERS}/1/groups", f"{ONE}/groups"),
        (f"{USERS}/1/relationships/groups", f"{ONE}/relationships/groups"),
        ("/healthz", "/healthz"),
        ("/readyz", "/readyz"),
        ("/openapi.json", "/openapi.json"),
    ]:
        response = client.get(url, headers={"Accept": f'{JSONAPI};profile="{profile}"'})
        _validate(described, _schema(described, path, "get", 200), response.json)


@pytest.mark.parametrize(
    ("url", "path", "lacks"),
    [
        (f"{USERS}?fields[users]=name,groups", USERS, 5),
        (f"{USERS}/1?fields[users]=groups", ONE, 6),
        (f"{USERS}/1/history?fields[events]=changes", HISTORY, 7),
    ],
)
def test_a_response_with_fewer_attributes_otherwise_matches_its_schema(
    client: ApiClient, create: Create, described: Any, url: str, path: str, lacks: int
) -> None:
    create()
    schema = {**_schema(described, path, "get", 200), "components": described["components"]}
    found = [*Draft202012Validator(schema).iter_errors(client.get(url).json)]
    assert [(e.validator, e.absolute_path[-1]) for e in found] == lacks * [
        ("required", "attributes")
    ]


@pytest.mark.parametrize(("name", "path"), [("Users", USERS), ("Events", HISTORY)])
def test_members_of_every_response_are_required(
    client: ApiClient, create: Create, described: Any, name: str, path: str
) -> None:
    create()
    document = client.get(path.format(id=1)).json
    schemas = described["components"]["schemas"]
    page, item = schemas[f"{name}Page"], schemas[f"{name}PageItem"]["allOf"]
    assert page["properties"]["data"]["items"] == {"$ref": f"#/components/schemas/{name}PageItem"}
    assert item[0] == {"$ref": f"#/components/schemas/{name}"}
    required = {*schemas[name]["required"], *item[1]["required"]}
    assert required == document["data"][0].keys()
    attributes = schemas[name]["properties"]["attributes"]
    assert {*attributes["required"]} == document["data"][0]["attributes"].keys()
    cursor = item[1]["properties"]["meta"]["properties"]["page"]
    assert cursor["required"] == ["cursor"]
    assert {*page["properties"]["links"]["required"]} == document["links"].keys()
    counts = page["properties"]["meta"]["properties"]["page"]["properties"]
    assert counts["total"]["type"] == "integer"


def test_the_schemas_reject_other_documents(described: Any) -> None:
    schema = _schema(described, ONE, "get", 200)
    assert not Draft202012Validator({**schema, "components": described["components"]}).is_valid(
        {"jsonapi": {}, "links": {}, "data": {"type": "people", "id": "1"}}
    )


@pytest.mark.parametrize(
    ("attributes", "valid"),
    [
        ({"email": "ann@example.org", "name": "Ann"}, True),
        ({"email": "ann@example.org", "name": "Ann", "is_active": True, "role": "a-1"}, True),
        ({"email": "ann@example.org", "name": "Ann", "@type": "Person"}, True),
        ({"email": "ann@example.org"}, False),
        ({"email": "ann@example.org", "name": ""}, False),
        ({"email": "ann@example.org", "name": "A" * 251}, False),
        ({"email": "ann@example.org", "name": "Ann", "role": "R"}, False),
        ({"email": "ann@example.org", "name": "Ann", "is_active": "true"}, False),
        ({"email": "ann@example.org", "name": "Ann", "nick": "A"}, False),
    ],
)
def test_a_document_is_accepted_if_and_only_if_its_schema_is_valid(
    client: ApiClient, described: Any, attributes: dict[str, Any], valid: bool
) -> None:
    document = {"data": {"type": "users", "attributes": attributes}}
    validator = Draft202012Validator(
        {**_body(described, USERS, "post"), "components": described["components"]}
    )
    assert validator.is_valid(document) is valid
    assert (client.post(USERS, json=document).status_code == 201) is valid


def test_the_schema_of_a_change_permits_the_document_of_a_read(
    client: ApiClient, create: Create, described: Any
) -> None:
    create()
    document = client.get(f"{USERS}/1").json
    _validate(described, _body(described, ONE, "patch"), document)
    response = client.patch(f"{USERS}/1", json=document)
    assert response.status_code == 200
    _validate(described, _schema(described, ONE, "patch", 200), response.json)


@pytest.mark.parametrize("path", ["/api/v1", USERS, ONE, HISTORY])
def test_a_response_without_changes_is_described_with_its_etag(described: Any, path: str) -> None:
    response = described["paths"][path]["get"]["responses"]["304"]
    assert response["headers"].keys() == {"ETag"}


OF_EVERY_READ: list[tuple[int, dict[str, Any]]] = [
    (200, {}),
    (304, {"headers": {"If-None-Match": "*"}}),
    (400, {"query": "x=1"}),
    (406, {"accept": "text/html"}),
    (412, {"headers": {"If-Match": '"x"'}}),
    (415, {"type": f"{JSONAPI};charset=utf-8"}),
    (421, {"headers": {"Host": "rebound.example"}}),
]
"""The statuses of each GET, and the requests that get them."""

PROVOKED: dict[tuple[str, str], list[tuple[int, dict[str, Any]]]] = {
    ("/api/v1", "get"): OF_EVERY_READ,
    (USERS, "get"): OF_EVERY_READ,
    (HISTORY, "get"): [*OF_EVERY_READ, (404, {"id": 9})],
    (USERS, "post"): [
        (201, {"attributes": {"email": "new@example.org", "name": "New"}}),
        (
            404,
            {
                "attributes": {"email": "new@example.org", "name": "New"},
                "data": {"relationships": {"groups": {"data": [{"type": "groups", "id": "9"}]}}},
            },
        ),
        (400, {"body": b"{"}),
        (403, {"data": {"id": "1"}}),
        (406, {"accept": "text/html"}),
        (409, {"data": {"type": "people"}}),
        (413, {"body": b" " * (2**20 + 1)}),
        (415, {"type": "text/plain"}),
        (421, {"headers": {"Host": "rebound.example"}}),
        (422, {"attributes": {}}),
    ],
    (ONE, "get"): [*OF_EVERY_READ, (404, {"id": 9})],
    (ONE, "patch"): [
        (200, {"attributes": {}}),
        (400, {"body": b"{"}),
        (403, {"attributes": {"creation_time": "x"}}),
        (404, {"id": 9, "data": {"id": "9"}}),
        (406, {"accept": "text/html"}),
        (409, {"data": {"id": "2"}}),
        (412, {"headers": {"If-Match": '"x"'}}),
        (413, {"body": b" " * (2**20 + 1)}),
        (415, {"type": "text/plain"}),
        (421, {"headers": {"Host": "rebound.example"}}),
        (422, {"attributes": {"role": "R"}}),
    ],
    (ONE, "delete"): [
        (400, {"query": "x=1"}),
        (404, {"id": 9}),
        (406, {"accept": "text/html"}),
        (412, {"headers": {"If-Match": '"x"'}}),
        (415, {"type": f"{JSONAPI};charset=utf-8"}),
        (421, {"headers": {"Host": "rebound.example"}}),
        (204, {}),
        (403, {"headers": {"Origin": "https://evil.example"}}),
    ],
}
CASES = [
    (path, method, status, how)
    for (path, method), cases in PROVOKED.items()
    for status, how in cases
]


@pytest.mark.parametrize(("path", "method", "status", "how"), CASES)
def test_every_possible_status_is_described_with_its_body(
    client: ApiClient,
    create: Create,
    described: Any,
    path: str,
    method: str,
    status: int,
    how: dict[str, Any],
) -> None:
    create()
    whole = {"type": "users", **({"id": "1"} if method == "patch" else {}), **how.get("data", {})}
    document = {"data": {**whole, "attributes": how.get("attributes", {})}}
    response = client.open(
        f"{path.format(id=how.get('id', 1))}?{how.get('query', '')}",
        method=method.upper(),
        headers={"Accept": how.get("accept", "*/*"), **how.get("headers", {})},
        content_type=how.get("type", "application/json" if method in ("post", "patch") else None),
        **_content(method, how, document),
    )
    assert response.status_code == status
    description = described["paths"][path][method]["responses"][str(status)]
    if status < 400:
        sent = {"ETag", "Location"}.intersection(response.headers.keys())
        assert description.get("headers", {}).keys() == sent
    if response.data:
        _validate(described, _schema(described, path, method, status), response.json)


def _content(method: str, how: dict[str, Any], document: Any) -> dict[str, Any]:
    if "body" in how:
        return {"data": how["body"]}
    return {"json": document} if method in ("post", "patch") else {}


def test_the_home_page_is_described_in_both_media_types(client: ApiClient, described: Any) -> None:
    content = described["paths"]["/"]["get"]["responses"]["200"]["content"]
    sent = {
        client.get("/", headers={"Accept": accept}).headers["Content-Type"].partition(";")[0]
        for accept in ("*/*", "text/html")
    }
    assert content.keys() == sent


def test_the_header_of_a_response_to_a_compressed_body_is_described(
    client: ApiClient, described: Any
) -> None:
    response = client.post(USERS, json={}, headers={"Content-Encoding": "gzip"})
    assert response.status_code == 415
    headers = described["components"]["responses"]["Problem415"]["headers"]
    assert list(headers) == ["Accept-Encoding"]
    assert "Accept-Encoding" in response.headers


def test_every_described_status_is_possible(described: Any) -> None:
    # These need a slow client, a store that fails or is full of responses, or a fault.
    elsewhere = {"408", "429", "500", "503"}
    for path, method, operation in operations(described):
        if (path, method) in PROVOKED:
            had = {str(status) for status, _ in PROVOKED[path, method]}
            had |= {"409"} if method == "delete" else set()  # needs 10,000 memberships
            assert set(operation["responses"]) - elsewhere <= had, (path, method)


def test_the_error_of_the_readiness_probe_is_as_described(
    build: Callable[..., Flask], clock: Any
) -> None:
    class Unready(MemoryStore):
        def ready(self) -> None:
            raise Unavailable

    client = CheckedClient(build(memory_store=Unready(clock)))
    described = client.get("/openapi.json").json
    _validate(described, _schema(described, "/readyz", "get", 503), client.get("/readyz").json)


def media_types(described: Any) -> Iterator[tuple[str, str, Any]]:
    """The place, the name and the description of each media type of a body."""
    for path, method, operation in operations(described):
        bodies = {"request": operation.get("requestBody", {}), **operation["responses"]}
        for place, body in bodies.items():
            if "$ref" in body:
                body = described["components"]["responses"][body["$ref"].rpartition("/")[2]]
            for name, media in body.get("content", {}).items():
                yield f"{method} {path} {place}", name, media


def test_every_document_has_an_example_and_is_valid_by_its_schema(described: Any) -> None:
    found = [(place, media) for place, name, media in media_types(described) if "json" in name]
    assert len(found) > 30
    for place, media in found:
        assert "example" in media, place
        _validate(described, media["schema"], media["example"])


def test_the_examples_are_accepted(client: ApiClient, described: Any) -> None:
    def example(path: str, method: str, content_type: str = JSONAPI) -> Any:
        content = described["paths"][path][method]["requestBody"]["content"]
        return content[content_type]["example"]

    assert client.post(USERS, json=example(USERS, "post")).status_code == 201
    assert client.patch(f"{USERS}/1", json=example(ONE, "patch")).status_code == 200
    other = {"type": "users", "id": "1", "attributes": {"email": "other@example.org"}}
    assert client.patch(f"{USERS}/1", json={"data": other}).status_code == 200
    (atomic,) = described["paths"][OPERATIONS]["post"]["requestBody"]["content"]
    body = json.dumps(example(OPERATIONS, "post", atomic))
    assert client.post(OPERATIONS, data=body, content_type=atomic).status_code == 200


def test_the_names_of_parameters_differ_in_their_letters(described: Any) -> None:
    for path, method, operation in operations(described):
        names = [re.sub(r"\W", "", p["name"]) for p in operation["parameters"]]
        assert len(names) == len(set(names)), (path, method)


def test_every_operation_has_a_summary_of_its_own_and_a_tag(described: Any) -> None:
    tags = {tag["name"] for tag in described["tags"]}
    summaries = [operation["summary"] for _, _, operation in operations(described)]
    assert all(summaries)
    assert len(set(summaries)) == len(summaries)
    for path, method, operation in operations(described):
        assert set(operation["tags"]) <= tags, (path, method)


def test_every_error_code_is_described_with_its_status(described: Any) -> None:
    responses = described["components"]["responses"]
    for code, (statuses, _) in error_codes([USER_TYPE]).items():
        for status in {*statuses.split(", ")} - {
            "401",
            "405",
            "429",
        }:  # this service cannot return them
            assert f"`{code}`" in responses[f"Problem{status}"]["description"]
    for name, response in responses.items():
        (error,) = response["content"][JSONAPI]["example"]["errors"]
        assert error["status"] == name.removeprefix("Problem")
        statuses, meaning = error_codes([USER_TYPE])[error["code"]]
        assert error["status"] in statuses.split(", ")
        assert error["detail"] == meaning


def test_a_service_with_a_rate_limit_describes_429(build: Any) -> None:
    limited = CheckedClient(build({"ROSTER_RATE_LIMIT": "1000/second"})).get("/openapi.json").json
    for path, _, operation in operations(limited):
        assert ("429" in operation["responses"]) is path.startswith("/api/v1"), path
    response = limited["components"]["responses"]["Problem429"]
    assert "Retry-After" in response["headers"]
