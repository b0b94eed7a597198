"""Changing relationships, in resources and at their URLs (#crud-updating-relationships)."""

from typing import Any

import httpx
import pytest
from conformance.client import Json, numbered
from conformance.relationships import End, identifiers, identify


def assert_rejected(response: httpx.Response, status: int, *pointers: str) -> None:
    assert response.status_code == status, response.text
    sources = [error["source"] for error in response.json()["errors"]]
    assert sources == [{"pointer": pointer} for pointer in pointers]


def patch(end: End, of: Json, relationship: Any, **attributes: Any) -> httpx.Response:
    """Changes a resource and its relationship by one request."""
    change = end.holders.change(of, attributes, relationships={end.name: relationship})
    return end.holders.send("PATCH", end.holders.url(of), change)


def some(end: End) -> list[Json]:
    """New resources for the relationship: one or two, depending on its kind."""
    return [end.others.create() for _ in range(2 if end.many else 1)]


def methods(end: End) -> tuple[str, ...]:
    return ("PATCH", "POST", "DELETE") if end.many else ("PATCH",)


# -- in resources ------------------------------------------------------------------------------


def test_a_resource_is_created_with_its_relationships(ends: list[End]) -> None:
    for end in ends:
        related = some(end)
        assert end.fetch(end.create(*related)) == end.linkage(*related)
        assert end.fetch(end.holders.create()) == end.linkage()


def test_a_relationship_in_a_resource_requires_data(ends: list[End]) -> None:
    for end in ends:
        related = some(end)
        holder = end.create(*related)
        pointer = f"/data/relationships/{end.name}"
        for wrong in ({}, {"unknown": 5}, {"Data": end.linkage()}):
            new = end.holders.new(relationships={end.name: wrong})
            post = end.holders.send("POST", end.holders.resource.collection, new)
            assert_rejected(post, 400, pointer)
            assert_rejected(patch(end, holder, wrong), 400, pointer)
        assert end.fetch(holder) == end.linkage(*related)


def test_omitted_relationships_keep_their_values(ends: list[End]) -> None:
    for end in ends:
        related = some(end)
        holder = end.create(*related)
        changes = numbered(end.holders.resource.changes)
        url = end.holders.url(holder)
        without: tuple[Json, ...] = ({}, {"relationships": {}})
        for members in without:
            change = end.holders.change(holder, changes, **members)
            assert end.holders.send("PATCH", url, change).status_code == 200
            assert end.fetch(holder) == end.linkage(*related)
        for other in ends:
            if other.holders is end.holders and other is not end:
                assert patch(other, holder, other.document()).status_code == 200
                assert end.fetch(holder) == end.linkage(*related)


def test_a_relationship_in_a_change_is_replaced(ends: list[End]) -> None:
    for end in ends:
        holder = end.create(*some(end))
        for related in (some(end), []):
            assert patch(end, holder, end.document(*related)).status_code == 200
            assert end.fetch(holder) == end.linkage(*related)


def test_a_part_of_a_relationship_is_not_accepted_as_its_replacement(many: End) -> None:
    related = some(many)
    holder = many.create(*related)
    before = many.holders.get(many.holders.url(holder)).json()["data"]["attributes"]
    page = many.holders.get(f"{many.url(holder)}?page[size]=1").json()
    assert page["links"]["next"]
    part = {"data": identifiers(*page["data"]), "links": page["links"]}
    changes = numbered(many.holders.resource.changes)
    whole = patch(many, holder, part, **changes)
    assert_rejected(whole, 403, f"/data/relationships/{many.name}/data")
    after = many.holders.get(many.holders.url(holder)).json()["data"]["attributes"]
    assert after == before
    assert_rejected(many.holders.send("PATCH", many.url(holder), part), 403, "/data")
    assert many.fetch(holder) == many.linkage(*related)


def test_an_unknown_related_resource_in_a_resource_is_404(ends: list[End]) -> None:
    for end in ends:
        related, deleted = some(end), end.others.deleted()
        holder, group = end.create(*related), end.holders.group(0)
        place = "0/id" if end.many else "id"
        pointer = f"/data/relationships/{end.name}/data/{place}"
        attributes = end.holders.attributes(**{end.holders.resource.group: group.value})
        for unknown in (deleted, {**deleted, "id": "unknown"}):
            wrong = end.document(unknown)
            new = end.holders.new(attributes, relationships={end.name: wrong})
            post = end.holders.send("POST", end.holders.resource.collection, new)
            assert_rejected(post, 404, pointer)
            changes = numbered(end.holders.resource.changes)
            assert_rejected(patch(end, holder, wrong, **changes), 404, pointer)
        assert group.document()["data"] == []
        found = end.holders.get(end.holders.url(holder)).json()["data"]
        assert found["attributes"] == holder["attributes"]
        assert end.fetch(holder) == end.linkage(*related)


# -- at the URL of a relationship --------------------------------------------------------------


def test_linkage_of_another_structure_is_400(ends: list[End]) -> None:
    for end in ends:
        related = some(end)
        holder = end.create(*related)
        own = end.linkage(*related)
        wrong: tuple[Any, ...] = (None, identify(related[0])) if end.many else ([], [own])
        for method in methods(end):
            missing = end.holders.send(method, end.url(holder), {"meta": {}})
            assert missing.status_code == 400
            for data in (*wrong, "text", 5, True):
                rejected = end.holders.send(method, end.url(holder), {"data": data})
                assert_rejected(rejected, 400, "/data")
        assert end.fetch(holder) == own


FAULTS = (
    (lambda found: {"id": found["id"]}, ""),
    (lambda found: {"type": found["type"]}, ""),
    (lambda _: "text", ""),
    (lambda found: {**found, "type": 5}, "/type"),
    (lambda found: {**found, "id": int(found["id"])}, "/id"),
    (lambda found: {**found, "id": None}, "/id"),
)


@pytest.mark.parametrize("fault", range(len(FAULTS)))
def test_an_identifier_has_a_type_and_an_id_that_are_strings(ends: list[End], fault: int) -> None:
    spoil, member = FAULTS[fault]
    for end in ends:
        related = some(end)
        holder = end.create(*related)
        bad = spoil(identify(end.others.create()))
        data, place = ([bad], "/0") if end.many else (bad, "")
        for method in methods(end):
            rejected = end.holders.send(method, end.url(holder), {"data": data})
            assert_rejected(rejected, 400, f"/data{place}{member}")
        pointer = f"/data/relationships/{end.name}/data{place}{member}"
        assert_rejected(patch(end, holder, {"data": data}), 400, pointer)
        assert end.fetch(holder) == end.linkage(*related)


def test_a_to_one_relationship_is_set_and_cleared(one: End) -> None:
    first, second = one.others.create(), one.others.create()
    holder = one.create()
    for related in ([first], [first], [second], [], []):
        response = one.holders.send("PATCH", one.url(holder), one.document(*related))
        assert (response.status_code, response.content) == (204, b"")
        assert one.fetch(holder) == one.linkage(*related)


def test_a_to_many_relationship_is_replaced_completely(many: End) -> None:
    a, b, c = (many.others.create() for _ in range(3))
    holder = many.create(a, b)
    for related in ([b, c], [c], [], [a, b, c], [a, b, c]):
        response = many.holders.send("PATCH", many.url(holder), many.document(*related))
        assert (response.status_code, response.content) == (204, b"")
        assert many.fetch(holder) == many.linkage(*related)


def test_a_replacement_with_an_unknown_resource_is_404_and_changes_nothing(many: End) -> None:
    related, other, deleted = some(many), many.others.create(), many.others.deleted()
    holder = many.create(*related)
    for method in ("PATCH", "POST"):
        sent = many.document(other, deleted)
        rejected = many.holders.send(method, many.url(holder), sent)
        assert_rejected(rejected, 404, "/data/1/id")
        assert many.fetch(holder) == many.linkage(*related)


def test_additions_keep_the_other_related_resources(many: End) -> None:
    a, b, c = (many.others.create() for _ in range(3))
    holder = many.create(a)
    response = many.holders.send("POST", many.url(holder), many.document(b, c))
    assert (response.status_code, response.content) == (204, b"")
    assert many.fetch(holder) == many.linkage(a, b, c)


def test_a_related_resource_is_not_added_again(many: End) -> None:
    a, b = many.others.create(), many.others.create()
    holder = many.create(a)
    for sent in ((a,), (a, b, b), (b, a)):
        response = many.holders.send("POST", many.url(holder), many.document(*sent))
        assert (response.status_code, response.content) == (204, b"")
    assert many.fetch(holder) == many.linkage(a, b)
    related = many.holders.get(many.related_url(holder)).json()["data"]
    assert sorted(item["id"] for item in related) == sorted([a["id"], b["id"]])


def test_removals_keep_the_other_related_resources(many: End) -> None:
    a, b, c = (many.others.create() for _ in range(3))
    holder = many.create(a, b, c)
    response = many.holders.send("DELETE", many.url(holder), many.document(a, c))
    assert (response.status_code, response.content) == (204, b"")
    assert many.fetch(holder) == many.linkage(b)


def test_the_removal_of_an_unrelated_resource_succeeds(many: End) -> None:
    a, unrelated, deleted = many.others.create(), many.others.create(), many.others.deleted()
    holder = many.create(a)
    never = {**deleted, "id": "unknown"}
    for sent in ((unrelated,), (deleted,), (never,), ()):
        response = many.holders.send("DELETE", many.url(holder), many.document(*sent))
        assert (response.status_code, response.content) == (204, b"")
    assert many.fetch(holder) == many.linkage(a)


def test_a_change_from_one_side_is_visible_from_the_other(many: End, ends: list[End]) -> None:
    back = next(end for end in ends if end.many and end.holders is many.others)
    holder, related = many.create(), many.others.create()
    many.holders.send("POST", many.url(holder), many.document(related))
    assert back.fetch(related) == identifiers(holder)
    many.holders.send("DELETE", many.url(holder), many.document(related))
    assert back.fetch(related) == []


def test_changes_of_relationships_follow_http(ends: list[End]) -> None:
    for end in ends:
        related = some(end)
        holder = end.create(*related)
        url = end.url(holder)
        tag = end.holders.get(url).headers["ETag"]
        done = end.holders.send("PATCH", url, end.document(), {"If-Match": tag})
        assert (done.status_code, done.content) == (204, b"")
        assert "Content-Type" not in done.headers
        late = end.holders.send("PATCH", url, end.document(*related), {"If-Match": tag})
        assert late.status_code == 412
        assert end.fetch(holder) == end.linkage()
        text = end.holders.send("PATCH", url, b"x", {"Content-Type": "text/plain"})
        assert text.status_code == 415
        for at in (end.related_url(holder), *([] if end.many else [url])):
            for method in ("POST", "DELETE"):
                rejected = end.holders.send(method, at, end.document())
                assert rejected.status_code == 405
                assert "GET" in rejected.headers["Allow"]
                assert method not in rejected.headers["Allow"]
