"""Users with names of many scripts are created over HTTP, and read in every order."""

import unicodedata
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import httpx
import pytest
from faker import Faker

JSONAPI = {"Content-Type": "application/vnd.api+json"}
LOCALES = ("en_US", "el_GR", "ru_RU", "ar_SA", "zh_CN", "fr_FR", "de_DE", "pl_PL")
DOMAINS = ("example.org", "exämple.org", "пример.рф", "例え.テスト", "παράδειγμα.gr", "x.test")
SORTS = ("id", "email", "name", "is_active", "role", "creation_time", "update_time")


def people(size: int) -> Iterator[dict[str, Any]]:
    """Attributes of users, the same ones in each run."""
    random = Random(20261122)
    fakers = [Faker(locale) for locale in LOCALES]
    for each in fakers:
        each.seed_instance(7)
    trimmings = ("{}", "{}", "{}", "O'{}", "{} 👩‍🚀", "{} Jr.", "d’{}")
    for number in range(size):
        name = random.choice(trimmings).format(random.choice(fakers).name())
        name = unicodedata.normalize(random.choice(("NFC", "NFD")), name)
        letters = "".join(c for c in unicodedata.normalize("NFC", name) if c.isalpha())
        yield {
            "email": f"{letters[:20]}.{number}@{random.choice(DOMAINS)}",
            "name": name,
            "is_active": random.random() < 0.3,
            "role": random.choice(("user", "user", "user", "admin", "team-lead", "guest_2")),
        }


def another_spelling(email: str, number: int) -> str:
    """An email that is equal after folding."""
    others = (
        email.upper(),
        email.swapcase(),
        unicodedata.normalize("NFD", email),
        "".join(chr(ord(c) + 0xFEE0) if c in "abcdefghij" else c for c in email),
    )
    return others[number % len(others)]


class Directory:
    """A client of the service."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def create(self, attributes: dict[str, Any]) -> httpx.Response:
        document = {"data": {"type": "users", "attributes": attributes}}
        return self._client.post("/api/v1/users", json=document, headers=JSONAPI)

    def change(self, user_id: str, attributes: dict[str, Any]) -> None:
        document = {"data": {"type": "users", "id": user_id, "attributes": attributes}}
        url = f"/api/v1/users/{user_id}"
        assert self._client.patch(url, json=document, headers=JSONAPI).status_code == 200

    def delete(self, user_id: str) -> None:
        assert self._client.delete(f"/api/v1/users/{user_id}").status_code == 204

    def pages(self, query: str, direction: str) -> Iterator[list[dict[str, Any]]]:
        """The pages of a list in one direction."""
        url: str | None = f"/api/v1/users?{query}"
        while url:
            response = self._client.get(url)
            assert response.status_code == 200, response.text
            document = response.json()
            yield document["data"]
            url = document["links"][direction]


def place(user: dict[str, Any], sort: str) -> tuple[Any, ...]:
    """The sort key of a user. Text is sorted by code point."""
    number = int(user["id"])
    return (number,) if sort == "id" else (user["attributes"][sort], number)


def expected(users: list[dict[str, Any]], sort: str) -> list[str]:
    by_id = sorted(users, key=lambda user: int(user["id"]))
    name = sort.removeprefix("-")
    ordered = sorted(
        by_id, key=lambda user: place(user, name)[0], reverse=sort.startswith("-")
    )  # equal keys keep ascending ids in both directions
    return [user["id"] for user in ordered]


@pytest.fixture(
    params=["sqlite_url", "postgresql_url", pytest.param("mariadb_url", marks=pytest.mark.long)]
)
def directory_url(request: pytest.FixtureRequest) -> str:
    """The database: an embedded file, then servers."""
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.fixture(scope="module", params=[1000, pytest.param(5000, marks=pytest.mark.long)])
def population(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return list(people(request.param))


def test_users_are_created_and_read_unchanged_in_every_order(
    directory_url: str, serve: Callable[[str], str], population: list[dict[str, Any]]
) -> None:
    url = serve(directory_url)
    with httpx.Client(base_url=url, timeout=30) as client, ThreadPoolExecutor(8) as pool:
        directory = Directory(client)
        responses = list(pool.map(directory.create, population))
        assert [each.text for each in responses if each.status_code != 201] == []
        users = [response.json()["data"] for response in responses]
        assert [user["attributes"]["name"] for user in users] == [p["name"] for p in population]
        assert len({user["id"] for user in users}) == len(population)

        again = [
            {**person, "email": another_spelling(person["email"], number)}
            for number, person in enumerate(population[::50])
        ]
        assert {a.status_code for a in pool.map(directory.create, again)} == {409}

        for sort in SORTS:
            for order in (sort, f"-{sort}"):
                assert_read_back(directory, users, order)
        assert_read_back_while_others_change(directory, users)


def assert_read_back(directory: Directory, users: list[dict[str, Any]], sort: str) -> None:
    ids = expected(users, sort)
    forward = list(directory.pages(f"sort={sort}&page[size]=500", "next"))
    assert [user["id"] for page in forward for user in page] == ids, sort
    beyond = forward[-1][-1]["meta"]["page"]["cursor"]
    query = f"sort={sort}&page[size]=700&page[before]={beyond}"
    backward = list(directory.pages(query, "prev"))
    assert [user["id"] for page in reversed(backward) for user in page] == ids[:-1], sort


def assert_read_back_while_others_change(directory: Directory, users: list[dict[str, Any]]) -> None:
    """Some users change or are deleted between the pages. All others appear once, in order."""
    left, touched = users, set[str]()
    for sort in ("email", "-name", "role", "-id"):
        to_touch = [user["id"] for user in left[::97]]
        touched.update(to_touch)
        left = [user for user in left if user["id"] not in touched]
        seen: list[str] = []
        for page in directory.pages(f"sort={sort}&page[size]=250", "next"):
            seen.extend(user["id"] for user in page)
            for user_id in to_touch[:2]:
                directory.delete(user_id)
            for user_id in to_touch[2:4]:
                directory.change(user_id, {"name": f"Changed {user_id}", "role": "changed"})
            del to_touch[:4]
        assert [user_id for user_id in seen if user_id not in touched] == expected(left, sort), sort
