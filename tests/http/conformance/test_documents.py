"""The structure of documents in responses of every kind (#document-structure)."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from conformance.client import ATOMIC, CURSORS, IN_OPERATIONS, JSONAPI, Client, Json, numbered

Responses = Mapping[str, httpx.Response]

ANYWHERE = "a-zA-Z0-9\u0080-\U0010ffff"
MEMBER_NAME = re.compile(f"[{ANYWHERE}](?:[{ANYWHERE} _-]*[{ANYWHERE}])?")
EXTENSION_MEMBER = re.compile(f"[a-zA-Z0-9]+:({MEMBER_NAME.pattern})")
URL_SAFE = re.compile(r"[A-Za-z0-9_.~-]+")
URI_REFERENCE = re.compile(r"[A-Za-z0-9_.~!$&'()*+,;=:@/?#\[\]%-]+")
LINK_RELATION = re.compile(r"[a-z][a-z0-9.-]*|[a-z][a-z0-9+.-]*:\S+")
LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
TOP_LEVEL = {"data", "errors", "meta", "jsonapi", "links", "included"}
RESOURCE = {"type", "id", "lid", "attributes", "relationships", "links", "meta"}
ERROR = {"id", "links", "status", "code", "title", "detail", "source", "meta"}
LINK = {"href", "rel", "describedby", "title", "type", "hreflang", "meta"}
RELATIONSHIP = {"data", "links", "meta"}
IDENTIFIER = {"type", "id", "lid", "meta"}
JSONAPI_OBJECT = {"version", "ext", "profile", "meta"}


def documents(responses: Responses) -> Iterator[tuple[str, Json]]:
    return ((name, response.json()) for name, response in responses.items() if response.content)


def as_list(data: Any) -> list[Json]:
    return data if isinstance(data, list) else [] if data is None else [data]


def has_linkage(document: Json) -> bool:
    """True if the primary data of the document is the linkage of a relationship."""
    return "related" in document.get("links", {})


def resource_objects(document: Json) -> Iterator[Json]:
    if not has_linkage(document):
        yield from as_list(document.get("data"))
    yield from document.get("included", [])
    for result in document.get("atomic:results", []):
        yield from as_list(result.get("data"))


def relationship_objects(document: Json) -> Iterator[Json]:
    for found in resource_objects(document):
        yield from found.get("relationships", {}).values()


def identifiers(document: Json) -> Iterator[Json]:
    if has_linkage(document):
        yield from as_list(document["data"])
    for found in relationship_objects(document):
        yield from as_list(found.get("data"))


def owners(document: Json) -> Iterator[Json]:
    """The objects of a document that may have links and meta."""
    yield document
    yield from resource_objects(document)
    yield from relationship_objects(document)
    yield from identifiers(document)
    yield from document.get("errors", [])
    yield from document.get("atomic:results", [])
    yield document.get("jsonapi", {})


def links(document: Json) -> Iterator[Any]:
    for owner in owners(document):
        yield from owner.get("links", {}).values()


def members(document: Json) -> Iterator[str]:
    """The names of all members except those inside the values of attributes."""
    waiting: list[Any] = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield from value
            waiting += [v for name, v in value.items() if name != "attributes"]
            yield from value.get("attributes", {})
        elif isinstance(value, list):
            waiting += value


# -- the top level -----------------------------------------------------------------------------


def test_there_is_a_json_object_at_the_root_of_every_document(responses: Responses) -> None:
    for name, document in documents(responses):
        assert isinstance(document, dict), name


def test_documents_have_data_errors_meta_or_a_member_of_an_extension(responses: Responses) -> None:
    for name, document in documents(responses):
        assert document.keys() & {"data", "errors", "meta", "atomic:results"}, name


def test_a_document_does_not_have_both_data_and_errors(responses: Responses) -> None:
    for name, document in documents(responses):
        assert not {"data", "errors"} <= document.keys(), name
        assert ("errors" in document) == responses[name].is_error, name


def test_a_document_without_data_has_no_included(responses: Responses) -> None:
    for name, document in documents(responses):
        assert "data" in document or "included" not in document, name


def test_objects_have_only_defined_members(responses: Responses) -> None:
    for name, document in documents(responses):
        extended = (
            {"atomic:results"} if ATOMIC in responses[name].headers["Content-Type"] else set()
        )
        assert document.keys() <= TOP_LEVEL | extended, name
        assert document.get("jsonapi", {}).keys() <= JSONAPI_OBJECT, name
        assert all(each.keys() <= RESOURCE for each in resource_objects(document)), name
        assert all(each.keys() <= RELATIONSHIP for each in relationship_objects(document)), name
        assert all(each.keys() <= IDENTIFIER for each in identifiers(document)), name
        assert all(each.keys() <= ERROR for each in document.get("errors", [])), name
        assert all(each.keys() <= {"data", "meta"} for each in document.get("atomic:results", []))
        for link in links(document):
            assert not isinstance(link, dict) or link.keys() <= LINK, name


def test_primary_data_is_an_array_if_and_only_if_the_url_is_a_collection(
    responses: Responses,
) -> None:
    for name, document in documents(responses):
        if "data" in document:
            of_many = "collection" in name or name == "a page"
            expected = list if of_many else type(None) if "one of no" in name else dict
            assert isinstance(document["data"], expected), name


@pytest.mark.parametrize("size", [0, 1, 2])
def test_a_collection_of_any_size_is_an_array(client: Client, size: int) -> None:
    data = client.group(size).document()["data"]
    assert isinstance(data, list)
    assert len(data) == size


def test_the_self_link_of_a_page_by_a_profile_has_the_type_of_the_page(
    responses: Responses,
) -> None:
    response = responses["a collection by the profile"]
    link = response.json()["links"]["self"]
    assert link["type"] == response.headers["Content-Type"] == f'{JSONAPI};profile="{CURSORS}"'
    assert link["href"] == responses["a collection"].json()["links"]["self"]


# -- resource objects --------------------------------------------------------------------------


def test_resource_objects_have_a_type_and_an_id_that_are_strings(responses: Responses) -> None:
    for name, document in documents(responses):
        for found in resource_objects(document):
            assert isinstance(found["type"], str), name
            assert isinstance(found["id"], str), name
            assert "lid" not in found, name


def test_a_type_and_an_id_always_identify_one_resource(client: Client) -> None:
    deleted, remaining = client.deleted(), client.create()
    again = client.create()
    assert len({deleted["id"], remaining["id"], again["id"]}) == 3
    assert client.get(client.url(deleted)).status_code == 404
    assert client.get(client.url(remaining)).json()["data"] == remaining


def test_types_are_valid_member_names(responses: Responses) -> None:
    for name, document in documents(responses):
        for found in resource_objects(document):
            assert MEMBER_NAME.fullmatch(found["type"]), name


def test_the_names_of_fields_are_unique_and_not_type_or_id(responses: Responses) -> None:
    for name, document in documents(responses):
        for found in resource_objects(document):
            attributes = found["attributes"].keys()
            assert not attributes & {"type", "id"}, name
            assert not attributes & found.get("relationships", {}).keys(), name


def test_attributes_are_an_object(responses: Responses) -> None:
    for name, document in documents(responses):
        for found in resource_objects(document):
            assert isinstance(found["attributes"], dict), name


def test_attributes_do_not_contain_keys_of_other_resources(responses: Responses) -> None:
    for name, document in documents(responses):
        for found in resource_objects(document):
            assert not [each for each in found["attributes"] if re.search("(_id|Id)s?$", each)], (
                name
            )


def test_the_self_link_of_a_resource_returns_the_resource(
    client: Client, responses: Responses
) -> None:
    for name in ("a collection", "a resource", "a creation", "a change"):
        for found in as_list(responses[name].json()["data"]):
            response = client.get(found["links"]["self"])
            assert response.status_code == 200, name
            assert response.json()["data"]["id"] == found["id"], name


# -- relationships -----------------------------------------------------------------------------


def test_relationships_are_an_object_of_relationship_objects(responses: Responses) -> None:
    found = 0
    for name, document in documents(responses):
        for resource in resource_objects(document):
            if "relationships" in resource:
                assert isinstance(resource["relationships"], dict), name
                found += len(resource["relationships"])
                for each in resource["relationships"].values():
                    assert isinstance(each, dict), name
                    assert each.keys() & RELATIONSHIP, name
    assert found


def test_identifiers_have_a_type_and_an_id_that_are_strings(responses: Responses) -> None:
    found = 0
    for name, document in documents(responses):
        for each in identifiers(document):
            found += 1
            assert isinstance(each["type"], str), name
            assert isinstance(each["id"], str), name
            assert "lid" not in each, name
    assert found


# -- meta, links, the jsonapi object -----------------------------------------------------------


def test_meta_is_an_object_wherever_it_is(responses: Responses) -> None:
    for name, document in documents(responses):
        for owner in owners(document):
            assert isinstance(owner.get("meta", {}), dict), name


def test_links_are_an_object_wherever_they_are(responses: Responses) -> None:
    for name, document in documents(responses):
        for owner in owners(document):
            assert isinstance(owner.get("links", {}), dict), name


def test_a_link_is_a_uri_reference_or_an_object_with_one_or_null(responses: Responses) -> None:
    for name, document in documents(responses):
        for link in links(document):
            target = link["href"] if isinstance(link, dict) else link
            assert target is None or URI_REFERENCE.fullmatch(target), name
            assert target is not None or link is None, name


def test_link_objects_have_valid_relations_and_languages(responses: Responses) -> None:
    for name, document in documents(responses):
        for link in links(document):
            if isinstance(link, dict):
                assert LINK_RELATION.fullmatch(link.get("rel", "self")), name
                languages = link.get("hreflang", [])
                for language in [languages] if isinstance(languages, str) else languages:
                    assert LANGUAGE.fullmatch(language), name


def test_the_jsonapi_object_has_the_version(responses: Responses) -> None:
    for name, document in documents(responses):
        assert document["jsonapi"]["version"] == "1.1", name


def test_the_description_of_a_document_can_be_fetched(client: Client, responses: Responses) -> None:
    found = {d["links"]["describedby"] for _, d in documents(responses) if "data" in d}
    for url in found:
        assert client.get(url, Accept="*/*").status_code == 200


# -- member names ------------------------------------------------------------------------------


def test_names_of_members_are_valid(responses: Responses) -> None:
    for name, document in documents(responses):
        for member in members(document):
            assert MEMBER_NAME.fullmatch(member) or EXTENSION_MEMBER.fullmatch(member), name


def test_names_of_members_are_safe_in_urls(responses: Responses) -> None:
    for name, document in documents(responses):
        for member in members(document):
            assert URL_SAFE.fullmatch(member.removeprefix("atomic:")), name


def test_members_of_the_extension_have_its_namespace(client: Client) -> None:
    document = client.operate({"op": "add", **client.new()}).json()
    assert {name for name in document if name not in TOP_LEVEL} == {"atomic:results"}
    for wrong in ("operations", "Atomic:operations", "atomic:Operations"):
        body = {wrong: [{"op": "add", **client.new()}]}
        headers = {"Content-Type": IN_OPERATIONS}
        response = client.send("POST", client.resource.operations, body, headers)
        assert response.status_code == 400


def test_names_of_members_are_case_sensitive(client: Client) -> None:
    post: Any = {"method": "POST", "url": client.resource.collection}
    new = client.new()
    assert client.send(**post, body={"Data": new["data"]}).status_code == 400
    name = client.resource.required[0]
    attributes = {n.upper() if n == name else n: v for n, v in client.attributes().items()}
    assert client.send(**post, body=client.new(attributes)).is_client_error
    assert client.send(**post, body=client.new(Attributes={name: None})).status_code == 201


UNDEFINED = ("extra", "Data", "@context", "x y", "\u00e4")


@pytest.mark.parametrize("name", UNDEFINED)
def test_members_that_are_not_defined_are_ignored(client: Client, name: str) -> None:
    document = client.new(**{name: {"deep": [1]}})
    post = client.send("POST", client.resource.collection, {**document, name: [5]})
    assert post.status_code == 201, post.text
    created = post.json()["data"]
    assert name not in created
    change = {**client.change(created, numbered(client.resource.changes), **{name: 5}), name: None}
    assert client.send("PATCH", client.url(created), change).status_code == 200
    operations = client.operate(
        {"op": "update", **client.change(created, {}, **{name: 1}), name: "x"}
    )
    assert operations.status_code == 200


@pytest.mark.parametrize("value", [None, 5, "text", [], {"name": {}}])
def test_members_with_an_at_sign_are_ignored_everywhere(client: Client, value: Any) -> None:
    at = {"@extra": value}
    attributes = {**client.attributes(), **at}
    new = {**client.new(attributes, relationships=at, links=at, meta=at, **at), **at}
    response = client.send("POST", client.resource.collection, {**new, "jsonapi": at})
    assert response.status_code == 201, response.text
    created = response.json()["data"]
    assert "@extra" not in created["attributes"]
    change = {**client.change(created, at, relationships=at, **at), **at}
    assert client.send("PATCH", client.url(created), change).status_code == 200
    assert client.operate({"op": "update", **change, **at}).status_code == 200
