"""The limits of documents, and of the errors about them."""

import gc
import json
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from api.constants import ATOMIC, OPERATIONS, USERS
from api_client import ApiClient
from flask import Flask
from processor_time import processor_time_below

from adapters.memory.store import MemoryStore
from application.ports import Context, UnitOfWork

AT = "/atomic:operations/0"
ANN = {"email": "ann@example.org", "name": "Ann"}
MANY = {f"x{number}": 1 for number in range(3000)}


def new(attributes: Any = ANN, **more: Any) -> dict[str, Any]:
    return {"type": "users", "attributes": attributes, **more}


def post(client: ApiClient, data: Any) -> Any:
    document = json.dumps({"data": data}, ensure_ascii=False)
    return client.post(USERS, data=document, content_type="application/vnd.api+json")


def add(client: ApiClient, *added: dict[str, Any]) -> Any:
    document = {"atomic:operations": [{"op": "add", "data": data} for data in added]}
    return client.post(OPERATIONS, data=json.dumps(document), content_type=ATOMIC)


def summary(response: Any) -> tuple[int, str, int, int]:
    """The status, the code of the last error, the number of errors and that of the omitted ones."""
    document = response.json
    errors = document["errors"]
    omitted = document.get("meta", {}).get("omitted", 0)
    return response.status_code, errors[-1]["code"], len(errors), omitted


def test_a_full_batch_of_operations_is_accepted(client: ApiClient) -> None:
    """The names have the greatest length, and the members are those of a real client."""
    sent = [
        {
            **new({"email": f"user{number}@example.org", "name": separator * 250}),
            "links": {"self": "/api/v1/users/1", "related": {"href": "/x", "meta": {}}},
            "meta": {f"key{key}": [key] for key in range(20)},
            "@context": {"a": [1, 2, 3]},
        }
        for number, separator in enumerate(",[{}]:\\\\é💥" * 10)
    ]
    response = add(client, *sent[:100])
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize(
    "many",
    [
        {"meta": {"x": [0] * 60_000}},
        {"meta": {str(number): 0 for number in range(60_000)}},
        {"meta": {"x": [{}] * 60_000}},
        {"relationships": {str(number): 0 for number in range(60_000)}},
    ],
)
def test_a_document_with_too_many_members_is_400(
    client: ApiClient, batch: bool, many: dict[str, Any]
) -> None:
    response = add(client, new(**many)) if batch else post(client, new(**many))
    assert summary(response) == (400, "too_many_members", 1, 0)


def test_a_document_with_too_many_escapes_is_400(client: ApiClient) -> None:
    assert post(client, new(meta={"x": "\n" * 20_000})).status_code == 201
    assert summary(post(client, new(meta={"x": "\n" * 20_001}))) == (400, "too_many_escapes", 1, 0)


def test_a_thousand_unknown_attributes_are_reported_and_the_others_counted(
    client: ApiClient,
) -> None:
    assert summary(post(client, new({**ANN, **MANY}))) == (422, "unknown_attribute", 1000, 2000)
    post(client, new())
    changed = client.patch(f"{USERS}/1", json={"data": {**new(MANY), "id": "1"}})
    assert summary(changed) == (422, "unknown_attribute", 1000, 2000)


def test_the_errors_of_all_operations_are_counted_together(client: ApiClient) -> None:
    response = add(client, *[new({**ANN, **MANY})] * 3)
    assert summary(response) == (422, "unknown_attribute", 1000, 8000)


def test_a_thousand_errors_of_structure_are_reported_and_the_others_counted(
    client: ApiClient,
) -> None:
    assert summary(post(client, new(relationships=MANY))) == (400, "wrong_json_type", 1000, 2000)
    response = add(client, *[new(relationships=MANY)] * 3)
    assert summary(response) == (400, "wrong_json_type", 1000, 8000)


@pytest.mark.parametrize("letter", ["n", "é", "💥", "~", "/"])
def test_a_long_name_is_not_repeated_in_the_response(client: ApiClient, letter: str) -> None:
    names = {f"{letter * 200}{number}": 1 for number in range(1000)}
    for sent, code, owner in (
        (new({**ANN, **names}), "unknown_attribute", "/data/attributes"),
        (new(relationships=names), "wrong_json_type", "/data/relationships"),
    ):
        response = post(client, sent)
        assert summary(response)[1:] == (code, 1000, 0)
        assert len(response.data) < 1_000_000
        assert {error["source"]["pointer"] for error in response.json["errors"]} == {owner}


def test_a_pointer_names_a_member_unless_its_name_is_too_long(
    client: ApiClient,
) -> None:
    short, long = "n" * 64, "n" * 65
    response = post(client, new({**ANN, short: 1, long: 1}))
    found = [(error["source"]["pointer"], error["meta"]) for error in response.json["errors"]]
    assert found == [
        (f"/data/attributes/{short}", {"attribute": short}),
        ("/data/attributes", {"attribute": f"{short}…"}),
    ]


def remove(client: ApiClient, href: str) -> Any:
    document = json.dumps({"atomic:operations": [{"op": "remove", "href": href}]})
    return client.post(OPERATIONS, data=document, content_type=ATOMIC)


def test_the_host_of_a_url_is_not_read_in_quadratic_time(client: ApiClient) -> None:
    """urljoin normalizes the host, which sorts its combining marks."""
    host = f"a{chr(0x300) * 12_000}{chr(0x316) * 12_000}"
    with processor_time_below(0.5):
        assert summary(remove(client, f"//{host}/api/v1/users/1")) == (404, "not_found", 1, 0)


@pytest.mark.parametrize("href", ["/%75" * 200_000, "/../" * 200_000, "/a" * 400_000])
def test_a_url_that_is_too_long_takes_no_memory(client: ApiClient, href: str) -> None:
    """urljoin caches URLs of any length."""
    remove(client, "/")
    tracemalloc.start()
    try:
        assert summary(remove(client, href)) == (404, "not_found", 1, 0)
        gc.collect()
        left, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert left < len(href) / 2
    assert peak < 8 * len(href)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Accept", "*/*, application/x-{}"),
        ("Accept", "*/*;q={}"),
        ("Content-Type", "application/json;x={}"),
        ("Host", "127.0.0.1:{}"),
    ],
)
def test_long_headers_are_not_cached(client: ApiClient, header: str, value: str) -> None:
    """A cache of 256 headers with 64 KiB would take 16 MiB for each kind of header."""

    def send(numbers: range) -> None:
        for number in numbers:
            client.post(USERS, data="{}", headers={header: value.format(f"{number:060000}")})

    send(range(2))
    tracemalloc.start()
    try:
        send(range(2, 12))
        gc.collect()
        left, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert left < 300_000


def test_a_long_version_of_an_operation_is_not_read(client: ApiClient) -> None:
    """Reading it several times took 0.4 s."""
    operation = {"op": "remove", "ref": {"type": "users", "id": "1"}, "meta": {}}
    operation["meta"] = {"version": ", ".join(['"1-0123456789abcdef"'] * 100)}
    document = {"atomic:operations": [operation]}
    taken = client.post(OPERATIONS, data=json.dumps(document), content_type=ATOMIC)
    assert summary(taken) == (404, "user_not_found", 1, 0)
    operation["meta"] = {"version": "a" * 7_000_000}
    with processor_time_below(0.3):
        rejected = client.post(OPERATIONS, data=json.dumps(document), content_type=ATOMIC)
    assert summary(rejected) == (400, "invalid_document", 1, 0)
    assert rejected.json["errors"][0]["source"] == {"pointer": f"{AT}/meta/version"}


class CallingStore(MemoryStore):
    """Calls a function once when a unit of work begins."""

    call: Callable[[], None] | None = None

    @contextmanager
    def begin(self, context: Context, *, for_update: bool = False) -> Iterator[UnitOfWork]:
        call, self.call = self.call, None
        if call:
            call()
        with super().begin(context, for_update=for_update) as unit:
            yield unit


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "one"}])
def test_a_large_document_holds_up_no_other_while_it_is_stored(
    build: Callable[..., Flask], clock: Any, headers: dict[str, str]
) -> None:
    padding = " " * 20_000
    statuses: list[int] = []
    store = CallingStore(clock)
    app = build({"ROSTER_REQUEST_SECONDS": "5"}, memory_store=store)

    def send_another() -> None:
        with ThreadPoolExecutor(1) as threads:
            other = threads.submit(post, ApiClient(app), padding)
            statuses.append(other.result().status_code)

    store.call = send_another
    response: Any = ApiClient(app).post(
        USERS,
        data=json.dumps({"data": new()}) + padding,
        content_type="application/vnd.api+json",
        headers=headers,
    )
    assert (statuses, response.status_code) == ([400], 201)


LONG = "x" * 500_000


def creation(**members: Any) -> Any:
    return "POST", USERS, {"data": {**new(), **members}}


def change(**members: Any) -> Any:
    return "PATCH", f"{USERS}/1", {"data": {"type": "users", "id": "1", **members}}


def operation(op: str, **members: Any) -> Any:
    data = {**new(), **members}
    return "POST", OPERATIONS, {"atomic:operations": [{"op": op, "data": data}]}


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "one"}])
@pytest.mark.parametrize(
    "request_with",
    [
        lambda value: creation(attributes={**ANN, "update_time": value}),
        lambda value: creation(attributes={**ANN, "update_time": {"a": [value]}}),
        lambda value: creation(attributes={**ANN, "@a": value}),
        lambda value: creation(relationships={"groups": {"data": [], "meta": {"a": value}}}),
        lambda value: change(attributes={"update_time": value}),
        lambda value: change(attributes={"creation_time": value}),
        lambda value: change(attributes={"creation_time": [value]}),
        lambda value: operation("add", attributes={**ANN, "update_time": value}),
        lambda value: operation("update", id="1", attributes={"update_time": value}),
        lambda value: operation("update", id="1", attributes={"creation_time": value}),
        lambda value: operation("add", links={"self": value}),
    ],
)
def test_a_large_value_that_is_not_stored_takes_no_memory_while_the_request_waits(
    build: Callable[..., Flask],
    clock: Any,
    request_with: Callable[[object], Any],
    headers: dict[str, str],
) -> None:
    """Otherwise requests that wait for the database would exceed ROSTER_BODY_MEMORY."""
    store = CallingStore(clock)
    client = ApiClient(build(memory_store=store))
    post(client, new({**ANN, "email": "first@example.org"}))

    def memory_while_waiting(method: str, url: str, document: dict[str, Any]) -> int:
        taken: list[int] = []
        store.call = lambda: taken.append(tracemalloc.get_traced_memory()[0])
        text = json.dumps(document)
        content_type = ATOMIC if url == OPERATIONS else "application/vnd.api+json"
        tracemalloc.start()
        try:
            client.open(url, method=method, data=text, content_type=content_type, headers=headers)
        finally:
            tracemalloc.stop()
        return taken[0]

    method, url, document = request_with("x")
    without = memory_while_waiting(method, url, {**document, "meta": {"ignored": LONG}})
    assert memory_while_waiting(*request_with(LONG)) < without + len(LONG) / 2


@pytest.mark.parametrize(
    "named",
    [
        {"op": "add", "data": new(lid="x" * 251)},
        {"op": "update", "data": {"type": "users", "lid": "x" * 251}},
        {"op": "remove", "ref": {"type": "users", "lid": "x" * 251}},
    ],
)
def test_a_long_lid_is_rejected(client: ApiClient, named: dict[str, Any]) -> None:
    """A lid takes memory until the operations are complete."""
    document = json.dumps({"atomic:operations": [named]})
    response = client.post(OPERATIONS, data=document, content_type=ATOMIC)
    assert response.status_code == 400
    pointers = [error["source"]["pointer"] for error in response.json["errors"]]
    assert f"{AT}/{'ref' if 'ref' in named else 'data'}/lid" in pointers


def test_a_lid_of_250_characters_is_accepted(client: ApiClient) -> None:
    assert post(client, new(lid="x" * 250)).status_code == 201
    rejected = post(client, new(lid="x" * 251))
    assert summary(rejected) == (400, "invalid_document", 1, 0)
    assert rejected.json["errors"][0]["source"] == {"pointer": "/data/lid"}
