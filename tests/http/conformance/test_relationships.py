"""Relationships in documents, and how they are fetched (#fetching-relationships)."""

from collections.abc import Iterator, Mapping

import httpx
import pytest
from conformance.client import Client, Json, ids
from conformance.relationships import End, identifiers, identify


def relationship(end: End, of: Json, query: str = "") -> Json:
    """The relationship object in the resource object of a holder."""
    document = end.holders.get(f"{end.holders.url(of)}{query}").json()
    return document["data"]["relationships"][end.name]


def without_meta(data: list[Json]) -> list[Json]:
    return [{name: value for name, value in item.items() if name != "meta"} for item in data]


# -- in resource objects -----------------------------------------------------------------------


def test_references_to_other_resources_are_relationships(ends: list[End]) -> None:
    for end in ends:
        other = end.others.create()
        holder = end.create(other)
        data = end.holders.get(end.holders.url(holder)).json()["data"]
        assert end.name in data["relationships"]
        assert end.name not in data["attributes"]
        assert identify(other) not in data["attributes"].values()
        assert other["id"] not in data["attributes"].values()


def test_the_links_of_a_relationship_do_not_change_with_its_content(ends: list[End]) -> None:
    for end in ends:
        others = [end.others.create(), end.others.create()]
        holder = end.create()
        empty = relationship(end, holder)["links"]
        assert empty.keys() >= {"self", "related"}
        for linked in (others[:1], others[1:], []):
            change = end.document(*linked)
            assert end.holders.send("PATCH", end.url(holder), change).status_code == 204
            assert relationship(end, holder)["links"] == empty


def test_a_related_link_is_valid_even_if_nothing_is_related(ends: list[End]) -> None:
    for end in ends:
        other = end.others.create()
        for linked in ([], [other]):
            holder = end.create(*linked)
            response = end.holders.get(relationship(end, holder)["links"]["related"])
            assert response.status_code == 200
            data = response.json()["data"]
            if end.many:
                assert identifiers(*data) == identifiers(*linked)
                assert all("attributes" in item for item in data)
            else:
                assert (data and data["attributes"]) == (other["attributes"] if linked else None)


def test_page_links_of_a_relationship_object_page_its_identifiers(many: End) -> None:
    others = [many.others.create() for _ in range(27)]
    expected = identifiers(*sorted(others, key=lambda each: int(each["id"])))
    found = relationship(many, many.create(*others), f"?include={many.name}")
    assert without_meta(found["data"]) == expected[: len(found["data"])]
    assert found["links"]["prev"] is None
    rest: list[Json] = []
    url = found["links"]["next"]
    assert url
    while url:
        document = many.holders.get(url).json()
        rest += document["data"]
        url = document["links"]["next"]
    assert without_meta(found["data"] + rest) == expected


def test_paginated_linkage_has_a_previous_and_a_next_link(many: End) -> None:
    for linked in ([], [many.others.create()]):
        found = relationship(many, many.create(*linked), f"?include={many.name}")
        assert (found["links"]["prev"], found["links"]["next"]) == (None, None)


def test_linkage_is_null_an_identifier_or_an_array_of_identifiers(ends: list[End]) -> None:
    for end in ends:
        others = [end.others.create() for _ in range(2 if end.many else 1)]
        for linked in ([], others):
            holder = end.create(*linked)
            included = relationship(end, holder, f"?include={end.name}")["data"]
            fetched = end.holders.get(end.url(holder)).json()["data"]
            for data in (included, fetched):
                if end.many:
                    assert isinstance(data, list)
                    by_id = sorted(without_meta(data), key=lambda each: int(each["id"]))
                    assert by_id == end.linkage(*linked)
                else:
                    assert data == end.linkage(*linked)


# -- fetching ----------------------------------------------------------------------------------


def every_relationship(responses: Mapping[str, httpx.Response]) -> Iterator[Json]:
    for response in responses.values():
        document = response.json() if response.content else {}
        data = document.get("data")
        for found in (data if isinstance(data, list) else [data] if data else []) + document.get(
            "included", []
        ):
            yield from found.get("relationships", {}).values()


def test_the_self_link_of_every_relationship_can_be_fetched(
    client: Client, ends: list[End], responses: Mapping[str, httpx.Response]
) -> None:
    found = {each["links"]["self"] for each in every_relationship(responses)}
    for end in ends:
        assert any(url.endswith(f"/relationships/{end.name}") for url in found), end.name
        holder = end.create(end.others.create())
        document = client.get(relationship(end, holder)["links"]["self"])
        assert document.status_code == 200
        assert end.fetch(holder) == end.linkage(*_listed(document.json()["data"]))


def _listed(data: Json | list[Json]) -> list[Json]:
    return data if isinstance(data, list) else [data]


def test_a_relationship_is_fetched_with_200_and_its_linkage(ends: list[End]) -> None:
    for end in ends:
        others = [end.others.create() for _ in range(3 if end.many else 1)]
        holder = end.create(*others)
        response = end.holders.get(end.url(holder))
        assert response.status_code == 200
        data = _listed(response.json()["data"])
        assert sorted(map(str, without_meta(data))) == sorted(map(str, identifiers(*others)))
        links = response.json()["links"]
        own = relationship(end, holder)["links"]
        assert (links["self"], links["related"]) == (own["self"], own["related"])


def test_an_empty_relationship_is_fetched_with_200(ends: list[End]) -> None:
    for end in ends:
        response = end.holders.get(end.url(end.create()))
        assert response.status_code == 200
        assert response.json()["data"] == ([] if end.many else None)


def test_the_relationships_of_an_unknown_resource_are_404(ends: list[End]) -> None:
    for end in ends:
        deleted = end.create(end.others.create())
        assert end.holders.send("DELETE", end.holders.url(deleted)).status_code == 204
        for url in (end.url(deleted), end.related_url(deleted)):
            assert end.holders.get(url).status_code == 404


def test_an_unknown_relationship_is_404(ends: list[End]) -> None:
    for end in ends:
        holder = end.holders.url(end.create(end.others.create()))
        for name in ("unknown", end.name.upper(), f"{end.name}s", f"{end.name}%20"):
            for url in (f"{holder}/relationships/{name}", f"{holder}/{name}"):
                response = end.holders.get(url)
                assert response.status_code == 404, url
                assert response.json()["errors"]


def test_fetched_relationships_follow_http(ends: list[End]) -> None:
    for end in ends:
        url = end.url(end.create(end.others.create()))
        got, head = end.holders.get(url), end.holders.send("HEAD", url)
        assert (head.status_code, head.content) == (200, b"")
        differing = ("date", "x-request-id")
        assert {n: v for n, v in head.headers.items() if n not in differing} == {
            n: v for n, v in got.headers.items() if n not in differing
        }
        unchanged = end.holders.get(url, **{"If-None-Match": got.headers["ETag"]})
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        rejected = end.holders.send("PUT", url, b"{}")
        assert rejected.status_code == 405
        allowed = {method.strip() for method in rejected.headers["Allow"].split(",")}
        assert allowed >= {"GET", "HEAD", "PATCH"}
        assert end.holders.get(url, Accept="text/html").status_code == 406


# -- compound documents ------------------------------------------------------------------------


def compound(client: Client, url: str) -> tuple[Json, list[Json]]:
    """A document, and its included resources."""
    response = client.get(url)
    assert response.status_code == 200, response.text
    return response.json(), response.json()["included"]


def test_included_resources_are_an_array_of_resource_objects(ends: list[End]) -> None:
    for end in ends:
        others = [end.others.create() for _ in range(2 if end.many else 1)]
        holder = end.create(*others)
        for url in (end.holders.url(holder), end.url(holder)):
            _, included = compound(end.holders, f"{url}?include={end.name}")
            assert isinstance(included, list)
            by_id = sorted(included, key=lambda each: int(each["id"]))
            assert [each["attributes"] for each in by_id] == [o["attributes"] for o in others]
            assert identifiers(*by_id) == identifiers(*others)


def test_an_included_relationship_that_is_empty_gets_an_empty_array(ends: list[End]) -> None:
    for end in ends:
        holder = end.create()
        for url in (end.holders.url(holder), end.url(holder), end.related_url(holder)):
            path = "" if url == end.related_url(holder) else end.name
            assert compound(end.holders, f"{url}?include={path}")[1] == []


def test_only_requested_resources_are_included(ends: list[End]) -> None:
    for end in ends:
        others = [end.others.create() for _ in range(2 if end.many else 1)]
        end.create(end.others.create())
        holder = end.create(*others)
        own = end.holders.url(holder)
        assert "included" not in end.holders.get(own).json()
        assert compound(end.holders, f"{own}?include=")[1] == []
        _, included = compound(end.holders, f"{own}?include={end.name}")
        found = sorted(map(str, identifiers(*included)))
        assert found == sorted(map(str, identifiers(*others)))


def test_every_included_resource_is_linked_from_the_primary_data(
    many: End, ends: list[End]
) -> None:
    back = next(end for end in ends if end.many and end.holders is many.others)
    shared, others = many.others.create(), [many.others.create() for _ in range(2)]
    group = many.holders.group(0)
    in_group = {many.holders.resource.group: group.value}
    for other in others:
        many.create(shared, other, **in_group)
    document = group.document(include=f"{many.name}.{back.name}")
    linked = {(item["type"], item["id"]) for item in document["data"]}
    included = {(item["type"], item["id"]): item for item in document["included"]}
    waiting = list(document["data"])
    while waiting:
        for found in waiting.pop().get("relationships", {}).values():
            for each in found.get("data") or []:
                pair = (each["type"], each["id"])
                if pair not in linked:
                    linked.add(pair)
                    waiting.append(included[pair])
    assert included
    assert included.keys() <= linked


def test_no_resource_is_included_twice_or_as_primary_data_as_well(
    many: End, ends: list[End]
) -> None:
    back = next(end for end in ends if end.many and end.holders is many.others)
    shared, other = many.others.create(), many.others.create()
    group = many.holders.group(0)
    in_group = {many.holders.resource.group: group.value}
    for _ in range(3):
        many.create(shared, other, **in_group)
    document = group.document(include=f"{many.name},{many.name}.{back.name}")
    every = identifiers(*document["data"], *document["included"])
    assert len(every) == len({str(each) for each in every}) == 5
    assert sorted(map(str, identifiers(*document["included"]))) == sorted(
        map(str, identifiers(shared, other))
    )


@pytest.mark.parametrize("separator", [",", "%2C"])
def test_included_paths_are_separated_by_commas(one: End, ends: list[End], separator: str) -> None:
    back = next(end for end in ends if end.many and end.holders is one.others)
    related = back.others.create()
    other = back.create(related)
    own = one.holders.url(one.create(other))
    paths = separator.join((one.name, f"{one.name}.{back.name}"))
    _, included = compound(one.holders, f"{own}?include={paths}")
    assert sorted(map(str, identifiers(*included))) == sorted(map(str, identifiers(other, related)))
    for wrong in (f"{one.name};{one.name}", f"{one.name} {one.name}", f"{one.name},,{one.name}"):
        assert one.holders.get(own + f"?include={wrong}").status_code == 400


def test_a_path_with_an_unknown_step_is_400(ends: list[End]) -> None:
    for end in ends:
        holder = end.create(end.others.create())
        for url, paths in (
            (
                end.holders.url(holder),
                (f"{end.name}.unknown", f"{end.name}.", f".{end.name}", end.name.upper()),
            ),
            (end.url(holder), ("unknown", f"{end.name}.unknown", f"{end.name}.{end.name}")),
            (end.related_url(holder), (end.name,)),
        ):
            for path in paths:
                rejected = end.holders.get(f"{url}?include={path}")
                assert rejected.status_code == 400, (url, path)
                (error,) = rejected.json()["errors"]
                assert error["source"] == {"parameter": "include"}


def test_include_is_400_on_changes_of_relationships(ends: list[End]) -> None:
    for end in ends:
        other = end.others.create()
        holder = end.create(other)
        for method in ("PATCH", "POST", "DELETE") if end.many else ("PATCH",):
            url = f"{end.url(holder)}?include={end.name}"
            rejected = end.holders.send(method, url, end.document())
            assert rejected.status_code == 400
        assert end.fetch(holder) == end.linkage(other)


def test_only_the_requested_relationships_are_returned(ends: list[End]) -> None:
    for end in ends:
        other = end.others.create()
        holder = end.create(other)
        own, kind, name = end.holders.url(holder), end.holders.resource.type, end.name
        attribute = end.holders.resource.required[0]
        for fields, attributes, relationships in (
            ("", set(), set()),
            (attribute, {attribute}, set()),
            (name, set(), {name}),
            (f"{attribute},{name}", {attribute}, {name}),
        ):
            for query in ("", f"&include={name}"):
                document = end.holders.get(f"{own}?fields[{kind}]={fields}{query}").json()
                assert document["data"].get("attributes", {}).keys() == attributes
                assert document["data"].get("relationships", {}).keys() == relationships
                assert ids({"data": document.get("included", [])}) == ([other["id"]] * bool(query))


def test_included_resources_have_only_the_requested_fields(ends: list[End]) -> None:
    for end in ends:
        holder = end.create(end.others.create())
        attribute = end.others.resource.required[0]
        url = f"{end.url(holder)}?include={end.name}&fields[{end.others.resource.type}]={attribute}"
        (included,) = compound(end.holders, url)[1]
        assert included["attributes"].keys() == {attribute}
        assert not included.get("relationships")
