"""The requests to the servers, and checks of their responses."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from bench.database import attributes
from bench.servers import Running

LUA = Path(__file__).with_name("load")
RENAMED = 200
_runs = itertools.count(1)


@dataclass(frozen=True)
class Load:
    """The requests of wrk: one URL repeatedly, or those of a script with arguments."""

    path: str
    script: Path | None = None
    arguments: tuple[str, ...] = ()
    threads: int = 1


class WrongResponse(Exception):
    """A response is not the expected one, so the server's time must not count."""


def _expect(expected: bool, running: Running, response: httpx.Response) -> None:
    if not expected:
        raise WrongResponse(
            f"{running.server.name}: {response.request.method} {response.request.url} returned"
            f" {response.status_code} {response.text[:500]}"
        )


def _timestamp(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _is_user(resource: Mapping[str, Any], number: int) -> bool:
    """Returns True if it is the user with that number, with all attributes and any name."""
    actual = resource["attributes"]
    expected = attributes(number)
    created = expected["creation_time"]
    return (
        (resource["type"], resource["id"]) == ("users", str(number))
        and all(actual[name] == expected[name] for name in ("email", "is_active", "role"))
        and bool(actual["name"])
        and _timestamp(actual["creation_time"]) == created
        and _timestamp(actual["update_time"]) >= created
    )


def read_one(running: Running) -> Load:
    """GET a user by id."""
    url = running.server.item
    for number in (1, running.users // 2, running.users):
        response = running.client.get(url(number))
        correct = response.status_code == 200 and _is_user(response.json()["data"], number)
        _expect(correct, running, response)
    return Load(url(1), LUA / "read.lua", (url("#"), "1", str(running.users)))


def _list(size: int, *, last: bool = False) -> "Prepare":
    def prepare(running: Running) -> Load:
        first = running.users - size + 1 if last else 1
        path = running.page(first, size)
        response = running.client.get(path)
        data = response.json()["data"] if response.status_code == 200 else []
        correct = len(data) == size and all(map(_is_user, data, itertools.count(first)))
        _expect(correct, running, response)
        return Load(path)

    return prepare


def filter_email(running: Running) -> Load:
    """GET the list with a filter by email."""
    url = f"{running.server.collection}?filter%5Bemail%5D=person#@example.org"
    for number in (1, running.users):
        response = running.client.get(url.replace("#", f"{number:07}"))
        data = response.json()["data"] if response.status_code == 200 else []
        _expect(len(data) == 1 and _is_user(data[0], number), running, response)
    return Load(url, LUA / "read.lua", (url, "7", str(running.users)))


def create(running: Running) -> Load:
    """POST a new user."""
    collection, run = running.server.collection, f"run{next(_runs)}"
    sent = {"email": f"{run}@example.org", "name": "Somebody New", "is_active": True}
    sent["role"] = "editor"
    response = running.client.post(collection, json={"data": {"type": "users", "attributes": sent}})
    _expect(response.status_code == 201, running, response)
    created = running.client.get(running.server.item(response.json()["data"]["id"]))
    actual = created.json()["data"]["attributes"]
    age = datetime.now().astimezone() - _timestamp(actual["creation_time"])
    correct = sent.items() <= actual.items() and abs(age) < timedelta(minutes=1)
    _expect(correct, running, created)
    return Load(collection, LUA / "create.lua", (collection, run), threads=8)


def patch(running: Running) -> Load:
    """PATCH a name, with If-Match if the server supports it."""
    url, run = running.server.item, f"run{next(_runs)}"
    etags = [_etag(running, number) for number in range(1, RENAMED + 1)]
    first = {"If-Match": etags[0]} if running.server.has_etags else {}
    sent = {"data": {"type": "users", "id": "1", "attributes": {"name": run}}}
    response = running.client.patch(url(1), json=sent, headers=first)
    actual = running.client.get(url(1)).json()["data"]["attributes"]
    recent = datetime.now().astimezone() - _timestamp(actual["update_time"]) < timedelta(minutes=1)
    _expect(response.status_code == 200 and actual["name"] == run and recent, running, response)
    if running.server.has_etags:
        repeated = running.client.patch(url(1), json=sent, headers=first)
        _expect(repeated.status_code == 412, running, repeated)
    etags[0] = _etag(running, 1)
    file = running.directory / "etags"
    file.write_text("".join(f"{n} {etag}\n" for n, etag in enumerate(etags, start=1)))
    return Load(url(1), LUA / "patch.lua", (url("#"), str(file), run), threads=8)


def _etag(running: Running, number: int) -> str:
    response = running.client.get(running.server.item(number))
    return response.headers.get("ETag", "") if running.server.has_etags else ""


Prepare = Callable[[Running], Load]
"""Checks the responses of a server, and returns the load."""

SCENARIOS: Mapping[str, Prepare] = {
    "read-one": read_one,
    "list-25": _list(25),
    "list-100": _list(100),
    "list-100-last": _list(100, last=True),
    "filter-email": filter_email,
    "create": create,
    "patch": patch,
}
WRITING = ("create", "patch")
