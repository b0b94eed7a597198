"""Concurrent units of work on accounts, in databases in which they do not exclude each other."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from itertools import permutations
from threading import Barrier
from typing import TypeVar

import pytest
from accounts_service import (
    ANONYMOUS,
    HOME,
    NEW_PASSWORD,
    PASSWORD,
    PlainHasher,
    ReadableTokens,
    ShortBlockList,
)
from contract.stores.directories import Directory, without_retries

from application.accounts.administrators import Administrators
from application.accounts.config import AccountConfig, RoleScopes, Signup
from application.accounts.delivery import Delivery
from application.accounts.errors import (
    InvalidCredentials,
    LinkInvalid,
    TooManyFailures,
    WrongPassword,
)
from application.accounts.guessing import Attempt, EmailCounter, GuessingLimits, count_request
from application.accounts.links import Confirmation, LinkRequests
from application.accounts.login import Login
from application.accounts.notices import notify
from application.accounts.passwords import (
    NewPasswords,
    OwnPassword,
    PasswordCommands,
    invalidate_links,
)
from application.accounts.sessions import SessionCommands, SessionTokens, digest
from application.accounts.users import find_by_email
from application.commands import Commands
from application.ports import Mailer, OutgoingEmail, UnitOfWork
from application.units import retrying
from application.users import USER_TYPE
from domain.accounts import Account, EmailedLink, Purpose, Template, WaitingEmail
from domain.text import email_key
from domain.users import EmailTaken, NewUser, User, UserChanges

CONFIG = AccountConfig(
    role_scopes=RoleScopes({"admin": ("users:write",)}, ("users",)), signup=Signup(enabled=True)
)
LINK = b"l" * 32
SECONDS = 10

T = TypeVar("T")

concurrent = pytest.mark.parametrize("kind", ["postgresql_18", "postgresql_15", "mariadb"])
every_kind = pytest.mark.parametrize(
    "kind", ["memory", "sqlite", "postgresql_18", "postgresql_15", "mariadb"]
)


@pytest.mark.parametrize("kind", ["postgresql_18"])
def test_a_user_who_is_being_created_becomes_an_administrator(directory: Directory) -> None:
    """For example, two machines appoint the first administrator when they start."""
    run = retrying(directory.begin)
    administrators = Administrators(run, NewPasswords(CONFIG, PlainHasher(), ShortBlockList()))
    email = "ann@example.org"
    with ThreadPoolExecutor(1) as thread:
        with directory.begin(ANONYMOUS) as creating:
            new = NewUser(email=email, name="Ann")
            user = creating.repository(USER_TYPE).add(new, at=creating.now)
            appointed = thread.submit(administrators.appoint, email, NEW_PASSWORD, ANONYMOUS)
            directory.wait_for_a_lock()
        administrator, created = appointed.result(SECONDS)
    assert (administrator.id, administrator.role, created) == (user.id, "admin", False)


@concurrent
@pytest.mark.parametrize("request_kind", ["login", "refresh"])
def test_a_change_of_role_revokes_tokens_issued_before_it_is_committed(
    directory: Directory, request_kind: str
) -> None:
    """The token is newer than the beginning of the change, but has the scopes of the old role."""
    tokens, run = ReadableTokens(), retrying(directory.begin)
    issuing = SessionTokens(CONFIG, tokens, tokens)
    user = directory.add("ann@example.org", role="admin", is_active=True)
    begun = run(ANONYMOUS, lambda work: issuing.begin(work, user, HOME))
    with directory.begin(ANONYMOUS) as changing:
        before = changing.repository(USER_TYPE).get(user.id)
        if request_kind == "login":
            run(ANONYMOUS, lambda work: issuing.begin(work, user, HOME))
        else:
            SessionCommands(run, CONFIG, issuing).refresh(begun.refresh_token, HOME, ANONYMOUS)
        after = before.with_changes(UserChanges({"role": "user"}), at=changing.now)
        changing.repository(USER_TYPE).save(after, before=before)
    issued = tokens.claims[-1]
    assert issued.scopes == ("users:write",)
    revoked_until = directory.accounts.tokens_revoked_until(user.id)
    assert revoked_until is not None
    assert issued.issue_time <= revoked_until


@pytest.mark.parametrize("kind", ["postgresql_18"])
def test_a_link_that_is_being_sent_is_invalidated(directory: Directory) -> None:
    """A sender has claimed the email of a recovery when the password changes."""
    user = directory.add("ann@example.org")
    run = retrying(directory.begin)

    def request(work: UnitOfWork) -> None:
        email = WaitingEmail(0, Template.RECOVERY, user.id, user.email, None, "id", work.now)
        work.accounts.outbox.add(email, at=work.now)

    def link(work: UnitOfWork) -> EmailedLink:
        expiry = work.now + timedelta(hours=1)
        return EmailedLink(LINK, Purpose.RECOVERY, user.id, user.email, None, work.now, expiry)

    run(ANONYMOUS, request)
    with ThreadPoolExecutor(1) as thread:
        with directory.begin(ANONYMOUS) as sender:
            assert sender.accounts.outbox.claim(sender.now, until=sender.now)
            sender.accounts.links.add(link(sender))
            invalidated = thread.submit(
                run, ANONYMOUS, lambda work: invalidate_links(work, user.id)
            )
            directory.wait_for_a_lock()
        invalidated.result(SECONDS)
    assert run(ANONYMOUS, lambda work: work.accounts.links.get(LINK)) is None


@pytest.mark.parametrize("kind", ["postgresql_18", "postgresql_15"])
def test_a_password_that_an_operator_sets_does_not_deadlock_with_a_sender(
    directory: Directory,
) -> None:
    """The sender claims an email, and its link refers to the user. A deadlock would be an error."""
    user, hasher = directory.add("ann@example.org"), PlainHasher()
    run = without_retries(directory.begin)
    limits = GuessingLimits(CONFIG.failures, CONFIG.failure_window)
    passwords = PasswordCommands(
        run, NewPasswords(CONFIG, hasher, ShortBlockList()), hasher, limits
    )
    run(ANONYMOUS, lambda work: notify(work, Template.RECOVERY, user))
    with ThreadPoolExecutor(1) as thread:
        with directory.begin(ANONYMOUS) as sender:
            assert sender.accounts.outbox.claim(sender.now, until=sender.now)
            password_set = thread.submit(passwords.set, user.email, NEW_PASSWORD, ANONYMOUS)
            directory.wait_for_a_lock()
            expiry = sender.now + timedelta(hours=1)
            sender.accounts.links.add(
                EmailedLink(LINK, Purpose.RECOVERY, user.id, user.email, None, sender.now, expiry)
            )
        password_set.result(SECONDS)
    assert run(ANONYMOUS, lambda work: work.accounts.links.get(LINK)) is None


@pytest.mark.parametrize("kind", ["postgresql_18"])
def test_a_deletion_removes_a_sign_up_that_is_being_sent(directory: Directory) -> None:
    """A sender has claimed the email of a sign-up with the address of the user."""
    user = directory.add("ann@example.org")
    run = retrying(directory.begin)

    def request(work: UnitOfWork) -> None:
        email = WaitingEmail(0, Template.SIGNUP, None, user.email, "Ann", "id", work.now)
        work.accounts.outbox.add(email, at=work.now)

    run(ANONYMOUS, request)
    with ThreadPoolExecutor(1) as thread:
        with directory.begin(ANONYMOUS) as sender:
            waiting = sender.accounts.outbox.claim(sender.now, until=sender.now)
            assert waiting
            expiry = sender.now + timedelta(hours=1)
            link = EmailedLink(
                LINK, Purpose.SIGNUP, None, waiting.address, waiting.name, sender.now, expiry
            )
            sender.accounts.links.add(link)
            deleted = thread.submit(directory.commands.delete, user.id, ANONYMOUS)
            directory.wait_for_a_lock()
        deleted.result(SECONDS)
    assert run(ANONYMOUS, lambda work: work.accounts.links.get(LINK)) is None


@pytest.mark.parametrize("kind", ["postgresql_18"])
def test_a_recovery_does_not_outlive_a_change_of_the_address(directory: Directory) -> None:
    """The address changes after a recovery has looked it up, and before its email is stored."""
    user = directory.add("ann@example.org", is_active=True)
    run, mailer = retrying(directory.begin), KeepingMailer()
    with directory.begin(ANONYMOUS) as recovering:
        found = find_by_email(recovering, user.email)
        assert found
        changes = UserChanges({"email": "new@example.org"})
        directory.commands.change(user.id, changes, ANONYMOUS)
        notify(recovering, Template.RECOVERY, found)
    Delivery(run, mailer, ReadableTokens(), CONFIG.link_ttl).send_next()
    (sent,) = mailer.sent
    assert (sent.address, sent.token is None) == ("ann@example.org", False)
    new_passwords = NewPasswords(CONFIG, PlainHasher(), ShortBlockList())
    with pytest.raises(LinkInvalid):
        Confirmation(run, new_passwords).confirm(sent.token or "", NEW_PASSWORD, ANONYMOUS)


class TogetherHasher(PlainHasher):
    """Hashes passwords at the moment at which a number of callers have sent one."""

    def __init__(self, callers: int) -> None:
        super().__init__()
        self._all = Barrier(callers)

    def hash(self, password: str) -> str:
        self._all.wait(3 * SECONDS)
        return super().hash(password)


@concurrent
@pytest.mark.parametrize("purpose", [Purpose.SIGNUP, Purpose.INVITATION, Purpose.RECOVERY])
def test_links_that_are_used_together_do_not_wait_for_each_other(
    directory: Directory, purpose: Purpose
) -> None:
    """Using a link invalidates the others. A deadlock would be a ConcurrentUpdate."""
    email, tokens = "ann@example.org", [f"token {number}" for number in range(6)]
    user_id = None if purpose is Purpose.SIGNUP else directory.add(email, is_active=True).id

    run = without_retries(directory.begin)

    def add_links(work: UnitOfWork) -> None:
        for token in tokens:
            expiry = work.now + timedelta(hours=1)
            link = EmailedLink(digest(token), purpose, user_id, email, "Ann", work.now, expiry)
            work.accounts.links.add(link)

    run(ANONYMOUS, add_links)
    new_passwords = NewPasswords(CONFIG, TogetherHasher(len(tokens)), ShortBlockList())
    confirmation = Confirmation(run, new_passwords)

    def confirm(token: str) -> bool:
        try:
            confirmation.confirm(token, NEW_PASSWORD, ANONYMOUS)
        except LinkInvalid:
            return False
        return True

    with ThreadPoolExecutor(len(tokens)) as threads:
        confirmed = list(threads.map(confirm, tokens))
    assert confirmed.count(True) == 1


@concurrent
def test_invitations_of_the_same_users_do_not_wait_for_each_other(directory: Directory) -> None:
    """Each command names the users in another order. A deadlock would be a ConcurrentUpdate."""
    users = [directory.add(f"{number}@example.org").id for number in range(3)]
    orders = [*permutations(users)] * 2
    start = Barrier(len(orders))

    run = without_retries(directory.begin)
    limits = GuessingLimits(CONFIG.failures, CONFIG.failure_window)
    requests = LinkRequests(run, CONFIG, PlainHasher(), limits, ReadableTokens())

    def invite(order: tuple[int, ...]) -> None:
        start.wait(SECONDS)
        for _ in range(10):
            requests.invite_all(order, ANONYMOUS)

    with ThreadPoolExecutor(len(orders)) as threads:
        assert [*threads.map(invite, orders)] == [None] * len(orders)


@pytest.mark.parametrize("kind", ["postgresql_18", "postgresql_15"])
def test_a_change_of_the_password_and_an_end_of_all_sessions_lock_them_in_one_order(
    directory: Directory,
) -> None:
    """Another unit has locked one session when the change begins. A deadlock would be an error."""
    user, hasher = directory.add("ann@example.org", is_active=True), PlainHasher()
    run, tokens = without_retries(directory.begin), ReadableTokens()
    issuing = SessionTokens(CONFIG, tokens, tokens)
    limits = GuessingLimits(CONFIG.failures, CONFIG.failure_window)
    passwords = PasswordCommands(
        run, NewPasswords(CONFIG, hasher, ShortBlockList()), hasher, limits
    )

    def prepare(work: UnitOfWork) -> list[str]:
        work.accounts.accounts.save(Account(user.id, hasher.hash(PASSWORD)))
        return [issuing.begin(work, user, HOME).session.id for _ in range(2)]

    first, current = sorted(run(ANONYMOUS, prepare))
    with ThreadPoolExecutor(1) as thread:
        with directory.begin(ANONYMOUS) as ending:
            sessions = ending.accounts.sessions
            assert sessions.get(first)
            changed = thread.submit(
                passwords.change,
                user.id,
                current,
                current=PASSWORD,
                new=NEW_PASSWORD,
                client=HOME,
                context=ANONYMOUS,
            )
            directory.wait_for_a_lock()
            assert len(sessions.of_user(user.id)) == 2
        changed.result(SECONDS)
    remaining = run(ANONYMOUS, lambda work: work.accounts.sessions.of_user(user.id))
    assert [each.id for each in remaining] == [current]


@concurrent
@pytest.mark.parametrize("other", ["deletion", "sign-up"])
def test_the_link_of_a_sign_up_and_another_change_of_its_address_do_not_deadlock(
    directory: Directory, other: str
) -> None:
    """A user has the address. A deadlock would be a ConcurrentUpdate."""
    run, failures = without_retries(directory.begin), []
    confirmation = Confirmation(run, NewPasswords(CONFIG, PlainHasher(), ShortBlockList()))
    commands = Commands(USER_TYPE, without_retries(directory.begin, for_update=True))
    limits = GuessingLimits(CONFIG.failures, CONFIG.failure_window)
    requests = LinkRequests(run, CONFIG, PlainHasher(), limits, ReadableTokens())
    for number in range(40):
        user, token = directory.add(f"{number}@example.org"), f"token {number}"

        def add_link(
            work: UnitOfWork, email: str = user.email, token_digest: bytes = digest(token)
        ) -> None:
            expiry = work.now + timedelta(hours=1)
            work.accounts.links.add(
                EmailedLink(token_digest, Purpose.SIGNUP, None, email, "Ann", work.now, expiry)
            )
            count_request(work, email_key(email), EmailCounter.SIGNUPS)

        run(ANONYMOUS, add_link)
        start = Barrier(2)

        def confirm(token: str = token, start: Barrier = start) -> None:
            start.wait(SECONDS)
            with suppress(EmailTaken, LinkInvalid):
                confirmation.confirm(token, NEW_PASSWORD, ANONYMOUS)

        def change(user: User = user, start: Barrier = start) -> None:
            start.wait(SECONDS)
            if other == "deletion":
                commands.delete(user.id, ANONYMOUS)
            else:
                requests.sign_up(user.email, "Ann", ANONYMOUS)

        with ThreadPoolExecutor(2) as threads:
            started = [threads.submit(confirm), threads.submit(change)]
            failures += [each.exception(SECONDS) for each in started]
    assert set(failures) == {None}


class KeepingMailer(Mailer):
    """Keeps the emails."""

    def __init__(self) -> None:
        self.sent: list[OutgoingEmail] = []

    def send(self, email: OutgoingEmail) -> None:
        self.sent.append(email)


@pytest.mark.parametrize("kind", ["postgresql_18"])
def test_a_login_waits_for_a_deactivation_and_is_refused(directory: Directory) -> None:
    user = directory.add("ann@example.org", is_active=True)
    run, tokens, hasher = retrying(directory.begin), ReadableTokens(), PlainHasher()
    limits = GuessingLimits(10, timedelta(minutes=15))
    login = Login(run, SessionTokens(CONFIG, tokens, tokens), hasher, limits)

    def set_password(work: UnitOfWork) -> None:
        account = work.accounts.accounts.get(user.id)
        work.accounts.accounts.save(account._replace(password_hash=hasher.hash("right")))

    run(ANONYMOUS, set_password)
    with ThreadPoolExecutor(1) as thread:
        with directory.begin(ANONYMOUS) as changing:
            users = changing.repository(USER_TYPE)
            before = users.get(user.id)
            inactive = before.with_changes(UserChanges({"is_active": False}), at=changing.now)
            users.save(inactive, before=before)
            attempt = thread.submit(login.log_in, user.email, "right", HOME, ANONYMOUS)
            directory.wait_for_a_lock()
        with pytest.raises(InvalidCredentials):
            attempt.result(SECONDS)
    assert not run(ANONYMOUS, lambda work: work.accounts.sessions.of_user(user.id))


@pytest.mark.parametrize("kind", ["mariadb"])  # its server counts the statements
def test_rejected_logins_execute_as_many_statements_for_every_address(
    directory: Directory,
) -> None:
    """Their response otherwise takes the time of a statement longer."""
    run, tokens, hasher = retrying(directory.begin), ReadableTokens(), PlainHasher()
    limits = GuessingLimits(10, timedelta(minutes=15))
    login = Login(run, SessionTokens(CONFIG, tokens, tokens), hasher, limits)
    users = [
        directory.add(f"{each}@example.org", is_active=each == "ann")
        for each in ("ann", "inactive")
    ]

    def set_passwords(work: UnitOfWork) -> None:
        for user in users:
            work.accounts.accounts.save(Account(user.id, hasher.hash("right")))

    run(ANONYMOUS, set_passwords)
    directory.add("without@example.org", is_active=True)

    def statements(name: str) -> int:
        before = directory.statements_of_mariadb()
        with pytest.raises(InvalidCredentials):
            login.log_in(f"{name}@example.org", "wrong", HOME, ANONYMOUS)
        return directory.statements_of_mariadb() - before

    statements("ann")  # opens the connections
    counts = {name: statements(name) for name in ("ann", "inactive", "without", "unknown")}
    assert len(set(counts.values())) == 1, counts


@every_kind
def test_50_concurrent_guesses_do_not_exceed_the_limit(directory: Directory) -> None:
    limits, run = GuessingLimits(10, timedelta(minutes=15)), retrying(directory.begin)
    attempt = Attempt("ann@example.org", "203.0.113.7")

    def guess(_: int) -> bool:
        def unit(work: UnitOfWork) -> None:
            limits.check(work, attempt, user_id=None, lock=True)
            limits.count_failure(work, attempt)

        try:
            run(ANONYMOUS, unit)
        except TooManyFailures:
            return False
        return True

    with ThreadPoolExecutor(50) as threads:
        counted = list(threads.map(guess, range(50)))
    assert counted.count(True) == 10


class SimultaneousHasher(PlainHasher):
    """Rejects every password, at the moment at which a number of callers have sent one."""

    def __init__(self, callers: int) -> None:
        super().__init__()
        self._all = Barrier(callers)

    def verify(self, password: str, password_hash: str | None) -> bool:
        self._all.wait(3 * SECONDS)
        return False


@every_kind
def test_concurrent_guesses_of_users_own_passwords_do_not_exceed_the_limit(
    directory: Directory,
) -> None:
    """Every guess has passed the check that precedes the hash."""
    user, guesses = directory.add("ann@example.org"), 30
    limits, hasher = GuessingLimits(10, timedelta(minutes=15)), SimultaneousHasher(guesses)
    own = OwnPassword(retrying(directory.begin), hasher, limits, HOME)

    def guess(_: int) -> bool:
        try:
            own.verify(user.id, "wrong", ANONYMOUS, attribute="current_password")
        except TooManyFailures:
            return False
        except WrongPassword:
            return True
        raise AssertionError("a wrong password is never accepted")

    with ThreadPoolExecutor(guesses) as threads:
        counted = list(threads.map(guess, range(guesses)))
    assert counted.count(True) == 10
