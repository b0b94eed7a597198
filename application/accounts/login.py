"""Logging in with an email and a password."""

from typing import Final, NamedTuple

from application.accounts.counts import ResultCounts
from application.accounts.errors import InvalidCredentials, TooManyFailures
from application.accounts.events import record
from application.accounts.guessing import Attempt, GuessingLimits
from application.accounts.sessions import Client, IssuedTokens, SessionTokens
from application.accounts.users import context_of, find_by_email, login_key
from application.audit import EventAction
from application.ports import (
    Busy,
    ConcurrentUpdate,
    Context,
    PasswordHasher,
    UnitOfWork,
    UnitRunner,
)
from domain.errors import RosterError
from domain.passwords import normalize

SUCCEEDED: Final = "succeeded"
_ATTEMPTS: Final = 3
"""The maximum number of attempts. Another login may replace an outdated hash at the same time."""


class _Candidate(NamedTuple):
    """The user with the address, if there is one, and the stored hash of an active user."""

    user_id: int | None
    password_hash: str | None


class Login:
    """Logs users in.

    All rejected logins take the same path: one unit of work that reads, one hash, and one unit that
    counts the failure. They are those with an unknown address or a wrong password, and those of
    users who are inactive or have no password.
    """

    def __init__(
        self,
        run: UnitRunner,
        tokens: SessionTokens,
        hasher: PasswordHasher,
        limits: GuessingLimits,
    ) -> None:
        self._run = run
        self._tokens = tokens
        self._hasher = hasher
        self._limits = limits
        self.counts = ResultCounts(
            SUCCEEDED, InvalidCredentials.code, TooManyFailures.code, Busy.code
        )

    def log_in(self, email: str, password: str, client: Client, context: Context) -> IssuedTokens:
        """Begins a session, and counts the result: SUCCEEDED, or the code of the error.

        Raises InvalidCredentials, TooManyFailures, Busy and Unavailable.
        """
        try:
            issued = self._log_in(email, password, client, context)
        except RosterError as error:
            self.counts.add(error.code)
            raise
        self.counts.add(SUCCEEDED)
        return issued

    def _log_in(self, email: str, password: str, client: Client, context: Context) -> IssuedTokens:
        for _ in range(_ATTEMPTS):
            if issued := self._try(email, password, client, context):
                return issued
        raise ConcurrentUpdate

    def _try(
        self, email: str, password: str, client: Client, context: Context
    ) -> IssuedTokens | None:
        """Begins a session. Returns None if the stored hash is replaced meanwhile."""
        attempt = Attempt(login_key(email), client.network)

        def read(work: UnitOfWork) -> _Candidate:
            user = find_by_email(work, email)
            self._limits.check(work, attempt, user_id=user.id if user else None)
            stored = work.accounts.accounts.password_hash(user.id if user else 0)
            return _Candidate(
                user.id if user else None, stored if user and user.is_active else None
            )

        with self._hasher.admission():
            candidate = self._run(context, read)
            form = self._right_form(password, candidate.password_hash)
        if form is None or candidate.user_id is None:
            self._refuse(email, attempt, context)
        normalized = normalize(password)
        is_replaced = form != normalized or (
            candidate.password_hash is not None
            and self._hasher.is_outdated(candidate.password_hash)
        )
        new_hash = self._hasher.hash(normalized) if is_replaced else None

        def begin(work: UnitOfWork) -> IssuedTokens | None:
            user = find_by_email(work, email)
            self._limits.check(work, attempt, user_id=user.id if user else None)
            if user is None or not user.is_active or user.id != candidate.user_id:
                raise InvalidCredentials
            accounts = work.accounts.accounts
            account = accounts.get(user.id)
            if account.password_hash != candidate.password_hash:
                return None
            if new_hash:
                account = account._replace(password_hash=new_hash)
            accounts.save(account._replace(login_time=work.now))
            accounts.remember_network(user.id, client.network, at=work.now)
            self._limits.reset(work, attempt)
            return self._tokens.begin(work, user, client)

        return self._run(context_of(candidate.user_id or 0, context), begin, for_update=True)

    def _right_form(self, password: str, password_hash: str | None) -> str | None:
        """Returns the form of the password that has the hash: normalized, or as it was entered.

        An imported hash may be that of the password as it was entered, because few other systems
        normalize passwords. Its costs may be those of the setting. Returns None if the password is
        wrong, after as many hashes for every address.
        """
        forms = dict.fromkeys((normalize(password), password))
        return next((each for each in forms if self._hasher.verify(each, password_hash)), None)

    def _refuse(self, email: str, attempt: Attempt, context: Context) -> None:
        """Counts a wrong password. Raises InvalidCredentials, or TooManyFailures.

        If the limit was reached while the password was checked, the response does not reveal
        whether it was right.
        """

        def count(work: UnitOfWork) -> None:
            user = find_by_email(work, email)
            self._limits.check(work, attempt, user_id=user.id if user else None, lock=True)
            if self._limits.count_failure(work, attempt) and user:
                record(work, user.id, EventAction.LOCKED_OUT)

        self._run(context, count)
        raise InvalidCredentials
