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
    return response.json()["atomic:results"]  # type: ignore[no-any-return]


def refused(response: Any, *pointers: str) -> None:
    """It has errors with sources in the request's document, at these pointers if any are given."""
    assert response.is_client_error
    found = response.json()["errors"]
    assert found
    for error in found:
        assert error["source"]["pointer"].startswith("/atomic:operations")
    if pointers:
        assert [error["source"]["pointer"] for error in found] == list(pointers)


# -- documents ---------------------------------------------------------------------------------


def test_the_answer_to_operations_has_no_data_nothing_included_and_no_errors(
    client: Client,
) -> None:
    document = client.operate(add(client), add(client)).json()
    assert not document.keys() & {"data", "included", "errors"}


@pytest.mark.parametrize("name", ["data", "included", "errors", "atomic:results"])
def test_operations_beside_data_included_errors_or_results_are_refused(
    client: Client, name: str
) -> None:
    group = client.group(0)
    document = {"atomic:operations": [add(client, group)], name: []}
    headers = {"Content-Type": IN_OPERATIONS}
    answer = client.ask("POST", client.resource.operations, document, headers)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["source"] == {"pointer": f"/{name}"}
    assert group.document()["data"] == []


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_operations_are_sent_by_post_alone(client: Client, method: str) -> None:
    headers = {"Content-Type": IN_OPERATIONS, "Accept": IN_OPERATIONS}
    body = None if method == "GET" else {"atomic:operations": [add(client)]}
    answer = client.ask(method, client.resource.operations, body, headers)
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


def test_operations_must_be_sent_in_the_words_of_the_extension(client: Client) -> None:
    document = {"atomic:operations": [add(client)]}
    url = client.resource.operations
    for content_type in (JSONAPI, "application/json", f'{JSONAPI};profile="{ATOMIC}"'):
        refusal = client.ask("POST", url, document, {"Content-Type": content_type})
        assert refusal.status_code == 415


# -- processing --------------------------------------------------------------------------------


def test_operations_are_performed_in_their_order(client: Client) -> None:
    made = client.create()
    name = next(n for n, v in client.resource.changes.items() if isinstance(v, str))
    group = client.group(0)
    came = results(
        client.operate(
            update(client, made, **{name: "first"}),
            update(client, made, **{name: "second"}),
            add(client, group),
            add(client, group),
            update(client, made, **{name: "third"}),
        )
    )
    told = [result["data"]["attributes"][name] for result in came]
    assert (told[0], told[1], told[4]) == ("first", "second", "third")
    assert client.get(client.url(made)).json()["data"]["attributes"][name] == "third"
    assert [item["id"] for item in group.document(sort="id")["data"]] == [
        result["data"]["id"] for result in came[2:4]
    ]


def test_what_an_operation_removed_the_next_can_make_anew_but_not_change(client: Client) -> None:
    unique = client.resource.unique
    made = client.create()
    again = add(client)
    again["data"]["attributes"][unique] = made["attributes"][unique]
    removal = {"op": "remove", **ref(made)}
    assert client.operate(again, removal).status_code == 409
    late = update(client, made, **numbered(client.resource.changes))
    assert client.operate(removal, late).status_code == 404
    assert client.get(client.url(made)).json()["data"] == made
    assert results(client.operate(removal, again))[1]["data"]["id"] != made["id"]
    assert client.get(client.url(made)).status_code == 404


def test_all_operations_happen_or_none(client: Client) -> None:
    made, gone, group = client.create(), client.gone(), client.group(0)
    taken = {client.resource.unique: made["attributes"][client.resource.unique]}
    name, values = next(iter(client.resource.bad.items()))
    change = update(client, made, **numbered(client.resource.changes))
    for failing in (
        {"op": "remove", **ref(gone)},
        update(client, gone, **numbered(client.resource.changes)),
        {"op": "add", **client.new(client.attributes(**taken))},
        {"op": "add", **client.new(client.attributes(**{name: values[0]}))},
        {"op": "nothing"},
    ):
        for operations in (
            (change, add(client, group), failing),
            (failing, change, add(client, group)),
            (change, failing, {"op": "remove", **ref(made)}),
        ):
            refused(client.operate(*operations))
            assert client.get(client.url(made)).json()["data"] == made
            assert group.document()["data"] == []


def test_successful_operations_are_answered_200_with_their_results(client: Client) -> None:
    answer = client.operate(add(client))
    assert answer.status_code == 200
    assert len(answer.json()["atomic:results"]) == 1


def test_there_is_a_result_for_each_operation_in_its_place(client: Client) -> None:
    changed, removed = client.create(), client.create()
    new, other = add(client), add(client)
    changes = numbered(client.resource.changes)
    came = results(
        client.operate(
            new, {"op": "remove", **ref(removed)}, update(client, changed, **changes), other
        )
    )
    assert len(came) == 4
    for sent, result in ((new, came[0]), (other, came[3])):
        attributes = sent["data"]["attributes"]
        assert attributes.items() <= result["data"]["attributes"].items()
    assert not came[1].get("data")
    assert came[2]["data"]["id"] == changed["id"]
    assert changes.items() <= came[2]["data"]["attributes"].items()


# -- targets -----------------------------------------------------------------------------------


def test_a_resource_is_targeted_by_ref_by_href_or_by_the_data_alone(client: Client) -> None:
    made = client.create()
    for target in ({}, ref(made), {"href": client.url(made)}, {"href": made["links"]["self"]}):
        changes = numbered(client.resource.changes)
        (result,) = results(client.operate({**update(client, made, **changes), **target}))
        assert changes.items() <= result["data"]["attributes"].items()
    assert results(client.operate({**add(client), "href": client.resource.collection}))


def test_local_identities_name_what_operations_before_made(client: Client) -> None:
    local = {"type": client.resource.type, "lid": "a"}
    changes = numbered(client.resource.changes)
    kept = add(client, lid="b")
    made, changed, again, removed, _ = results(
        client.operate(
            add(client, lid="a"),
            {"op": "update", "ref": local, "data": {**local, "attributes": changes}},
            {"op": "update", "data": {**local, "attributes": {}}},
            {"op": "remove", "ref": local},
            kept,
        )
    )
    assert made["data"]["id"] == changed["data"]["id"] == again["data"]["id"]
    assert changes.items() <= changed["data"]["attributes"].items()
    assert not removed.get("data")
    assert client.get(client.url(made["data"])).status_code == 404


def test_a_local_identity_is_given_before_it_is_used_and_given_once(client: Client) -> None:
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
        answer = client.operate(*operations)
        assert answer.status_code == 400
        refused(answer, f"/atomic:operations/{pointer}")
        assert group.document()["data"] == []
    late = client.operate(add(client, group, lid="a"), removal, removal)
    assert late.status_code == 404
    refused(late, "/atomic:operations/2/ref")


MALFORMED = {
    "no op": (lambda op: {n: v for n, v in op.items() if n != "op"}, ""),
    "an unknown op": (lambda op: {**op, "op": "replace"}, "/op"),
    "an op in capitals": (lambda op: {**op, "op": "ADD"}, "/op"),
    "an op that is no string": (lambda op: {**op, "op": 5}, "/op"),
    "no object": (lambda _: "text", ""),
    "a ref that is no object": (lambda op: {**op, "ref": "text"}, "/ref"),
    "a href that is no string": (lambda op: {**op, "href": 5}, "/href"),
    "meta that is no object": (lambda op: {**op, "meta": 5}, "/meta"),
    "no data": (lambda op: {n: v for n, v in op.items() if n != "data"}, ""),
    "data that is no object": (lambda op: {**op, "data": []}, "/data"),
    "data without a type": (lambda op: {**op, "data": {"attributes": {}}}, "/data"),
}


@pytest.mark.parametrize("fault", MALFORMED)
@pytest.mark.parametrize("position", [0, 1])
def test_a_malformed_operation_is_400_and_pointed_to(
    client: Client, fault: str, position: int
) -> None:
    group = client.group(0)
    spoil, member = MALFORMED[fault]
    operations = [add(client, group), add(client, group)]
    operations[position] = spoil(operations[position])
    answer = client.operate(*operations)
    assert answer.status_code == 400
    pointers = [error["source"]["pointer"] for error in answer.json()["errors"]]
    assert f"/atomic:operations/{position}{member}" in pointers
    assert group.document()["data"] == []


def test_an_operation_has_a_ref_or_a_href_not_both(client: Client) -> None:
    made = client.create()
    both = {**ref(made), "href": client.url(made)}
    for operation in ({"op": "remove", **both}, {**update(client, made), **both}):
        answer = client.operate(operation)
        assert answer.status_code == 400
        refused(answer, "/atomic:operations/0")
    assert client.get(client.url(made)).json()["data"] == made


@pytest.mark.parametrize(
    "lacking", [{}, {"type": "t"}, {"id": "1"}, {"lid": "a"}, {"type": "t", "id": "1", "lid": "a"}]
)
def test_a_ref_has_a_type_and_an_id_or_a_lid(client: Client, lacking: Json) -> None:
    answer = client.operate({"op": "remove", "ref": lacking})
    assert answer.status_code == 400
    refused(answer)


def test_a_removal_without_a_target_is_refused(client: Client) -> None:
    made = client.create()
    data = {"type": made["type"], "id": made["id"]}
    for operation in ({"op": "remove"}, {"op": "remove", "data": data}):
        answer = client.operate(operation)
        assert answer.status_code == 400
        refused(answer, "/atomic:operations/0")
    assert client.get(client.url(made)).status_code == 200


@pytest.mark.parametrize("operations", [None, {}, "text", 5, []])
def test_there_is_an_array_of_one_or_more_operations(client: Client, operations: Any) -> None:
    headers = {"Content-Type": IN_OPERATIONS}
    for document in ({"atomic:operations": operations}, {}, [operations]):
        answer = client.ask("POST", client.resource.operations, document, headers)
        assert answer.status_code == 400
        assert answer.json()["errors"]


# -- the same as single requests ---------------------------------------------------------------


def alike(single: Any, together: Any) -> None:
    """The refusal of an operation is that of the request that would do the same."""
    assert together.status_code == single.status_code
    (one,), (other,) = single.json()["errors"], together.json()["errors"]
    assert (other["status"], other["code"]) == (one["status"], one["code"])


def test_a_creation_that_is_refused_is_told_as_a_single_one(client: Client) -> None:
    made = client.create()
    taken = {client.resource.unique: made["attributes"][client.resource.unique]}
    bad = [{name: values[0]} for name, values in client.resource.bad.items()]
    for attributes in (taken, *bad):
        new = client.new(client.attributes(**attributes))
        (name,) = attributes
        answer = client.operate(add(client), {"op": "add", **new})
        alike(client.ask("POST", client.resource.collection, new), answer)
        refused(answer, f"/atomic:operations/1/data/attributes/{name}")
    identified = client.new(id="7")
    answer = client.operate({"op": "add", **identified})
    alike(client.ask("POST", client.resource.collection, identified), answer)
    refused(answer, "/atomic:operations/0/data/id")


def test_a_change_that_is_refused_is_told_as_a_single_one(client: Client) -> None:
    made, other, gone = client.create(), client.create(), client.gone()
    taken = {client.resource.unique: other["attributes"][client.resource.unique]}
    bad = [{name: values[0]} for name, values in client.resource.bad.items()]
    for attributes in (taken, dict(client.resource.read_only), *bad):
        change = client.change(made, attributes)
        (name,) = attributes
        answer = client.operate(add(client), {"op": "update", **change})
        alike(client.ask("PATCH", client.url(made), change), answer)
        refused(answer, f"/atomic:operations/1/data/attributes/{name}")
    late = client.change(gone, numbered(client.resource.changes))
    answer = client.operate({"op": "update", **ref(gone), **late})
    alike(client.ask("PATCH", client.url(gone), late), answer)
    refused(answer, "/atomic:operations/0/ref")
    contradicting = client.operate({"op": "update", **ref(made), **client.change(other, {})})
    alike(client.ask("PATCH", client.url(made), client.change(other, {})), contradicting)
    assert client.get(client.url(made)).json()["data"] == made


def test_a_removal_that_is_refused_is_told_as_a_single_one(client: Client) -> None:
    gone = client.gone()
    for target, member in ((ref(gone), "ref"), ({"href": client.url(gone)}, "href")):
        answer = client.operate(add(client), {"op": "remove", **target})
        alike(client.ask("DELETE", client.url(gone)), answer)
        refused(answer, f"/atomic:operations/1/{member}")


def test_a_creation_results_in_the_resource(client: Client) -> None:
    sent = add(client)
    (result,) = results(client.operate(sent))
    assert sent["data"]["attributes"].items() <= result["data"]["attributes"].items()
    assert client.get(client.url(result["data"])).json()["data"] == result["data"]


def test_a_change_results_in_the_resource_as_it_is_now(client: Client) -> None:
    made = client.create()
    (result,) = results(client.operate(update(client, made, **numbered(client.resource.changes))))
    assert result["data"] != made
    assert client.get(client.url(made)).json()["data"] == result["data"]
    (same,) = results(client.operate(update(client, made)))
    assert same["data"] == result["data"]


def test_a_removal_results_in_no_data(client: Client) -> None:
    made = client.create()
    (result,) = results(client.operate({"op": "remove", **ref(made)}))
    assert "data" not in result
    assert client.get(client.url(made)).status_code == 404


def test_a_relationship_that_is_not_there_can_not_be_targeted(client: Client) -> None:
    made = client.create()
    target = {"ref": {**ref(made)["ref"], "relationship": "others"}}
    for op, data in (("add", []), ("update", None), ("remove", [])):
        answer = client.operate({"op": op, **target, "data": data})
        assert answer.is_client_error
        refused(answer)
