"""Transactions on different nodes of Galera that rely on what others do not change meanwhile.

A lock is known to one node only. So both transactions get as far as COMMIT, and the node rejects
the second of them.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Protocol

import pytest
from contract.stores.directories import GROUPS, MEMBERS, TABLES, RelatedDirectory
from sqlalchemy import Engine

from adapters.sql.secrets import SqlSecrets
from adapters.sql.store import SqlStore
from application.accounts.guessing import Attempt, GuessingLimits, count_email
from application.accounts.passwords import invalidate_links
from application.accounts.sessions import end_sessions
from application.ports import (
    Begin,
    ConcurrentUpdate,
    Context,
    StoredResponse,
    TooManyStoredResponses,
    UnitOfWork,
)
from application.relationship_commands import Replacement, replace_links
from application.users import USER_TYPE
from domain.accounts import Session, Template, WaitingEmail
from domain.users import NewUser, UserChanges

pytestmark = pytest.mark.long

ANONYMOUS = Context()
KEY = "k" * 64
OWNER = "o" * 64
ATTEMPT = Attempt("ann@example.org", "192.0.2.1")
Unit = Callable[[UnitOfWork], object]
Directories = Sequence[RelatedDirectory]


class Opens(Protocol):
    """Opens units of work."""

    @property
    def begin(self) -> Begin: ...


def both(directories: Sequence[Opens], one: Unit, other: Unit) -> list[str]:
    """Runs two units at the same time on two nodes, and returns the names of their errors.

    Both units have done everything before they commit, at the same moment.
    """
    ready = Barrier(2)

    def run(directory: Opens, unit: Unit) -> str:
        try:
            with directory.begin(ANONYMOUS, for_update=True) as work:
                unit(work)
                ready.wait(30)
        except ConcurrentUpdate as error:
            return type(error).__name__
        return ""

    with ThreadPoolExecutor(2) as threads:
        errors = threads.map(run, directories[:2], (one, other))
        return [each for each in errors if each]


def session(user_id: int, work: UnitOfWork, name: str = "s" * 64) -> Session:
    expiry = work.now + timedelta(hours=1)
    return Session(name, user_id, work.now, work.now, expiry, "192.0.2.1", None)


def email(user_id: int | None, work: UnitOfWork) -> WaitingEmail:
    return WaitingEmail(0, Template.RECOVERY, user_id, "ann@example.org", None, "id", work.now)


def test_one_email_is_created_once(directories: Directories) -> None:
    def add(name: str) -> Unit:
        new = NewUser(email="ann@example.org", name=name)
        return lambda work: work.repository(USER_TYPE).add(new, at=work.now)

    assert both(directories, add("1"), add("2")) == ["ConcurrentUpdate"]
    assert len(directories[2].find_ids()) == 1


def test_one_user_is_changed_by_one_unit_at_a_time(directories: Directories) -> None:
    user_id = directories[0].user("ann")

    def change(name: str) -> Unit:
        def unit(work: UnitOfWork) -> None:
            before = work.repository(USER_TYPE).get(user_id)
            after = before.with_changes(UserChanges({"name": name}), at=work.now)
            work.repository(USER_TYPE).save(after, before=before)

        return unit

    assert both(directories, change("1"), change("2")) == ["ConcurrentUpdate"]
    assert directories[2].user_reader.get(user_id).version == 2


def test_a_replaced_list_is_one_of_the_lists(directories: Directories) -> None:
    """The lists are empty at first, so that the units write no row that both have read."""
    members = [directories[0].user(name) for name in ("ann", "bob")]
    for number in range(20):
        _replace(directories, directories[0].group(f"team {number}"), members)


def _replace(directories: Directories, group_id: int, members: Sequence[int]) -> None:

    def replace(user_id: int) -> Unit:
        return lambda work: replace_links(work, group_id, Replacement(MEMBERS, [user_id]))

    assert both(directories, *map(replace, members)) == ["ConcurrentUpdate"]
    assert len(directories[2].member_ids(group_id)) == 1


def test_no_pair_refers_to_a_deleted_user(directories: Directories) -> None:
    group_id, user_id = directories[0].group("team"), directories[0].user("ann")

    def delete(work: UnitOfWork) -> None:
        user = work.repository(USER_TYPE).get(user_id)
        work.links(GROUPS).remove_all(user_id, limit=10)
        work.repository(USER_TYPE).remove(user)

    def relate(work: UnitOfWork) -> None:
        work.links(MEMBERS).change(group_id, add=[user_id])

    assert both(directories, delete, relate) == ["ConcurrentUpdate"]
    assert directories[2].member_ids(group_id) == directories[2].find_ids()


def test_no_session_outlives_the_end_of_all(directories: Directories) -> None:
    user_id = directories[0].user("ann")

    def end_all(work: UnitOfWork) -> None:
        end_sessions(work, user_id, work.accounts.sessions.of_user(user_id))

    def begin(work: UnitOfWork) -> None:
        work.accounts.sessions.add(session(user_id, work))

    assert both(directories, end_all, begin) == ["ConcurrentUpdate"]


def test_no_refresh_overlaps_a_change_of_role(directories: Directories) -> None:
    user_id = directories[0].user("ann")
    with directories[0].begin(ANONYMOUS) as work:
        stored = session(user_id, work)
        work.accounts.sessions.add(stored)

    def change_role(work: UnitOfWork) -> None:
        work.accounts.sessions.of_user(user_id)
        work.accounts.sessions.revoke_tokens_before(user_id, at=work.now)

    def refresh(work: UnitOfWork) -> None:
        assert work.accounts.sessions.get(stored.id)
        work.accounts.sessions.save(stored._replace(use_time=work.now))

    assert both(directories, change_role, refresh) == ["ConcurrentUpdate"]


def test_no_email_with_a_link_outlives_a_change_of_password(directories: Directories) -> None:
    user_id = directories[0].user("ann")

    def change_password(work: UnitOfWork) -> None:
        invalidate_links(work, user_id)

    def request(work: UnitOfWork) -> None:
        work.accounts.outbox.add(email(user_id, work), at=work.now)

    assert both(directories, change_password, request) == ["ConcurrentUpdate"]


def test_one_node_sends_an_email(directories: Directories) -> None:
    with directories[0].begin(ANONYMOUS) as work:
        work.accounts.outbox.add(email(None, work), at=work.now)
        due = work.now + timedelta(minutes=1)

    def claim(work: UnitOfWork) -> None:
        assert work.accounts.outbox.claim(due, until=due + timedelta(hours=1))

    assert both(directories, claim, claim) == ["ConcurrentUpdate"]


def test_each_wrong_password_is_counted(directories: Directories) -> None:
    limits = GuessingLimits(3, timedelta(hours=1))

    def fail(work: UnitOfWork) -> None:
        limits.check(work, ATTEMPT, user_id=None, lock=True)
        limits.count_failure(work, ATTEMPT)

    assert both(directories, fail, fail) == ["ConcurrentUpdate"]
    assert both(directories, fail, fail) == ["ConcurrentUpdate"]


def test_each_email_to_an_address_is_counted(directories: Directories) -> None:
    def send(work: UnitOfWork) -> None:
        assert count_email(work, "ann@example.org")

    assert both(directories, send, send) == ["ConcurrentUpdate"]


def reserve(key: str, subject: tuple[str, int] | None = None, size: int = 1) -> Unit:
    subjects = frozenset({subject}) if subject else frozenset()

    def unit(work: UnitOfWork) -> None:
        assert work.idempotency.reserve(key, "d" * 64, owner=OWNER, at=work.now) is None
        work.idempotency.store(key, StoredResponse(200, {}, b"x" * size, subjects))

    return unit


def test_one_idempotency_key_runs_once(directories: Directories) -> None:
    assert both(directories, reserve(KEY), reserve(KEY)) == ["ConcurrentUpdate"]


def test_no_stored_response_outlives_an_erasure(directories: Directories) -> None:
    def erase(work: UnitOfWork) -> None:
        work.idempotency.erase("users", 7)

    assert both(directories, erase, reserve(KEY, ("users", 7))) == ["ConcurrentUpdate"]


def test_stored_responses_of_one_principal_stay_within_the_limit(engines: Sequence[Engine]) -> None:
    """From half of the limit on, transactions of the owner exclude each other."""
    stores = [SqlStore(engine, now, TABLES, idempotency_bytes=1000) for engine in engines]
    with stores[0].begin(ANONYMOUS) as work:
        reserve("a" * 64, size=600)(work)
    with stores[0].begin(ANONYMOUS) as work:
        reserve("b" * 64)(work)
    units = [reserve(letter * 64, size=300) for letter in "cde"]
    assert both(stores, units[0], units[1]) == ["ConcurrentUpdate"]
    with pytest.raises(TooManyStoredResponses), stores[2].begin(ANONYMOUS) as work:
        units[2](work)


def test_units_on_different_data_do_not_conflict(directories: Directories) -> None:
    ids = [directories[0].user(name) for name in ("ann", "bob")]

    def begin(user_id: int) -> Unit:
        name = f"{user_id}".ljust(64, "s")

        def unit(work: UnitOfWork) -> None:
            work.accounts.sessions.add(session(user_id, work, name))
            reserve(name, ("users", user_id))(work)

        return unit

    assert both(directories, *map(begin, ids)) == []


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def test_each_node_reads_the_same_secret(engines: Sequence[Engine]) -> None:
    with ThreadPoolExecutor(len(engines)) as threads:
        for number in range(20):
            secrets = [SqlSecrets(engine, now) for engine in engines]
            values = [threads.submit(each.get_or_create, f"secret-{number}") for each in secrets]
            assert len({each.result() for each in values}) == 1
