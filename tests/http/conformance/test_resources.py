"""Creating, fetching, changing and deleting one resource (#fetching-resources, #crud)."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import httpx
import pytest
from conformance.client import Client, Json, numbered


def fetched(client: Client, of: Json) -> Json:
    return client.get(client.url(of)).json()["data"]


# -- fetching ----------------------------------------------------------------------------------


def test_a_request_for_a_resource_gets_200_with_its_object(client: Client) -> None:
    created = client.create()
    response = client.get(client.url(created))
    assert response.status_code == 200
    assert response.json()["data"] == created


def test_a_request_for_a_collection_gets_200_with_its_objects(client: Client) -> None:
    group = client.group(3)
    response = group.get()
    assert response.status_code == 200
    data = [{n: v for n, v in item.items() if n != "meta"} for item in response.json()["data"]]
    assert data == group.members


def test_every_self_link_returns_the_same_document(
    client: Client, responses: Mapping[str, httpx.Response]
) -> None:
    for name, response in responses.items():
        document = response.json() if response.content else {}
        link = document.get("links", {}).get("self") if "data" in document else None
        if link:
            target = link["href"] if isinstance(link, dict) else link
            accept = link["type"] if isinstance(link, dict) else "*/*"
            again = client.get(target, Accept=accept)
            assert again.status_code == 200, name
            assert again.json() == document, name


def test_the_self_link_keeps_the_query(client: Client) -> None:
    group = client.group(3)
    requested = {
        "sort": "-id",
        "page_size": 2,
        f"fields_{client.resource.type}": client.resource.group,
    }
    document = group.document(**requested)
    assert client.get(document["links"]["self"]).json()["data"] == document["data"]


@pytest.mark.parametrize("which", ["deleted", "misspelled", "unknown"])
def test_an_unknown_resource_is_404(client: Client, which: str) -> None:
    found = client.deleted()
    ids = {"deleted": found["id"], "misspelled": f"{found['id']}%20", "unknown": "unknown"}
    url = f"{client.resource.collection}/{ids[which]}"
    assert client.get(url).status_code == 404
    assert client.send("DELETE", url).status_code == 404
    change = client.change({"id": ids[which]}, numbered(client.resource.changes))
    assert client.send("PATCH", url, change).status_code == 404


def test_responses_follow_http(client: Client) -> None:
    url = client.url(client.create())
    got, head = client.get(url), client.send("HEAD", url)
    assert head.content == b""
    differing = ("date", "x-request-id")
    assert {n: v for n, v in head.headers.items() if n not in differing} == {
        n: v for n, v in got.headers.items() if n not in differing
    }
    assert int(got.headers["Content-Length"]) == len(got.content)
    rejected = client.send("PUT", url, b"{}")
    assert rejected.status_code == 405
    allowed = {method.strip() for method in rejected.headers["Allow"].split(",")}
    assert {"GET", "HEAD", "PATCH", "DELETE"} <= allowed
    unchanged = client.get(url, **{"If-None-Match": got.headers["ETag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["ETag"] == got.headers["ETag"]
    deleted = client.send("DELETE", url)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert "Content-Type" not in deleted.headers


# -- creating ----------------------------------------------------------------------------------


def test_a_creation_gets_201_with_the_resource_and_its_location(client: Client) -> None:
    sent = client.new()
    response = client.send("POST", client.resource.collection, sent)
    assert response.status_code == 201
    created = response.json()["data"]
    assert sent["data"]["attributes"].items() <= created["attributes"].items()
    assert created["type"] == client.resource.type
    assert client.get(response.headers["Location"]).json()["data"] == created


def test_the_location_is_the_self_link(client: Client) -> None:
    for query in ("", f"?fields[{client.resource.type}]=", "?include="):
        url = client.resource.collection + query
        response = client.send("POST", url, client.new())
        assert response.status_code == 201
        assert response.json()["data"]["links"]["self"] == response.headers["Location"]


def test_a_change_is_visible_after_its_response(client: Client) -> None:
    created = client.create()
    assert fetched(client, created) == created
    change = client.change(created, numbered(client.resource.changes))
    response = client.send("PATCH", client.url(created), change)
    assert response.status_code == 200
    assert fetched(client, created) == response.json()["data"]
    assert client.send("DELETE", client.url(created)).status_code == 204
    assert client.get(client.url(created)).status_code == 404


def without(document: Json, *path: str) -> Json:
    """The document without one of its members."""
    (name, *rest) = path
    remaining = {n: v for n, v in document.items() if n != name}
    return remaining if not rest else {**document, name: without(document[name], *rest)}


@pytest.mark.parametrize(
    "change",
    [
        lambda new: without(new, "data"),
        lambda _: {"data": None},
        lambda new: {"data": [new["data"]]},
        lambda _: {"data": "text"},
        lambda new: [new],
        lambda new: without(new, "data", "type"),
        lambda new: {"data": {**new["data"], "type": 5}},
        lambda new: {"data": {**new["data"], "id": 5}},
        lambda new: {"data": {**new["data"], "lid": 5}},
        lambda new: {"data": {**new["data"], "attributes": []}},
        lambda new: {"data": {**new["data"], "relationships": []}},
        lambda new: {"data": {**new["data"], "relationships": {"other": 5}}},
        lambda new: {"data": {**new["data"], "relationships": {"other": {}}}},
        lambda new: {"data": {**new["data"], "links": 5}},
        lambda new: {"data": {**new["data"], "meta": "text"}},
        lambda new: {**new, "errors": []},
        lambda new: {**new, "links": []},
        lambda new: {**new, "meta": []},
        lambda new: {**new, "jsonapi": "1.1"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_document_with_another_structure_is_rejected(
    client: Client, method: str, change: Any
) -> None:
    created = client.create()
    url = client.resource.collection if method == "POST" else client.url(created)
    sent = client.new() if method == "POST" else client.change(created, {})
    assert client.send(method, url, sent).is_success
    rejected = client.send(method, url, change(sent))
    assert rejected.status_code == 400, rejected.text
    assert rejected.json()["errors"]


def test_a_change_requires_an_id(client: Client) -> None:
    created = client.create()
    change = without(client.change(created, numbered(client.resource.changes)), "data", "id")
    assert client.send("PATCH", client.url(created), change).status_code == 400
    assert fetched(client, created) == created


def test_an_attribute_and_a_relationship_cannot_have_the_same_name(client: Client) -> None:
    shared = client.resource.required[0]
    sent = client.new(relationships={shared: {"data": None}})
    assert client.send("POST", client.resource.collection, sent).status_code == 400


@pytest.mark.parametrize("made_up", ["7", "550e8400-e29b-41d4-a716-446655440000"])
def test_an_id_from_the_client_is_403(client: Client, made_up: str) -> None:
    group = client.group(0)
    attributes = client.attributes(**{client.resource.group: group.value})
    sent = client.new(attributes, id=made_up)
    rejected = client.send("POST", client.resource.collection, sent)
    assert rejected.status_code == 403
    assert rejected.json()["errors"][0]["source"] == {"pointer": "/data/id"}
    assert group.document()["data"] == []


@pytest.mark.parametrize("other", ["others", "", "Users", "user"])
def test_a_type_other_than_that_of_the_collection_is_409(client: Client, other: str) -> None:
    rejected = client.send("POST", client.resource.collection, client.new(type=other))
    assert rejected.status_code == 409
    assert rejected.json()["errors"][0]["source"] == {"pointer": "/data/type"}


def test_a_conflict_has_a_source(client: Client) -> None:
    created, other = client.create(), client.create()
    unique = client.resource.unique
    taken = {unique: created["attributes"][unique]}
    sent = client.new(client.attributes(**taken))
    for rejected in (
        client.send("POST", client.resource.collection, sent),
        client.send("PATCH", client.url(other), client.change(other, taken)),
    ):
        assert rejected.status_code == 409
        (error,) = rejected.json()["errors"]
        assert error["source"] == {"pointer": f"/data/attributes/{unique}"}
        assert error["detail"]
    assert fetched(client, other) == other


# -- changing ----------------------------------------------------------------------------------


def test_omitted_attributes_keep_their_values(client: Client) -> None:
    created = client.create()
    for name, value in numbered(client.resource.changes).items():
        before = fetched(client, created)["attributes"]
        response = client.send("PATCH", client.url(created), client.change(created, {name: value}))
        after = response.json()["data"]["attributes"]
        own = {n: v for n, v in after.items() if n in client.resource.new}
        assert own == {**{n: before[n] for n in own}, name: value}


def test_a_change_without_attributes_changes_nothing(client: Client) -> None:
    created = client.create()
    for document in (
        client.change(created, {}),
        without(client.change(created, {}), "data", "attributes"),
    ):
        response = client.send("PATCH", client.url(created), document)
        assert response.status_code == 200
        assert response.json()["data"] == fetched(client, created) == created


def test_a_change_gets_200_with_the_changed_resource(client: Client) -> None:
    created = client.create()
    changes = numbered(client.resource.changes)
    response = client.send("PATCH", client.url(created), client.change(created, changes))
    assert response.status_code == 200
    data = response.json()["data"]
    assert changes.items() <= data["attributes"].items()
    assert data == fetched(client, created)


def test_a_change_of_a_read_only_attribute_is_403(client: Client) -> None:
    created = client.create()
    for name, value in client.resource.read_only.items():
        changes = {**numbered(client.resource.changes), name: value}
        rejected = client.send("PATCH", client.url(created), client.change(created, changes))
        assert rejected.status_code == 403
        assert rejected.json()["errors"][0]["source"] == {"pointer": f"/data/attributes/{name}"}
        assert fetched(client, created) == created


def test_a_type_or_id_other_than_that_of_the_url_is_409(client: Client) -> None:
    created, other = client.create(), client.create()
    changes = numbered(client.resource.changes)
    for wrong, place in (({"type": "others"}, "type"), ({"id": other["id"]}, "id")):
        change = client.change(created, changes, **wrong)
        rejected = client.send("PATCH", client.url(created), change)
        assert rejected.status_code == 409
        assert rejected.json()["errors"][0]["source"] == {"pointer": f"/data/{place}"}
    assert fetched(client, created) == created
    assert fetched(client, other) == other


def refusals(client: Client) -> Iterator[tuple[str, Any]]:
    for name, values in client.resource.bad.items():
        yield from ((name, value) for value in values)


def test_a_request_is_performed_completely_or_not_at_all(client: Client) -> None:
    created, group = client.create(), client.group(0)
    changes = numbered(client.resource.changes)
    for name, value in refusals(client):
        change = client.change(created, {**changes, name: value})
        rejected = client.send("PATCH", client.url(created), change)
        assert rejected.is_client_error
        assert fetched(client, created) == created
        attributes = client.attributes(**{client.resource.group: group.value, name: value})
        assert client.send(
            "POST", client.resource.collection, client.new(attributes)
        ).is_client_error
    assert group.document()["data"] == []


# -- deleting ----------------------------------------------------------------------------------


def test_a_deletion_gets_204_without_a_document(client: Client) -> None:
    response = client.send("DELETE", client.url(client.create()))
    assert response.status_code == 204
    assert response.content == b""


def test_a_second_deletion_is_404(client: Client) -> None:
    assert client.send("DELETE", client.url(client.deleted())).status_code == 404
    assert client.send("DELETE", f"{client.resource.collection}/{uuid4()}").status_code == 404


def test_unknown_relationships_cannot_be_fetched_or_changed(client: Client) -> None:
    created = client.create()
    for url in ("relationships/other", "other"):
        assert client.get(f"{client.url(created)}/{url}").status_code == 404
    sent = client.change(created, {}, relationships={"other": {"data": None}})
    assert client.send("PATCH", client.url(created), sent).is_client_error
