"""The data of accounts on every store."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import pairwise, product
from typing import Any

import pytest
from contract.stores.directories import ANONYMOUS, Directory

from adapters.sql.users import USERS
from application.ports import UnitOfWork
from application.search import (
    AnyOf,
    Condition,
    IsNull,
    Not,
    Numbered,
    Op,
    Order,
    Search,
    Slice,
    key_of,
    total_order,
    walk,
)
from application.units import retrying
from application.users import USER_TYPE
from domain.accounts import (
    Account,
    EmailedLink,
    Purpose,
    RefreshToken,
    Session,
    Template,
    WaitingEmail,
)
from domain.text import email_key

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
NOON = datetime(2026, 11, 22, 12, 0, 0, 123_000, tzinfo=UTC)
LATER = NOON + HOUR
THREADS = 8

every_sql = pytest.mark.parametrize("kind", ["sqlite", "postgresql_18", "postgresql_15", "mariadb"])


def digest(text: str) -> bytes:
    return sha256(text.encode()).digest()


def session(session_id: str, user_id: int, **more: Any) -> Session:
    session = Session(session_id, user_id, NOON, NOON, LATER, "2001:db8::1", "Browser/1.0")
    return session._replace(**more)


def link(token: str, user_id: int | None, **more: Any) -> EmailedLink:
    purpose = Purpose.SIGNUP if user_id is None else Purpose.RECOVERY
    link = EmailedLink(digest(token), purpose, user_id, f"{token}@example.org", None, NOON, LATER)
    return link._replace(**more)


def email(template: Template, user_id: int | None, address: str, **more: Any) -> WaitingEmail:
    email = WaitingEmail(0, template, user_id, address, None, f"{address}@roster", NOON)
    return email._replace(**more)


def revocation(user_id: int, at: datetime) -> Callable[[UnitOfWork], None]:
    """A unit of work that revokes the tokens of a user."""
    return lambda work: work.accounts.sessions.revoke_tokens_before(user_id, at=at)


Do = Callable[[Callable[[UnitOfWork], Any]], Any]


@pytest.fixture
def do(directory: Directory) -> Do:
    """Runs a unit of work."""

    def do(unit: Callable[[UnitOfWork], Any]) -> Any:
        return retrying(directory.begin)(ANONYMOUS, unit)

    return do


@pytest.fixture
def ann(directory: Directory) -> int:
    return directory.add("ann@example.org").id


@pytest.fixture
def bob(directory: Directory) -> int:
    return directory.add("bob@example.org", "Bob").id


# Login data


def test_an_account_that_was_never_saved_is_empty(directory: Directory, do: Do, ann: int) -> None:
    assert directory.accounts.account(ann) == Account(ann)
    assert do(lambda work: work.accounts.accounts.get(ann)) == Account(ann)
    assert do(lambda work: work.accounts.accounts.get(0)) == Account(0)


def test_finds_the_hash_of_a_password(do: Do, ann: int, bob: int) -> None:
    do(lambda work: work.accounts.accounts.save(Account(ann, "hash of Ann")))

    def find(work: UnitOfWork) -> list[str | None]:
        return [work.accounts.accounts.password_hash(each) for each in (ann, bob, 0)]

    assert do(find) == ["hash of Ann", None, None]


def test_saves_the_login_data_of_a_user(directory: Directory, do: Do, ann: int, bob: int) -> None:
    first = Account(ann, "$argon2id$1", NOON, None, None)
    second = Account(ann, "$argon2id$" + "é" * 1000, NOON, LATER, LATER + SECOND)

    def save(account: Account) -> None:
        do(lambda work: work.accounts.accounts.save(account))

    for account in (first, second, Account(bob, None, None, NOON)):
        save(account)
        assert directory.accounts.account(account.user_id) == account
        assert do(lambda work: work.accounts.accounts.get(account.user_id)) == account  # noqa: B023
    do(lambda work: work.accounts.accounts.remove(ann))
    assert directory.accounts.account(ann) == Account(ann)
    assert directory.accounts.account(bob).email_verified_time == NOON


def test_remembers_the_networks_of_a_user(do: Do, ann: int, bob: int) -> None:
    def remember(at: datetime) -> None:
        do(lambda work: work.accounts.accounts.remember_network(ann, "192.0.2.1", at=at))

    def knows(user_id: int, network: str, since: datetime) -> bool:
        return do(lambda work: work.accounts.accounts.knows_network(user_id, network, since=since))

    assert not knows(ann, "192.0.2.1", NOON)
    remember(NOON)
    assert knows(ann, "192.0.2.1", NOON)
    assert not knows(ann, "192.0.2.1", NOON + SECOND)
    assert not knows(ann, "192.0.2.2", NOON)
    assert not knows(bob, "192.0.2.1", NOON)
    remember(LATER)
    assert knows(ann, "192.0.2.1", LATER)
    do(lambda work: work.accounts.accounts.remove(ann))
    assert not knows(ann, "192.0.2.1", NOON)


def test_forgets_old_networks(do: Do, ann: int, bob: int) -> None:
    def remember(work: UnitOfWork) -> None:
        for number in range(150):
            work.accounts.accounts.remember_network(ann, f"network {number}", at=NOON)
        work.accounts.accounts.remember_network(ann, "recent", at=NOON + SECOND)
        work.accounts.accounts.remember_network(bob, "network 7", at=NOON + SECOND)

    def known(work: UnitOfWork) -> list[bool]:
        pairs = ((ann, "network 7"), (ann, "recent"), (bob, "network 7"))
        return [work.accounts.accounts.knows_network(*pair, since=NOON) for pair in pairs]

    do(remember)
    assert delete_all(do, lambda work: work.accounts.accounts.forget_networks(NOON)) == 150
    assert do(known) == [False, True, True]


def test_an_account_is_locked_even_before_it_is_saved(
    directory: Directory, do: Do, ann: int
) -> None:
    """Each unit appends a letter to the password hash. None is lost."""

    def append(letter: str) -> None:
        def unit(work: UnitOfWork) -> None:
            account = work.accounts.accounts.get(ann)
            longer = (account.password_hash or "") + letter
            work.accounts.accounts.save(account._replace(password_hash=longer))

        do(unit)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(append, "abcdefgh"))
    assert sorted(directory.accounts.account(ann).password_hash or "") == list("abcdefgh")


# Sessions


def test_stores_sessions(directory: Directory, do: Do, ann: int, bob: int) -> None:
    first = session("first" * 4, ann)
    second = session("second" * 4, ann, use_time=NOON - SECOND, user_agent=None)
    of_bob = session("of-bob" * 4, bob)

    def add(work: UnitOfWork) -> None:
        for each in (first, second, of_bob):
            work.accounts.sessions.add(each)
        assert work.accounts.sessions.get(second.id) == second

    do(add)
    assert directory.accounts.session(first.id) == first
    assert directory.accounts.session("unknown") is None
    assert do(lambda work: work.accounts.sessions.get("unknown")) is None
    assert do(lambda work: work.accounts.sessions.of_user(ann)) == [second, first]
    assert do(lambda work: work.accounts.sessions.of_user(0)) == []
    used = first._replace(
        use_time=LATER, expiry_time=LATER + HOUR, address="192.0.2.7", user_agent="Ü" * 250
    )
    do(lambda work: work.accounts.sessions.save(used))
    assert directory.accounts.session(first.id) == used
    assert directory.accounts.session(second.id) == second


def test_the_end_of_a_session_deletes_its_tokens_and_revokes_access(
    directory: Directory, do: Do, ann: int
) -> None:
    def begin(work: UnitOfWork) -> None:
        for name in ("a", "b", "c"):
            work.accounts.sessions.add(session(name * 16, ann))
            work.accounts.sessions.add_token(RefreshToken(digest(name), name * 16, NOON))

    do(begin)
    do(lambda work: work.accounts.sessions.end([], at=NOON))
    do(lambda work: work.accounts.sessions.end(["c" * 16, "a" * 16], at=LATER))
    do(lambda work: work.accounts.sessions.revoke_tokens_before(ann, at=LATER + SECOND))
    assert directory.accounts.session("a" * 16) is None
    assert [each.id for each in do(lambda work: work.accounts.sessions.of_user(ann))] == ["b" * 16]
    tokens = do(lambda work: [work.accounts.sessions.token(digest(name)) for name in "abc"])
    assert tokens == [None, RefreshToken(digest("b"), "b" * 16, NOON), None]
    *ended, of_user = directory.accounts.revocations(after=0, also=(), limit=10)
    assert {each[1:] for each in ended} == {
        ("a" * 16, None, LATER),
        ("c" * 16, None, LATER),
    }
    assert of_user[1:] == (None, ann, LATER + SECOND)
    assert all(one.id < other.id for one, other in pairwise([*ended, of_user]))


def test_ends_many_sessions(directory: Directory, do: Do, ann: int) -> None:
    ids = [f"session-{number:08}" for number in range(1100)]

    def begin(work: UnitOfWork) -> None:
        for each in ids:
            work.accounts.sessions.add(session(each, ann))

    do(begin)
    do(lambda work: work.accounts.sessions.end(ids, at=NOON))
    assert do(lambda work: work.accounts.sessions.of_user(ann)) == []
    assert len(directory.accounts.revocations(after=0, also=(), limit=5000)) == len(ids)


def test_reads_the_revocations_between_two_ids(directory: Directory, do: Do, ann: int) -> None:
    for _ in range(5):
        do(lambda work: work.accounts.sessions.revoke_tokens_before(ann, at=NOON))
    read = directory.accounts.revocations
    first, *inner, last = [each.id for each in read(after=0, limit=10)]
    assert [each.id for each in read(after=first, before=last, limit=10)] == inner
    assert [each.id for each in read(after=first, before=last, limit=2)] == inner[:2]
    assert read(after=first, before=first + 1, limit=10) == []


def test_the_oldest_refresh_tokens_of_a_session_are_forgotten(do: Do, ann: int, bob: int) -> None:
    first, second, of_bob = (letter * 16 for letter in "abc")

    def begin(work: UnitOfWork) -> None:
        for session_id, user_id in ((first, ann), (second, ann), (of_bob, bob)):
            work.accounts.sessions.add(session(session_id, user_id))
            for number in (2, 0, 1):
                token = digest(f"{session_id}{number}")
                work.accounts.sessions.add_token(
                    RefreshToken(token, session_id, NOON + number * SECOND)
                )

    do(begin)
    assert do(lambda work: work.accounts.sessions.count_tokens(ann)) == {first: 3, second: 3}
    do(lambda work: work.accounts.sessions.forget_tokens(first, 2))
    assert do(lambda work: work.accounts.sessions.count_tokens(ann)) == {first: 1, second: 3}
    assert do(lambda work: work.accounts.sessions.token(digest(f"{first}2")))
    do(lambda work: work.accounts.sessions.forget_tokens(first, 2))
    assert do(lambda work: work.accounts.sessions.count_tokens(ann)) == {second: 3}
    assert do(lambda work: work.accounts.sessions.count_tokens(bob)) == {of_bob: 3}


def test_a_refresh_token_is_used_once(directory: Directory, do: Do, ann: int) -> None:
    def begin(work: UnitOfWork) -> None:
        work.accounts.sessions.add(session("s" * 16, ann))
        work.accounts.sessions.add_token(RefreshToken(digest("t"), "s" * 16, NOON))

    def use(number: int) -> bool:
        at = LATER + number * SECOND
        with directory.begin(ANONYMOUS) as work:
            return work.accounts.sessions.use_token(digest("t"), at=at)

    do(begin)
    assert not do(lambda work: work.accounts.sessions.use_token(digest("other"), at=NOON))
    with ThreadPoolExecutor(THREADS) as pool:
        used = list(pool.map(use, range(THREADS)))
    assert used.count(True) == 1
    token = do(lambda work: work.accounts.sessions.token(digest("t")))
    assert token == RefreshToken(digest("t"), "s" * 16, NOON, LATER + used.index(True) * SECOND)


def test_deletes_expired_sessions_with_their_tokens(do: Do, ann: int) -> None:
    def begin(work: UnitOfWork) -> None:
        for number in range(250):
            session_id = f"session-{number:08}"
            work.accounts.sessions.add(session(session_id, ann, expiry_time=NOON))
            work.accounts.sessions.add_token(RefreshToken(digest(session_id), session_id, NOON))
        work.accounts.sessions.add(session("live" * 4, ann, expiry_time=NOON + SECOND))

    do(begin)
    deleted = delete_all(do, lambda work: work.accounts.sessions.delete_expired(NOON))
    assert deleted == 250
    assert [each.id for each in do(lambda work: work.accounts.sessions.of_user(ann))] == [
        "live" * 4
    ]
    assert do(lambda work: work.accounts.sessions.token(digest("session-00000007"))) is None


def test_deletes_old_revocations(directory: Directory, do: Do, ann: int) -> None:
    def revoke(work: UnitOfWork) -> None:
        for number in range(150):
            work.accounts.sessions.revoke_tokens_before(ann, at=NOON - number * SECOND)
        work.accounts.sessions.end(["ended" * 4], at=NOON + SECOND)

    do(revoke)
    assert delete_all(do, lambda work: work.accounts.sessions.delete_revocations(NOON)) == 150
    (left,) = directory.accounts.revocations(after=0, also=(), limit=10)
    assert left.time == NOON + SECOND


def times_of(do: Callable[..., Any], keys: Collection[str]) -> dict[str, Sequence[datetime]]:
    found: dict[str, Sequence[datetime]] = do(lambda work: work.accounts.counters.read(keys))
    return found


def delete_all(do: Callable[..., Any], unit: Callable[[UnitOfWork], int]) -> int:
    total = 0
    while count := do(unit):
        total += count
    return total


def test_finds_revocations_by_ascending_id_and_in_gaps(
    directory: Directory, do: Do, ann: int
) -> None:
    for seconds in range(6):
        do(revocation(ann, NOON + seconds * SECOND))
    read = directory.accounts.revocations
    ids = [each.id for each in read(after=0, also=(), limit=100)]
    assert ids == sorted(ids)
    assert len(ids) == 6

    def read_ids(**more: Any) -> list[int]:
        return [each.id for each in read(**more)]

    assert read_ids(after=ids[3], also=(), limit=100) == ids[4:]
    assert read_ids(after=ids[3], also=[ids[2], ids[0], ids[5], 2**70, -1], limit=100) == [
        ids[0],
        ids[2],
        *ids[4:],
    ]
    assert read_ids(after=0, also=(), limit=2) == ids[:2]
    assert read_ids(after=ids[3], also=[ids[1], ids[2]], limit=3) == [ids[1], ids[2], ids[4]]
    assert read_ids(after=ids[5], also=(), limit=100) == []


def test_finds_until_when_the_tokens_of_a_user_are_revoked(
    directory: Directory, do: Do, ann: int
) -> None:
    read = directory.accounts.tokens_revoked_until
    assert read(ann) is None
    do(lambda work: work.accounts.sessions.add(session("a" * 16, ann)))
    do(lambda work: work.accounts.sessions.end(["a" * 16], at=LATER))
    assert read(ann) is None
    for at in (LATER, NOON):
        do(revocation(ann, at))
        assert read(ann) == LATER
    assert read(ann + 1) is None


@pytest.mark.parametrize("kind", ["postgresql_18", "postgresql_15", "mariadb"])
def test_a_revocation_that_is_committed_late_is_found_in_its_gap(
    directory: Directory, ann: int
) -> None:
    read = directory.accounts.revocations
    with directory.begin(ANONYMOUS) as slow:
        slow.accounts.sessions.revoke_tokens_before(ann, at=NOON)
        with directory.begin(ANONYMOUS) as quick:
            quick.accounts.sessions.revoke_tokens_before(ann, at=LATER)
        (known,) = read(after=0, also=(), limit=10)
        assert known.time == LATER
    gap = known.id - 1
    assert read(after=known.id, also=(), limit=10) == []
    (late,) = read(after=known.id, also=[gap], limit=10)
    assert (late.id, late.time) == (gap, NOON)


# Lists of sessions

SESSIONS = [
    ("id-c", NOON, "192.0.2.1", None),
    ("id-A", NOON, "192.0.2.2", "Browser"),
    ("id-b", NOON + SECOND, "192.0.2.1", None),
    ("id-D", NOON - SECOND, "2001:db8::1", "browser"),
    ("id-e", NOON + SECOND, "192.0.2.3", "Browser"),
]


@pytest.fixture
def sessions(do: Do, ann: int, bob: int) -> list[Session]:
    created = [
        session(name * 4, ann, use_time=time, address=address, user_agent=user_agent)
        for name, time, address, user_agent in SESSIONS
    ]
    created.append(session("of-bob" * 4, bob))

    def add(work: UnitOfWork) -> None:
        for each in created:
            work.accounts.sessions.add(each)

    do(add)
    return created


ATTRIBUTES = ("id", "user_id", "creation_time", "use_time", "expiry_time", "address", "user_agent")


def in_order(sessions: list[Session], ordering: tuple[Order, ...]) -> list[Session]:
    """Sorts by the last order first, because Python's sort is stable."""
    for order in reversed(ordering):
        sessions = sorted(
            sessions,
            key=lambda each: (
                getattr(each, order.attribute) is not None,
                getattr(each, order.attribute) or "",
            ),
            reverse=order.descending,
        )
    return sessions


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_sorts_sessions_by_each_attribute(
    directory: Directory, sessions: list[Session], attribute: str
) -> None:
    for descending in (False, True):
        ordering = total_order((Order(attribute, descending),))
        expected = in_order(sessions, ordering)
        everything = Search(ordering=ordering, place=Slice(10))
        assert list(directory.accounts.sessions(everything).items) == expected
        assert list(walk(directory.accounts.sessions, everything, size=2)) == expected
        last = Slice(2, before=key_of(expected[4], ordering), total=True)
        page = directory.accounts.sessions(Search(ordering=ordering, place=last))
        assert (list(page.items), page.more, page.total) == (expected[2:4], True, 6)
        numbered = directory.accounts.sessions(Search(ordering=ordering, place=Numbered(4, 2)))
        assert (list(numbered.items), numbered.more, numbered.total) == (expected[4:], False, 6)


def test_filters_sessions(
    directory: Directory, sessions: list[Session], ann: int, bob: int
) -> None:
    def find_sessions(*conditions: Any) -> list[str]:
        page = directory.accounts.sessions(Search(conditions, place=Slice(10)))
        return [each.id[:4] for each in page.items]

    assert find_sessions(Condition("user_id", Op.EQ, (bob,))) == ["of-b"]
    of_ann = Condition("user_id", Op.EQ, (ann,))
    assert find_sessions(of_ann) == ["id-A", "id-D", "id-b", "id-c", "id-e"]
    assert find_sessions(of_ann, Condition("expiry_time", Op.GT, (LATER,))) == []
    assert find_sessions(of_ann, Condition("use_time", Op.GE, (NOON + SECOND,))) == ["id-b", "id-e"]
    assert find_sessions(of_ann, Condition("creation_time", Op.LT, (NOON,))) == []
    assert find_sessions(Condition("id", Op.IN, ("id-b" * 4, "id-a" * 4, "x"))) == ["id-b"]
    assert find_sessions(Condition("address", Op.EQ, ("192.0.2.1",))) == ["id-b", "id-c"]
    assert find_sessions(of_ann, Condition("user_agent", Op.EQ, ("Browser",))) == ["id-A", "id-e"]
    assert find_sessions(of_ann, Condition("user_agent", Op.NE, ("Browser",))) == [
        "id-D",
        "id-b",
        "id-c",
    ]
    assert find_sessions(of_ann, IsNull("user_agent")) == ["id-b", "id-c"]
    assert find_sessions(of_ann, Not(IsNull("user_agent"))) == ["id-A", "id-D", "id-e"]
    either = AnyOf(
        ((IsNull("user_agent"),), (Condition("address", Op.EQ, ("2001:db8::1",)),)),
    )
    assert find_sessions(of_ann, either) == ["id-D", "id-b", "id-c"]


# Emailed links


def test_stores_links_until_they_are_removed(do: Do, ann: int, bob: int) -> None:
    signup = link("new", None, name="Zoë " * 60 + "!", email="New@Example.org")
    recovery, other, of_bob = link("ann", ann), link("ann2", ann), link("bob", bob)
    same_address = link("moved", bob, email="new@example.org", purpose=Purpose.EMAIL)
    everything = (signup, recovery, other, of_bob, same_address)

    def add(work: UnitOfWork) -> None:
        for each in everything:
            work.accounts.links.add(each)

    def stored() -> list[EmailedLink]:
        links = do(lambda work: [work.accounts.links.get(each.digest) for each in everything])
        return [each for each in links if each]

    do(add)
    assert stored() == list(everything)
    assert isinstance(stored()[0].purpose, Purpose)
    do(lambda work: work.accounts.links.remove(recovery.digest))
    do(lambda work: work.accounts.links.remove(recovery.digest))
    assert stored() == [signup, other, of_bob, same_address]
    do(lambda work: work.accounts.links.remove_of_user(ann))
    assert stored() == [signup, of_bob, same_address]
    new = email_key("NEW@example.ORG")
    do(lambda work: work.accounts.links.remove_of_address(new, signups_only=True))
    assert stored() == [of_bob, same_address]
    do(lambda work: work.accounts.links.remove_of_address(new))
    assert stored() == [of_bob]


def test_deletes_overdue_emails(directory: Directory, do: Do, ann: int) -> None:
    def add(work: UnitOfWork) -> None:
        for number in range(150):
            overdue = email(Template.RECOVERY, ann, f"a{number}@example.org")
            work.accounts.outbox.add(overdue, at=NOON)
        work.accounts.outbox.add(email(Template.SIGNUP, None, "b@example.org"), at=NOON + SECOND)

    do(add)
    assert delete_all(do, lambda work: work.accounts.outbox.delete_overdue(NOON)) == 150
    assert directory.accounts.waiting_emails() == 1


def test_deletes_expired_links(do: Do, ann: int) -> None:
    def add(work: UnitOfWork) -> None:
        for number in range(150):
            work.accounts.links.add(link(f"l{number}", ann, expiry_time=NOON))
        work.accounts.links.add(link("live", ann, expiry_time=NOON + SECOND))

    do(add)
    assert delete_all(do, lambda work: work.accounts.links.delete_expired(NOON)) == 150
    assert do(lambda work: work.accounts.links.get(digest("l7"))) is None
    assert do(lambda work: work.accounts.links.get(digest("live"))) is not None


def test_a_link_is_used_by_one_of_several_units(directory: Directory, do: Do, ann: int) -> None:
    do(lambda work: work.accounts.links.add(link("once", ann)))

    def use(_: int) -> bool:
        with directory.begin(ANONYMOUS) as work:
            found = work.accounts.links.get(digest("once"))
            work.accounts.links.remove(digest("once"))
        return found is not None

    with ThreadPoolExecutor(THREADS) as pool:
        assert sum(pool.map(use, range(THREADS))) == 1


# Outbox


def claimed(do: Callable[..., Any], now: datetime) -> Iterator[WaitingEmail]:
    """Claims all emails that are due."""
    until = now + HOUR
    while found := do(lambda work: work.accounts.outbox.claim(now, until=until)):
        yield found


def test_claims_emails_when_they_are_due(directory: Directory, do: Do, ann: int) -> None:
    signup = email(Template.SIGNUP, None, "new@example.org", name="New")
    recovery = email(Template.RECOVERY, ann, "ann@example.org")
    assert next(claimed(do, NOON), None) is None
    do(lambda work: work.accounts.outbox.add(recovery, at=NOON + SECOND))
    do(lambda work: work.accounts.outbox.add(signup, at=NOON))
    assert directory.accounts.waiting_emails() == 2
    assert list(claimed(do, NOON - SECOND)) == []
    first, second = claimed(do, NOON + SECOND)
    assert first == signup._replace(id=first.id, attempts=1)
    assert second == recovery._replace(id=second.id, attempts=1)
    assert isinstance(first.template, Template)
    assert list(claimed(do, NOON + HOUR)) == []
    do(lambda work: work.accounts.outbox.postpone(first.id, until=NOON + 2 * SECOND))
    do(lambda work: work.accounts.outbox.postpone(first.id + 1000, until=NOON))
    (again,) = claimed(do, NOON + 2 * SECOND)
    assert again == first._replace(attempts=2)
    do(lambda work: work.accounts.outbox.remove(first.id))
    do(lambda work: work.accounts.outbox.remove(first.id))
    assert [each.id for each in claimed(do, NOON + 2 * HOUR)] == [second.id]
    assert directory.accounts.waiting_emails() == 1


def test_an_id_of_an_email_is_not_used_again(do: Do) -> None:
    waiting = email(Template.SIGNUP, None, "new@example.org")
    ids = []
    for _ in range(3):
        do(lambda work: work.accounts.outbox.add(waiting, at=NOON))
        (found,) = claimed(do, NOON)
        do(lambda work: work.accounts.outbox.remove(found.id))  # noqa: B023
        ids.append(found.id)
    assert len(set(ids)) == 3


def test_several_workers_claim_each_email_once(do: Do) -> None:
    def add(work: UnitOfWork) -> None:
        for number in range(40):
            waiting = email(Template.SIGNUP, None, f"u{number}@example.org")
            work.accounts.outbox.add(waiting, at=NOON + number * SECOND)

    do(add)

    def work_off(_: int) -> list[str]:
        return [each.address for each in claimed(do, LATER)]

    with ThreadPoolExecutor(THREADS) as pool:
        addresses = [each for of_worker in pool.map(work_off, range(THREADS)) for each in of_worker]
    assert sorted(addresses) == sorted(f"u{number}@example.org" for number in range(40))


@pytest.mark.parametrize("kind", ["postgresql_18", "postgresql_15", "mariadb"])
def test_a_worker_does_not_wait_for_an_email_that_another_one_claims(
    directory: Directory, do: Do
) -> None:
    def add(waiting: WaitingEmail) -> None:
        do(lambda work: work.accounts.outbox.add(waiting, at=NOON))

    for number in range(2):
        add(email(Template.SIGNUP, None, f"u{number}@example.org"))
    with directory.begin(ANONYMOUS) as slow:
        first = slow.accounts.outbox.claim(NOON, until=LATER)
        with directory.begin(ANONYMOUS) as quick:
            second = quick.accounts.outbox.claim(NOON, until=LATER)
            assert quick.accounts.outbox.claim(NOON, until=LATER) is None
    assert first is not None
    assert second is not None
    assert {first.address, second.address} == {"u0@example.org", "u1@example.org"}


def test_removes_emails_of_a_user_or_an_address(
    directory: Directory, do: Do, ann: int, bob: int
) -> None:
    def add(work: UnitOfWork) -> None:
        for template in Template:
            user_id = None if template is Template.SIGNUP else ann
            work.accounts.outbox.add(email(template, user_id, "ann@example.org"), at=NOON)
        waiting = email(Template.EMAIL_CHANGED, bob, "Ann@EXAMPLE.org")
        work.accounts.outbox.add(waiting, at=NOON)
        work.accounts.outbox.add(email(Template.TAKEN, bob, "bob@example.org"), at=NOON)

    def waiting() -> list[tuple[str, int | None]]:
        found = []
        with pytest.raises(LookupError), directory.begin(ANONYMOUS) as work:
            while each := work.accounts.outbox.claim(NOON, until=LATER):
                found.append((each.template.value, each.user_id))
            raise LookupError  # rolls back
        return sorted(found)

    notices = [("email_changed", ann), ("password_changed", ann), ("taken", ann)]
    links = [("email", ann), ("invitation", ann), ("recovery", ann)]
    of_others = [("signup", None), ("email_changed", bob), ("taken", bob)]
    do(add)
    assert waiting() == sorted(notices + links + of_others)
    do(lambda work: work.accounts.outbox.remove_of_user(ann, with_link_only=True))
    assert waiting() == sorted(notices + of_others)
    do(lambda work: work.accounts.outbox.remove_of_user(ann))
    assert waiting() == sorted(of_others)
    do(lambda work: work.accounts.outbox.remove_of_address(email_key("ann@example.org")))
    assert waiting() == [("taken", bob)]


# Counters


def test_counts_times_by_key(do: Do) -> None:
    times = [NOON, NOON, NOON + timedelta(milliseconds=1), LATER]
    empty = {"a": (), "b": ()}

    def lists(found: Any) -> dict[str, list[datetime]]:
        return {key: list(times) for key, times in found.items()}

    assert lists(do(lambda work: work.accounts.counters.read(["b", "a"]))) == lists(empty)
    assert lists(do(lambda work: work.accounts.counters.lock(["b", "a", "b"]))) == lists(empty)
    assert do(lambda work: work.accounts.counters.lock([])) == {}
    assert do(lambda work: work.accounts.counters.read([])) == {}

    def save(work: UnitOfWork) -> None:
        work.accounts.counters.lock(["a", "c"])
        work.accounts.counters.save("a", times, subject="s", expiry=LATER)
        work.accounts.counters.save("c", [], subject=None, expiry=LATER)

    do(save)
    assert lists(times_of(do, ["c", "a", "x"])) == {"c": [], "a": times, "x": []}
    assert lists(do(lambda work: work.accounts.counters.lock(["a", "b"]))) == {"a": times, "b": []}
    assert lists(do(lambda work: work.accounts.counters.read(["a"]))) == {"a": times}
    do(lambda work: work.accounts.counters.save("a", [NOON], subject="s", expiry=LATER))
    assert lists(times_of(do, ["a"])) == {"a": [NOON]}


def test_stores_many_times_under_a_key_of_64_characters(do: Do) -> None:
    key, times = "f" * 64, [NOON + number * SECOND for number in range(10_000)]
    do(lambda work: work.accounts.counters.save(key, times, subject=key, expiry=LATER))
    assert list(times_of(do, [key])[key]) == times


def test_removes_keys_and_subjects(directory: Directory, do: Do) -> None:
    def save(work: UnitOfWork) -> None:
        for key, subject in (("a", "s"), ("b", "s"), ("c", "t"), ("d", None), ("e", None)):
            work.accounts.counters.save(key, [NOON], subject=subject, expiry=LATER)

    def left() -> set[str]:
        return {key for key, times in times_of(do, "abcde").items() if times}

    do(save)
    assert set(directory.accounts.times_of_subject("s")) == {"a", "b"}
    assert list(directory.accounts.times_of_subject("t")["c"]) == [NOON]
    assert directory.accounts.times_of_subject("u") == {}
    do(lambda work: work.accounts.counters.remove_of_subject("s"))
    assert left() == {"c", "d", "e"}
    do(lambda work: work.accounts.counters.remove(["d", "x"]))
    do(lambda work: work.accounts.counters.remove([]))
    assert left() == {"c", "e"}


def test_deletes_expired_counters(do: Do) -> None:
    def save(work: UnitOfWork) -> None:
        for number in range(150):
            work.accounts.counters.save(f"k{number}", [NOON], subject=None, expiry=NOON)
        work.accounts.counters.save("live", [NOON], subject=None, expiry=NOON + SECOND)

    do(save)
    assert delete_all(do, lambda work: work.accounts.counters.delete_expired(NOON)) == 150
    assert [len(each) for each in times_of(do, ["k1", "live"]).values()] == [0, 1]


def test_no_count_is_lost_if_many_units_count_at_once(do: Do) -> None:
    """The units lock overlapping keys, which do not exist at first."""
    keys_of = [("b", "a"), ("c", "a"), ("b", "c", "d"), ("d", "a", "e")] * (THREADS // 4)

    def count(keys: tuple[str, ...]) -> None:
        for _ in range(6):

            def unit(work: UnitOfWork) -> None:
                found = work.accounts.counters.lock(keys)
                for key in keys:
                    times = [*found[key], work.now]
                    work.accounts.counters.save(key, times, subject=None, expiry=LATER)

            do(unit)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(count, keys_of))
    expected = Counter(key for keys in keys_of for key in keys)
    counted = {key: len(times) for key, times in times_of(do, expected).items()}
    assert counted == {key: 6 * number for key, number in expected.items()}


# Units of work and users


def fill(work: UnitOfWork, user_id: int, name: str) -> None:
    """Stores a row of each kind."""
    records = work.accounts
    records.accounts.save(Account(user_id, name))
    records.accounts.remember_network(user_id, "192.0.2.1", at=NOON)
    records.sessions.add(session(name * 16, user_id))
    records.sessions.add_token(RefreshToken(digest(name), name * 16, NOON))
    records.sessions.revoke_tokens_before(user_id, at=NOON)
    records.links.add(link(name, user_id))
    records.outbox.add(email(Template.RECOVERY, user_id, f"{name}@example.org"), at=NOON)
    records.counters.save(name, [NOON], subject=name, expiry=LATER)


def contents(directory: Directory, user_id: int, name: str) -> list[bool]:
    """Returns for each kind whether there is a row."""
    accounts = directory.accounts
    with directory.begin(ANONYMOUS) as work:
        records = work.accounts
        return [
            accounts.account(user_id).password_hash is not None,
            records.accounts.knows_network(user_id, "192.0.2.1", since=NOON),
            accounts.session(name * 16) is not None,
            records.sessions.token(digest(name)) is not None,
            records.links.get(digest(name)) is not None,
            accounts.waiting_emails() > 0,
            bool(accounts.times_of_subject(name)),
            bool(accounts.revocations(after=0, also=(), limit=1)),
        ]


def test_a_unit_that_fails_stores_nothing(directory: Directory, ann: int) -> None:
    with pytest.raises(LookupError), directory.begin(ANONYMOUS) as work:
        fill(work, ann, "a")
        raise LookupError
    assert not any(contents(directory, ann, "a"))


def test_a_savepoint_rolls_back_every_kind_of_row(directory: Directory, do: Do, ann: int) -> None:
    with directory.begin(ANONYMOUS) as work:
        work.accounts.counters.save("before", [NOON], subject=None, expiry=LATER)
        undo = work.savepoint()
        fill(work, ann, "a")
        work.accounts.counters.save("before", [], subject=None, expiry=LATER)
        undo()
        assert work.accounts.accounts.get(ann) == Account(ann)
        work.accounts.counters.save("after", [NOON], subject=None, expiry=LATER)
    assert not any(contents(directory, ann, "a"))
    assert [len(each) for each in times_of(do, ["before", "after"]).values()] == [1, 1]


def test_a_unit_sees_its_own_changes_and_readers_do_not(directory: Directory, ann: int) -> None:
    with directory.begin(ANONYMOUS) as work:
        fill(work, ann, "a")
        assert work.accounts.accounts.get(ann).password_hash == "a"
        assert [each.id for each in work.accounts.sessions.of_user(ann)] == ["a" * 16]
        assert work.accounts.links.get(digest("a")) is not None
        assert work.accounts.counters.read(["a"])["a"]
        assert directory.accounts.account(ann) == Account(ann)
        assert directory.accounts.session("a" * 16) is None
        assert directory.accounts.waiting_emails() == 0
    assert all(contents(directory, ann, "a"))


@every_sql
def test_deleting_a_user_without_knowing_accounts_deletes_the_account(
    directory: Directory, do: Do, ann: int, bob: int
) -> None:
    """The previous release deletes only the row of the user."""

    def begin(work: UnitOfWork) -> None:
        fill(work, ann, "a")
        fill(work, bob, "b")

    do(begin)
    with directory.engine.connect() as connection:
        deleted = connection.execute(USERS.delete().where(USERS.c.id == ann))
        assert deleted.rowcount == 1
        connection.commit()
    # Counters and revocations do not belong to a user. The other email is Bob's.
    assert contents(directory, ann, "a") == [False] * 5 + [True] * 3
    assert all(contents(directory, bob, "b"))
    assert directory.accounts.waiting_emails() == 1


@every_sql
def test_units_that_change_users_and_accounts_at_once_succeed(
    directory: Directory, do: Do, ann: int
) -> None:
    def use_account(number: int) -> None:
        def unit(work: UnitOfWork) -> None:
            account = work.accounts.accounts.get(ann)
            work.accounts.accounts.save(account._replace(login_time=work.now))
            work.accounts.sessions.add(session(f"session-{number:08}", ann))

        do(unit)

    def change_user(number: int) -> None:
        changes = USER_TYPE.changes({"name": f"Ann {number}"})
        directory.commands.change(ann, changes, ANONYMOUS)

    with ThreadPoolExecutor(THREADS) as pool:
        parts = product((use_account, change_user), range(4))
        for done in [pool.submit(action, number) for action, number in parts]:
            done.result()
    assert directory.accounts.account(ann).login_time is not None
    assert len(do(lambda work: work.accounts.sessions.of_user(ann))) == 4
    directory.commands.delete(ann, ANONYMOUS)
    assert do(lambda work: work.accounts.sessions.of_user(ann)) == []


def test_several_workers_delete_expired_rows_at_the_same_time(do: Do, ann: int) -> None:
    """Each row is deleted once. A unit that uses a row delays no other unit."""

    def add(work: UnitOfWork) -> None:
        for number in range(200):
            work.accounts.sessions.add(session(f"session-{number:08}", ann, expiry_time=NOON))
            work.accounts.counters.save(f"k{number}", [NOON], subject=None, expiry=NOON)
            work.accounts.accounts.remember_network(ann, f"network {number}", at=NOON)

    def delete(_: int) -> list[int]:
        return [
            delete_all(do, lambda work: work.accounts.sessions.delete_expired(NOON)),
            delete_all(do, lambda work: work.accounts.counters.delete_expired(NOON)),
            delete_all(do, lambda work: work.accounts.accounts.forget_networks(NOON)),
        ]

    do(add)
    with ThreadPoolExecutor(4) as pool:
        deleted = list(pool.map(delete, range(4)))
    assert [sum(each) for each in zip(*deleted, strict=True)] == [200, 200, 200]
