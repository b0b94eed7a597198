"""Conditional requests: ETag, If-Match, If-None-Match."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from api.constants import USERS
from api_client import ApiClient

Create = Callable[..., dict[str, Any]]

ANN = f"{USERS}/1"


def etag(client: ApiClient, url: str = ANN) -> str:
    return client.get(url).headers["ETag"]


def rename(client: ApiClient, name: str, **headers: str) -> Any:
    document = {"data": {"type": "users", "id": "1", "attributes": {"name": name}}}
    return client.patch(ANN, json=document, headers=headers)


@pytest.mark.parametrize("url", ["/api/v1", USERS, ANN, f"{USERS}?page[number]=1"])
def test_every_document_has_a_stable_strong_etag(
    client: ApiClient, create: Create, url: str
) -> None:
    create()
    assert re.fullmatch(r'"[\x21\x23-\x7e]+"', etag(client, url))
    assert etag(client, url) == etag(client, url) == client.head(url).headers["ETag"]


def test_the_etag_changes_only_with_the_user(client: ApiClient, create: Create) -> None:
    create(name="Ann")
    seen = [etag(client), etag(client, USERS)]
    for name in ("Zoë", "Ann", "Zoë"):
        changed = rename(client, name)
        assert changed.headers["ETag"] == etag(client)
        assert not {etag(client), etag(client, USERS)} & set(seen)
        seen += [etag(client), etag(client, USERS)]
        again = rename(client, name)
        assert again.status_code == 200
        assert again.headers["ETag"] == changed.headers["ETag"]
        assert again.json == changed.json
        assert etag(client, USERS) == seen[-1]


def test_each_view_of_a_user_has_its_own_etag(client: ApiClient, create: Create) -> None:
    create()
    views = ["", "?fields[users]=", "?fields[users]=name", "?include="]
    assert len({etag(client, ANN + view) for view in views}) == len(views)


def test_the_response_of_a_creation_has_the_etag_of_the_user(client: ApiClient) -> None:
    attributes = {"email": "ann@example.org", "name": "Ann"}
    created = client.post(USERS, json={"data": {"type": "users", "attributes": attributes}})
    assert created.headers["ETag"] == etag(client)


@pytest.mark.parametrize("view", ["", "?fields[users]=", "?fields[users]=role", "?include="])
def test_if_match_accepts_the_etag_of_any_view(
    client: ApiClient, create: Create, view: str
) -> None:
    create()
    read = etag(client, ANN + view)
    assert rename(client, "Zoë", **{"If-Match": read}).status_code == 200
    assert rename(client, "Ann", **{"If-Match": read}).status_code == 412
    assert client.delete(ANN, headers={"If-Match": read}).status_code == 412
    assert client.delete(ANN, headers={"If-Match": etag(client)}).status_code == 204


@pytest.mark.parametrize("pattern", ["{0}", '"9-ab", {0}', '{0}, "x"', '"x","y" , {0}', "*", " * "])
def test_if_match_accepts_a_list_or_a_star(client: ApiClient, create: Create, pattern: str) -> None:
    create()
    read = etag(client)
    assert rename(client, "Zoë", **{"If-Match": pattern.format(read)}).status_code == 200


@pytest.mark.parametrize(
    "pattern",
    [
        "W/{0}",
        '"2-ab"',
        '"0-ab"',
        '"1"',
        '"1-"',
        '"01-ab"',
        '"-1-ab"',
        '"1-xyz"',
        '"' + "9" * 5000 + '-ab"',
        '"٣-ab"',
        '"*"',
        '""',
        "",
        " ",
        ",",
        "garbage",
        "1-ab",
        '"unfinished',
        '"2-ab", W/{0}',
        "\xff",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PATCH", "DELETE"])
def test_an_if_match_that_does_not_match_is_412(
    client: ApiClient, create: Create, method: str, pattern: str
) -> None:
    create()
    before = client.get(ANN)
    condition = pattern.format(before.headers["ETag"]).encode().decode("latin-1")
    document = {"data": {"type": "users", "id": "1", "attributes": {"name": "Zoë"}}}
    response = client.open(
        ANN,
        method=method,
        json=document if method == "PATCH" else None,
        environ_overrides={"HTTP_IF_MATCH": condition},
    )
    assert response.status_code == 412
    if method != "HEAD":
        (error,) = response.json["errors"]
        assert error["source"] == {"header": "If-Match"}
    assert client.get(ANN).data == before.data


def test_if_match_rejects_the_etag_of_a_collection_for_a_user(
    client: ApiClient, create: Create
) -> None:
    create()
    assert rename(client, "Zoë", **{"If-Match": etag(client, USERS)}).status_code == 412


def test_a_deleted_user_is_404_for_any_if_match(client: ApiClient, create: Create) -> None:
    create()
    read = etag(client)
    client.delete(ANN)
    for condition in (read, "*", '"x"'):
        headers = {"If-Match": condition}
        assert client.get(ANN, headers=headers).status_code == 404
        assert client.delete(ANN, headers=headers).status_code == 404
        assert rename(client, "Zoë", **headers).status_code == 404


def test_a_change_without_attributes_also_requires_the_version(
    client: ApiClient, create: Create
) -> None:
    create(name="Ann")
    assert rename(client, "Ann", **{"If-Match": '"2-ab"'}).status_code == 412
    assert rename(client, "Ann", **{"If-Match": etag(client)}).status_code == 200


SEEN = ["{0}", "W/{0}", '"x", {0}', '{0},W/"y"', "*"]
SUFFIXES = ["-gzip", "-br", "-zstd", "--gzip", ";gzip", ";br", ":deflate", "-df", ".gz"]
"""The suffixes of proxies that compress: Apache, Caddy, Jetty, LiteSpeed and others."""
SEEN += [f'"{{1}}{suffix}"' for suffix in SUFFIXES] + ['W/"{1}-gzip"', '"x", "{1};br"']
UNSEEN = ['"x"', '"1-ab"', '""', "", "garbage", '"*"', '"x", W/"y"', '"-gzip"', '"x-gzip"']
UNSEEN += ['"{1}gzip"', '"{1}-"', '"{1}-gzip-more-than-that"', '"0{1}-gzip"']
URLS = ["/api/v1", USERS, f"{USERS}?page[size]=1&sort=-name", f"{USERS}?page[number]=1", ANN]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("pattern", SEEN)
def test_a_matching_if_none_match_gets_304(
    client: ApiClient, create: Create, method: str, url: str, pattern: str
) -> None:
    create()
    read = client.get(url)
    tag = read.headers["ETag"]
    condition = pattern.format(tag, tag.strip('"'))
    response = client.open(url, method=method, headers={"If-None-Match": condition})
    assert response.status_code == 304
    assert response.data == b""
    assert response.headers["ETag"] == read.headers["ETag"]
    assert response.headers["Vary"] == "Accept"
    assert "Content-Type" not in response.headers


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("pattern", UNSEEN)
def test_another_if_none_match_gets_the_document(
    client: ApiClient, create: Create, url: str, pattern: str
) -> None:
    create()
    condition = pattern.format("", etag(client, url).strip('"'))
    assert client.get(url, headers={"If-None-Match": condition}).status_code == 200


def test_a_collection_has_a_new_etag_after_any_change_in_it(
    client: ApiClient, create: Create
) -> None:
    create()
    seen = {"If-None-Match": etag(client, USERS)}
    assert client.get(USERS, headers=seen).status_code == 304
    create()
    assert client.get(USERS, headers=seen).status_code == 200
    seen = {"If-None-Match": etag(client, USERS)}
    rename(client, "Zoë")
    assert client.get(USERS, headers=seen).status_code == 200
    seen = {"If-None-Match": etag(client, USERS)}
    client.delete(ANN)
    assert client.get(USERS, headers=seen).status_code == 200


def test_a_page_with_the_profile_has_its_own_etag(client: ApiClient, create: Create) -> None:
    create()
    profile = "https://jsonapi.org/profiles/ethanresnick/cursor-pagination"
    seen = {
        "If-None-Match": etag(client, USERS),
        "Accept": f'application/vnd.api+json;profile="{profile}"',
    }
    assert client.get(USERS, headers=seen).status_code == 200


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize(
    "pattern", ["*", "{0}", "W/{0}", '"x", {0}', '"1-abcdef"', '"1-abcdef-gzip"', 'W/"1-ab;br"']
)
def test_a_change_with_a_matching_if_none_match_is_412(
    client: ApiClient, create: Create, method: str, pattern: str
) -> None:
    create(name="Ann")
    before = client.get(ANN)
    document = {"data": {"type": "users", "id": "1", "attributes": {"name": "Zoë"}}}
    headers = {"If-None-Match": pattern.format(before.headers["ETag"])}
    response = client.open(ANN, method=method, json=document, headers=headers)
    assert response.problems == [("412", "precondition_failed", None)]
    assert response.json["errors"][0]["source"] == {"header": "If-None-Match"}
    assert client.get(ANN).data == before.data
    assert client.open(f"{USERS}/9", method="DELETE", headers=headers).status_code == 404


def test_a_change_with_another_if_none_match_succeeds(client: ApiClient, create: Create) -> None:
    create(name="Ann")
    old = etag(client)
    assert rename(client, "Zoë", **{"If-None-Match": '"x", "2-ab"'}).status_code == 200
    both = {"If-Match": etag(client), "If-None-Match": old}
    assert rename(client, "Ann", **both).status_code == 200
    assert rename(client, "Zoë", **both).problems == [("412", "stale_version", None)]


@pytest.mark.parametrize("url", ["/api/v1", USERS, f"{USERS}?page[number]=1"])
def test_if_match_applies_to_reads_of_a_collection(
    client: ApiClient, create: Create, url: str
) -> None:
    create()
    read = etag(client, url)
    for same in (read, "*", f'"x", {read}'):
        assert client.get(url, headers={"If-Match": same}).status_code == 200
    for other in (f"W/{read}", '"x"', "", "1"):
        response = client.get(url, headers={"If-Match": other})
        assert response.problems == [("412", "precondition_failed", None)]
        assert client.head(url, headers={"If-Match": other}).status_code == 412
    both = {"If-Match": '"x"', "If-None-Match": read}
    assert client.get(url, headers=both).status_code == 412


def test_documents_may_be_cached_privately_and_must_be_revalidated(
    client: ApiClient, create: Create
) -> None:
    create()
    for url in ("/api/v1", USERS, ANN):
        for condition in ("", etag(client, url)):
            response = client.get(url, headers={"If-None-Match": condition})
            assert response.headers["Cache-Control"] == "private, no-cache, no-transform"


@pytest.mark.parametrize("url", [f"{USERS}/9", "/nowhere", f"{USERS}?x=1"])
def test_errors_are_not_cached(client: ApiClient, url: str) -> None:
    assert client.get(url).headers["Cache-Control"] == "no-store"


def test_a_request_is_checked_before_it_gets_304(client: ApiClient, create: Create) -> None:
    create()
    seen = {"If-None-Match": "*"}
    assert client.get(f"{USERS}/9", headers=seen).status_code == 404
    assert client.get(f"{USERS}?x=1", headers=seen).status_code == 400
    assert client.get(USERS, headers={**seen, "Accept": "text/html"}).status_code == 406


WEAK, SUFFIX, SYNTAX, UNKNOWN = "a weak ETag", "with a suffix", "quotation marks", "no ETag of"


@pytest.mark.parametrize(
    ("pattern", "code", "reason"),
    [
        ('"7-0123456789abcdef"', "stale_version", "changed since"),
        ('"7-0123456789abcdef", W/{0}', "stale_version", "changed since"),
        ("W/{0}", "precondition_failed", WEAK),
        ('"x", W/{0}', "precondition_failed", WEAK),
        ('W/"{1}-gzip"', "precondition_failed", WEAK),
        *((f'"{{1}}{suffix}"', "precondition_failed", SUFFIX) for suffix in SUFFIXES),
        ("{1}", "precondition_failed", SYNTAX),
        ("", "precondition_failed", SYNTAX),
        ('"unfinished', "precondition_failed", SYNTAX),
        ('"x"', "precondition_failed", UNKNOWN),
        ('"0123456789abcdef"', "precondition_failed", UNKNOWN),
    ],
)
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_a_412_states_the_actual_reason(
    client: ApiClient, create: Create, method: str, pattern: str, code: str, reason: str
) -> None:
    create()
    tag = etag(client)
    document = {"data": {"type": "users", "id": "1", "attributes": {"name": "Zoë"}}}
    response = client.open(
        ANN,
        method=method,
        json=document if method == "PATCH" else None,
        headers={"If-Match": pattern.format(tag, tag.strip('"'))},
    )
    assert response.problems == [("412", code, None)]
    (error,) = response.json["errors"]
    assert reason in error["detail"]
    assert error["source"] == {"header": "If-Match"}


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [("W/{0}", WEAK), ('"{1}-gzip"', SUFFIX), ("{1}", SYNTAX), ('"x"', "does not match")],
)
def test_a_412_for_a_collection_states_the_reason(
    client: ApiClient, create: Create, pattern: str, reason: str
) -> None:
    create()
    tag = etag(client, USERS)
    headers = {"If-Match": pattern.format(tag, tag.strip('"'))}
    response = client.get(USERS, headers=headers)
    assert response.problems == [("412", "precondition_failed", None)]
    assert reason in response.json["errors"][0]["detail"]


def test_the_error_names_the_condition_that_failed(client: ApiClient, create: Create) -> None:
    create(name="Ann")
    both = {"If-Match": etag(client), "If-None-Match": etag(client)}
    response = rename(client, "Zoë", **both)
    assert response.problems == [("412", "precondition_failed", None)]
    assert response.json["errors"][0]["source"] == {"header": "If-None-Match"}
    both["If-Match"] = '"7-0123456789abcdef"'
    response = rename(client, "Zoë", **both)
    assert response.problems == [("412", "stale_version", None)]


def test_documents_with_an_etag_must_not_be_transformed(client: ApiClient, create: Create) -> None:
    create()
    key = {"Idempotency-Key": '"one"'}
    new = {"data": {"type": "users", "attributes": {"email": "a@example.org", "name": "A"}}}
    responses = [client.get(url) for url in URLS] + [rename(client, "Zoë")]
    responses += [
        client.post(USERS, json=new, headers=key) for _ in range(2)
    ]  # one is a repeated request
    for response in responses:
        assert re.fullmatch(r'"(\d+-)?[0-9a-f]{16}"', response.headers["ETag"])
        assert "no-transform" in response.headers["Cache-Control"].split(", ")
