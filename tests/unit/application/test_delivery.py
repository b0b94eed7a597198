"""Emails of the outbox are sent, tried again and given up."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from typing import Any

import pytest

from adapters.memory.store import MemoryStore
from application.accounts.delivery import DISCARDED_AT_ONCE, LEASE, Delivery
from application.ports import Context, MailFailed, OutgoingEmail, Unavailable, UnitOfWork
from application.units import retrying
from application.users import USER_TYPE
from domain.accounts import EmailedLink, Purpose, Template, WaitingEmail
from domain.users import NewUser

START = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TTL = timedelta(minutes=30)


class Killed(BaseException):
    """The process ends."""


class Store:
    """A store in memory with a user, and with a clock that a test sets."""

    def __init__(self) -> None:
        self.now = START
        self.before_unit: Callable[[], None] = lambda: None
        self._memory = MemoryStore(lambda: self.now)
        with self._memory.begin(Context()) as work:
            new = NewUser(email="ann@example.org", name="Ann", is_active=True)
            self.ann = work.repository(USER_TYPE).add(new, at=START)

    def begin(
        self, context: Context, *, for_update: bool = False
    ) -> AbstractContextManager[UnitOfWork]:
        self.before_unit()
        return self._memory.begin(context, for_update=for_update)

    def add(self, template: Template, name: str | None = None) -> None:
        user_id = None if template is Template.SIGNUP else self.ann.id
        email = WaitingEmail(0, template, user_id, "ann@example.org", name, "abc@roster", self.now)
        with self._memory.begin(Context()) as work:
            work.accounts.outbox.add(email, at=self.now)

    def add_discarded(self) -> None:
        """Adds the email of a recovery for an unknown address."""
        email = WaitingEmail(
            0, Template.RECOVERY, None, "bob@example.org", None, "abc@roster", self.now
        )
        with self._memory.begin(Context()) as work:
            work.accounts.outbox.add(email, at=self.now)

    def delete_user(self) -> None:
        with self._memory.begin(Context()) as work:
            work.repository(USER_TYPE).remove(self.ann)

    @property
    def links(self) -> Mapping[bytes, EmailedLink]:
        return self._memory.account_tables.links

    @property
    def due(self) -> Sequence[datetime]:
        """The times at which the waiting emails are due."""
        return [due for _, due in self._memory.account_tables.outbox.values()]


class RecordingMailer:
    """Records emails, and raises the errors of a test in turn."""

    def __init__(self) -> None:
        self.attempts: list[OutgoingEmail] = []
        self.errors: list[BaseException] = []

    def send(self, email: OutgoingEmail) -> None:
        self.attempts.append(email)
        if self.errors:
            raise self.errors.pop(0)


class Tokens:
    """Numbered tokens."""

    def __init__(self) -> None:
        self.count = 0

    def link_token(self) -> str:
        self.count += 1
        return f"rlt_{self.count}"


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def mailer() -> RecordingMailer:
    return RecordingMailer()


@pytest.fixture
def delivery(store: Store, mailer: RecordingMailer) -> Delivery:
    tokens: Any = Tokens()
    return Delivery(
        retrying(store.begin),
        mailer,
        tokens,
        lambda purpose: TTL if purpose is Purpose.RECOVERY else timedelta(days=1),
    )


def digest(token: str | None) -> bytes:
    assert token is not None
    return sha256(token.encode()).digest()


def fail(delivery: Delivery) -> None:
    with pytest.raises(MailFailed):
        delivery.send_next()


REFUSED = MailFailed("refused", is_certain=True)
LOST = MailFailed("lost", is_certain=False)


def test_a_sent_email_has_a_valid_link(
    store: Store, mailer: RecordingMailer, delivery: Delivery
) -> None:
    store.add(Template.RECOVERY)
    assert delivery.send_next()
    (sent,) = mailer.attempts
    assert (sent.address, sent.message_id, sent.user) == (
        "ann@example.org",
        "abc@roster",
        store.ann,
    )
    assert store.links == {
        digest(sent.token): EmailedLink(
            digest(sent.token),
            Purpose.RECOVERY,
            store.ann.id,
            "ann@example.org",
            None,
            START,
            START + TTL,
        )
    }
    assert not store.due
    assert not delivery.send_next()
    assert delivery.counts.read() == {"sent": 1, "retried": 0, "failed": 0}


def test_the_name_of_a_signup_is_only_in_its_link(
    store: Store, mailer: RecordingMailer, delivery: Delivery
) -> None:
    store.add(Template.SIGNUP, "Buy at evil.example")
    delivery.send_next()
    assert mailer.attempts[0].user is None
    assert "evil" not in str(mailer.attempts)
    (link,) = store.links.values()
    assert (link.name, link.user_id) == ("Buy at evil.example", None)
    assert link.expiry_time == START + timedelta(days=1)


def test_notices_have_no_link(store: Store, mailer: RecordingMailer, delivery: Delivery) -> None:
    for each in (Template.TAKEN, Template.EMAIL_CHANGED, Template.PASSWORD_CHANGED):
        store.add(each)
        assert delivery.send_next()
    assert [each.token for each in mailer.attempts] == [None] * 3
    assert not store.links


def test_an_email_to_a_deleted_user_is_removed(
    store: Store, mailer: RecordingMailer, delivery: Delivery
) -> None:
    store.add(Template.RECOVERY)
    store.add(Template.SIGNUP)
    store.delete_user()
    assert delivery.send_next()
    assert [each.template for each in mailer.attempts] == [Template.SIGNUP]
    assert not store.due
    assert len(store.links) == 1


def test_attempts_follow_with_growing_delays_for_one_day(
    store: Store, mailer: RecordingMailer, delivery: Delivery
) -> None:
    store.add(Template.RECOVERY)
    times: list[datetime] = []
    while store.due:
        (due,) = store.due
        store.now = due - timedelta(milliseconds=1)
        if times:
            assert not delivery.send_next()
        store.now = due
        times.append(due)
        mailer.errors.append(REFUSED)
        fail(delivery)
    delays = [(b - a).total_seconds() for a, b in pairwise(times)]
    assert delays[:11] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert timedelta(days=1) <= times[-1] - START < timedelta(days=1, minutes=5)
    assert {each.message_id for each in mailer.attempts} == {"abc@roster"}
    assert delivery.counts.read() == {"sent": 0, "retried": len(times) - 1, "failed": 1}


def test_an_email_is_sent_even_if_the_first_attempt_is_late(
    store: Store, mailer: RecordingMailer, delivery: Delivery
) -> None:
    store.add(Template.RECOVERY)
    store.now += timedelta(days=3)
    assert delivery.send_next()
    assert len(mailer.attempts) == 1


@pytest.mark.parametrize(("error", "links"), [(REFUSED, 1), (LOST, 2), (ValueError(), 2)])
def test_a_link_remains_unless_its_email_was_certainly_not_sent(
    store: Store, mailer: RecordingMailer, delivery: Delivery, error: Exception, links: int
) -> None:
    store.add(Template.RECOVERY)
    mailer.errors.append(error)
    with pytest.raises(type(error)):
        delivery.send_next()
    store.now += SECOND
    assert delivery.send_next()
    first, second = mailer.attempts
    assert first.token != second.token
    assert digest(second.token) in store.links
    assert len(store.links) == links


def test_an_email_is_claimed_after_any_number_of_discarded_ones_in_short_units(
    store: Store, delivery: Delivery
) -> None:
    for _ in range(3 * DISCARDED_AT_ONCE):
        store.add_discarded()
    store.now += SECOND
    store.add(Template.RECOVERY)
    numbers: list[int] = []
    store.before_unit = lambda: numbers.append(len(store.due))
    assert delivery.claim() is not None
    assert {before - after for before, after in pairwise(numbers)} == {DISCARDED_AT_ONCE}
    assert len(store.due) == 1


def test_an_email_is_claimed_once(store: Store, delivery: Delivery) -> None:
    store.add(Template.RECOVERY)
    assert delivery.claim() is not None
    store.now += LEASE - SECOND
    assert delivery.claim() is None
    store.now += SECOND
    assert delivery.claim() is not None


@pytest.mark.parametrize("error", [Killed(), Unavailable()])
@pytest.mark.parametrize("failing_unit", [0, 1])
def test_an_email_is_sent_again_if_its_removal_is_not_stored(
    store: Store,
    mailer: RecordingMailer,
    delivery: Delivery,
    failing_unit: int,
    error: BaseException,
) -> None:
    store.add(Template.RECOVERY)
    units = iter([None] * failing_unit + [error])

    def before_unit() -> None:
        if failure := next(units, None):
            raise failure

    store.before_unit = before_unit
    with pytest.raises(type(error)):
        delivery.send_next()
    store.now += LEASE
    assert delivery.send_next()
    assert not delivery.send_next()
    assert len(mailer.attempts) == failing_unit + 1
    assert all(digest(each.token) in store.links for each in mailer.attempts)


def test_an_email_is_sent_again_if_the_process_ends_while_it_is_sent(
    store: Store, mailer: RecordingMailer, delivery: Delivery
) -> None:
    store.add(Template.RECOVERY)
    mailer.errors.append(Killed())
    with pytest.raises(Killed):
        delivery.send_next()
    store.now += LEASE
    assert delivery.send_next()
    assert len(mailer.attempts) == 2
    assert not store.due


def test_the_recovery_of_an_unknown_address_is_discarded(
    store: Store, mailer: RecordingMailer, delivery: Delivery
) -> None:
    """It waits like the recovery of a user, so that both requests take the same time."""
    email = WaitingEmail(0, Template.RECOVERY, None, "unknown@example.org", None, "abc", store.now)
    with store.begin(Context()) as work:
        work.accounts.outbox.add(email, at=store.now)
    assert not delivery.send_next()
    assert not mailer.attempts
    assert not store.due
    assert not store.links
