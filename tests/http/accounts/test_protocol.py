"""Every URL of accounts follows the contract's rules for all URLs."""

import json
from typing import Any

import pytest
from accounts.conftest import Build, Service, bearer, other_issuer
from accounts.table import (
    ANYONE,
    ME,
    OF_ANYONE,
    OF_USERS,
    PREFIX,
    ROUTES,
    WITH_BODY,
    WITH_SCOPES,
    WRITE,
    Route,
)
from api.constants import JSONAPI
from api_client import ApiClient

URLS = sorted({each.url for each in ROUTES})


def name_of(route: Any) -> str:
    return f"{route.method} {route.url}" if isinstance(route, Route) else str(route)


def every(routes: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("route", routes, ids=name_of)


class Request:
    """A valid request to a URL, of a user who has the access it requires."""

    def __init__(self, service: Service, route: Route) -> None:
        role = "admin" if route in WITH_SCOPES else "user"
        service.user("ann", role=role)
        self.session = service.log_in()
        self._send = service.send
        self.route = route
        self.headers = bearer(self.session["meta"]["access_token"])
        self.url = route.url.replace("ID", self.session["id"])
        self.body = route.body
        if route.method == "PATCH":
            self.body["data"]["id"] = "1"

    def __call__(self, more: str = "", headers: Any = (), **options: Any) -> Any:
        sent = options.pop("sent", self.body)
        all_headers = {**self.headers, **dict(headers)}
        return self._send(self.route.method, self.url + more, sent, all_headers, **options)


@pytest.fixture
def request_of(service: Service) -> Any:
    return lambda route: Request(service, route)


def succeeds(response: Any) -> bool:
    """Returns True if no check of the request failed. The token of a link is unknown."""
    return response.status_code < 300 or ("403", "link_invalid") in [
        each[:2] for each in response.problems
    ]


@every(ROUTES)
def test_the_request_also_succeeds_with_the_suffix(request_of: Any, route: Route) -> None:
    response = request_of(route)(".json")
    assert succeeds(response), response.text
    if route.method == "GET":
        assert response.headers["Content-Type"] == JSONAPI
        assert response.json["links"]["self"] == request_of_url(response)


def request_of_url(response: Any) -> str:
    current = response.json["data"]["id"] if "current" in response.request.path else ""
    return str(response.request.path).removesuffix(".json").replace("current", current)


@every(ROUTES)
@pytest.mark.parametrize("name", ["password", "token", "page", "fields[users"])
def test_an_unknown_parameter_gets_400(request_of: Any, route: Route, name: str) -> None:
    response = request_of(route)(f"?{name}=secret-7")
    assert response.status_code == 400
    (error,) = response.json["errors"]
    assert error["source"] == {"parameter": name}
    assert "secret-7" not in response.text


@every(WITH_SCOPES)
def test_parameters_are_checked_before_the_user(request_of: Any, route: Route) -> None:
    send = request_of(route)
    send.url = send.url.replace("/users/1/", "/users/999/")
    (error,) = send("?page=secret-7").json["errors"]
    assert (error["status"], error["source"]) == ("400", {"parameter": "page"})
    assert send().status_code == 404


@every(ROUTES)
def test_accept_is_negotiated(request_of: Any, route: Route) -> None:
    send = request_of(route)
    for accept in ("text/html", f"{JSONAPI};charset=utf-8, */*", f'{JSONAPI};ext="x"'):
        response = send(headers={"Accept": accept})
        assert response.problems == [("406", "not_acceptable", None)]
    assert succeeds(send(headers={"Accept": "application/json"}))


@every(WITH_BODY)
def test_bodies_of_other_types_get_415(request_of: Any, route: Route) -> None:
    send = request_of(route)
    text = json.dumps(send.body)
    for content_type in ("application/x-www-form-urlencoded", "text/plain", f"{JSONAPI};a=b", None):
        response = send(sent=None, data=text, content_type=content_type)
        assert response.problems == [("415", "unsupported_media_type", None)]
    assert succeeds(send(sent=None, data=text, content_type=JSONAPI))


@every(WITH_BODY)
def test_the_structure_of_documents_is_checked(request_of: Any, route: Route) -> None:
    send = request_of(route)
    good = send.body["data"]
    for sent, problem in [
        ([], ("400", "wrong_json_type", "")),
        ({}, ("400", "missing_member", "")),
        ({"data": []}, ("400", "wrong_json_type", "/data")),
        ({"data": {**good, "type": "robots"}}, ("409", "type_mismatch", "/data/type")),
        ({"data": {**good, "attributes": 7}}, ("400", "wrong_json_type", "/data/attributes")),
    ]:
        assert send(sent=sent).problems == [problem]
    for text, code in [('{"data": NaN}', "malformed_json"), ('{"a":1,"a":1}', "duplicate_member")]:
        assert send(sent=None, data=text, content_type=JSONAPI).problems[0][1] == code
    if route.method == "POST":
        response = send(sent={"data": {**good, "id": "7"}})
        assert response.problems == [("403", "client_generated_id", "/data/id")]
        assert succeeds(send(sent={"data": {**good, "id": None, "@x": 1}, "extra": 1}))


def with_attribute(send: Any, name: str, value: object) -> Any:
    return {"data": {**send.body["data"], "attributes": {**send.route.sent[1], name: value}}}


@every(WITH_BODY)
def test_attributes_are_checked(request_of: Any, route: Route) -> None:
    send = request_of(route)
    response = send(sent=with_attribute(send, "nick", "x"))
    assert response.problems == [("422", "unknown_attribute", "/data/attributes/nick")]
    assert response.json["errors"][0]["meta"]["attribute"] == "nick"
    assert route.sent
    for name in route.sent[1]:
        pointer = f"/data/attributes/{name}"
        for value in (None, 7, ["a"], {"a": "b"}, True):
            response = send(sent=with_attribute(send, name, value))
            assert response.problems == [("422", "wrong_type", pointer)], value
        for text in ("a\0b", "\ud800"):
            response = send(sent=with_attribute(send, name, text))
            assert response.problems == [("422", "forbidden_character", pointer)], ascii(text)


@every([each for each in WITH_BODY if each.method == "POST" and each.sent and each.sent[1]])
def test_missing_attributes_are_reported_together(request_of: Any, route: Route) -> None:
    send = request_of(route)
    assert route.sent
    response = send(sent={"data": {"type": route.sent[0], "attributes": {}}})
    required = [name for name in route.sent[1] if (route.url, name) != CONDITIONAL]
    assert response.problems == [("422", "missing", "/data/attributes")] * len(required)
    assert {each["meta"]["attribute"] for each in response.json["errors"]} == {*required}
    response = send(sent={"data": {"type": route.sent[0]}})
    assert response.problems == [("422", "missing", "/data")] * len(required)


CONDITIONAL = ("/confirmations", "password")


@pytest.mark.parametrize("url", URLS)
def test_other_methods_get_405(service: Service, url: str) -> None:
    allowed = {each.method for each in ROUTES if each.url == url} | {"OPTIONS"}
    allowed |= {"HEAD"} if "GET" in allowed else set()
    url = url.replace("ID", "x" * 22)
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - allowed:
        response = service.send(method, url)
        assert response.problems == [("405", "method_not_allowed", None)]
        assert {*response.headers["Allow"].split(", ")} == allowed
    response = service.send("OPTIONS", url)
    assert response.status_code == 204
    assert {*response.headers["Allow"].split(", ")} == allowed


@every([each for each in ROUTES if each.method == "GET"])
def test_head_and_etags_are_those_of_every_read(
    request_of: Any, service: Service, route: Route
) -> None:
    send = request_of(route)
    response = send()
    etag = response.headers["ETag"]
    head = service.send("HEAD", send.url, headers=send.headers)
    assert head.status_code == 200
    assert head.headers["ETag"] == etag
    assert head.headers["Content-Length"] == response.headers["Content-Length"]
    assert send(headers={"If-None-Match": etag}).status_code == 304
    assert send(headers={"If-Match": etag}).status_code == 200
    assert send(headers={"If-Match": '"other"'}).status_code == 412


@every([each for each in ROUTES if each.access != ANYONE])
def test_a_token_is_required(service: Service, route: Route) -> None:
    url = route.url.replace("ID", "x" * 22)
    for headers, code in [
        ({}, "missing_token"),
        ({"Authorization": "Basic eA=="}, "missing_token"),
        ({"Cookie": "token=x"}, "missing_token"),
        (bearer("x.y.z"), "invalid_token"),
    ]:
        response = service.send(route.method, url, route.body, headers)
        assert response.problems == [("401", code, None)]
        assert response.headers["WWW-Authenticate"].startswith("Bearer")


@every(OF_USERS)
def test_tokens_of_other_issuers_get_403(service: Service, route: Route) -> None:
    service.user()
    for headers in (other_issuer("me", "users:read", "users:write"), other_issuer()):
        response = service.send(route.method, route.url, route.body, headers)
        assert response.problems == [("403", "not_a_user", None)]


@every([*WITH_SCOPES, *(each for each in ROUTES if each.access == ME)])
def test_a_scope_is_required(build: Build, route: Route) -> None:
    service = build(ROSTER_ROLE_SCOPES="user=groups:read")
    send = Request(service, route)
    service_response = service.send(route.method, send.url, send.body, send.headers)
    if route in WITH_SCOPES:
        other = "users:read" if route.access == WRITE else "users:write"
        service_response = service.send(
            route.method, route.url.replace("ID", "x" * 22), route.body, other_issuer(other)
        )
    assert service_response.problems == [("403", "insufficient_scope", None)]
    assert route.access in service_response.json["errors"][0]["detail"]
    assert f'scope="{route.access}"' in service_response.headers["WWW-Authenticate"]


@every(OF_ANYONE)
@pytest.mark.parametrize("value", ["Bearer x.y.z", "Bearer", "Basic eA==", "\xff", ""])
def test_authorization_is_ignored_on_urls_for_anyone(
    request_of: Any, route: Route, value: str
) -> None:
    assert succeeds(request_of(route)(headers={"Authorization": value}))


@every([each for each in WITH_BODY if each.method == "POST"])
def test_idempotency_keys_are_ignored(request_of: Any, route: Route) -> None:
    """A key with another body, or one that is too long, would otherwise be rejected."""
    send = request_of(route)
    for key, member in (("k", "meta"), ("k", "links"), ("k" * 300, "meta")):
        response = send(headers={"Idempotency-Key": key}, sent={**send.body, member: {}})
        assert succeeds(response) or response.problems[0][1] in ("wrong_password", "invalid_token")


@every(ROUTES)
def test_the_urls_do_not_exist_without_accounts(build: Build, route: Route) -> None:
    service = build(ROSTER_ACCOUNTS="off")
    url = route.url.replace("ID", "x" * 22)
    response = service.send(
        route.method, url, route.body, other_issuer("users:read", "users:write")
    )
    assert response.problems == [("404", "not_found", None)]


def test_the_root_lists_sessions(service: Service, build: Build) -> None:
    service.user()
    collections = service.send("GET", "", headers=service.access()).json["meta"]["collections"]
    assert collections["sessions"] == f"{PREFIX}/sessions"
    assert collections.keys() == {"users", "groups", "sessions"}
    plain = build(ROSTER_ACCOUNTS="off").send("GET", "", headers=other_issuer())
    assert plain.json["meta"]["collections"].keys() == {"users", "groups"}


ORIGIN = "https://app.example.org"


@pytest.mark.parametrize("url", URLS)
def test_scripts_of_an_allowed_origin_may_send_requests(build: Build, url: str) -> None:
    service = build(ROSTER_CORS_ORIGINS=ORIGIN)
    methods = [each.method for each in ROUTES if each.url == url]
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": methods[0]}
    client = ApiClient(service.app)  # Vary differs
    preflight = client.options(PREFIX + url.replace("ID", "x" * 22), headers=headers)
    assert preflight.status_code == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert {*methods} <= {*preflight.headers["Access-Control-Allow-Methods"].split(", ")}


@every(OF_ANYONE)
def test_urls_for_anyone_count_for_the_rate_limit_of_the_service(
    build: Build, route: Route
) -> None:
    service = build(ROSTER_RATE_LIMIT="2/minute", ROSTER_ACCOUNT_RATE="100/minute")
    statuses = [service.send("POST", route.url, {}).status_code for _ in range(3)]
    assert statuses == [400, 400, 429]


@every(OF_ANYONE)
def test_a_network_has_a_rate_limit_on_urls_for_anyone(build: Build, route: Route) -> None:
    service = build(ROSTER_ACCOUNT_RATE="2/minute")
    responses = [
        service.send("POST", route.url, {}, environ_base={"REMOTE_ADDR": f"2001:db8::{n}"})
        for n in range(3)
    ]
    assert [each.status_code for each in responses] == [400, 400, 429]
    assert responses[2].problems == [("429", "too_many_requests", None)]
    assert int(responses[2].headers["Retry-After"]) > 0
    service.user()
    assert service.send("GET", "/sessions", headers=other_issuer()).status_code == 403


@pytest.mark.parametrize("user_id", ["07", "abc", "9" * 30, "99"])
@every(WITH_SCOPES)
def test_an_unknown_user_gets_404(service: Service, route: Route, user_id: str) -> None:
    url = route.url.replace("1", user_id).replace("ID", "x" * 22)
    headers = other_issuer("users:read", "users:write")
    response = service.send(route.method, url, route.body, headers)
    assert response.status_code == 404
    assert response.problems[0][1] in ("not_found", "user_not_found", "session_not_found")
