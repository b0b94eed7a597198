"""Idempotency-Key: a repeated request is performed once and gets the stored response."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from api.conftest import CheckedClient
from api.constants import ATOMIC, JSONAPI, OPERATIONS, USERS
from api.tokens import secret_token
from api_client import ApiClient
from flask import Flask

from application.ports import Context, KeyInUse

ANN = {"type": "users", "attributes": {"email": "ann@example.org", "name": "Ann"}}
CREATION = json.dumps({"data": ANN})
BATCH = json.dumps({"atomic:operations": [{"op": "add", "data": ANN}]})


def post(client: ApiClient, key: str | None = "k-1", body: str = CREATION, url: str = USERS) -> Any:
    content_type = ATOMIC if url == OPERATIONS else JSONAPI
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(url, data=body, content_type=content_type, headers=headers)


def comparable(response: Any) -> Any:
    headers = {name: value for name, value in response.headers if name != "X-Request-ID"}
    return response.status_code, headers, response.data


@pytest.mark.parametrize(("url", "body"), [(USERS, CREATION), (OPERATIONS, BATCH)])
def test_a_repeated_request_gets_the_stored_response_and_changes_nothing(
    client: ApiClient, url: str, body: str
) -> None:
    first = post(client, body=body, url=url)
    assert first.status_code in (200, 201)
    document = {"data": {"type": "users", "id": "1", "attributes": {"name": "Zoë"}}}
    client.patch(f"{USERS}/1", json=document)
    assert comparable(post(client, body=body, url=url)) == comparable(first)
    client.delete(f"{USERS}/1")
    assert comparable(post(client, body=body, url=url)) == comparable(first)
    assert client.get(USERS).json["data"] == []


@pytest.mark.parametrize("other", [{"body": CREATION + " "}, {"url": f"{USERS}?include="}])
def test_a_key_is_valid_for_one_request(client: ApiClient, other: dict[str, str]) -> None:
    assert post(client).status_code == 201
    response = post(client, **other)
    assert response.problems == [("422", "idempotency_key_reused", None)]
    assert response.json["errors"][0]["source"] == {"header": "Idempotency-Key"}
    batch = post(client, url=OPERATIONS, body=BATCH)
    assert batch.problems == [("422", "idempotency_key_reused", None)]


def test_a_request_without_the_key_or_with_another_key_is_another_request(
    client: ApiClient,
) -> None:
    assert post(client).status_code == 201
    for other in ("k-2", "Xk-1", "k-1X", None):
        assert post(client, other).status_code == 409
    assert post(client).status_code == 201


@pytest.mark.parametrize("spelling", ['"k-1"', " k-1 ", '  "k-1"'])
def test_quotation_marks_do_not_belong_to_the_key(client: ApiClient, spelling: str) -> None:
    first = post(client)
    assert comparable(post(client, spelling)) == comparable(first)


@pytest.mark.parametrize("key", ["", '""', "k" * 256, "k\xe4", '"k', 'k"', '"a"b"', "a\tb"])
def test_an_invalid_key_is_400(client: ApiClient, key: str) -> None:
    response = post(client, key)
    assert response.problems == [("400", "invalid_idempotency_key", None)]
    assert response.json["errors"][0]["source"] == {"header": "Idempotency-Key"}
    assert client.get(USERS).json["data"] == []


@pytest.mark.parametrize(("url", "body"), [(USERS, CREATION), (OPERATIONS, BATCH)])
def test_a_stored_conflict_is_returned_again(client: ApiClient, url: str, body: str) -> None:
    assert post(client, None).status_code == 201
    first = post(client, url=url, body=body)
    assert first.status_code == 409
    client.delete(f"{USERS}/1")
    assert comparable(post(client, url=url, body=body)) == comparable(first)
    assert post(client, url=url, body=body + " ").status_code == 422
    assert client.get(USERS).json["data"] == []
    assert post(client, "k-2", url=url, body=body).status_code in (200, 201)


def test_rejected_operations_leave_nothing(client: ApiClient) -> None:
    twice = json.dumps({"atomic:operations": [{"op": "add", "data": ANN}] * 2})
    first = post(client, url=OPERATIONS, body=twice)
    assert first.problems == [("409", "email_taken", "/atomic:operations/1/data/attributes/email")]
    assert comparable(post(client, url=OPERATIONS, body=twice)) == comparable(first)
    assert client.get(USERS).json["data"] == []


def test_an_invalid_document_does_not_use_its_key(client: ApiClient) -> None:
    assert post(client, body=CREATION.replace("Ann", "")).status_code == 422
    assert post(client).status_code == 201


def test_a_key_can_be_used_again_after_24_hours(client: ApiClient, clock: Any) -> None:
    assert post(client).status_code == 201
    clock.now += timedelta(hours=24) - timedelta(seconds=1)
    assert post(client).status_code == 201
    clock.now += timedelta(seconds=1)
    assert post(client).status_code == 409


def test_each_principal_has_its_own_keys(
    build: Callable[..., Flask], secured: dict[str, str]
) -> None:
    client = CheckedClient(build(secured))

    def status(subject: str) -> int:
        token = secret_token("users:write", subject=subject)
        headers = {"Idempotency-Key": "k", "Authorization": f"Bearer {token}"}
        response = client.post(USERS, data=CREATION, content_type=JSONAPI, headers=headers)
        return int(response.status_code)

    assert [status("ann"), status("bob"), status("ann")] == [201, 409, 201]


def test_a_key_of_a_running_request_is_409(build: Callable[..., Flask]) -> None:
    def run(context: Context, unit: Any, **options: bool) -> Any:
        raise KeyInUse

    response = post(CheckedClient(build(run=run)))
    assert response.problems == [("409", "idempotency_key_in_use", None)]
    assert response.json["errors"][0]["source"] == {"header": "Idempotency-Key"}
