"""Creating, fetching, changing and deleting one resource (#fetching-resources, #crud)."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import httpx
import pytest
from conformance.client import Client, Json, numbered


def fetched(client: Client, of: Json) -> Json:
    return client.get(client.url(of)).json()["data"]  # type: ignore[no-any-return]


# -- fetching ----------------------------------------------------------------------------------


def test_a_resource_is_answered_200_with_its_object(client: Client) -> None:
    made = client.create()
    response = client.get(client.url(made))
    assert response.status_code == 200
    assert response.json()["data"] == made


def test_a_collection_is_answered_200_with_its_objects(client: Client) -> None:
    group = client.group(3)
    response = group.ask()
    assert response.status_code == 200
    data = [{n: v for n, v in item.items() if n != "meta"} for item in response.json()["data"]]
    assert data == group.members


def test_every_self_link_can_be_fetched_and_gives_the_same_again(
    client: Client, answers: Mapping[str, httpx.Response]
) -> None:
    for name, response in answers.items():
        document = response.json() if response.content else {}
        link = document.get("links", {}).get("self") if "data" in document else None
        if link:
            target = link["href"] if isinstance(link, dict) else link
            accept = link["type"] if isinstance(link, dict) else "*/*"
            again = client.get(target, Accept=accept)
            assert again.status_code == 200, name
            assert again.json() == document, name


def test_the_self_link_keeps_what_the_query_asked(client: Client) -> None:
    group = client.group(3)
    asked = {"sort": "-id", "page_size": 2, f"fields_{client.resource.type}": client.resource.group}
    document = group.document(**asked)
    assert client.get(document["links"]["self"]).json()["data"] == document["data"]


@pytest.mark.parametrize("which", ["gone", "of another spelling", "never there"])
def test_a_resource_that_is_not_there_is_404(client: Client, which: str) -> None:
    found = client.gone()
    ids = {"gone": found["id"], "of another spelling": f"{found['id']}%20", "never there": "nobody"}
    url = f"{client.resource.collection}/{ids[which]}"
    assert client.get(url).status_code == 404
    assert client.ask("DELETE", url).status_code == 404
    change = client.change({"id": ids[which]}, numbered(client.resource.changes))
    assert client.ask("PATCH", url, change).status_code == 404


def test_answers_keep_to_http(client: Client) -> None:
    url = client.url(client.create())
    got, head = client.get(url), client.ask("HEAD", url)
    assert head.content == b""
    differing = ("date", "x-request-id")
    assert {n: v for n, v in head.headers.items() if n not in differing} == {
        n: v for n, v in got.headers.items() if n not in differing
    }
    assert int(got.headers["Content-Length"]) == len(got.content)
    refused = client.ask("PUT", url, b"{}")
    assert refused.status_code == 405
    allowed = {method.strip() for method in refused.headers["Allow"].split(",")}
    assert {"GET", "HEAD", "PATCH", "DELETE"} <= allowed
    unchanged = client.get(url, **{"If-None-Match": got.headers["ETag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["ETag"] == got.headers["ETag"]
    deleted = client.ask("DELETE", url)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert "Content-Type" not in deleted.headers


# -- creating ----------------------------------------------------------------------------------


def test_a_creation_is_answered_201_with_the_resource_and_its_location(client: Client) -> None:
    sent = client.new()
    response = client.ask("POST", client.resource.collection, sent)
    assert response.status_code == 201
    made = response.json()["data"]
    assert sent["data"]["attributes"].items() <= made["attributes"].items()
    assert made["type"] == client.resource.type
    assert client.get(response.headers["Location"]).json()["data"] == made


def test_the_location_is_the_self_link(client: Client) -> None:
    for query in ("", f"?fields[{client.resource.type}]=", "?include="):
        url = client.resource.collection + query
        response = client.ask("POST", url, client.new())
        assert response.status_code == 201
        assert response.json()["data"]["links"]["self"] == response.headers["Location"]


def test_what_is_created_or_changed_is_there_when_it_is_answered(client: Client) -> None:
    made = client.create()
    assert fetched(client, made) == made
    change = client.change(made, numbered(client.resource.changes))
    response = client.ask("PATCH", client.url(made), change)
    assert response.status_code == 200
    assert fetched(client, made) == response.json()["data"]
    assert client.ask("DELETE", client.url(made)).status_code == 204
    assert client.get(client.url(made)).status_code == 404


def without(document: Json, *path: str) -> Json:
    """The document without one of its members."""
    (name, *rest) = path
    kept = {n: v for n, v in document.items() if n != name}
    return kept if not rest else {**document, name: without(document[name], *rest)}


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
def test_a_document_of_another_structure_is_refused(
    client: Client, method: str, change: Any
) -> None:
    made = client.create()
    url = client.resource.collection if method == "POST" else client.url(made)
    sent = client.new() if method == "POST" else client.change(made, {})
    assert client.ask(method, url, sent).is_success
    refused = client.ask(method, url, change(sent))
    assert refused.status_code == 400, refused.text
    assert refused.json()["errors"]


def test_a_resource_without_an_id_can_not_be_changed(client: Client) -> None:
    made = client.create()
    change = without(client.change(made, numbered(client.resource.changes)), "data", "id")
    assert client.ask("PATCH", client.url(made), change).status_code == 400
    assert fetched(client, made) == made


def test_an_attribute_and_a_relationship_can_not_share_a_name(client: Client) -> None:
    shared = client.resource.required[0]
    sent = client.new(relationships={shared: {"data": None}})
    assert client.ask("POST", client.resource.collection, sent).status_code == 400


@pytest.mark.parametrize("made_up", ["7", "550e8400-e29b-41d4-a716-446655440000"])
def test_an_id_of_the_client_s_own_is_403(client: Client, made_up: str) -> None:
    group = client.group(0)
    attributes = client.attributes(**{client.resource.group: group.value})
    sent = client.new(attributes, id=made_up)
    refused = client.ask("POST", client.resource.collection, sent)
    assert refused.status_code == 403
    assert refused.json()["errors"][0]["source"] == {"pointer": "/data/id"}
    assert group.document()["data"] == []


@pytest.mark.parametrize("other", ["others", "", "Users", "user"])
def test_a_type_that_the_collection_does_not_hold_is_409(client: Client, other: str) -> None:
    refused = client.ask("POST", client.resource.collection, client.new(type=other))
    assert refused.status_code == 409
    assert refused.json()["errors"][0]["source"] == {"pointer": "/data/type"}


def test_a_conflict_tells_its_source(client: Client) -> None:
    made, other = client.create(), client.create()
    unique = client.resource.unique
    taken = {unique: made["attributes"][unique]}
    sent = client.new(client.attributes(**taken))
    for refused in (
        client.ask("POST", client.resource.collection, sent),
        client.ask("PATCH", client.url(other), client.change(other, taken)),
    ):
        assert refused.status_code == 409
        (error,) = refused.json()["errors"]
        assert error["source"] == {"pointer": f"/data/attributes/{unique}"}
        assert error["detail"]
    assert fetched(client, other) == other


# -- changing ----------------------------------------------------------------------------------


def test_attributes_that_are_not_sent_keep_their_values(client: Client) -> None:
    made = client.create()
    for name, value in numbered(client.resource.changes).items():
        before = fetched(client, made)["attributes"]
        response = client.ask("PATCH", client.url(made), client.change(made, {name: value}))
        after = response.json()["data"]["attributes"]
        own = {n: v for n, v in after.items() if n in client.resource.new}
        assert own == {**{n: before[n] for n in own}, name: value}


def test_a_change_without_attributes_changes_nothing(client: Client) -> None:
    made = client.create()
    for document in (
        client.change(made, {}),
        without(client.change(made, {}), "data", "attributes"),
    ):
        response = client.ask("PATCH", client.url(made), document)
        assert response.status_code == 200
        assert response.json()["data"] == fetched(client, made) == made


def test_a_change_is_answered_200_with_all_that_changed(client: Client) -> None:
    made = client.create()
    changes = numbered(client.resource.changes)
    response = client.ask("PATCH", client.url(made), client.change(made, changes))
    assert response.status_code == 200
    data = response.json()["data"]
    assert changes.items() <= data["attributes"].items()
    assert data == fetched(client, made)


def test_what_only_the_server_sets_is_403_to_change(client: Client) -> None:
    made = client.create()
    for name, value in client.resource.read_only.items():
        changes = {**numbered(client.resource.changes), name: value}
        refused = client.ask("PATCH", client.url(made), client.change(made, changes))
        assert refused.status_code == 403
        assert refused.json()["errors"][0]["source"] == {"pointer": f"/data/attributes/{name}"}
        assert fetched(client, made) == made


def test_another_type_or_id_than_the_url_s_is_409(client: Client) -> None:
    made, other = client.create(), client.create()
    changes = numbered(client.resource.changes)
    for wrong, place in (({"type": "others"}, "type"), ({"id": other["id"]}, "id")):
        change = client.change(made, changes, **wrong)
        refused = client.ask("PATCH", client.url(made), change)
        assert refused.status_code == 409
        assert refused.json()["errors"][0]["source"] == {"pointer": f"/data/{place}"}
    assert fetched(client, made) == made
    assert fetched(client, other) == other


def refusals(client: Client) -> Iterator[tuple[str, Any]]:
    for name, values in client.resource.bad.items():
        yield from ((name, value) for value in values)


def test_a_request_is_done_whole_or_not_at_all(client: Client) -> None:
    made, group = client.create(), client.group(0)
    changes = numbered(client.resource.changes)
    for name, value in refusals(client):
        change = client.change(made, {**changes, name: value})
        refused = client.ask("PATCH", client.url(made), change)
        assert refused.is_client_error
        assert fetched(client, made) == made
        attributes = client.attributes(**{client.resource.group: group.value, name: value})
        assert client.ask(
            "POST", client.resource.collection, client.new(attributes)
        ).is_client_error
    assert group.document()["data"] == []


# -- deleting ----------------------------------------------------------------------------------


def test_a_deletion_is_answered_204_without_a_document(client: Client) -> None:
    response = client.ask("DELETE", client.url(client.create()))
    assert response.status_code == 204
    assert response.content == b""


def test_to_delete_what_is_gone_is_404(client: Client) -> None:
    assert client.ask("DELETE", client.url(client.gone())).status_code == 404
    assert client.ask("DELETE", f"{client.resource.collection}/{uuid4()}").status_code == 404


def test_no_relationship_is_told_where_there_is_none(client: Client) -> None:
    made = client.create()
    for url in ("relationships/other", "other"):
        assert client.get(f"{client.url(made)}/{url}").status_code == 404
    sent = client.change(made, {}, relationships={"other": {"data": None}})
    assert client.ask("PATCH", client.url(made), sent).is_client_error
