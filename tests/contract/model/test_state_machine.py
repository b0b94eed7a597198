"""Roster over memory, SQLite and PostgreSQL does what a dict would, step by step."""

import json
import unicodedata
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

USERS = "/api/v1/users"
OPERATIONS = "/api/v1/operations"
ATOMIC = 'application/vnd.api+json;ext="https://jsonapi.org/ext/atomic"'
IDEMPOTENCY_TTL = timedelta(hours=24)
DEFAULTS = {"is_active": False, "role": "user"}

# Emails of few meanings and many letters: wide, long s, ligatures, composed or not, Kelvin's sign.
EMAILS = st.sampled_from(
    [
        *("ann@example.org", "ANN@Example.org", "ａnn@example.org", "bob@example.org"),
        *("straße@example.org", "STRASSE@example.org", "ſtrasse@example.org"),
        *("zoë@example.org", "zoe\u0308@example.org", "ZOË@example.org", "zoe@example.org"),
        *("finn@example.org", "ﬁnn@example.org", "kim@example.org", "\u212aim@example.org"),
    ]
)
NAMES = st.sampled_from(
    ["Ann", "ann", "Zoë", "Zo\u0308e", "Straße", "\uffee", "𝒜nn", "100%", "o_o", "a,b", "b\\", "'"]
)
ROLES = st.sampled_from(["user", "admin", "x-1", "x_1"])
NEW = st.fixed_dictionaries(
    {"email": EMAILS, "name": NAMES}, optional={"is_active": st.booleans(), "role": ROLES}
)
CHANGES = st.fixed_dictionaries(
    {}, optional={"email": EMAILS, "name": NAMES, "is_active": st.booleans(), "role": ROLES}
)
# What may be wrong with attributes: status, code, and what to put in (LACKING: leave it out).
LACKING = object()
SPOILS = {
    ("422", "invalid_email", "email"): "nobody",
    ("422", "wrong_type", "email"): 7,
    ("422", "too_long", "email"): f"{'a' * 240}@example.org",
    ("422", "missing", "email"): LACKING,
    ("422", "blank", "name"): "\u3000",
    ("422", "control_character", "name"): "a\nb",
    ("422", "forbidden_character", "name"): "a\0b",
    ("422", "missing", "name"): LACKING,
    ("422", "wrong_type", "is_active"): "true",
    ("422", "invalid_format", "role"): "Admin",
    ("422", "unknown_attribute", "nickname"): "Annie",
    ("403", "read_only", "creation_time"): "2001-01-01T00:00:00.000Z",
}
SPOILED = st.none() | st.none() | st.sampled_from(list(SPOILS))
WHICH = st.integers(0, 30)
TAGS = st.sampled_from(["none", "current", "stale", "any", "weak", "foreign", "several"])
SORTS = st.lists(
    st.tuples(
        st.sampled_from(["email", "name", "is_active", "role", "creation_time", "update_time"])
        | st.just("id"),
        st.booleans(),
    ),
    max_size=3,
    unique_by=lambda order: order[0],
)


def fold(text: str) -> str:
    """As the contract says."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


# Each filter as it is asked, and whether a user passes it.
FILTERS: dict[str, Any] = {
    "filter[name][contains]=AN": lambda user: "an" in fold(user["name"]),
    "filter[name][contains]=%25": lambda user: "%" in user["name"],
    "filter[name][contains]=_": lambda user: "_" in user["name"],
    "filter[name][contains]=%5C": lambda user: "\\" in user["name"],
    "filter[name][starts_with]=zo": lambda user: fold(user["name"]).startswith("zo"),
    "filter[email][starts_with]=STRASS": lambda user: fold(user["email"]).startswith("strass"),
    "filter[name][]=a,b&filter[name][]=Ann": lambda user: fold(user["name"]) in ("a,b", "ann"),
    "filter[name][ge]=Zo": lambda user: user["name"] >= "Zo",
    "filter[name][lt]=%EF%BF%AE": lambda user: user["name"] < "\uffee",
    "filter[email]=Ann@EXAMPLE.org,FINN@example.org": lambda user: (
        fold(user["email"]) in ("ann@example.org", "finn@example.org")
    ),
    "filter[email][ne]=ZOE%CC%88@example.org": lambda user: (
        fold(user["email"]) != "zoë@example.org"
    ),
    "filter[is_active]=true": lambda user: user["is_active"],
    "filter[role]=admin,x_1": lambda user: user["role"] in ("admin", "x_1"),
    "filter[role][ne]=user": lambda user: user["role"] != "user",
}
FILTERED = st.lists(st.sampled_from(list(FILTERS)), max_size=2, unique_by=lambda f: f.split("=")[0])


class Refusal(Exception):
    """What the model says of a request that can't be carried out: status, code, source."""

    def __init__(self, status: str, code: str, source: str = "") -> None:
        self.problem = (status, code, source)


class Model:
    """Users in a dict, by handles. What is wrong is a Refusal, and leaves everything as it was."""

    def __init__(self) -> None:
        self.users: dict[int, dict[str, Any]] = {}
        self.versions: dict[int, int] = {}
        self.trails: dict[int, list[Any]] = {}

    def create(self, handle: int, attributes: dict[str, Any], at: str) -> None:
        self._take(handle, attributes["email"])
        times = {"creation_time": at, "update_time": at}
        self.users[handle] = {"id": handle, **DEFAULTS, **attributes, **times}
        self.versions[handle] = 1
        self._tell("created", handle, 1, {}, self.users[handle])

    def change(
        self, handle: int, attributes: dict[str, Any], expected: set[int] | None, at: str
    ) -> None:
        self.must_stand(handle, expected)
        user = self.users[handle]
        claimed = attributes.get("creation_time", user["creation_time"])
        if claimed != user["creation_time"]:
            raise Refusal("403", "read_only", "/attributes/creation_time")
        changed = {**user, **attributes}
        if changed != user:
            self._take(handle, changed["email"])
            self.users[handle] = {**changed, "update_time": at}
            self.versions[handle] += 1
            self._tell("changed", handle, self.versions[handle], user, changed)

    def remove(self, handle: int, expected: set[int] | None) -> None:
        self.must_stand(handle, expected)
        self._tell("deleted", handle, self.versions[handle] + 1, self.users.pop(handle), {})

    def _tell(self, action: str, handle: int, version: int, was: Any, is_now: Any) -> None:
        differences = {
            name: {"from": was.get(name), "to": is_now.get(name)}
            for name in ("email", "name", *DEFAULTS)
            if was.get(name) != is_now.get(name)
        }
        self.trails.setdefault(handle, []).append((action, version, differences))

    def must_stand(self, handle: int, expected: set[int] | None) -> None:
        if handle not in self.users:
            raise Refusal("404", "user_not_found")
        if expected is not None and self.versions[handle] not in expected:
            code = "stale_version" if any(expected) else "precondition_failed"
            raise Refusal("412", code, "If-Match")

    def _take(self, handle: int, email: str) -> None:
        for other, user in self.users.items():
            if other != handle and fold(user["email"]) == fold(email):
                raise Refusal("409", "email_taken", "/attributes/email")


def ordered(users: list[dict[str, Any]], sort: list[tuple[str, bool]]) -> list[dict[str, Any]]:
    """Sorted by each attribute in turn, the least important first; ties by ascending id."""
    found = sorted(users, key=lambda user: user["id"])
    for name, descending in reversed(sort):
        found.sort(key=lambda user: user[name], reverse=descending)
    return found


class Machine(RuleBasedStateMachine):
    """Asks the services for something, and the model what should come of it."""

    def __init__(self, services: Any, told: Any) -> None:
        super().__init__()
        self.services = services
        self.told = told
        self.clock = services.clock
        self.model = Model()
        self.made = 0
        self.kept: dict[str, Any] = {}
        self.places: list[Any] = []

    @initialize(people=st.lists(NEW, max_size=8, unique_by=lambda new: fold(new["email"])))
    def start(self, people: list[dict[str, Any]]) -> None:
        self.services.empty()
        for attributes in people:
            self.create(attributes, None)

    def someone(self, which: int) -> int:
        """A handle: of users who are there, of the last who went, and of one who never was."""
        gone = [handle for handle in self.model.versions if handle not in self.model.users]
        known = [*self.model.users, *gone[-2:], -1]
        return known[which % len(known)]

    def new(self) -> int:
        self.made += 1
        return self.made

    def user(self, status: int, handle: int) -> Any:
        """The answer that shows the user."""
        data = self.model.users[handle]
        return self.told(status, data=data, version=self.model.versions[handle])

    def refused(self, *problems: tuple[str, str, str]) -> Any:
        statuses = {int(problem[0]) for problem in problems}
        status = statuses.pop() if len(statuses) == 1 else 400
        return self.told(status, tuple(sorted(problems)))

    def refusal(self, act: Callable[..., object], *given: Any, at: str = "/data") -> Any:
        """What the model refuses it for; None where it did it. Pointers are below `at`."""
        try:
            act(*given)
        except Refusal as refusal:
            status, code, source = refusal.problem
            return self.refused((status, code, f"{at}{source}" if "/" in source else source))
        return None

    # -- what is wrong with attributes, whatever the directory holds -------------------------------

    def spoiled(
        self, attributes: dict[str, Any], spoil: Any, at: str, *, new: bool
    ) -> tuple[dict[str, Any], list[tuple[str, str, str]]]:
        """The attributes with something wrong in them, and what that is found to be."""
        if spoil is None or (SPOILS[spoil] is LACKING and not new):
            return attributes, []
        status, code, name = spoil
        kept = {each: value for each, value in attributes.items() if each != name}
        if SPOILS[spoil] is LACKING:
            return kept, [(status, code, f"{at}/attributes")]
        problem = (status, code, f"{at}/attributes/{name}")
        known = new or status == "422"  # a claim is compared with what is there
        return {**kept, name: SPOILS[spoil]}, [problem] if known else []

    # -- rules -------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.001, 0.001, 1, 90_000]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(milliseconds=int(seconds * 1000))

    @rule(attributes=NEW, spoil=SPOILED)
    def create(self, attributes: dict[str, Any], spoil: Any) -> None:
        sent, problems = self.spoiled(attributes, spoil, "/data", new=True)
        document = {"data": {"type": "users", "attributes": sent}}
        self.made_or_refused(document, attributes, problems)

    @rule(attributes=NEW, extra=st.sampled_from(["id", "type"]))
    def create_what_can_not_be(self, attributes: dict[str, Any], extra: str) -> None:
        data = {"type": "users", "attributes": attributes, extra: "7"}
        problem = {
            "id": ("403", "client_generated_id", "/data/id"),
            "type": ("409", "type_mismatch", "/data/type"),
        }[extra]
        self.made_or_refused({"data": data}, attributes, [problem])

    @rule(which=WHICH, email=EMAILS)
    def take_what_another_gave_up(self, which: int, email: str) -> None:
        before = self.model.users.get(self.someone(which))
        self.change(which, {"email": email}, None, "none")
        if before:
            self.create({"email": before["email"], "name": "Heir"}, None)

    def made_or_refused(self, document: Any, attributes: Any, problems: Any) -> None:
        handle = self.new()
        told = self.services.ask(lambda each: each.ask("POST", USERS, document), made=[handle])
        if problems:
            assert told == self.refused(*problems)
            return
        refusal = self.refusal(self.model.create, handle, attributes, self.clock.text())
        assert told == (refusal or self.user(201, handle))

    @rule(attributes=NEW, key=st.sampled_from("abc"))
    def create_under_a_key(self, attributes: dict[str, Any], key: str) -> None:
        document = {"data": {"type": "users", "attributes": attributes}}

        def ask(service: Any) -> Any:
            return service.ask("POST", USERS, document, **{"Idempotency-Key": f'"{key}"'})

        self.under_key(key, document, ask)

    @rule(key=st.sampled_from("abc"))
    def ask_again(self, key: str) -> None:
        if key in self.kept:
            self.under_key(key, *self.kept[key][:2])

    def under_key(self, key: str, document: Any, ask: Any) -> None:
        kept = self.kept.get(key)
        if kept is None or kept[3] + IDEMPOTENCY_TTL <= self.clock.now:
            self.first_under_key(key, document, ask)
        elif json.dumps(kept[0]) == json.dumps(document):  # the very bytes, as they are sent
            for service, first in zip(self.services.each, kept[2], strict=True):
                again = ask(service)
                names = ("Content-Type", "ETag", "Location")
                assert again.data == first.data
                assert all(again.headers.get(name) == first.headers.get(name) for name in names)
                assert again.status_code == first.status_code
        else:
            problem = ("422", "idempotency_key_reused", "Idempotency-Key")
            assert self.services.ask(ask) == self.refused(problem)

    def first_under_key(self, key: str, document: Any, ask: Any) -> None:
        handle = self.new()
        answers: list[Any] = []

        def noted(service: Any) -> Any:
            answers.append(ask(service))
            return answers[-1]

        told = self.services.ask(noted, made=[handle])
        attributes = document["data"]["attributes"]
        refusal = self.refusal(self.model.create, handle, attributes, self.clock.text())
        assert told == (refusal or self.user(201, handle))
        if told.status in (201, 409):  # what is wrong with a document alone takes no key
            self.kept[key] = (document, ask, answers, self.clock.now)

    def tag(self, service: Any, handle: int, tags: str) -> str:
        version = self.model.versions.get(handle, 0)
        current = service.tag(handle, version)
        stale = service.tag(handle, version - 1)
        several = f'"foreign", W/{stale}, {current}'
        kinds = {"current": current, "stale": stale, "any": "*", "weak": f"W/{current}"}
        return {**kinds, "several": several, "foreign": '"foreign"'}[tags]

    def versions(self, handle: int, tags: str) -> set[int] | None:
        """The versions that such tags allow: none if no tag is a strong one of a version."""
        version = self.model.versions.get(handle, 0)
        allowed = {"none": None, "any": None, "current": {version}, "several": {version}}
        return {**allowed, "stale": {version - 1}}.get(tags, set())

    def conditional(self, service: Any, handle: int, tags: str, name: str) -> dict[str, str]:
        return {} if tags == "none" else {name: self.tag(service, handle, tags)}

    @rule(which=WHICH, tags=TAGS, fields=st.sampled_from(["", "?fields[users]=name,role"]))
    def read(self, which: int, tags: str, fields: str) -> None:
        handle = self.someone(which)

        def ask(service: Any) -> Any:
            # The tag of this very representation is had by a read without a condition.
            url = f"{USERS}/{service.id(handle)}{fields}"
            headers = {}
            if tags != "none" and handle in self.model.users:
                tag = service.ask("GET", url).headers["ETag"]
                here = {"current": tag, "weak": f"W/{tag}", "several": f'"foreign", W/{tag}'}
                headers = {"If-None-Match": here.get(tags) or self.tag(service, handle, tags)}
            return service.ask("GET", url, **headers)

        told = self.services.ask(ask)
        if handle not in self.model.users:
            assert told == self.refused(("404", "user_not_found", ""))
        elif tags in ("current", "weak", "several", "any"):
            assert told == self.told(304)
        else:
            wanted = self.user(200, handle)
            if fields:
                shown = {name: wanted.data[name] for name in ("id", "name", "role")}
                wanted = wanted._replace(data=shown)
            assert told == wanted

    @rule(which=WHICH, tags=TAGS)
    def read_if_match(self, which: int, tags: str) -> None:
        handle = self.someone(which)
        told = self.services.ask(
            lambda each: each.ask(
                "GET",
                f"{USERS}/{each.id(handle)}",
                **self.conditional(each, handle, tags, "If-Match"),
            )
        )
        refusal = self.refusal(self.model.must_stand, handle, self.versions(handle, tags))
        assert told == (refusal or self.user(200, handle))

    @rule(which=WHICH, attributes=CHANGES, spoil=SPOILED, tags=TAGS)
    def change(self, which: int, attributes: dict[str, Any], spoil: Any, tags: str) -> None:
        handle = self.someone(which)
        sent, problems = self.spoiled(attributes, spoil, "/data", new=False)

        def ask(service: Any) -> Any:
            data = {"type": "users", "id": service.id(handle), "attributes": sent}
            condition = self.conditional(service, handle, tags, "If-Match")
            return service.ask("PATCH", f"{USERS}/{data['id']}", {"data": data}, **condition)

        told = self.services.ask(ask)
        if problems:
            assert told == self.refused(*problems)
            return
        expected = self.versions(handle, tags)
        refusal = self.refusal(self.model.change, handle, sent, expected, self.clock.text())
        assert told == (refusal or self.user(200, handle))

    @rule(which=WHICH, tags=TAGS)
    def remove(self, which: int, tags: str) -> None:
        handle = self.someone(which)
        told = self.services.ask(
            lambda each: each.ask(
                "DELETE",
                f"{USERS}/{each.id(handle)}",
                **self.conditional(each, handle, tags, "If-Match"),
            )
        )
        refusal = self.refusal(self.model.remove, handle, self.versions(handle, tags))
        assert told == (refusal or self.told(204))

    @rule(which=WHICH)
    def look_back(self, which: int) -> None:
        """At the history of somebody who is there, is gone, or never was."""
        handle = self.someone(which)
        for service in self.services.each:
            answer = service.ask("GET", f"{USERS}/{service.id(handle)}/history?page[size]=1000")
            assert answer.status_code == (200 if handle in self.model.trails else 404)
            events = [event["attributes"] for event in answer.json.get("data", ())]
            told = [(event["action"], event["version"], event["changes"]) for event in events]
            assert told == self.model.trails.get(handle, []), service.name

    # -- lists -------------------------------------------------------------------------------------

    def found(self, filters: list[str], sort: list[tuple[str, bool]]) -> list[dict[str, Any]]:
        users = self.model.users.values()
        passing = [user for user in users if all(FILTERS[each](user) for each in filters)]
        return ordered(passing, sort)

    @staticmethod
    def query(filters: list[str], sort: list[tuple[str, bool]], *more: str) -> str:
        orders = ",".join(f"-{name}" if descending else name for name, descending in sort)
        return "&".join([*filters, *([f"sort={orders}"] if orders else []), *more])

    @rule(filters=FILTERED, sort=SORTS, size=st.integers(1, 4))
    def walk(self, filters: list[str], sort: list[tuple[str, bool]], size: int) -> None:
        """Forward by the links to the end, and back."""
        wanted = self.found(filters, sort)
        starts = list(range(0, max(1, len(wanted)), size))
        places = [(start, start + size) for start in starts]
        back, end = [], starts[-1]
        while end > 0:
            back.append((max(0, end - size), end))
            end -= size
        links = {
            each.name: f"{USERS}?{self.query(filters, sort, f'page[size]={size}')}"
            for each in self.services.each
        }
        for direction, (start, stop) in [
            *(("next", place) for place in places),
            *(("prev", place) for place in back),
        ]:
            following = "next" if direction == "next" and stop < len(wanted) else "prev"
            told = self.services.ask(partial(self.follow, links, following))
            more = {"prev": start > 0, "next": stop < len(wanted)}
            assert told == self.told(200, data=wanted[start:stop], more=more)

    def follow(self, links: dict[str, Any], direction: str, service: Any) -> Any:
        answer = service.ask("GET", links[service.name])
        if answer.status_code == 200:
            links[service.name] = answer.json["links"][direction]
        return answer

    @rule(filters=FILTERED, sort=SORTS, size=st.integers(1, 4), number=st.integers(1, 4))
    def turn_to(
        self, filters: list[str], sort: list[tuple[str, bool]], size: int, number: int
    ) -> None:
        query = self.query(filters, sort, f"page[size]={size}", f"page[number]={number}")
        told = self.services.ask(lambda each: each.ask("GET", f"{USERS}?{query}"))
        wanted = self.found(filters, sort)
        page = wanted[(number - 1) * size : number * size]
        more = {
            "prev": number > 1,
            "next": bool(page) and len(wanted) > number * size,
            "total": len(wanted),
        }
        assert told == self.told(200, data=page, more=more)

    @rule(filters=FILTERED, sort=SORTS, which=WHICH)
    def keep_a_place(self, filters: list[str], sort: list[tuple[str, bool]], which: int) -> None:
        """Remember the cursor of some user in a list."""
        wanted = self.found(filters, sort)
        if not wanted:
            return
        position = which % len(wanted)
        cursors = {}
        for service in self.services.each:
            items = service.ask("GET", f"{USERS}?{self.query(filters, sort)}").json["data"]
            if len(items) <= position:
                return  # beyond the first page
            cursors[service.name] = items[position]["meta"]["page"]["cursor"]
        self.places.append((filters, sort, deepcopy(wanted[position]), cursors))

    @rule(which=WHICH, direction=st.sampled_from(["after", "before"]), size=st.integers(1, 4))
    def go_on_from_a_place(self, which: int, direction: str, size: int) -> None:
        """From a cursor, whatever has become of the user on whom it fell."""
        if not self.places:
            return
        filters, sort, ghost, cursors = self.places[which % len(self.places)]

        def ask(service: Any) -> Any:
            place = f"page[{direction}]={cursors[service.name]}"
            query = self.query(filters, sort, place, f"page[size]={size}")
            return service.ask("GET", f"{USERS}?{query}")

        before, after = self.around(ghost, self.found(filters, sort), sort)
        told = self.services.ask(ask)
        assert told.data == (after[:size] if direction == "after" else before[-size:])
        goes_on = {"after": len(after) > size, "before": len(before) > size}[direction]
        assert told.more["next" if direction == "after" else "prev"] == goes_on

    @staticmethod
    def around(
        ghost: dict[str, Any], users: list[dict[str, Any]], sort: list[tuple[str, bool]]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Who stands before the place and who after it; not who stands right on it.

        What is sorted by after ids decides nothing, and a change of it moves nobody.
        """
        names = ["id", *(name for name, _ in sort)]
        if "id" in names[1:]:
            sort = sort[: names.index("id", 1)]
            names = [name for name, _ in sort]
        others = [user for user in users if any(user[name] != ghost[name] for name in names)]
        line = ordered([*others, ghost], sort)
        position = next(at for at, each in enumerate(line) if each is ghost)
        return line[:position], line[position + 1 :]

    # -- operations --------------------------------------------------------------------------------

    @rule(
        wished=st.lists(
            st.tuples(
                st.sampled_from(["add", "add", "update", "remove", "update made", "remove made"]),
                WHICH,
                NEW,
                CHANGES,
                st.none() | st.none() | SPOILED,
                st.sampled_from(["none", "none", "current", "stale", "foreign"]),
            ),
            min_size=1,
            max_size=4,
        )
    )
    def operate(self, wished: list[Any]) -> None:
        """Several at once: all of them, or none."""
        batch = list(self.operations(wished))
        told = self.services.ask(
            lambda each: each.client.post(
                OPERATIONS,
                json={"atomic:operations": [operation["as sent"](each) for operation in batch]},
                content_type=ATOMIC,
            ),
            made=[operation["handle"] for operation in batch if operation["op"] == "add"],
        )
        problems = [problem for operation in batch for problem in operation["problems"]]
        if first := [each for each in problems if each[0] == "422"] or problems:
            assert told == self.refused(*first)
            return
        before = deepcopy((self.model.users, self.model.versions, self.model.trails))
        results: list[Any] = []
        refusal = self.refusal(lambda: results.extend(map(self.perform, batch)), at="")
        if refusal:
            self.model.users, self.model.versions, self.model.trails = before
        assert told == (refusal or self.told(200, data=results))

    def operations(self, wished: list[Any]) -> Iterator[dict[str, Any]]:
        made: list[int] = []
        for position, (op, which, new, changes, spoil, tags) in enumerate(wished):
            at = f"/atomic:operations/{position}"
            if op == "add":
                made.append(self.new())
                yield self.addition(at, made[-1], new, spoil)
            elif op.endswith(" made") and made:
                handle = made[which % len(made)]
                yield self.alteration(at, op.split()[0], handle, changes, spoil, "none", lid=True)
            else:
                handle = self.someone(which)
                yield self.alteration(at, op.split()[0], handle, changes, spoil, tags, lid=False)

    def addition(self, at: str, handle: int, new: Any, spoil: Any) -> dict[str, Any]:
        sent, problems = self.spoiled(new, spoil, f"{at}/data", new=True)
        data = {"type": "users", "lid": str(handle), "attributes": sent}
        operation = {"op": "add", "data": data}
        return {
            "at": at,
            "op": "add",
            "handle": handle,
            "attributes": sent,
            "problems": problems,
            "as sent": lambda _: operation,
        }

    def alteration(
        self, at: str, op: str, handle: int, changes: Any, spoil: Any, tags: str, *, lid: bool
    ) -> dict[str, Any]:
        sent, problems = self.spoiled(changes, spoil, f"{at}/data", new=False)

        def as_sent(service: Any) -> Any:
            name = {"lid": str(handle)} if lid else {"id": service.id(handle)}
            which = {"type": "users", **name}
            operation: dict[str, Any] = {"op": op, "ref": which}
            if op == "update":
                operation = {"op": op, "data": {**which, "attributes": sent}}
            if tags != "none":
                operation["meta"] = {"version": self.tag(service, handle, tags)}
            return operation

        return {
            "at": at,
            "op": op,
            "handle": handle,
            "attributes": sent,
            "problems": problems if op == "update" else [],
            "expected": self.versions(handle, tags),
            "as sent": as_sent,
        }

    def perform(self, operation: dict[str, Any]) -> Any:
        at, handle = operation["at"], operation["handle"]
        try:
            if operation["op"] == "add":
                self.model.create(handle, operation["attributes"], self.clock.text())
            elif operation["op"] == "update":
                changes, expected = operation["attributes"], operation["expected"]
                self.model.change(handle, changes, expected, self.clock.text())
            else:
                self.model.remove(handle, operation["expected"])
                return None
        except Refusal as refusal:
            status, code, source = refusal.problem
            place = {"404": "/data" if operation["op"] == "update" else "/ref"}.get(status)
            place = "/meta/version" if status == "412" else place or f"/data{source}"
            raise Refusal(status, code, f"{at}{place}") from None
        return {**self.model.users[handle], "version": self.model.versions[handle]}

    @invariant()
    def all_hold_what_the_dict_holds(self) -> None:
        told = self.services.ask(lambda each: each.ask("GET", f"{USERS}?page[size]=1000"))
        assert told.data == ordered(list(self.model.users.values()), [])


BOUNDED = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)


def test_every_store_does_what_a_dict_would(services: Any, told: Any) -> None:
    run_state_machine_as_test(lambda: Machine(services, told), settings=BOUNDED)


@pytest.mark.long
def test_every_store_does_what_a_dict_would_for_long(services: Any, told: Any) -> None:
    longer = settings(BOUNDED, max_examples=500, stateful_step_count=50)
    run_state_machine_as_test(lambda: Machine(services, told), settings=longer)
