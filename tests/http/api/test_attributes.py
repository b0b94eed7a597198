"""Valid and invalid values of attributes, and attributes that only the service sets."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from api.constants import USERS
from api.user_documents import ANN, change, new
from api_client import ApiClient

Create = Callable[..., dict[str, Any]]

# The tests of the import use the same values.
CASES = json.loads(Path(__file__).parents[2].joinpath("attributes.json").read_text())


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize(("attribute", "value", "code"), CASES["bad values"])
def test_a_value_that_breaks_a_rule_is_422(
    client: ApiClient, create: Create, method: str, attribute: str, value: Any, code: str
) -> None:
    before = create()
    creating = method == "POST"
    document = new({**ANN, attribute: value}) if creating else change({attribute: value})
    response = client.open(USERS if creating else f"{USERS}/1", method=method, json=document)
    assert response.problems == [("422", code, f"/data/attributes/{attribute}")]
    assert response.json["errors"][0]["meta"] == {"attribute": attribute}
    assert client.get(USERS).json["data"][0]["attributes"] == before["attributes"]


@pytest.mark.parametrize(("attribute", "value"), CASES["good values"])
def test_a_valid_value_is_stored_unchanged(client: ApiClient, attribute: str, value: Any) -> None:
    created = client.post(USERS, json=new({**ANN, attribute: value}))
    assert created.status_code == 201
    assert created.json["data"]["attributes"][attribute] == value


@pytest.mark.parametrize(("attributes", "faults"), CASES["bad users"])
def test_a_user_that_breaks_rules_is_422(
    client: ApiClient, attributes: dict[str, Any], faults: list[list[str]]
) -> None:
    response = client.post(USERS, json=new(attributes))
    errors = response.json["errors"]
    assert sorted([e["meta"]["attribute"], e["code"]] for e in errors) == sorted(faults)
    assert {e["status"] for e in errors} == {"422"}


def test_all_broken_rules_are_reported_together(client: ApiClient, create: Create) -> None:
    create()
    sent = {"email": "x", "is_active": 1, "role": "R", "nick": 1, "id": "1", "a/b~": 0, "": 0}
    expected = [
        ("422", "invalid_email", "/data/attributes/email"),
        ("422", "invalid_format", "/data/attributes/role"),
        ("422", "unknown_attribute", "/data/attributes/"),
        ("422", "unknown_attribute", "/data/attributes/a~1b~0"),
        ("422", "unknown_attribute", "/data/attributes/id"),
        ("422", "unknown_attribute", "/data/attributes/nick"),
        ("422", "wrong_type", "/data/attributes/is_active"),
    ]
    assert client.patch(f"{USERS}/1", json=change(sent)).problems == expected
    missing = ("422", "missing", "/data/attributes")
    assert client.post(USERS, json=new(sent)).problems == sorted([*expected, missing])


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        ({"type": "users"}, "/data"),
        ({"type": "users", "attributes": {}}, "/data/attributes"),
        ({"type": "users", "attributes": {"@x": 1}}, "/data/attributes"),
    ],
)
def test_a_missing_member_is_reported_at_its_parent(
    client: ApiClient, data: dict[str, Any], pointer: str
) -> None:
    response = client.post(USERS, json={"data": data})
    assert response.problems == [("422", "missing", pointer)] * 2
    assert [e["meta"]["attribute"] for e in response.json["errors"]] == ["email", "name"]


def test_a_relationship_that_does_not_exist_is_unknown(client: ApiClient, create: Create) -> None:
    create()
    teams = {"teams": {"data": [{"type": "teams", "id": "1"}]}}
    expected = [("422", "unknown_attribute", "/data/relationships/teams")]
    assert client.post(USERS, json=new(relationships=teams)).problems == expected
    assert client.patch(f"{USERS}/1", json=change({}, relationships=teams)).problems == expected


@pytest.mark.parametrize(
    "moment",
    [
        "2026-11-22T09:30:00.124Z",
        "2026-11-22t09:30:00.124z",
        "2026-11-22T09:30:00.124000000Z",
        "2026-11-22T11:30:00.124+02:00",
        "2026-11-21T23:30:00.124-10:00",
        "2026-11-22T09:30:00.124-00:00",
    ],
)
def test_the_same_instant_in_another_spelling_is_ignored(
    client: ApiClient, create: Create, moment: str
) -> None:
    before = create()
    assert before["attributes"]["creation_time"] == "2026-11-22T09:30:00.124Z"
    response = client.patch(f"{USERS}/1", json=change({"creation_time": moment}))
    assert response.status_code == 200
    assert response.json["data"] == before


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-22T09:30:00.125Z",
        "2026-11-22T09:30:00.1240001Z",
        "2026-11-22T09:30:00.124+02:00",
        "2026-11-22T09:30:00.124",
        "2026-11-22",
        "",
        "now",
        "9999-12-31T23:59:59-23:59",
        None,
        0,
        [],
        "\ud800",
    ],
)
def test_a_changed_creation_time_is_403(client: ApiClient, create: Create, value: Any) -> None:
    create()
    response = client.patch(f"{USERS}/1", json=change({"creation_time": value, "name": "Zoë"}))
    assert response.problems == [("403", "read_only", "/data/attributes/creation_time")]
    assert response.json["errors"][0]["meta"] == {"attribute": "creation_time"}
    assert client.get(f"{USERS}/1").json["data"]["attributes"]["name"] == "User 0"


def test_a_creation_time_cannot_be_set(client: ApiClient) -> None:
    passed = new({**ANN, "creation_time": "2026-11-22T09:30:00.124Z"})
    expected = [("403", "read_only", "/data/attributes/creation_time")]
    assert client.post(USERS, json=passed).problems == expected
    null = new({**ANN, "creation_time": None, "update_time": None})
    created = client.post(USERS, json=null)
    assert created.status_code == 201
    times = created.json["data"]["attributes"]
    assert times["creation_time"] == times["update_time"] == "2026-11-22T09:30:00.124Z"


@pytest.mark.parametrize("value", [None, 0, "", "x", "2000-01-01T00:00:00Z", {}, "\ud800\0"])
def test_any_update_time_is_ignored(client: ApiClient, create: Create, value: Any) -> None:
    before = create()
    changed = client.patch(f"{USERS}/1", json=change({"update_time": value}))
    assert changed.json["data"] == before
    created = client.post(USERS, json=new({**ANN, "update_time": value}))
    assert created.status_code == 201


def test_messages_about_fields_can_be_shown_to_users(client: ApiClient, create: Create) -> None:
    create()
    wrong = {"email": None, "name": 7, "is_active": None, "role": None}
    response = client.patch(f"{USERS}/1", json=change(wrong))
    assert {e["meta"]["attribute"]: e["detail"] for e in response.json["errors"]} == {
        "email": "email must have a value.",
        "name": "name must be text.",
        "is_active": "is_active must have a value.",
        "role": "role must have a value.",
    }
    for attribute, value, code in CASES["bad values"]:
        response = client.patch(f"{USERS}/1", json=change({attribute: value}))
        (error,) = response.json["errors"]
        assert error["code"] == code
        assert error["detail"].startswith(f"{attribute} must ")
        assert not {"string", "null", "JSON"} & set(error["detail"].split())


def test_the_error_for_a_flat_body_shows_the_envelope(client: ApiClient, create: Create) -> None:
    create()
    for sent in (ANN, {"user": ANN}, {"data": ANN}, {}, [ANN]):
        response = client.post(USERS, json=sent)
        assert response.status_code == 400
        assert any(
            error["detail"].endswith(
                'Send a document such as {"data": {"type": "users", "attributes": '
                '{"email": "ann@example.org", "name": "Ann Example"}}}.'
            )
            for error in response.json["errors"]
        )
    (error,) = client.patch(f"{USERS}/1", json={"name": "Zoë"}).json["errors"]
    assert error["detail"] == (
        'The member data is missing. Send a document such as {"data": {"type": "users", '
        '"id": "1", "attributes": {"email": "ann@example.org"}}}.'
    )
    (error,) = client.post(
        "/api/v1/operations",
        json=[ANN],
        content_type='application/vnd.api+json;ext="https://jsonapi.org/ext/atomic"',
    ).json["errors"]
    assert 'Send a document such as {"atomic:operations": [{"op": "add", ' in error["detail"]
