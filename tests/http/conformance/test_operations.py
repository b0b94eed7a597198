"""Atomic operations (jsonapi.org/ext/atomic)."""

from typing import Any

import pytest
from conformance.client import ATOMIC, IN_OPERATIONS, JSONAPI, Client, Group, Json, numbered


def add(client: Client, group: Group | None = None, **members: Any) -> Json:
    marked = {client.resource.group: group.value} if group else {}
    return {"op": "add", **client.new(client.attributes(**marked), **members)}


def ref(of: Json) -> Json:
    return {"ref": {"type": of["type"], "id": of["id"]}}


def update(client: Client, of: Json, **attributes: Any) -> Json:
    return {"op": "update", **client.change(of, attributes)}


def results(response: Any) -> list[Json]:
    assert response.status_code == 200, response.text
    return response.json()["atomic:results"]


def assert_rejected(response: Any, *pointers: str) -> None:
    """Checks the sources of errors. If pointers are passed, the sources must be equal to them."""
    assert response.is_client_error
    found = response.json()["errors"]
    assert found
    for error in found:
        assert error["source"]["pointer"].startswith("/atomic:operations")
    if pointers:
        assert [error["source"]["pointer"] for error in found] == list(pointers)


# -- documents ---------------------------------------------------------------------------------


def test_the_response_to_operations_has_no_data_included_or_errors(
    client: Client,
) -> None:
    document = client.operate(add(client), add(client)).json()
    assert not document.keys() & {"data", "included", "errors"}


@pytest.mark.parametrize("name", ["data", "included", "errors", "atomic:results"])
def test_operations_with_data_included_errors_or_results_are_rejected(
    client: Client, name: str
) -> None:
    group = client.group(0)
    document = {"atomic:operations": [add(client, group)], name: []}
    headers = {"Content-Type": IN_OPERATIONS}
    response = client.send("POST", client.resource.operations, document, headers)
    assert response.status_code == 400
    assert response.json()["errors"][0]["source"] == {"pointer": f"/{name}"}
    assert group.document()["data"] == []


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_operations_are_accepted_only_by_post(client: Client, method: str) -> None:
    headers = {"Content-Type": IN_OPERATIONS, "Accept": IN_OPERATIONS}
    body = None if method == "GET" else {"atomic:operations": [add(client)]}
    response = client.send(method, client.resource.operations, body, headers)
    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]


def test_operations_require_the_media_type_of_the_extension(client: Client) -> None:
    document = {"atomic:operations": [add(client)]}
    url = client.resource.operations
    for content_type in (JSONAPI, "application/json", f'{JSONAPI};profile="{ATOMIC}"'):
        refusal = client.send("POST", url, document, {"Content-Type": content_type})
        assert refusal.status_code == 415


# -- processing --------------------------------------------------------------------------------


def test_operations_are_performed_in_their_order(client: Client) -> None:
    created = client.create()
    name = next(n for n, v in client.resource.changes.items() if isinstance(v, str))
    group = client.group(0)
    returned = results(
        client.operate(
            update(client, created, **{name: "first"}),
            update(client, created, **{name: "second"}),
            add(client, group),
            add(client, group),
            update(client, created, **{name: "third"}),
        )
    )
    values = [result["data"]["attributes"][name] for result in returned]
    assert (values[0], values[1], values[4]) == ("first", "second", "third")
    assert client.get(client.url(created)).json()["data"]["attributes"][name] == "third"
    assert [item["id"] for item in group.document(sort="id")["data"]] == [
        result["data"]["id"] for result in returned[2:4]
    ]


def test_a_removed_resource_can_be_created_again_but_not_changed(client: Client) -> None:
    unique = client.resource.unique
    created = client.create()
    again = add(client)
    again["data"]["attributes"][unique] = created["attributes"][unique]
    removal = {"op": "remove", **ref(created)}
    assert client.operate(again, removal).status_code == 409
    late = update(client, created, **numbered(client.resource.changes))
    assert client.operate(removal, late).status_code == 404
    assert client.get(client.url(created)).json()["data"] == created
    assert results(client.operate(removal, again))[1]["data"]["id"] != created["id"]
    assert client.get(client.url(created)).status_code == 404


def test_all_operations_are_performed_or_none(client: Client) -> None:
    created, deleted, group = client.create(), client.deleted(), client.group(0)
    # The value of another resource, because `change` may change that of the created one.
    taken = {client.resource.unique: client.create()["attributes"][client.resource.unique]}
    name, values = next(iter(client.resource.bad.items()))
    change = update(client, created, **numbered(client.resource.changes))
    for failing in (
        {"op": "remove", **ref(deleted)},
        update(client, deleted, **numbered(client.resource.changes)),
        {"op": "add", **client.new(client.attributes(**taken))},
        {"op": "add", **client.new(client.attributes(**{name: values[0]}))},
        {"op": "nothing"},
    ):
        for operations in (
            (change, add(client, group), failing),
            (failing, change, add(client, group)),
            (change, failing, {"op": "remove", **ref(created)}),
        ):
            assert_rejected(client.operate(*operations))
            assert client.get(client.url(created)).json()["data"] == created
            assert group.document()["data"] == []


def test_successful_operations_get_200_with_their_results(client: Client) -> None:
    response = client.operate(add(client))
    assert response.status_code == 200
    assert len(response.json()["atomic:results"]) == 1


def test_there_is_a_result_for_each_operation_in_its_place(client: Client) -> None:
    changed, removed = client.create(), client.create()
    new, other = add(client), add(client)
    changes = numbered(client.resource.changes)
    returned = results(
        client.operate(
            new, {"op": "remove", **ref(removed)}, update(client, changed, **changes), other
        )
    )
    assert len(returned) == 4
    for sent, result in ((new, returned[0]), (other, returned[3])):
        attributes = sent["data"]["attributes"]
        assert attributes.items() <= result["data"]["attributes"].items()
    assert not returned[1].get("data")
    assert returned[2]["data"]["id"] == changed["id"]
    assert changes.items() <= returned[2]["data"]["attributes"].items()


# -- targets -----------------------------------------------------------------------------------


def test_a_resource_is_targeted_by_ref_by_href_or_by_the_data_alone(client: Client) -> None:
    created = client.create()
    for target in (
        {},
        ref(created),
        {"href": client.url(created)},
        {"href": created["links"]["self"]},
    ):
        changes = numbered(client.resource.changes)
        (result,) = results(client.operate({**update(client, created, **changes), **target}))
        assert changes.items() <= result["data"]["attributes"].items()
    assert results(client.operate({**add(client), "href": client.resource.collection}))


def test_local_ids_identify_resources_of_earlier_operations(client: Client) -> None:
    local = {"type": client.resource.type, "lid": "a"}
    changes = numbered(client.resource.changes)
    remaining = add(client, lid="b")
    created, changed, again, removed, _ = results(
        client.operate(
            add(client, lid="a"),
            {"op": "update", "ref": local, "data": {**local, "attributes": changes}},
            {"op": "update", "data": {**local, "attributes": {}}},
            {"op": "remove", "ref": local},
            remaining,
        )
    )
    assert created["data"]["id"] == changed["data"]["id"] == again["data"]["id"]
    assert changes.items() <= changed["data"]["attributes"].items()
    assert not removed.get("data")
    assert client.get(client.url(created["data"])).status_code == 404


def test_a_local_id_is_defined_once_and_before_its_use(client: Client) -> None:
    group = client.group(0)
    local = {"type": client.resource.type, "lid": "a"}
    removal = {"op": "remove", "ref": local}
    for operations, pointer in (
        ((removal, add(client, group, lid="a")), "0/ref/lid"),
        ((add(client, group, lid="b"), removal), "1/ref/lid"),
        ((add(client, group, lid="a"), add(client, group, lid="a")), "1/data/lid"),
        (
            (add(client, group, lid="a"), {"op": "update", "data": {**local, "lid": "c"}}),
            "1/data/lid",
        ),
    ):
        response = client.operate(*operations)
        assert response.status_code == 400
        assert_rejected(response, f"/atomic:operations/{pointer}")
        assert group.document()["data"] == []
    late = client.operate(add(client, group, lid="a"), removal, removal)
    assert late.status_code == 404
    assert_rejected(late, "/atomic:operations/2/ref")


MALFORMED = {
    "no op": (lambda op: {n: v for n, v in op.items() if n != "op"}, ""),
    "an unknown op": (lambda op: {**op, "op": "replace"}, "/op"),
    "an op in capitals": (lambda op: {**op, "op": "ADD"}, "/op"),
    "an op that is not a string": (lambda op: {**op, "op": 5}, "/op"),
    "not an object": (lambda _: "text", ""),
    "a ref that is not an object": (lambda op: {**op, "ref": "text"}, "/ref"),
    "a href that is not a string": (lambda op: {**op, "href": 5}, "/href"),
    "meta that is not an object": (lambda op: {**op, "meta": 5}, "/meta"),
    "no data": (lambda op: {n: v for n, v in op.items() if n != "data"}, ""),
    "data that is not an object": (lambda op: {**op, "data": []}, "/data"),
    "data without a type": (lambda op: {**op, "data": {"attributes": {}}}, "/data"),
}


@pytest.mark.parametrize("fault", MALFORMED)
@pytest.mark.parametrize("position", [0, 1])
def test_a_malformed_operation_is_400_with_its_pointer(
    client: Client, fault: str, position: int
) -> None:
    group = client.group(0)
    spoil, member = MALFORMED[fault]
    operations: list[Any] = [add(client, group), add(client, group)]
    operations[position] = spoil(operations[position])
    response = client.operate(*operations)
    assert response.status_code == 400
    pointers = [error["source"]["pointer"] for error in response.json()["errors"]]
    assert f"/atomic:operations/{position}{member}" in pointers
    assert group.document()["data"] == []


def test_an_operation_with_a_ref_and_an_href_is_rejected(client: Client) -> None:
    created = client.create()
    both = {**ref(created), "href": client.url(created)}
    for operation in ({"op": "remove", **both}, {**update(client, created), **both}):
        response = client.operate(operation)
        assert response.status_code == 400
        assert_rejected(response, "/atomic:operations/0")
    assert client.get(client.url(created)).json()["data"] == created


@pytest.mark.parametrize(
    "incomplete",
    [{}, {"type": "t"}, {"id": "1"}, {"lid": "a"}, {"type": "t", "id": "1", "lid": "a"}],
)
def test_a_ref_has_a_type_and_an_id_or_a_lid(client: Client, incomplete: Json) -> None:
    response = client.operate({"op": "remove", "ref": incomplete})
    assert response.status_code == 400
    assert_rejected(response)


def test_a_removal_without_a_target_is_rejected(client: Client) -> None:
    created = client.create()
    data = {"type": created["type"], "id": created["id"]}
    for operation in ({"op": "remove"}, {"op": "remove", "data": data}):
        response = client.operate(operation)
        assert response.status_code == 400
        assert_rejected(response, "/atomic:operations/0")
    assert client.get(client.url(created)).status_code == 200


@pytest.mark.parametrize("operations", [None, {}, "text", 5, []])
def test_the_operations_are_an_array_that_is_not_empty(client: Client, operations: Any) -> None:
    headers = {"Content-Type": IN_OPERATIONS}
    for document in ({"atomic:operations": operations}, {}, [operations]):
        response = client.send("POST", client.resource.operations, document, headers)
        assert response.status_code == 400
        assert response.json()["errors"]


# -- comparison to single requests ---------------------------------------------------------------


def assert_same_error(single: Any, together: Any) -> None:
    """Checks that an operation has the error of the equivalent request."""
    assert together.status_code == single.status_code
    (one,), (other,) = single.json()["errors"], together.json()["errors"]
    assert (other["status"], other["code"]) == (one["status"], one["code"])


def test_a_rejected_creation_has_the_error_of_a_single_request(client: Client) -> None:
    created = client.create()
    taken = {client.resource.unique: created["attributes"][client.resource.unique]}
    bad = [{name: values[0]} for name, values in client.resource.bad.items()]
    for attributes in (taken, *bad):
        new = client.new(client.attributes(**attributes))
        (name,) = attributes
        response = client.operate(add(client), {"op": "add", **new})
        assert_same_error(client.send("POST", client.resource.collection, new), response)
        assert_rejected(response, f"/atomic:operations/1/data/attributes/{name}")
    identified = client.new(id="7")
    response = client.operate({"op": "add", **identified})
    assert_same_error(client.send("POST", client.resource.collection, identified), response)
    assert_rejected(response, "/atomic:operations/0/data/id")


def test_a_rejected_change_has_the_error_of_a_single_request(client: Client) -> None:
    created, other, deleted = client.create(), client.create(), client.deleted()
    taken = {client.resource.unique: other["attributes"][client.resource.unique]}
    bad = [{name: values[0]} for name, values in client.resource.bad.items()]
    for attributes in (taken, dict(client.resource.read_only), *bad):
        change = client.change(created, attributes)
        (name,) = attributes
        response = client.operate(add(client), {"op": "update", **change})
        assert_same_error(client.send("PATCH", client.url(created), change), response)
        assert_rejected(response, f"/atomic:operations/1/data/attributes/{name}")
    late = client.change(deleted, numbered(client.resource.changes))
    response = client.operate({"op": "update", **ref(deleted), **late})
    assert_same_error(client.send("PATCH", client.url(deleted), late), response)
    assert_rejected(response, "/atomic:operations/0/ref")
    contradicting = client.operate({"op": "update", **ref(created), **client.change(other, {})})
    assert_same_error(
        client.send("PATCH", client.url(created), client.change(other, {})), contradicting
    )
    assert client.get(client.url(created)).json()["data"] == created


def test_a_rejected_removal_has_the_error_of_a_single_request(client: Client) -> None:
    deleted = client.deleted()
    for target, member in ((ref(deleted), "ref"), ({"href": client.url(deleted)}, "href")):
        response = client.operate(add(client), {"op": "remove", **target})
        assert_same_error(client.send("DELETE", client.url(deleted)), response)
        assert_rejected(response, f"/atomic:operations/1/{member}")


def test_the_result_of_a_creation_is_the_resource(client: Client) -> None:
    sent = add(client)
    (result,) = results(client.operate(sent))
    assert sent["data"]["attributes"].items() <= result["data"]["attributes"].items()
    assert client.get(client.url(result["data"])).json()["data"] == result["data"]


def test_the_result_of_a_change_is_the_changed_resource(client: Client) -> None:
    created = client.create()
    (result,) = results(
        client.operate(update(client, created, **numbered(client.resource.changes)))
    )
    assert result["data"] != created
    assert client.get(client.url(created)).json()["data"] == result["data"]
    (same,) = results(client.operate(update(client, created)))
    assert same["data"] == result["data"]


def test_the_result_of_a_removal_has_no_data(client: Client) -> None:
    created = client.create()
    (result,) = results(client.operate({"op": "remove", **ref(created)}))
    assert "data" not in result
    assert client.get(client.url(created)).status_code == 404


def test_an_unknown_relationship_cannot_be_targeted(client: Client) -> None:
    created = client.create()
    target = {"ref": {**ref(created)["ref"], "relationship": "others"}}
    for op, data in (("add", []), ("update", None), ("remove", [])):
        response = client.operate({"op": op, **target, "data": data})
        assert response.is_client_error
        assert_rejected(response)
