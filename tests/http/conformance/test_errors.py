"""Errors in responses (#errors)."""

from collections import defaultdict
from collections.abc import Mapping
from itertools import combinations
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from conformance.client import CURSORS, IN_OPERATIONS, Client, Json, numbered

Responses = Mapping[str, httpx.Response]


def errors(responses: Responses) -> list[tuple[httpx.Response, Json]]:
    rejected = [response for response in responses.values() if response.is_error]
    assert len(rejected) > 15
    return [(response, error) for response in rejected for error in response.json()["errors"]]


def test_errors_are_an_array_at_the_top_of_a_document(responses: Responses) -> None:
    for name, response in responses.items():
        if response.is_error:
            found = response.json()["errors"]
            assert isinstance(found, list), name
            assert found, name


def test_an_error_has_at_least_one_of_its_members(responses: Responses) -> None:
    for _, error in errors(responses):
        assert error.keys() & {"id", "links", "status", "code", "title", "detail", "source", "meta"}


def test_the_status_of_an_error_is_a_string(responses: Responses) -> None:
    for _, error in errors(responses):
        assert isinstance(error["status"], str)
        assert 400 <= int(error["status"]) < 600


def test_members_of_errors_are_strings(responses: Responses) -> None:
    for _, error in errors(responses):
        for name in ("code", "title", "detail"):
            assert isinstance(error[name], str)
            assert error[name]


def test_the_title_of_an_error_does_not_change(responses: Responses, client: Client) -> None:
    titles = defaultdict(set)
    for _, error in errors(responses):
        titles[error["code"]].add(error["title"])
    for name, values in client.resource.bad.items():
        for value in values:
            sent = client.new(client.attributes(**{name: value}))
            for error in client.send("POST", client.resource.collection, sent).json()["errors"]:
                titles[error["code"]].add(error["title"])
    assert all(len(found) == 1 for found in titles.values()), titles


def test_errors_with_different_statuses_get_a_general_status(responses: Responses) -> None:
    for name, response in responses.items():
        if response.is_error:
            statuses = {int(error["status"]) for error in response.json()["errors"]}
            assert response.status_code in (
                statuses if len(statuses) == 1 else {max(statuses) // 100 * 100}
            ), name


def test_errors_of_every_kind_together_get_one_status(client: Client) -> None:
    created = client.create()
    bad = {name: values[0] for name, values in client.resource.bad.items()}
    taken = {client.resource.unique: created["attributes"][client.resource.unique]}
    other = client.create()
    kinds = (bad, taken, dict(client.resource.read_only), {"unknown": 1})
    for first, second in combinations(kinds, 2):
        new = client.new(client.attributes(**{**second, **first}))
        change = client.change(other, {**second, **first})
        for response in (
            client.send("POST", client.resource.collection, new),
            client.send("PATCH", client.url(other), change),
            client.operate(
                {"op": "add", **client.new(client.attributes(**first))}, {"op": "add", **new}
            ),
        ):
            statuses = {error["status"] for error in response.json()["errors"]}
            assert response.is_client_error
            assert str(response.status_code) in (statuses if len(statuses) == 1 else {"400"})


def test_the_status_of_several_errors_is_their_common_status(client: Client) -> None:
    bad = {name: values[0] for name, values in client.resource.bad.items()}
    rejected = client.send("POST", client.resource.collection, client.new(client.attributes(**bad)))
    found = rejected.json()["errors"]
    assert len(found) >= len(bad)
    assert {error["status"] for error in found} == {str(rejected.status_code)}
    unknown = client.get(f"{client.resource.collection}?unknown=1&other=2&sort=unknown")
    assert unknown.status_code == 400
    assert [error["source"]["parameter"] for error in unknown.json()["errors"]].count("sort") == 1
    assert len(unknown.json()["errors"]) == 3


def test_the_source_of_an_error_is_a_pointer_a_parameter_or_a_header(responses: Responses) -> None:
    for _, error in errors(responses):
        if "source" in error:
            assert error["source"].keys() & {"pointer", "parameter", "header"}
            assert all(isinstance(each, str) for each in error["source"].values())


def test_the_parameter_of_an_error_is_one_that_was_sent(responses: Responses) -> None:
    for response, error in errors(responses):
        if parameter := error.get("source", {}).get("parameter"):
            assert parameter in unquote(response.request.url.query.decode())


def pointed(document: Any, pointer: str) -> Any:
    """Resolves a JSON Pointer (RFC 6901). Fails if there is no value."""
    assert pointer == "" or pointer.startswith("/")
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        document = document[int(name)] if isinstance(document, list) else document[name]
    return document


def broken(client: Client, found: Json) -> list[Json]:
    """Invalid documents, each with another error."""
    new = client.new()["data"]
    bad = [
        client.new(client.attributes(**{name: value}))
        for name, values in client.resource.bad.items()
        for value in values
    ]
    lacking = [
        client.new({n: v for n, v in client.attributes().items() if n != name})
        for name in client.resource.required
    ]
    return [
        *bad,
        *lacking,
        client.new({}),
        {"data": {"type": client.resource.type}},
        {"data": {"attributes": {}}},
        {"data": {**new, "type": 5}},
        {"data": {**new, "attributes": []}},
        {"data": {**new, "relationships": {"a/b~c": {"data": None}}}},
        {"data": {**new, "relationships": {"a/b~c": []}}},
        client.new({**client.attributes(), "a/b~c": 1, "": 2, "~1": 3}),
        client.new(client.attributes(**client.resource.read_only)),
        client.new(type="others", id="7"),
        {"data": None},
        {"data": []},
        {},
        {"errors": []},
        client.change(found, {"unknown": 1}),
        client.change(found, dict(client.resource.read_only)),
    ]


def test_a_pointer_points_to_a_value_in_the_request(client: Client) -> None:
    created = client.create()
    pointers = 0
    for document in broken(client, created):
        operation = {"op": "add", **document}
        for rejected, sent in (
            (client.send("POST", client.resource.collection, document), document),
            (client.send("PATCH", client.url(created), document), document),
            (client.operate(operation), {"atomic:operations": [operation]}),
        ):
            for error in rejected.json().get("errors", ()):
                if (pointer := error.get("source", {}).get("pointer")) is not None:
                    pointed(sent, pointer)
                    pointers += 1
    assert pointers > 60


def test_each_invalid_attribute_has_an_error_with_its_pointer(client: Client) -> None:
    created = client.create()
    for name, values in client.resource.bad.items():
        for value in values:
            rejected = client.send(
                "PATCH", client.url(created), client.change(created, {name: value})
            )
            (error,) = rejected.json()["errors"]
            assert error["source"] == {"pointer": f"/data/attributes/{name}"}


def linked(responses: Responses, name: str) -> set[str]:
    """The targets of a link, in the errors that have it."""
    found = [error.get("links", {}).get(name) for _, error in errors(responses)]
    return {link["href"] if isinstance(link, dict) else link for link in found if link}


def is_for_people(client: Client, url: str) -> bool:
    """Returns True if the URL is a text with the fragment of the URL."""
    page = client.get(url, Accept="text/html, text/plain, text/markdown, */*;q=0.1")
    _, _, fragment = url.partition("#")
    text = page.status_code == 200 and page.headers["Content-Type"].startswith("text/")
    return text and (not fragment or f'id="{fragment}"' in page.text)


def test_links_about_an_error_lead_to_text_for_people(client: Client, responses: Responses) -> None:
    for url in linked(responses, "about"):
        assert is_for_people(client, url), url


def test_types_of_errors_are_explained_by_the_profile_or_by_the_server(
    client: Client, responses: Responses
) -> None:
    by_the_profile = {f"{CURSORS}/unsupported-sort", f"{CURSORS}/max-size-exceeded"}
    found = linked(responses, "type")
    assert by_the_profile <= found
    for url in found - by_the_profile:
        assert is_for_people(client, url), url


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"data":', b"\xff", b'{"a":1,"a":2}']
)
def test_an_invalid_document_is_400_with_an_error(client: Client, body: bytes) -> None:
    created = client.create()
    for response in (
        client.send("POST", client.resource.collection, body),
        client.send("PATCH", client.url(created), body),
        client.send("POST", client.resource.operations, body, {"Content-Type": IN_OPERATIONS}),
    ):
        assert response.status_code == 400
        assert response.json()["errors"][0]["status"] == "400"
    assert client.get(client.url(created)).json()["data"] == created


def test_a_rejected_change_has_no_effect(client: Client) -> None:
    created = client.create()
    for document in broken(client, created):
        client.send("PATCH", client.url(created), document)
    assert client.get(client.url(created)).json()["data"] == created
    change = client.change(created, numbered(client.resource.changes))
    assert client.send("PATCH", client.url(created), change).status_code == 200
