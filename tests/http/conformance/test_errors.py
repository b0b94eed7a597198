"""What answers to requests that are refused say of the reasons (#errors)."""

from collections import defaultdict
from collections.abc import Mapping
from itertools import combinations
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from conformance.client import CURSORS, IN_OPERATIONS, Client, Json, numbered

Answers = Mapping[str, httpx.Response]


def errors(answers: Answers) -> list[tuple[httpx.Response, Json]]:
    refused = [response for response in answers.values() if response.is_error]
    assert len(refused) > 15
    return [(response, error) for response in refused for error in response.json()["errors"]]


def test_errors_are_an_array_at_the_top_of_a_document(answers: Answers) -> None:
    for name, response in answers.items():
        if response.is_error:
            found = response.json()["errors"]
            assert isinstance(found, list), name
            assert found, name


def test_an_error_has_at_least_one_of_its_members(answers: Answers) -> None:
    for _, error in errors(answers):
        assert error.keys() & {"id", "links", "status", "code", "title", "detail", "source", "meta"}


def test_an_error_tells_its_status_as_a_string(answers: Answers) -> None:
    for _, error in errors(answers):
        assert isinstance(error["status"], str)
        assert 400 <= int(error["status"]) < 600


def test_members_of_errors_are_strings(answers: Answers) -> None:
    for _, error in errors(answers):
        for name in ("code", "title", "detail"):
            assert isinstance(error[name], str)
            assert error[name]


def test_the_title_of_an_error_is_the_same_each_time(answers: Answers, client: Client) -> None:
    titles = defaultdict(set)
    for _, error in errors(answers):
        titles[error["code"]].add(error["title"])
    for name, values in client.resource.bad.items():
        for value in values:
            sent = client.new(client.attributes(**{name: value}))
            for error in client.ask("POST", client.resource.collection, sent).json()["errors"]:
                titles[error["code"]].add(error["title"])
    assert all(len(found) == 1 for found in titles.values()), titles


def test_problems_of_different_statuses_get_one_that_covers_them(answers: Answers) -> None:
    for name, response in answers.items():
        if response.is_error:
            statuses = {int(error["status"]) for error in response.json()["errors"]}
            assert response.status_code in (
                statuses if len(statuses) == 1 else {max(statuses) // 100 * 100}
            ), name


def test_problems_of_every_kind_together_get_one_status(client: Client) -> None:
    made = client.create()
    bad = {name: values[0] for name, values in client.resource.bad.items()}
    taken = {client.resource.unique: made["attributes"][client.resource.unique]}
    other = client.create()
    kinds = (bad, taken, dict(client.resource.read_only), {"unknown": 1})
    for first, second in combinations(kinds, 2):
        new = client.new(client.attributes(**{**second, **first}))
        change = client.change(other, {**second, **first})
        for response in (
            client.ask("POST", client.resource.collection, new),
            client.ask("PATCH", client.url(other), change),
            client.operate(
                {"op": "add", **client.new(client.attributes(**first))}, {"op": "add", **new}
            ),
        ):
            statuses = {error["status"] for error in response.json()["errors"]}
            assert response.is_client_error
            assert str(response.status_code) in (statuses if len(statuses) == 1 else {"400"})


def test_the_status_of_several_problems_is_the_one_that_they_share(client: Client) -> None:
    bad = {name: values[0] for name, values in client.resource.bad.items()}
    refused = client.ask("POST", client.resource.collection, client.new(client.attributes(**bad)))
    found = refused.json()["errors"]
    assert len(found) >= len(bad)
    assert {error["status"] for error in found} == {str(refused.status_code)}
    unknown = client.get(f"{client.resource.collection}?unknown=1&other=2&sort=unknown")
    assert unknown.status_code == 400
    assert [error["source"]["parameter"] for error in unknown.json()["errors"]].count("sort") == 1
    assert len(unknown.json()["errors"]) == 3


def test_the_source_of_an_error_is_a_pointer_a_parameter_or_a_header(answers: Answers) -> None:
    for _, error in errors(answers):
        if "source" in error:
            assert error["source"].keys() & {"pointer", "parameter", "header"}
            assert all(isinstance(each, str) for each in error["source"].values())


def test_the_parameter_of_an_error_is_one_that_was_sent(answers: Answers) -> None:
    for response, error in errors(answers):
        if parameter := error.get("source", {}).get("parameter"):
            assert parameter in unquote(response.request.url.query.decode())


def pointed(document: Any, pointer: str) -> Any:
    """The value to which a JSON Pointer points (RFC 6901). Fails where there is none."""
    assert pointer == "" or pointer.startswith("/")
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        document = document[int(name)] if isinstance(document, list) else document[name]
    return document


def broken(client: Client, made: Json) -> list[Json]:
    """Documents of one resource that are each wrong in a way of its own."""
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
        client.change(made, {"unknown": 1}),
        client.change(made, dict(client.resource.read_only)),
    ]


def test_a_pointer_points_to_what_was_sent(client: Client) -> None:
    made = client.create()
    pointers = 0
    for document in broken(client, made):
        operation = {"op": "add", **document}
        for refused, sent in (
            (client.ask("POST", client.resource.collection, document), document),
            (client.ask("PATCH", client.url(made), document), document),
            (client.operate(operation), {"atomic:operations": [operation]}),
        ):
            for error in refused.json().get("errors", ()):
                if (pointer := error.get("source", {}).get("pointer")) is not None:
                    pointed(sent, pointer)
                    pointers += 1
    assert pointers > 60


def test_each_bad_attribute_is_pointed_to(client: Client) -> None:
    made = client.create()
    for name, values in client.resource.bad.items():
        for value in values:
            refused = client.ask("PATCH", client.url(made), client.change(made, {name: value}))
            (error,) = refused.json()["errors"]
            assert error["source"] == {"pointer": f"/data/attributes/{name}"}


def linked(answers: Answers, name: str) -> set[str]:
    """The targets of a link of errors, where they have it."""
    found = [error.get("links", {}).get(name) for _, error in errors(answers)]
    return {link["href"] if isinstance(link, dict) else link for link in found if link}


def is_for_people(client: Client, url: str) -> bool:
    """Whether there is text at the URL, and in it the place that its fragment names."""
    page = client.get(url, Accept="text/html, text/plain, text/markdown, */*;q=0.1")
    _, _, fragment = url.partition("#")
    text = page.status_code == 200 and page.headers["Content-Type"].startswith("text/")
    return text and (not fragment or f'id="{fragment}"' in page.text)


def test_links_about_an_error_lead_to_text_for_people(client: Client, answers: Answers) -> None:
    for url in linked(answers, "about"):
        assert is_for_people(client, url), url


def test_types_of_errors_are_explained_by_the_profile_or_by_the_server(
    client: Client, answers: Answers
) -> None:
    by_the_profile = {f"{CURSORS}/unsupported-sort", f"{CURSORS}/max-size-exceeded"}
    found = linked(answers, "type")
    assert by_the_profile <= found
    for url in found - by_the_profile:
        assert is_for_people(client, url), url


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"data":', b"\xff", b'{"a":1,"a":2}']
)
def test_what_is_no_document_is_400_with_an_error(client: Client, body: bytes) -> None:
    made = client.create()
    for response in (
        client.ask("POST", client.resource.collection, body),
        client.ask("PATCH", client.url(made), body),
        client.ask("POST", client.resource.operations, body, {"Content-Type": IN_OPERATIONS}),
    ):
        assert response.status_code == 400
        assert response.json()["errors"][0]["status"] == "400"
    assert client.get(client.url(made)).json()["data"] == made


def test_a_refused_change_leaves_no_trace(client: Client) -> None:
    made = client.create()
    for document in broken(client, made):
        client.ask("PATCH", client.url(made), document)
    assert client.get(client.url(made)).json()["data"] == made
    change = client.change(made, numbered(client.resource.changes))
    assert client.ask("PATCH", client.url(made), change).status_code == 200
