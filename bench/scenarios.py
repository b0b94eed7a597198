"""What is asked of the servers, and what the right answers are."""

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
    """What wrk sends: one URL again and again, or what a script makes of its arguments."""

    path: str
    script: Path | None = None
    arguments: tuple[str, ...] = ()
    threads: int = 1


class WrongAnswer(Exception):
    """A server that would be timed for something else than what is asked."""


def _expect(fact: bool, running: Running, answer: httpx.Response) -> None:
    if not fact:
        raise WrongAnswer(
            f"{running.server.name}: {answer.request.method} {answer.request.url} gave"
            f" {answer.status_code} {answer.text[:500]}"
        )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _is_user(resource: Mapping[str, Any], number: int) -> bool:
    """Whether it is the user of that number, in full; names may have been changed."""
    told = resource["attributes"]
    expected = attributes(number)
    made = expected["creation_time"]
    return (
        (resource["type"], resource["id"]) == ("users", str(number))
        and all(told[name] == expected[name] for name in ("email", "is_active", "role"))
        and bool(told["name"])
        and _instant(told["creation_time"]) == made
        and _instant(told["update_time"]) >= made
    )


def read_one(running: Running) -> Load:
    """GET of a user by id."""
    url = running.server.item
    for number in (1, running.users // 2, running.users):
        answer = running.client.get(url(number))
        right = answer.status_code == 200 and _is_user(answer.json()["data"], number)
        _expect(right, running, answer)
    return Load(url(1), LUA / "read.lua", (url("#"), "1", str(running.users)))


def _listed(size: int, *, last: bool = False) -> "Prepare":
    def prepare(running: Running) -> Load:
        first = running.users - size + 1 if last else 1
        path = running.page(first, size)
        answer = running.client.get(path)
        data = answer.json()["data"] if answer.status_code == 200 else []
        right = len(data) == size and all(map(_is_user, data, itertools.count(first)))
        _expect(right, running, answer)
        return Load(path)

    return prepare


def filter_email(running: Running) -> Load:
    """The list of those who have an email."""
    url = f"{running.server.collection}?filter%5Bemail%5D=person#@example.org"
    for number in (1, running.users):
        answer = running.client.get(url.replace("#", f"{number:07}"))
        data = answer.json()["data"] if answer.status_code == 200 else []
        _expect(len(data) == 1 and _is_user(data[0], number), running, answer)
    return Load(url, LUA / "read.lua", (url, "7", str(running.users)))


def create(running: Running) -> Load:
    """POST of a user that is not there yet."""
    collection, run = running.server.collection, f"run{next(_runs)}"
    sent = {"email": f"{run}@example.org", "name": "Somebody New", "is_active": True}
    sent["role"] = "editor"
    answer = running.client.post(collection, json={"data": {"type": "users", "attributes": sent}})
    _expect(answer.status_code == 201, running, answer)
    made = running.client.get(running.server.item(answer.json()["data"]["id"]))
    told = made.json()["data"]["attributes"]
    age = datetime.now().astimezone() - _instant(told["creation_time"])
    right = sent.items() <= told.items() and abs(age) < timedelta(minutes=1)
    _expect(right, running, made)
    return Load(collection, LUA / "create.lua", (collection, run), threads=8)


def patch(running: Running) -> Load:
    """PATCH of a name; with If-Match where the server heeds it."""
    url, run = running.server.item, f"run{next(_runs)}"
    etags = [_etag(running, number) for number in range(1, RENAMED + 1)]
    first = {"If-Match": etags[0]} if running.server.guarded else {}
    sent = {"data": {"type": "users", "id": "1", "attributes": {"name": run}}}
    answer = running.client.patch(url(1), json=sent, headers=first)
    told = running.client.get(url(1)).json()["data"]["attributes"]
    recent = datetime.now().astimezone() - _instant(told["update_time"]) < timedelta(minutes=1)
    _expect(answer.status_code == 200 and told["name"] == run and recent, running, answer)
    if running.server.guarded:
        again = running.client.patch(url(1), json=sent, headers=first)
        _expect(again.status_code == 412, running, again)
    etags[0] = _etag(running, 1)
    file = running.directory / "etags"
    file.write_text("".join(f"{n} {etag}\n" for n, etag in enumerate(etags, start=1)))
    return Load(url(1), LUA / "patch.lua", (url("#"), str(file), run), threads=8)


def _etag(running: Running, number: int) -> str:
    answer = running.client.get(running.server.item(number))
    return answer.headers.get("ETag", "") if running.server.guarded else ""


Prepare = Callable[[Running], Load]
"""Makes sure that the answers are right, and says what the load is."""

SCENARIOS: Mapping[str, Prepare] = {
    "read-one": read_one,
    "list-25": _listed(25),
    "list-100": _listed(100),
    "list-100-last": _listed(100, last=True),
    "filter-email": filter_email,
    "create": create,
    "patch": patch,
}
WRITING = ("create", "patch")
