"""Roster with memory, SQLite and PostgreSQL behaves like a dict, step by step."""

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

pytestmark = pytest.mark.slow

USERS = "/api/v1/users"
OPERATIONS = "/api/v1/operations"
ATOMIC = 'application/vnd.api+json;ext="https://jsonapi.org/ext/atomic"'
IDEMPOTENCY_TTL = timedelta(hours=24)
DEFAULTS = {"is_active": False, "role": "user"}

# Few mailboxes in many spellings: wide, long s, ligatures, composed or not, the Kelvin sign.
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
# Faults in attributes: status, code and name, and the invalid value. ABSENT removes the attribute.
ABSENT = object()
FAULTS = {
    ("422", "invalid_email", "email"): "invalid",
    ("422", "wrong_type", "email"): 7,
    ("422", "too_long", "email"): f"{'a' * 240}@example.org",
    ("422", "missing", "email"): ABSENT,
    ("422", "blank", "name"): "\u3000",
    ("422", "control_character", "name"): "a\nb",
    ("422", "forbidden_character", "name"): "a\0b",
    ("422", "missing", "name"): ABSENT,
    ("422", "wrong_type", "is_active"): "true",
    ("422", "invalid_format", "role"): "Admin",
    ("422", "unknown_attribute", "nickname"): "Annie",
    ("403", "read_only", "creation_time"): "2001-01-01T00:00:00.000Z",
}
FAULT = st.none() | st.none() | st.sampled_from(list(FAULTS))
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
    """Folds a text as the contract requires."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


# Each filter as a query, and as a condition of a user.
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


class Rejected(Exception):
    """The model rejects a request, with status, code and source."""

    def __init__(self, status: str, code: str, source: str = "") -> None:
        self.problem = (status, code, source)


class Model:
    """Users in a dict, by handles. Raises Rejected without a change if a request is not valid."""

    def __init__(self) -> None:
        self.users: dict[int, dict[str, Any]] = {}
        self.versions: dict[int, int] = {}
        self.histories: dict[int, list[Any]] = {}

    def create(self, handle: int, attributes: dict[str, Any], at: str) -> None:
        self._take(handle, attributes["email"])
        times = {"creation_time": at, "update_time": at}
        self.users[handle] = {"id": handle, **DEFAULTS, **attributes, **times}
        self.versions[handle] = 1
        self._record("created", handle, 1, {}, self.users[handle])

    def change(
        self, handle: int, attributes: dict[str, Any], expected: set[int] | None, at: str
    ) -> None:
        self.must_match(handle, expected)
        user = self.users[handle]
        claimed = attributes.get("creation_time", user["creation_time"])
        if claimed != user["creation_time"]:
            raise Rejected("403", "read_only", "/attributes/creation_time")
        changed = {**user, **attributes}
        if changed != user:
            self._take(handle, changed["email"])
            self.users[handle] = {**changed, "update_time": at}
            self.versions[handle] += 1
            self._record("changed", handle, self.versions[handle], user, changed)

    def remove(self, handle: int, expected: set[int] | None) -> None:
        self.must_match(handle, expected)
        self._record("deleted", handle, self.versions[handle] + 1, self.users.pop(handle), {})

    def _record(self, action: str, handle: int, version: int, was: Any, is_now: Any) -> None:
        differences = {
            name: {"from": was.get(name), "to": is_now.get(name)}
            for name in ("email", "name", *DEFAULTS)
            if was.get(name) != is_now.get(name)
        }
        self.histories.setdefault(handle, []).append((action, version, differences))

    def must_match(self, handle: int, expected: set[int] | None) -> None:
        if handle not in self.users:
            raise Rejected("404", "user_not_found")
        if expected is not None and self.versions[handle] not in expected:
            code = "stale_version" if any(expected) else "precondition_failed"
            raise Rejected("412", code, "If-Match")

    def _take(self, handle: int, email: str) -> None:
        for other, user in self.users.items():
            if other != handle and fold(user["email"]) == fold(email):
                raise Rejected("409", "email_taken", "/attributes/email")


def ordered(users: list[dict[str, Any]], sort: list[tuple[str, bool]]) -> list[dict[str, Any]]:
    """Sorts by each attribute, the least important one first, then by ascending id."""
    result = sorted(users, key=lambda user: user["id"])
    for name, descending in reversed(sort):
        result.sort(key=lambda user: user[name], reverse=descending)
    return result


class Machine(RuleBasedStateMachine):
    """Sends requests to the services, and compares the outcomes with the model."""

    def __init__(self, services: Any, outcome: Any) -> None:
        super().__init__()
        self.services = services
        self.outcome = outcome
        self.clock = services.clock
        self.model = Model()
        self.created = 0
        self.stored: dict[str, Any] = {}
        self.places: list[Any] = []

    @initialize(people=st.lists(NEW, max_size=8, unique_by=lambda new: fold(str(new["email"]))))
    def start(self, people: list[dict[str, Any]]) -> None:
        self.services.empty()
        for attributes in people:
            self.create(attributes, None)

    def someone(self, which: int) -> int:
        """A handle of a user who exists, was deleted lately, or never existed."""
        deleted = [handle for handle in self.model.versions if handle not in self.model.users]
        known = [*self.model.users, *deleted[-2:], -1]
        return known[which % len(known)]

    def new(self) -> int:
        self.created += 1
        return self.created

    def user(self, status: int, handle: int) -> Any:
        """The outcome with the user."""
        data = self.model.users[handle]
        return self.outcome(status, data=data, version=self.model.versions[handle])

    def errors(self, *problems: tuple[str, str, str]) -> Any:
        statuses = {int(problem[0]) for problem in problems}
        status = statuses.pop() if len(statuses) == 1 else 400
        return self.outcome(status, tuple(sorted(problems)))

    def rejection(self, act: Callable[..., object], *arguments: Any, at: str = "/data") -> Any:
        """The outcome if the model rejects a request, else None. `at` is a prefix for pointers."""
        try:
            act(*arguments)
        except Rejected as rejected:
            status, code, source = rejected.problem
            return self.errors((status, code, f"{at}{source}" if "/" in source else source))
        return None

    # -- faults in attributes ----------------------------------------------------------------------

    def with_fault(
        self, attributes: dict[str, Any], fault: Any, at: str, *, new: bool
    ) -> tuple[dict[str, Any], list[tuple[str, str, str]]]:
        """The attributes with a fault, and the expected errors."""
        if fault is None or (FAULTS[fault] is ABSENT and not new):
            return attributes, []
        status, code, name = fault
        stored = {each: value for each, value in attributes.items() if each != name}
        if FAULTS[fault] is ABSENT:
            return stored, [(status, code, f"{at}/attributes")]
        problem = (status, code, f"{at}/attributes/{name}")
        known = new or status == "422"  # a read-only value is compared with the stored one
        return {**stored, name: FAULTS[fault]}, [problem] if known else []

    # -- rules -------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.001, 0.001, 1, 90_000]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(milliseconds=int(seconds * 1000))

    @rule(attributes=NEW, fault=FAULT)
    def create(self, attributes: dict[str, Any], fault: Any) -> None:
        sent, problems = self.with_fault(attributes, fault, "/data", new=True)
        document = {"data": {"type": "users", "attributes": sent}}
        self.create_or_reject(document, attributes, problems)

    @rule(attributes=NEW, extra=st.sampled_from(["id", "type"]))
    def create_with_an_invalid_member(self, attributes: dict[str, Any], extra: str) -> None:
        data = {"type": "users", "attributes": attributes, extra: "7"}
        problem = {
            "id": ("403", "client_generated_id", "/data/id"),
            "type": ("409", "type_mismatch", "/data/type"),
        }[extra]
        self.create_or_reject({"data": data}, attributes, [problem])

    @rule(which=WHICH, email=EMAILS)
    def take_the_email_that_another_gave_up(self, which: int, email: str) -> None:
        before = self.model.users.get(self.someone(which))
        self.change(which, {"email": email}, None, "none")
        if before:
            self.create({"email": before["email"], "name": "Successor"}, None)

    def create_or_reject(self, document: Any, attributes: Any, problems: Any) -> None:
        handle = self.new()
        outcome = self.services.send(
            lambda each: each.send("POST", USERS, document), created=[handle]
        )
        if problems:
            assert outcome == self.errors(*problems)
            return
        rejection = self.rejection(self.model.create, handle, attributes, self.clock.text())
        assert outcome == (rejection or self.user(201, handle))

    @rule(attributes=NEW, key=st.sampled_from("abc"))
    def create_under_a_key(self, attributes: dict[str, Any], key: str) -> None:
        document = {"data": {"type": "users", "attributes": attributes}}

        def send(service: Any) -> Any:
            return service.send("POST", USERS, document, **{"Idempotency-Key": f'"{key}"'})

        self.under_key(key, document, send)

    @rule(key=st.sampled_from("abc"))
    def repeat(self, key: str) -> None:
        if key in self.stored:
            self.under_key(key, *self.stored[key][:2])

    def under_key(self, key: str, document: Any, send: Any) -> None:
        stored = self.stored.get(key)
        if stored is None or stored[3] + IDEMPOTENCY_TTL <= self.clock.now:
            self.first_under_key(key, document, send)
        elif json.dumps(stored[0]) == json.dumps(document):  # the same bytes are sent
            for service, first in zip(self.services.each, stored[2], strict=True):
                again = send(service)
                names = ("Content-Type", "ETag", "Location")
                assert again.data == first.data
                assert all(again.headers.get(name) == first.headers.get(name) for name in names)
                assert again.status_code == first.status_code
        else:
            problem = ("422", "idempotency_key_reused", "Idempotency-Key")
            assert self.services.send(send) == self.errors(problem)

    def first_under_key(self, key: str, document: Any, send: Any) -> None:
        handle = self.new()
        responses: list[Any] = []

        def send_and_store(service: Any) -> Any:
            responses.append(send(service))
            return responses[-1]

        outcome = self.services.send(send_and_store, created=[handle])
        attributes = document["data"]["attributes"]
        rejection = self.rejection(self.model.create, handle, attributes, self.clock.text())
        assert outcome == (rejection or self.user(201, handle))
        if outcome.status in (201, 409):  # an invalid document does not use the key
            self.stored[key] = (document, send, responses, self.clock.now)

    def tag(self, service: Any, handle: int, tags: str) -> str:
        version = self.model.versions.get(handle, 0)
        current = service.tag(handle, version)
        stale = service.tag(handle, version - 1)
        several = f'"foreign", W/{stale}, {current}'
        kinds = {"current": current, "stale": stale, "any": "*", "weak": f"W/{current}"}
        return {**kinds, "several": several, "foreign": '"foreign"'}[tags]

    def versions(self, handle: int, tags: str) -> set[int] | None:
        """The versions that the tags allow. The set is empty without a strong tag of a version."""
        version = self.model.versions.get(handle, 0)
        allowed = {"none": None, "any": None, "current": {version}, "several": {version}}
        return {**allowed, "stale": {version - 1}}.get(tags, set())

    def conditional(self, service: Any, handle: int, tags: str, name: str) -> dict[str, str]:
        return {} if tags == "none" else {name: self.tag(service, handle, tags)}

    @rule(which=WHICH, tags=TAGS, fields=st.sampled_from(["", "?fields[users]=name,role"]))
    def read(self, which: int, tags: str, fields: str) -> None:
        handle = self.someone(which)

        def send(service: Any) -> Any:
            # A read without a condition returns the tag of this representation.
            url = f"{USERS}/{service.id(handle)}{fields}"
            headers = {}
            if tags != "none" and handle in self.model.users:
                tag = service.send("GET", url).headers["ETag"]
                known = {"current": tag, "weak": f"W/{tag}", "several": f'"foreign", W/{tag}'}
                headers = {"If-None-Match": known.get(tags) or self.tag(service, handle, tags)}
            return service.send("GET", url, **headers)

        outcome = self.services.send(send)
        if handle not in self.model.users:
            assert outcome == self.errors(("404", "user_not_found", ""))
        elif tags in ("current", "weak", "several", "any"):
            assert outcome == self.outcome(304)
        else:
            expected = self.user(200, handle)
            if fields:
                shown = {name: expected.data[name] for name in ("id", "name", "role")}
                expected = expected._replace(data=shown)
            assert outcome == expected

    @rule(which=WHICH, tags=TAGS)
    def read_if_match(self, which: int, tags: str) -> None:
        handle = self.someone(which)
        outcome = self.services.send(
            lambda each: each.send(
                "GET",
                f"{USERS}/{each.id(handle)}",
                **self.conditional(each, handle, tags, "If-Match"),
            )
        )
        rejection = self.rejection(self.model.must_match, handle, self.versions(handle, tags))
        assert outcome == (rejection or self.user(200, handle))

    @rule(which=WHICH, attributes=CHANGES, fault=FAULT, tags=TAGS)
    def change(self, which: int, attributes: dict[str, Any], fault: Any, tags: str) -> None:
        handle = self.someone(which)
        sent, problems = self.with_fault(attributes, fault, "/data", new=False)

        def send(service: Any) -> Any:
            data = {"type": "users", "id": service.id(handle), "attributes": sent}
            condition = self.conditional(service, handle, tags, "If-Match")
            return service.send("PATCH", f"{USERS}/{data['id']}", {"data": data}, **condition)

        outcome = self.services.send(send)
        if problems:
            assert outcome == self.errors(*problems)
            return
        expected = self.versions(handle, tags)
        rejection = self.rejection(self.model.change, handle, sent, expected, self.clock.text())
        assert outcome == (rejection or self.user(200, handle))

    @rule(which=WHICH, tags=TAGS)
    def remove(self, which: int, tags: str) -> None:
        handle = self.someone(which)
        outcome = self.services.send(
            lambda each: each.send(
                "DELETE",
                f"{USERS}/{each.id(handle)}",
                **self.conditional(each, handle, tags, "If-Match"),
            )
        )
        rejection = self.rejection(self.model.remove, handle, self.versions(handle, tags))
        assert outcome == (rejection or self.outcome(204))

    @rule(which=WHICH)
    def read_history(self, which: int) -> None:
        """Reads the history of a user who exists, was deleted, or never existed."""
        handle = self.someone(which)
        for service in self.services.each:
            response = service.send("GET", f"{USERS}/{service.id(handle)}/history?page[size]=1000")
            assert response.status_code == (200 if handle in self.model.histories else 404)
            events = [event["attributes"] for event in response.json.get("data", ())]
            outcome = [(event["action"], event["version"], event["changes"]) for event in events]
            assert outcome == self.model.histories.get(handle, []), service.name

    # -- lists -------------------------------------------------------------------------------------

    def matching(self, filters: list[str], sort: list[tuple[str, bool]]) -> list[dict[str, Any]]:
        users = self.model.users.values()
        passing = [user for user in users if all(FILTERS[each](user) for each in filters)]
        return ordered(passing, sort)

    @staticmethod
    def query(filters: list[str], sort: list[tuple[str, bool]], *parameters: str) -> str:
        orders = ",".join(f"-{name}" if descending else name for name, descending in sort)
        return "&".join([*filters, *([f"sort={orders}"] if orders else []), *parameters])

    @rule(filters=FILTERED, sort=SORTS, size=st.integers(1, 4))
    def walk(self, filters: list[str], sort: list[tuple[str, bool]], size: int) -> None:
        """Follows the links to the end and back."""
        expected = self.matching(filters, sort)
        starts = list(range(0, max(1, len(expected)), size))
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
            following = "next" if direction == "next" and stop < len(expected) else "prev"
            outcome = self.services.send(partial(self.follow, links, following))
            page = {"prev": start > 0, "next": stop < len(expected)}
            assert outcome == self.outcome(200, data=expected[start:stop], page=page)

    def follow(self, links: dict[str, Any], direction: str, service: Any) -> Any:
        response = service.send("GET", links[service.name])
        if response.status_code == 200:
            links[service.name] = response.json["links"][direction]
        return response

    @rule(filters=FILTERED, sort=SORTS, size=st.integers(1, 4), number=st.integers(1, 4))
    def read_numbered_page(
        self, filters: list[str], sort: list[tuple[str, bool]], size: int, number: int
    ) -> None:
        query = self.query(filters, sort, f"page[size]={size}", f"page[number]={number}")
        outcome = self.services.send(lambda each: each.send("GET", f"{USERS}?{query}"))
        expected = self.matching(filters, sort)
        data = expected[(number - 1) * size : number * size]
        page = {
            "prev": number > 1,
            "next": bool(data) and len(expected) > number * size,
            "total": len(expected),
        }
        assert outcome == self.outcome(200, data=data, page=page)

    @rule(filters=FILTERED, sort=SORTS, which=WHICH)
    def remember_a_cursor(
        self, filters: list[str], sort: list[tuple[str, bool]], which: int
    ) -> None:
        """Remembers the cursor of a user in a list."""
        expected = self.matching(filters, sort)
        if not expected:
            return
        position = which % len(expected)
        cursors = {}
        for service in self.services.each:
            items = service.send("GET", f"{USERS}?{self.query(filters, sort)}").json["data"]
            if len(items) <= position:
                return  # beyond the first page
            cursors[service.name] = items[position]["meta"]["page"]["cursor"]
        self.places.append((filters, sort, deepcopy(expected[position]), cursors))

    @rule(which=WHICH, direction=st.sampled_from(["after", "before"]), size=st.integers(1, 4))
    def continue_from_a_cursor(self, which: int, direction: str, size: int) -> None:
        """Reads from a cursor, even if its user was changed or deleted."""
        if not self.places:
            return
        filters, sort, remembered, cursors = self.places[which % len(self.places)]

        def send(service: Any) -> Any:
            place = f"page[{direction}]={cursors[service.name]}"
            query = self.query(filters, sort, place, f"page[size]={size}")
            return service.send("GET", f"{USERS}?{query}")

        before, after = self.around(remembered, self.matching(filters, sort), sort)
        outcome = self.services.send(send)
        assert outcome.data == (after[:size] if direction == "after" else before[-size:])
        has_more = {"after": len(after) > size, "before": len(before) > size}[direction]
        assert outcome.page["next" if direction == "after" else "prev"] == has_more

    @staticmethod
    def around(
        remembered: dict[str, Any], users: list[dict[str, Any]], sort: list[tuple[str, bool]]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The users before and after a position, without a user at the position.

        Orders after the id have no effect.
        """
        names = ["id", *(name for name, _ in sort)]
        if "id" in names[1:]:
            sort = sort[: names.index("id", 1)]
            names = [name for name, _ in sort]
        others = [user for user in users if any(user[name] != remembered[name] for name in names)]
        line = ordered([*others, remembered], sort)
        position = next(at for at, each in enumerate(line) if each is remembered)
        return line[:position], line[position + 1 :]

    # -- operations --------------------------------------------------------------------------------

    @rule(
        requested=st.lists(
            st.tuples(
                st.sampled_from(
                    ["add", "add", "update", "remove", "update created", "remove created"]
                ),
                WHICH,
                NEW,
                CHANGES,
                st.none() | st.none() | FAULT,
                st.sampled_from(["none", "none", "current", "stale", "foreign"]),
            ),
            min_size=1,
            max_size=4,
        )
    )
    def operate(self, requested: list[Any]) -> None:
        """Sends several operations, which are all applied or all rejected."""
        batch = list(self.operations(requested))
        outcome = self.services.send(
            lambda each: each.client.post(
                OPERATIONS,
                json={"atomic:operations": [operation["request"](each) for operation in batch]},
                content_type=ATOMIC,
            ),
            created=[operation["handle"] for operation in batch if operation["op"] == "add"],
        )
        problems = [problem for operation in batch for problem in operation["problems"]]
        if first := [each for each in problems if each[0] == "422"] or problems:
            assert outcome == self.errors(*first)
            return
        before = deepcopy((self.model.users, self.model.versions, self.model.histories))
        results: list[Any] = []
        rejection = self.rejection(lambda: results.extend(map(self.perform, batch)), at="")
        if rejection:
            self.model.users, self.model.versions, self.model.histories = before
        assert outcome == (rejection or self.outcome(200, data=results))

    def operations(self, requested: list[Any]) -> Iterator[dict[str, Any]]:
        created: list[int] = []
        for position, (op, which, new, changes, fault, tags) in enumerate(requested):
            at = f"/atomic:operations/{position}"
            if op == "add":
                created.append(self.new())
                yield self.addition(at, created[-1], new, fault)
            elif op.endswith(" created") and created:
                handle = created[which % len(created)]
                yield self.alteration(at, op.split()[0], handle, changes, fault, "none", lid=True)
            else:
                handle = self.someone(which)
                yield self.alteration(at, op.split()[0], handle, changes, fault, tags, lid=False)

    def addition(self, at: str, handle: int, new: Any, fault: Any) -> dict[str, Any]:
        sent, problems = self.with_fault(new, fault, f"{at}/data", new=True)
        data = {"type": "users", "lid": str(handle), "attributes": sent}
        operation = {"op": "add", "data": data}
        return {
            "at": at,
            "op": "add",
            "handle": handle,
            "attributes": sent,
            "problems": problems,
            "request": lambda _: operation,
        }

    def alteration(
        self, at: str, op: str, handle: int, changes: Any, fault: Any, tags: str, *, lid: bool
    ) -> dict[str, Any]:
        sent, problems = self.with_fault(changes, fault, f"{at}/data", new=False)

        def request(service: Any) -> Any:
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
            "request": request,
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
        except Rejected as rejected:
            status, code, source = rejected.problem
            place = {"404": "/data" if operation["op"] == "update" else "/ref"}.get(status)
            place = "/meta/version" if status == "412" else place or f"/data{source}"
            raise Rejected(status, code, f"{at}{place}") from None
        return {**self.model.users[handle], "version": self.model.versions[handle]}

    @invariant()
    def all_stores_contain_the_users_of_the_dict(self) -> None:
        outcome = self.services.send(lambda each: each.send("GET", f"{USERS}?page[size]=1000"))
        assert outcome.data == ordered(list(self.model.users.values()), [])


BOUNDED = settings(
    max_examples=15,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)


def machine(services: Any, outcome: Any) -> type[Machine]:
    """The state machine for these services."""

    class MachineOfServices(Machine):
        def __init__(self) -> None:
            super().__init__(services, outcome)

    return MachineOfServices


def test_every_store_behaves_like_a_dict(services: Any, outcome: Any) -> None:
    run_state_machine_as_test(machine(services, outcome), settings=BOUNDED)


@pytest.mark.long
def test_every_store_behaves_like_a_dict_for_long(services: Any, outcome: Any) -> None:
    longer = settings(BOUNDED, max_examples=500, stateful_step_count=50)
    run_state_machine_as_test(machine(services, outcome), settings=longer)
