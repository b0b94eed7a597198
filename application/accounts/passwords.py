"""Passwords: the rules of new ones, and what setting or changing one causes."""

from collections.abc import Callable, Sequence
from typing import Final

from application.access import InvalidToken
from application.accounts.config import AccountConfig
from application.accounts.errors import WrongPassword
from application.accounts.events import record
from application.accounts.guessing import Attempt, GuessingLimits, forget_failures
from application.accounts.notices import notify
from application.accounts.sessions import Client, end_sessions
from application.accounts.users import find_by_email, get_user
from application.audit import EventAction
from application.ports import (
    ConcurrentUpdate,
    Context,
    PasswordEstimator,
    PasswordHasher,
    UnitOfWork,
    UnitRunner,
)
from domain.accounts import Template
from domain.errors import Invalid, Problem, Violation
from domain.passwords import normalize, violation
from domain.users import User, UserNotFound

GUESSABLE: Final = Problem(
    "guessable", "is easy to guess. Choose a longer one, or several unrelated words"
)
PASSWORD: Final = "password"
CURRENT_PASSWORD: Final = "current_password"
_ATTEMPTS: Final = 3


class NewPasswords:
    """Checks and hashes new passwords."""

    def __init__(
        self, config: AccountConfig, hasher: PasswordHasher, estimator: PasswordEstimator
    ) -> None:
        self._min_length = config.password_length
        self._hasher = hasher
        self._estimator = estimator

    def check(self, password: str) -> None:
        """Raises Invalid if the password breaks a rule that does not depend on its user."""
        if problem := violation(password, min_length=self._min_length):
            raise Invalid([Violation(PASSWORD, problem)])

    def hash(self, password: str, *, personal: Sequence[str]) -> str:
        """Returns the hash of a new password. `personal` are the email and the name of the user.

        Raises Invalid if the password breaks a rule, and Busy.
        """
        self.check(password)
        normalized = normalize(password)
        if self._estimator.is_guessable(normalized, personal=personal):
            raise Invalid([Violation(PASSWORD, GUESSABLE)])
        return self._hasher.hash(normalized)


def set_password(work: UnitOfWork, user: User, password_hash: str) -> None:
    """Sets a password that was chosen with a link or on the command line.

    Ends all sessions, invalidates all links, and resets the wrong passwords for the address.
    """
    accounts = work.accounts.accounts
    account = accounts.get(user.id)
    accounts.save(account._replace(password_hash=password_hash, password_time=work.now))
    record(work, user.id, EventAction.PASSWORD_SET)
    end_sessions(work, user.id, work.accounts.sessions.of_user(user.id))
    invalidate_links(work, user.id)
    forget_failures(work, user.email_key)


def invalidate_links(work: UnitOfWork, user_id: int) -> None:
    """Invalidates the links of a user, and those in emails that still wait."""
    # In this order: the removal of an email waits for a sender that creates its link at that time.
    work.accounts.outbox.remove_of_user(user_id, with_link_only=True)
    work.accounts.links.remove_of_user(user_id)


class OwnPassword:
    """Checks the password of a user who has a session. Wrong ones count as failed logins."""

    def __init__(
        self, run: UnitRunner, hasher: PasswordHasher, limits: GuessingLimits, client: Client
    ) -> None:
        self._run = run
        self._hasher = hasher
        self._limits = limits
        self._client = client

    def verify(self, user_id: int, password: str, context: Context, *, attribute: str) -> str:
        """Returns the hash of the password, which is that of the user.

        Raises WrongPassword at the attribute, TooManyFailures, Busy, and UserNotFound.
        """

        def read(work: UnitOfWork) -> tuple[Attempt, str | None]:
            user = get_user(work, user_id)
            attempt = Attempt(user.email_key, self._client.network)
            self._limits.check(work, attempt, user_id=user_id)
            return attempt, work.accounts.accounts.get(user_id).password_hash

        attempt, stored = self._run(context, read)
        if self._hasher.verify(normalize(password), stored) and stored is not None:
            return stored

        def count(work: UnitOfWork) -> None:
            self._limits.check(work, attempt, user_id=user_id, lock=True)
            if self._limits.count_failure(work, attempt):
                record(work, user_id, EventAction.LOCKED_OUT)

        self._run(context, count)
        raise WrongPassword(attribute)


def repeat_if_replaced(attempt: Callable[[], bool]) -> None:
    """Calls `attempt` again if it returns False, because the hash that it verified was replaced.

    A login may replace an outdated hash, and the password is then still right. Raises
    ConcurrentUpdate if each of several attempts returns False.
    """
    if not any(attempt() for _ in range(_ATTEMPTS)):
        raise ConcurrentUpdate


def unchanged_user(work: UnitOfWork, user_id: int, session_id: str, stored: str) -> User | None:
    """Returns the user, if nothing has ended their session since their password was verified.

    `stored` is the hash of that password. Returns None if the user has another hash. Raises
    InvalidToken if the session has ended.
    """
    user = get_user(work, user_id)
    password_hash = work.accounts.accounts.get(user_id).password_hash
    # Other units lock all sessions by id. If this one locked its session first, both could wait.
    sessions = {each.id: each for each in work.accounts.sessions.of_user(user_id)}
    session = sessions.get(session_id)
    if not user.is_active or session is None or session.has_expired(work.now):
        raise InvalidToken("The session of the token has ended.")
    return user if password_hash == stored else None


class PasswordCommands:
    """Changes and sets passwords."""

    def __init__(
        self,
        run: UnitRunner,
        new_passwords: NewPasswords,
        hasher: PasswordHasher,
        limits: GuessingLimits,
    ) -> None:
        self._run = run
        self._new_passwords = new_passwords
        self._hasher = hasher
        self._limits = limits

    def change(
        self,
        user_id: int,
        session_id: str,
        *,
        current: str,
        new: str,
        client: Client,
        context: Context,
    ) -> None:
        """Changes a user's own password. Ends all of their sessions except `session_id`.

        Raises WrongPassword, TooManyFailures, Invalid, Busy, UserNotFound, and InvalidToken if the
        session ends meanwhile.
        """
        self._new_passwords.check(new)
        own = OwnPassword(self._run, self._hasher, self._limits, client)

        def attempt() -> bool:
            stored = own.verify(user_id, current, context, attribute=CURRENT_PASSWORD)
            user = self._run(context, lambda work: get_user(work, user_id))
            new_hash = self._new_passwords.hash(new, personal=(user.email, user.name))

            def unit(work: UnitOfWork) -> bool:
                user = unchanged_user(work, user_id, session_id, stored)
                if user is None:
                    return False
                accounts = work.accounts.accounts
                account = accounts.get(user_id)
                accounts.save(account._replace(password_hash=new_hash, password_time=work.now))
                record(work, user_id, EventAction.PASSWORD_CHANGED)
                sessions = work.accounts.sessions.of_user(user_id)
                end_sessions(work, user_id, [each for each in sessions if each.id != session_id])
                invalidate_links(work, user_id)
                forget_failures(work, user.email_key)
                notify(work, Template.PASSWORD_CHANGED, user)
                return True

            return self._run(context, unit, for_update=True)

        repeat_if_replaced(attempt)

    def set(self, email: str, password: str, context: Context) -> User:
        """Sets the password of the user with an email, for an operator. Returns the user.

        Raises UserNotFound, Invalid and Busy.
        """

        def find_user(work: UnitOfWork) -> User:
            if (user := find_by_email(work, email)) is None:
                raise UserNotFound(email)
            return user

        user = self._run(context, find_user)
        password_hash = self._new_passwords.hash(password, personal=(user.email, user.name))

        def unit(work: UnitOfWork) -> User:
            user = find_user(work)
            set_password(work, user, password_hash)
            return user

        return self._run(context, unit, for_update=True)
