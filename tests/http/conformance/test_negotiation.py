"""Media types of requests and responses (jsonapi.org/format/1.1/#content-negotiation)."""

import re
from collections.abc import Mapping

import httpx
import pytest
from conformance.client import ATOMIC, CURSORS, IN_OPERATIONS, JSONAPI, Client

UNKNOWN = "https://example.org/unknown"
OTHER_PARAMETERS = (
    "charset=utf-8",
    'charset="utf-8"',
    "CHARSET=utf-8",
    " charset = utf-8",
    "version=1",
    "q=1",
    f'profile="{UNKNOWN}";charset=utf-8',
    'profile="a;b";charset=utf-8',
    r'profile="a\";b";charset=utf-8',
    "charset",
    "charset=",
    'charset="utf-8',
    f'profile="{UNKNOWN}";charset;profile="{UNKNOWN}"',
)
MODIFIED = f"{JSONAPI};charset=utf-8"
EXTENDED = f'{JSONAPI};ext="{UNKNOWN}"'
PARAMETER = re.compile(r';\s*([a-z]+)="([^"]*)"')


def content_type(response: httpx.Response) -> tuple[str, dict[str, list[str]]]:
    """The media type of a response, and the lists in its parameters."""
    name, _, rest = response.headers["Content-Type"].partition(";")
    found = PARAMETER.findall(f";{rest}" if rest else "")
    assert "".join(f';{n}="{v}"' for n, v in found) == (f";{rest}" if rest else "").replace(
        " ;", ";"
    )
    return name, {parameter: value.split(" ") for parameter, value in found}


# -- requests -----------------------------------------------------------------------------------


@pytest.mark.parametrize("parameters", OTHER_PARAMETERS)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_body_whose_json_api_type_has_another_parameter_is_415(
    client: Client, method: str, parameters: str
) -> None:
    found = client.create()
    url = client.resource.collection if method == "POST" else client.url(found)
    document = client.new() if method == "POST" else client.change(found, {})
    response = client.send(method, url, document, {"Content-Type": f"{JSONAPI};{parameters}"})
    assert response.status_code == 415
    assert client.send(method, url, document).is_success


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_another_parameter_is_415_for_a_request_without_a_body(client: Client, method: str) -> None:
    url = client.url(client.create())
    headers = {"Content-Type": f"{JSONAPI};charset=utf-8"}
    assert client.send(method, url, headers=headers).status_code == 415
    assert client.get(url).status_code == 200


@pytest.mark.parametrize(
    "extensions",
    [
        f'"{UNKNOWN}"',
        f'"{ATOMIC} {UNKNOWN}"',
        f'"{ATOMIC}x"',
        f'"{UNKNOWN}";profile="{CURSORS}"',
        f'"{UNKNOWN}";ext="{ATOMIC}"',
        f'"{ATOMIC}";ext="{UNKNOWN}"',
    ],
)
def test_a_body_in_an_unsupported_extension_is_415(client: Client, extensions: str) -> None:
    headers = {"Content-Type": f"{JSONAPI};ext={extensions}"}
    for url in (client.resource.collection, client.resource.operations):
        assert client.send("POST", url, client.new(), headers).status_code == 415


def test_parameters_of_media_types_may_have_any_case_and_order(client: Client) -> None:
    add = {"op": "add", **client.new()}
    for written in (
        IN_OPERATIONS,
        f'{JSONAPI} ; EXT="{ATOMIC}"',
        f'Application/VND.api+json;profile="{UNKNOWN}";ext="{ATOMIC}"',
        f'{JSONAPI};ext="{ATOMIC} {ATOMIC}"',
    ):
        assert client.operate(add | client.new(), **{"Content-Type": written}).status_code == 200


@pytest.mark.parametrize("profiles", [UNKNOWN, f"{UNKNOWN} {CURSORS}", "a, b;c=d", ""])
def test_profiles_that_the_server_does_not_know_are_ignored(client: Client, profiles: str) -> None:
    of_profiles = f'{JSONAPI};profile="{profiles}"'
    headers = {"Content-Type": of_profiles, "Accept": of_profiles}
    response = client.send("POST", client.resource.collection, client.new(), headers)
    assert response.status_code == 201
    assert UNKNOWN not in response.headers["Content-Type"]
    assert client.get(client.url(response.json()["data"]), Accept=of_profiles).status_code == 200


def test_members_of_the_jsonapi_object_do_not_affect_negotiation(client: Client) -> None:
    claimed = {"jsonapi": {"version": "1.1", "ext": [UNKNOWN, ATOMIC], "profile": [CURSORS]}}
    response = client.send("POST", client.resource.collection, {**client.new(), **claimed})
    assert response.status_code == 201
    assert response.headers["Content-Type"] == JSONAPI
    operations = {"atomic:operations": [{"op": "add", **client.new()}], **claimed}
    for url in (client.resource.collection, client.resource.operations):
        assert client.send("POST", url, operations).is_client_error


# -- what the client accepts -------------------------------------------------------------------


@pytest.mark.parametrize(
    "accept",
    [
        f"{MODIFIED}, {JSONAPI}",
        f"{JSONAPI}, {MODIFIED}",
        f"{MODIFIED},{JSONAPI};q=0.1",
        f"{EXTENDED}, {JSONAPI}",
        f"{EXTENDED}, {MODIFIED}, {JSONAPI}",
        f'{MODIFIED}, {JSONAPI};profile="{UNKNOWN}"',
        f'{JSONAPI};profile="a, b;c=d"',
        r'application/vnd.api+json;profile="a\"; charset=x"',
        (MODIFIED, JSONAPI),
        (EXTENDED, "text/html", JSONAPI),
    ],
)
def test_an_accepted_type_with_other_parameters_is_ignored(
    client: Client, accept: str | tuple[str, ...]
) -> None:
    response = client.send("GET", client.resource.collection, headers={"Accept": accept})
    assert response.status_code == 200
    assert response.headers["Content-Type"] == JSONAPI


@pytest.mark.parametrize("parameters", [each for each in OTHER_PARAMETERS if each != "q=1"])
@pytest.mark.parametrize("others", ["", ", */*", ", application/json", ", text/html;q=0.5"])
def test_an_accept_with_another_parameter_in_every_type_is_406(
    client: Client, parameters: str, others: str
) -> None:
    accept = f"{JSONAPI};{parameters}{others}"
    for url in (client.resource.collection, client.url(client.create())):
        assert client.get(url, Accept=accept).status_code == 406


@pytest.mark.parametrize(
    "accept",
    [
        EXTENDED,
        f"{EXTENDED}, */*",
        f'{EXTENDED}, {JSONAPI};ext="{UNKNOWN}/2"',
        f"{EXTENDED}, {MODIFIED}",
        f'{JSONAPI};ext="{UNKNOWN}";profile="{CURSORS}"',
        f'{JSONAPI};profile="{CURSORS}";ext={UNKNOWN}',
        f'{EXTENDED};ext=""',
        (EXTENDED, MODIFIED, "*/*"),
    ],
)
def test_an_accept_with_an_unsupported_extension_in_every_type_is_406(
    client: Client, accept: str | tuple[str, ...]
) -> None:
    headers = {"Accept": accept}
    assert client.send("GET", client.resource.collection, headers=headers).status_code == 406


@pytest.mark.parametrize("accept", [f'{JSONAPI};ext="{ATOMIC} {UNKNOWN}"', EXTENDED, MODIFIED])
def test_a_request_with_an_unacceptable_response_has_no_effect(client: Client, accept: str) -> None:
    group = client.group(0)
    sent = client.new(client.attributes(**{client.resource.group: group.value}))
    rejected = client.operate({"op": "add", **sent}, Accept=accept)
    assert rejected.status_code == 406
    post = client.send("POST", client.resource.collection, sent, {"Accept": accept})
    assert post.status_code == 406
    assert group.document()["data"] == []


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        (None, 200),
        ("*/*", 200),
        ("application/*;q=0.1", 200),
        (f"{JSONAPI};q=0.001", 200),
        (f"text/html, {JSONAPI};Q=0.5", 200),
        (f"{JSONAPI};q=0", 406),
        (f"{JSONAPI};q=0.000", 406),
        ("text/html", 406),
    ],
)
def test_a_media_range_with_quality_zero_is_not_accepted(
    client: Client, accept: str | None, status: int
) -> None:
    response = client.send("GET", client.resource.collection, headers={"Accept": accept})
    assert response.status_code == status


# -- responses ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "accept",
    [
        f'{JSONAPI};profile="{CURSORS}"',
        f'{JSONAPI};profile="{UNKNOWN} {CURSORS}"',
        f'{JSONAPI}, {JSONAPI};profile="{CURSORS}"',
        f'{JSONAPI};q=0.5, {JSONAPI};PROFILE="{CURSORS}";q=0.7',
        f'{MODIFIED}, {JSONAPI};profile="{CURSORS}"',
        ("text/html", f'{JSONAPI};profile="{CURSORS}"'),
    ],
)
def test_a_profile_is_applied_if_requested(client: Client, accept: str | tuple[str, ...]) -> None:
    response = client.send("GET", client.resource.collection, headers={"Accept": accept})
    assert response.status_code == 200
    assert content_type(response) == (JSONAPI, {"profile": [CURSORS]})


@pytest.mark.parametrize(
    "accept",
    [
        JSONAPI,
        f'{JSONAPI}, {JSONAPI};profile="{CURSORS}";q=0.5',
        f'{JSONAPI}, {JSONAPI};profile="{CURSORS}";charset=utf-8',
        f'{JSONAPI};profile="{CURSORS}";q=0, {JSONAPI}',
        f'{JSONAPI};profile="{CURSORS}x"',
    ],
)
def test_a_profile_is_not_named_unless_requested(client: Client, accept: str) -> None:
    response = client.get(client.resource.collection, Accept=accept)
    assert content_type(response) == (JSONAPI, {})


def test_documents_are_of_the_json_api_type_without_other_parameters(
    responses: Mapping[str, httpx.Response],
) -> None:
    for name, response in responses.items():
        if response.content:
            found, parameters = content_type(response)
            assert found == JSONAPI, name
            assert parameters.keys() <= {"ext", "profile"}, name


def test_applied_extensions_are_named_in_the_type(client: Client) -> None:
    for accept in (JSONAPI, "*/*", IN_OPERATIONS, f"{JSONAPI}, {IN_OPERATIONS};q=0.1"):
        response = client.operate({"op": "add", **client.new()}, Accept=accept)
        assert response.status_code == 200
        assert content_type(response) == (JSONAPI, {"ext": [ATOMIC]})


def test_every_response_has_a_vary_header_with_accept(
    responses: Mapping[str, httpx.Response],
) -> None:
    for name, response in responses.items():
        varying = [each.strip().lower() for each in response.headers["Vary"].split(",")]
        assert "accept" in varying, name
