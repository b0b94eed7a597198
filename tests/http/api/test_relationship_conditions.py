"""If-Match and If-None-Match at the URLs of relationships."""

from collections.abc import Callable
from typing import Any

import pytest
from api.constants import GROUPS
from api.identifiers import users
from api_client import ApiClient

MEMBERS = f"{GROUPS}/1/relationships/members"
OWNER = f"{GROUPS}/1/relationships/owner"

Create = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def directory(create: Create, create_group: Create) -> None:
    for _ in range(3):
        create()
    for _ in range(2):
        create_group(members=["1", "2"])


def change(client: ApiClient, method: str, if_match: str, *ids: int) -> Any:
    data = {"data": users(*ids)}
    return client.open(MEMBERS, method=method, json=data, headers={"If-Match": if_match})


@pytest.mark.parametrize("query", ["", "?sort=-id", "?page[number]=1", "?include=members"])
@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_a_whole_list_can_be_changed_as_it_was_read(
    client: ApiClient, method: str, query: str
) -> None:
    etag = client.get(f"{MEMBERS}{query}").headers["ETag"]
    assert change(client, method, f'"x", {etag}', 1, 3).status_code == 204
    assert change(client, method, etag, 1).problems == [("412", "stale_version", None)]


def test_a_list_of_a_thousand_can_be_changed_as_it_was_read(
    client: ApiClient, create: Create
) -> None:
    for number in range(4, 1001):
        create(email=f"u{number}@example.org")
    assert change(client, "PATCH", "*", *range(1, 1001)).status_code == 204
    etag = client.get(f"{MEMBERS}?page[size]=1000").headers["ETag"]
    assert change(client, "DELETE", etag, 1).status_code == 204


@pytest.mark.parametrize(
    "query", ["?page[size]=1", "?filter[id][ge]=1", "?page[number]=2&page[size]=1"]
)
def test_the_etag_of_a_part_of_the_list_never_matches(client: ApiClient, query: str) -> None:
    etag = client.get(f"{MEMBERS}{query}").headers["ETag"]
    assert change(client, "PATCH", etag).problems == [("412", "precondition_failed", None)]


@pytest.mark.parametrize(
    "url",
    [
        f"{GROUPS}/1",
        f"{GROUPS}/1/members",
        f"{GROUPS}/2/relationships/members",
        "/api/v1/users/1/relationships/groups",
        OWNER,
    ],
)
def test_an_etag_of_another_url_never_matches(client: ApiClient, url: str) -> None:
    etag = client.get(url).headers["ETag"]
    assert change(client, "PATCH", etag).status_code == 412
    assert change(client, "PATCH", f"W/{etag}").status_code == 412


def test_a_weak_etag_never_matches(client: ApiClient) -> None:
    etag = client.get(MEMBERS).headers["ETag"]
    for sent in (f"W/{etag}", f'{etag[:-1]}-gzip"'):
        (error,) = change(client, "PATCH", sent).json["errors"]
        assert (error["status"], error["code"]) == ("412", "precondition_failed")
        assert error["source"] == {"header": "If-Match"}


def test_a_star_requires_only_that_the_group_exists(client: ApiClient) -> None:
    assert change(client, "POST", "*", 3).status_code == 204
    response = client.post(
        f"{GROUPS}/9/relationships/members", json={"data": []}, headers={"If-Match": "*"}
    )
    assert response.problems == [("404", "group_not_found", None)]


def test_an_unwanted_list_is_not_changed(client: ApiClient) -> None:
    etag = client.get(MEMBERS).headers["ETag"]
    for unwanted in ("*", etag, f"W/{etag}"):
        response = client.post(
            MEMBERS, json={"data": users(3)}, headers={"If-None-Match": unwanted}
        )
        assert response.problems == [("412", "precondition_failed", None)]
        assert response.json["errors"][0]["source"] == {"header": "If-None-Match"}
    other = {"If-None-Match": '"r0123456789abcdef-0123456789abcdef"'}
    assert client.post(MEMBERS, json={"data": users(3)}, headers=other).status_code == 204


def test_missing_related_resources_are_reported_before_conditions(client: ApiClient) -> None:
    response = change(client, "POST", '"x"', 99)
    assert response.problems == [("404", "related_not_found", "/data/0/id")]


@pytest.mark.parametrize("url", [OWNER, f"{GROUPS}/1", f"{GROUPS}/1?fields[groups]="])
def test_the_owner_is_changed_on_any_etag_of_the_group(client: ApiClient, url: str) -> None:
    sent = {"If-Match": client.get(url).headers["ETag"]}
    owner = {"data": users(1)[0]}
    assert client.patch(OWNER, json=owner, headers=sent).status_code == 204
    response = client.patch(OWNER, json={"data": None}, headers=sent)
    assert response.problems == [("412", "stale_version", None)]


def test_the_etag_of_the_owner_is_valid_for_the_group(client: ApiClient) -> None:
    sent = {"If-Match": client.get(OWNER).headers["ETag"]}
    document = {"data": {"type": "groups", "id": "1", "attributes": {"name": "New"}}}
    assert client.patch(f"{GROUPS}/1", json=document, headers=sent).status_code == 200
    assert client.patch(f"{GROUPS}/1", json=document, headers=sent).status_code == 412
    assert client.get(OWNER, headers=sent).status_code == 412
