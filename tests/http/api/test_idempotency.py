"""Idempotency-Key: what is asked again is answered again, and done once."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from api.tokens import secret_token
from flask import Flask
from flask.testing import FlaskClient

JSONAPI = "application/vnd.api+json"
ATOMIC = f'{JSONAPI};ext="https://jsonapi.org/ext/atomic"'
USERS = "/api/v1/users"
OPERATIONS = "/api/v1/operations"
ANN = {"type": "users", "attributes": {"email": "ann@example.org", "name": "Ann"}}
CREATION = json.dumps({"data": ANN})
BATCH = json.dumps({"atomic:operations": [{"op": "add", "data": ANN}]})


def post(
    client: FlaskClient, key: str | None = "k-1", body: str = CREATION, url: str = USERS
) -> Any:
    content_type = ATOMIC if url == OPERATIONS else JSONAPI
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(url, data=body, content_type=content_type, headers=headers)


def seen(response: Any) -> Any:
    headers = {name: value for name, value in response.headers if name != "X-Request-ID"}
    return response.status_code, headers, response.data


@pytest.mark.parametrize(("url", "body"), [(USERS, CREATION), (OPERATIONS, BATCH)])
def test_a_repetition_gets_the_first_answer_and_does_nothing(
    client: FlaskClient, url: str, body: str
) -> None:
    first = post(client, body=body, url=url)
    assert first.status_code in (200, 201)
    document = {"data": {"type": "users", "id": "1", "attributes": {"name": "Zoë"}}}
    client.patch(f"{USERS}/1", json=document)
    assert seen(post(client, body=body, url=url)) == seen(first)
    client.delete(f"{USERS}/1")
    assert seen(post(client, body=body, url=url)) == seen(first)
    assert client.get(USERS).json["data"] == []


@pytest.mark.parametrize("other", [{"body": CREATION + " "}, {"url": f"{USERS}?include="}])
def test_a_key_is_for_one_request_alone(client: FlaskClient, other: dict[str, str]) -> None:
    assert post(client).status_code == 201
    response = post(client, **other)
    assert response.problems == [("422", "idempotency_key_reused", None)]
    assert response.json["errors"][0]["source"] == {"header": "Idempotency-Key"}
    batch = post(client, url=OPERATIONS, body=BATCH)
    assert batch.problems == [("422", "idempotency_key_reused", None)]


def test_without_a_key_and_with_another_it_is_another_request(client: FlaskClient) -> None:
    assert post(client).status_code == 201
    assert post(client, "k-2").status_code == 409
    assert post(client, None).status_code == 409
    assert post(client).status_code == 201


@pytest.mark.parametrize("spelling", ['"k-1"', " k-1 ", '  "k-1"'])
def test_quotation_marks_make_no_other_key(client: FlaskClient, spelling: str) -> None:
    first = post(client)
    assert seen(post(client, spelling)) == seen(first)


@pytest.mark.parametrize("key", ["", '""', "k" * 256, "k\xe4", '"k', 'k"', '"a"b"', "a\tb"])
def test_a_key_that_is_none_is_400(client: FlaskClient, key: str) -> None:
    response = post(client, key)
    assert response.problems == [("400", "invalid_idempotency_key", None)]
    assert response.json["errors"][0]["source"] == {"header": "Idempotency-Key"}
    assert client.get(USERS).json["data"] == []


@pytest.mark.parametrize(("url", "body"), [(USERS, CREATION), (OPERATIONS, BATCH)])
def test_what_the_directory_refused_is_refused_again(
    client: FlaskClient, url: str, body: str
) -> None:
    assert post(client, None).status_code == 201
    first = post(client, url=url, body=body)
    assert first.status_code == 409
    client.delete(f"{USERS}/1")
    assert seen(post(client, url=url, body=body)) == seen(first)
    assert post(client, url=url, body=body + " ").status_code == 422
    assert client.get(USERS).json["data"] == []
    assert post(client, "k-2", url=url, body=body).status_code in (200, 201)


def test_of_operations_that_were_refused_nothing_is_there(client: FlaskClient) -> None:
    twice = json.dumps({"atomic:operations": [{"op": "add", "data": ANN}] * 2})
    first = post(client, url=OPERATIONS, body=twice)
    assert first.problems == [("409", "email_taken", "/atomic:operations/1/data/attributes/email")]
    assert seen(post(client, url=OPERATIONS, body=twice)) == seen(first)
    assert client.get(USERS).json["data"] == []


def test_what_is_wrong_with_a_document_takes_no_key(client: FlaskClient) -> None:
    assert post(client, body=CREATION.replace("Ann", "")).status_code == 422
    assert post(client).status_code == 201


def test_after_24_hours_a_key_is_free_again(client: FlaskClient, clock: Any) -> None:
    assert post(client).status_code == 201
    clock.now += timedelta(hours=24) - timedelta(seconds=1)
    assert post(client).status_code == 201
    clock.now += timedelta(seconds=1)
    assert post(client).status_code == 409


def test_each_principal_has_its_own_keys(
    build: Callable[..., Flask], secured: dict[str, str]
) -> None:
    client = build(secured).test_client()

    def status(subject: str) -> int:
        token = secret_token("users:write", subject=subject)
        headers = {"Idempotency-Key": "k", "Authorization": f"Bearer {token}"}
        response = client.post(USERS, data=CREATION, content_type=JSONAPI, headers=headers)
        return int(response.status_code)

    assert [status("ann"), status("bob"), status("ann")] == [201, 409, 201]
