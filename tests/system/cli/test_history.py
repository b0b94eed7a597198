"""roster users history, users delete --erase and events, as a user runs them."""

import json
import os
import pwd
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from click.testing import Result

Roster = Callable[..., Result]
Write = Callable[[str, str], str]


def ok(result: Result) -> str:
    assert result.exit_code == 0, result.stderr
    return result.stdout


def events(roster: Roster, *more: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ok(roster("events", *more)).splitlines()]


def create_and_change(roster: Roster) -> None:
    ok(roster("users", "create", "--email", "ann@example.org", "--name", "Ann"))
    ok(roster("users", "update", "1", "--name", "Anne", "--active"))


def test_a_history_is_a_table(roster: Roster) -> None:
    create_and_change(roster)
    for which in ("1", "ANN@example.org"):
        head, created, changed = ok(roster("users", "history", which)).splitlines()
        assert head.split()[:5] == ["id", "time", "action", "version", "changes"]
        assert (
            "created  1        email ann@example.org; name Ann; is_active false; role user"
            in created
        )
        assert "changed  2        name Ann → Anne; is_active false → true" in changed
        assert f"{pwd.getpwuid(os.geteuid()).pw_name}   command_line" in changed
    newest = ok(roster("users", "history", "1", "--sort", "-id", "--limit", "1"))
    assert len(newest.splitlines()) == 2
    assert "changed" in newest
    assert "created" in ok(roster("users", "history", "1", "--filter", "action=created", "--all"))


def test_a_history_is_a_document_with_json(roster: Roster) -> None:
    create_and_change(roster)
    for more in ((), ("--all",)):
        document = json.loads(ok(roster("users", "history", "1", "--json", *more)))
        assert [event["attributes"]["version"] for event in document["data"]] == [1, 2]
        assert document["links"]["self"].startswith("/api/v1/users/1/history")
        assert all("links" not in event for event in document["data"])


def test_the_history_of_a_deleted_user_is_found_by_id(roster: Roster) -> None:
    create_and_change(roster)
    ok(roster("users", "delete", "ann@example.org"))
    assert "deleted  3        email ann@example.org" in ok(roster("users", "history", "1"))
    for which in ("ann@example.org", "2"):
        refused = roster("users", "history", which)
        assert (refused.exit_code, refused.stderr) == (
            1,
            f"Error: user_not_found: There is no user {which}.\n",
        )


def test_an_erased_user_appears_in_no_event(roster: Roster) -> None:
    create_and_change(roster)
    ok(roster("users", "create", "--email", "bob@example.org", "--name", "Bob"))
    assert (
        ok(roster("users", "delete", "ann@example.org", "--erase", "--yes")) == "Erased user 1.\n"
    )
    everything = ok(roster("events")) + ok(roster("users", "history", "1"))
    assert "ann" not in everything.lower().replace("command line", "")
    assert "name (erased); is_active false → true" in everything
    assert [event["action"] for event in events(roster)] == [
        "created",
        "changed",
        "created",
        "deleted",
        "erased",
    ]
    ok(roster("users", "delete", "bob@example.org"))
    ok(roster("users", "delete", "2", "--erase", "--yes"))
    assert "bob" not in ok(roster("events")).lower()
    refused = roster("users", "delete", "3", "--erase", "--yes")
    assert (refused.exit_code, refused.stderr) == (
        1,
        "Error: user_not_found: There is no user 3.\n",
    )


@pytest.mark.parametrize("url", ["sqlite_url", "postgresql_url"])
def test_an_import_has_an_event_after_those_of_its_users(
    request: pytest.FixtureRequest, roster: Roster, write: Write, url: str
) -> None:
    roster = partial(roster, ROSTER_DATABASE_URL=request.getfixturevalue(url))
    ok(roster("db", "upgrade"))
    ok(roster("users", "create", "--email", "ann@example.org", "--name", "Ann"))
    rows = "".join(f"u{n}@example.org,U{n}\n" for n in range(1200))
    file = write("people.csv", f"email,name\n{rows}ann@example.org,Anne\n")
    ok(roster("users", "import", file, "--update"))
    found = events(roster, "--after", "1")
    assert len(found) == 1202
    (run,) = (event for event in found if event["action"] == "imported")
    assert run["changes"] == {"created": 1200, "changed": 1, "unchanged": 0, "bad": 0}
    assert (run["subject_type"], run["subject_id"], run["version"]) == ("users", None, None)
    assert {event["request_id"] for event in found} == {run["request_id"]}
    assert [event["position"] for event in found] == list(range(2, 1204))
    assert run == found[-1]
    last = found[-2]
    assert last["changes"]["email"] == {"from": None, "to": "u1199@example.org"}


def test_a_rejected_or_dry_import_has_no_event(roster: Roster, write: Write) -> None:
    good, bad = "a@example.org,A\n", "a@example.org,A\ninvalid,B\n"
    ok(roster("users", "import", write("good.csv", f"email,name\n{good}"), "--dry-run"))
    assert roster("users", "import", write("bad.csv", f"email,name\n{bad}")).exit_code == 1
    assert events(roster) == []


def test_events_continue_after_a_position(roster: Roster) -> None:
    create_and_change(roster)
    first = events(roster, "--limit", "1")
    assert [event["action"] for event in first] == ["created"]
    assert first[0] | {"time": "", "request_id": ""} == {
        "position": 1,
        "id": "1",
        "time": "",
        "actor": pwd.getpwuid(os.geteuid()).pw_name,
        "actor_kind": "command_line",
        "actor_issuer": None,
        "request_id": "",
        "action": "created",
        "subject_type": "users",
        "subject_id": "1",
        "version": 1,
        "changes": {
            "email": {"from": None, "to": "ann@example.org"},
            "name": {"from": None, "to": "Ann"},
            "is_active": {"from": None, "to": False},
            "role": {"from": None, "to": "user"},
        },
    }
    rest = events(roster, "--after", str(first[-1]["position"]))
    assert [event["action"] for event in rest] == ["changed"]
    assert events(roster, "--after", str(rest[-1]["position"])) == []
