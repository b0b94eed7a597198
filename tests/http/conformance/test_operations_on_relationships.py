"""Atomic operations on relationships (jsonapi.org/ext/atomic)."""

from typing import Any

import httpx
import pytest
from conformance.client import Json
from conformance.relationships import End, identifiers, identify

PREFIX = "/atomic:operations"


def assert_rejected(response: httpx.Response, status: int, pointer: str) -> None:
    """Checks that the response is a document with one error at a pointer."""
    assert response.status_code == status, response.text
    document = response.json()
    assert "atomic:results" not in document
    (error,) = document["errors"]
    assert error["source"] == {"pointer": f"{PREFIX}{pointer}"}


def operate(end: End, of: Json, op: str, *related: Json, href: bool = False) -> httpx.Response:
    target: Json = {"href": end.url(of)} if href else end.ref(of)
    return end.holders.operate({"op": op, **target, **end.document(*related)})


@pytest.mark.parametrize("href", [False, True])
def test_operations_add_replace_and_remove_related_resources(many: End, href: bool) -> None:
    a, b, c = (many.others.create() for _ in range(3))
    holder = many.create(a)
    for op, sent, expected in (
        ("add", (b, c), (a, b, c)),
        ("add", (b,), (a, b, c)),
        ("remove", (a, c), (b,)),
        ("remove", (a,), (b,)),
        ("update", (a, c), (a, c)),
        ("update", (), ()),
    ):
        response = operate(many, holder, op, *sent, href=href)
        assert response.status_code == 200, response.text
        assert response.json()["atomic:results"] == [{}]
        assert many.fetch(holder) == many.linkage(*expected)


@pytest.mark.parametrize("href", [False, True])
def test_an_operation_sets_and_clears_a_to_one_relationship(one: End, href: bool) -> None:
    first, second = one.others.create(), one.others.create()
    holder = one.create()
    for related in ([first], [second], [second], []):
        response = operate(one, holder, "update", *related, href=href)
        assert response.status_code == 200, response.text
        assert response.json()["atomic:results"] == [{}]
        assert one.fetch(holder) == one.linkage(*related)


def test_a_relationship_is_not_targeted_by_both_a_ref_and_an_href(ends: list[End]) -> None:
    for end in ends:
        related = end.others.create()
        holder = end.create(related)
        both = {**end.ref(holder), "href": end.url(holder)}
        for op in ("add", "update", "remove") if end.many else ("update",):
            response = end.holders.operate({"op": op, **both, **end.document()})
            assert_rejected(response, 400, "/0")
        related_url = {"href": end.related_url(holder)}
        response = end.holders.operate({"op": "update", **related_url, **end.document()})
        assert response.status_code == 400
        assert end.fetch(holder) == end.linkage(related)


def test_an_op_that_does_not_apply_to_the_relationship_is_400(ends: list[End]) -> None:
    for end in ends:
        related = end.others.create()
        holder = end.create(related)
        for op in ("replace", "ADD", "", *(() if end.many else ("add", "remove"))):
            for target in (end.ref(holder), {"href": end.url(holder)}):
                response = end.holders.operate({"op": op, **target, **end.document(related)})
                assert_rejected(response, 400, "/0/op")
        assert end.fetch(holder) == end.linkage(related)


def test_a_rejected_operation_on_a_relationship_changes_nothing(ends: list[End]) -> None:
    for end in ends:
        related, other, deleted = end.others.create(), end.others.create(), end.others.deleted()
        holder = end.create(related)
        place = "/0" if end.many else ""
        first = {"op": "update", **end.ref(holder), **end.document(other)}
        wrong: tuple[tuple[Any, int, str], ...] = (
            ("text", 400, ""),
            (end.linkage(deleted), 404, f"{place}/id"),
            (end.linkage({**other, "type": "others"}), 409, f"{place}/type"),
        )
        for data, status, pointer in wrong:
            second = {"op": "update", **end.ref(holder), "data": data}
            response = end.holders.operate(first, second)
            assert_rejected(response, status, f"/1/data{pointer}")
            assert end.fetch(holder) == end.linkage(related)
        gone = end.holders.deleted()
        response = end.holders.operate(first, {"op": "update", **end.ref(gone), **end.document()})
        assert response.status_code == 404
        assert response.json()["errors"][0]["source"]["pointer"].startswith(f"{PREFIX}/1")
        assert end.fetch(holder) == end.linkage(related)


def test_the_relationship_of_an_operation_is_one_of_the_type(ends: list[End]) -> None:
    for end in ends:
        holder = end.create()
        target = {**identify(holder), "relationship": "unknown"}
        response = end.holders.operate({"op": "update", "ref": target, **end.document()})
        assert_rejected(response, 404, "/0/ref/relationship")


def test_a_local_id_identifies_a_related_resource_of_an_earlier_operation(ends: list[End]) -> None:
    for end in ends:
        local = {"type": end.others.resource.type, "lid": "a"}
        data = [local] if end.many else local
        add = {"op": "add", **end.others.new(lid="a")}
        holder = end.create()
        change = {"op": "update", **end.ref(holder), "data": data}
        new = {"op": "add", **end.holders.new(relationships={end.name: {"data": data}})}
        response = end.holders.operate(add, change, new)
        assert response.status_code == 200, response.text
        created, changed, other = response.json()["atomic:results"]
        assert changed == {}
        for each in (holder, other["data"]):
            assert end.fetch(each) == end.linkage(created["data"])
        place = "/0" if end.many else ""
        early = end.holders.operate(change, {"op": "add", **end.others.new(lid="a")})
        assert_rejected(early, 400, f"/0/data{place}/lid")
        neither = [{"type": local["type"]}] if end.many else {"type": local["type"]}
        response = end.holders.operate({**change, "data": neither})
        assert_rejected(response, 400, f"/0/data{place}")
        assert identifiers(created["data"]) == identifiers(
            end.others.get(end.others.url(created["data"])).json()["data"]
        )
