"""/openapi.json describes the URLs of accounts, and what they accept and return."""

import re
from datetime import datetime
from typing import Any

import pytest
from accounts.conftest import SETTINGS, Build, Service, other_issuer
from accounts.table import ANYONE, PREFIX, ROUTES, SELF, WITH_BODY, Route
from accounts.test_protocol import CONDITIONAL, Request, every
from api.constants import JSONAPI
from api.test_openapi import inner, operations
from api_client import ApiClient
from click.testing import CliRunner
from jsonschema import Draft202012Validator
from openapi_fields import mistakes

from entrypoints.cli.main import main

PATHS = re.compile(
    r"^/api/v1/(me|sessions|signups|recoveries|confirmations)|/users/{id}/(acc|se|in)"
)


@pytest.fixture
def described(service: Service) -> Any:
    return service.client.get("/openapi.json").json


def path_of(route: Route) -> str:
    path = PREFIX + route.url.replace("/users/1", "/users/{id}").replace("ID", "{sid}")
    return path.replace("current", "{id}")


def validate(described: Any, schema: Any, document: Any) -> None:
    Draft202012Validator({**schema, "components": described["components"]}).validate(document)


def test_the_description_is_complete(described: Any) -> None:
    assert mistakes(described) == []
    ids = [operation["operationId"] for _, _, operation in operations(described)]
    assert len(ids) == len(set(ids))
    for path, _, operation in operations(described):
        in_path = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", path))
    for found in inner(described):
        if "$ref" in found:
            target = described
            for step in found["$ref"].removeprefix("#/").split("/"):
                target = target[step]
        if "schema" in found:
            Draft202012Validator.check_schema(found["schema"])
    for schema in described["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    tags = {each["name"] for each in described["tags"]}
    assert {tag for _, _, operation in operations(described) for tag in operation["tags"]} <= tags


def test_no_filter_may_contain_nul(described: Any) -> None:
    checked = 0
    for path, _, operation in operations(described):
        for parameter in operation["parameters"]:
            name, schema = parameter["name"], parameter.get("schema", {})
            has_format = {"anyOf", "format"} & schema.keys()  # which this validator ignores
            if name.startswith("filter[") and schema.get("type") == "string" and not has_format:
                assert not Draft202012Validator(schema).is_valid("a\0b"), (path, name)
                checked += 1
    assert checked > 30


def test_every_example_of_a_value_is_valid(described: Any) -> None:
    schemas = [each for each in inner(described) if isinstance(each.get("examples"), list)]
    times = 0
    for schema in schemas:
        for example in schema["examples"]:
            validate(described, schema, example)
            if schema.get("format") == "date-time":
                datetime.fromisoformat(example)
                times += 1
    assert times


def test_all_routes_are_described(service: Service, described: Any) -> None:
    routes = set()
    for rule in service.app.url_map.iter_rules():
        path = rule.rule.replace("/<session_id>", "/{sid}" if "user_id" in rule.rule else "/{id}")
        path = re.sub(r"<(?:\w+:)?(?:user_|group_|subject_)?(\w+)>", r"{\1}", path)
        if not path.startswith("/docs/"):
            routes |= {(path, m.lower()) for m in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    assert {(path, method) for path, method, _ in operations(described)} == routes


def test_nothing_is_described_without_accounts(build: Build) -> None:
    described = build(ROSTER_ACCOUNTS="off").client.get("/openapi.json").json
    assert [path for path in described["paths"] if PATHS.search(path)] == []
    assert not {"/oauth/token", "/account", "/.well-known/jwks.json"} & described["paths"].keys()
    assert "Login" not in described["components"]["schemas"]


@every(ROUTES)
def test_the_access_of_each_url_is_described(described: Any, route: Route) -> None:
    operation = described["paths"][path_of(route)][route.method.lower()]
    scopes = [] if route.access in (ANYONE, SELF) else [route.access]
    expected = [] if route.access == ANYONE else [{"bearer": scopes}]
    assert operation["security"] == expected
    assert ("401" in operation["responses"]) is (route.access != ANYONE or "session" in route.url)


def test_every_operation_with_a_body_describes_what_may_be_wrong_with_it(described: Any) -> None:
    with_body = [each for each in operations(described) if "requestBody" in each[2]]
    assert len(with_body) > 20
    for path, method, operation in with_body:
        expected = {"400", "408", "413", "503"} | ({"415"} if path.startswith("/api/") else set())
        assert expected <= operation["responses"].keys(), (path, method)


def test_no_body_can_be_omitted(described: Any) -> None:
    bodies = [each["requestBody"] for *_, each in operations(described) if "requestBody" in each]
    assert {each.get("required", False) for each in bodies} == {True}


def test_every_schema_with_properties_is_an_object(described: Any) -> None:
    schemas = [found for found in inner(described) if isinstance(found.get("properties"), dict)]
    has_type = [each for each in schemas if each.keys() & {"required", "additionalProperties"}]
    assert len(has_type) > 50
    assert [
        each for each in has_type if each.get("type") not in ("object", ["object", "null"])
    ] == []


def test_texts_of_users_and_groups_have_their_maximum_lengths(described: Any) -> None:
    lengths = {
        (name, attribute): schema.get("maxLength")
        for name in ("UsersCreation", "UsersChange", "GroupsCreation", "GroupsChange")
        for attribute, schema in attributes_of(described, name).items()
        if "string" in schema.get("type", ()) and schema.get("format") != "date-time"
    }
    users = {"email": 250, "name": 250, "role": 50}
    groups = {"name": 250, "description": 500}
    assert lengths == {
        (f"{kind}{use}", attribute): length
        for kind, of_kind in (("Users", users), ("Groups", groups))
        for use in ("Creation", "Change")
        for attribute, length in of_kind.items()
    }


def attributes_of(described: Any, name: str) -> Any:
    """The schemas of the attributes in a document that is sent."""
    data = described["components"]["schemas"][name]["properties"]["data"]
    return data["properties"]["attributes"]["properties"]


def test_every_body_has_a_schema(described: Any) -> None:
    contents = [found["content"] for found in inner(described) if "content" in found]
    assert len(contents) > 50
    for each in contents:
        assert all("schema" in found for found in each.values()), each


def test_no_attribute_of_a_request_appears_in_a_response(described: Any) -> None:
    """Generated clients otherwise expect passwords and tokens in documents that they read."""
    names = set()
    for name, schema in described["components"]["schemas"].items():
        if name.endswith("Creation") and name not in ("UsersCreation", "GroupsCreation"):
            attributes = schema["properties"]["data"]["properties"]["attributes"]["properties"]
            assert all(each["writeOnly"] for each in attributes.values()), name
            names |= attributes.keys()
    assert names == {"email", "password", "name", "token", "current_password"}


def test_examples_match_their_schemas(described: Any) -> None:
    examples = [found for found in inner(described) if {"schema", "example"} <= found.keys()]
    assert len(examples) > 50
    for found in examples:
        validate(described, found["schema"], found["example"])


def schema_of(described: Any, route: Route, response: Any) -> Any:
    operation = described["paths"][path_of(route)][route.method.lower()]
    found = operation["responses"][str(response.status_code)]
    if "$ref" in found:
        found = described["components"]["responses"][found["$ref"].rpartition("/")[2]]
    if not response.data:
        return None
    return found["content"][response.headers["Content-Type"].partition(";")[0]]["schema"]


@every(ROUTES)
def test_responses_are_as_described(service: Service, described: Any, route: Route) -> None:
    send = Request(service, route)
    if route.body:
        operation = described["paths"][path_of(route)][route.method.lower()]
        validate(described, operation["requestBody"]["content"][JSONAPI]["schema"], send.body)
    requests: list[dict[str, Any]] = [
        {"more": "?x=y"},
        {"headers": {"Accept": "text/html"}},
        {"sent": None, "data": "{", "content_type": "text/plain"}
        if route.method != "DELETE"
        else {},
        {"sent": {"data": {}}} if route.body else {},
        {"headers": {"If-None-Match": "*"}} if route.method == "GET" else {},
        {"headers": {"If-Match": '"x"'}} if route.method == "GET" else {},
        {},
    ]
    for each in requests:
        response = send(**each)
        if schema := schema_of(described, route, response):
            validate(described, schema, response.json)
    if route.access != ANYONE:
        for headers in ({}, other_issuer()):
            response = service.send(route.method, send.url, send.body, headers)
            assert response.status_code in (401, 403)
            validate(described, schema_of(described, route, response), response.json)


@every(WITH_BODY)
def test_attributes_are_required_as_described(
    service: Service, described: Any, route: Route
) -> None:
    send = Request(service, route)
    operation = described["paths"][path_of(route)][route.method.lower()]
    schema = operation["requestBody"]["content"][JSONAPI]["schema"]
    validator = Draft202012Validator({**schema, "components": described["components"]})
    data, attributes = send.body["data"], send.body["data"]["attributes"]
    without_any = {name: value for name, value in data.items() if name != "attributes"}
    without_one = [
        {**data, "attributes": {other: attributes[other] for other in attributes if other != name}}
        for name in attributes
        if (route.url, name) != CONDITIONAL
    ]
    for each in (without_any, *without_one):
        sent = {"data": each}
        assert validator.is_valid(sent) is (send(sent=sent).status_code < 300), each


def test_operations_have_stable_names(described: Any) -> None:
    """Generated clients have methods with these names."""
    names = {
        operation["operationId"]
        for path, _, operation in operations(described)
        if PATHS.search(path) or path.startswith("/oauth/")
    }
    assert names == {
        *("log_in", "list_sessions", "end_sessions", "show_session", "end_session"),
        *("sign_up", "recover", "confirm", "show_me", "change_me"),
        *("change_password", "change_email", "show_account", "invite_user", "withdraw_links"),
        *("list_user_sessions", "end_user_sessions", "show_user_session", "end_user_session"),
        *("refresh_tokens", "revoke_token", "introspect_token"),
    }


@every(WITH_BODY)
def test_bodies_are_accepted_as_described(service: Service, described: Any, route: Route) -> None:
    send = Request(service, route)
    operation = described["paths"][path_of(route)][route.method.lower()]
    schema = operation["requestBody"]["content"][JSONAPI]["schema"]
    validator = Draft202012Validator({**schema, "components": described["components"]})
    assert route.sent
    for name in (*route.sent[1], "nick", "@context"):
        for value in (7, None, "a\0b"):
            attributes = {**route.sent[1], name: value}
            if (name, value) == ("email", "a\0b"):
                continue  # the format of an email is not checked
            sent = {"data": {**send.body["data"], "attributes": attributes}}
            response = send(sent=sent)
            assert validator.is_valid(sent) is (response.status_code != 422), (name, value)


@pytest.mark.parametrize("accounts", ["on", "off"])
def test_the_command_prints_the_same_description(build: Build, accounts: str) -> None:
    served = build(ROSTER_ACCOUNTS=accounts).client.get("/openapi.json").data
    environment = {**SETTINGS, "ROSTER_ACCOUNTS": accounts}
    printed = CliRunner().invoke(main, ["openapi"], env=environment, catch_exceptions=False)
    assert printed.stdout_bytes == served + b"\n"


def test_the_challenge_of_introspection_is_described(service: Service, described: Any) -> None:
    client = ApiClient(service.app)
    response = client.post("/oauth/introspect", data={"token": "x"})
    assert response.status_code == 401
    assert "WWW-Authenticate" in response.headers
    responses = described["paths"]["/oauth/introspect"]["post"]["responses"]
    assert responses["401"]["headers"].keys() == {"WWW-Authenticate"}
