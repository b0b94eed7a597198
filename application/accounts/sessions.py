"""Sessions: tokens, refresh, and the end of sessions."""

from collections.abc import Collection, Container, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final, NamedTuple

from application.access import Action, Policy, Principal, ScopePolicy, SessionClaims
from application.accounts.config import AccountConfig
from application.accounts.errors import InvalidGrant, InvalidScope, SessionNotFound
from application.accounts.events import record
from application.accounts.users import authorize, context_of, find_user
from application.audit import EventAction
from application.ports import (
    AccessClaims,
    AccountReader,
    Clock,
    Context,
    RandomTokens,
    TokenIssuer,
    UnitOfWork,
    UnitRunner,
)
from application.search import Condition, Op, Page, Search, restricted
from domain.accounts import USER_AGENT_LENGTH, RefreshToken, Session
from domain.users import User

MAX_SESSIONS: Final = 100
"""The number of sessions of a user. A new one replaces the one that is unused for longest."""
_REFRESHES_BETWEEN_COUNTS: Final = 256
_FORGOTTEN_AT_ONCE: Final = 1000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Client(NamedTuple):
    """The client of a request. `network` is an IPv4 address or an IPv6 /64."""

    address: str
    network: str
    user_agent: str | None = None


class IssuedTokens(NamedTuple):
    """The tokens of a login or a refresh. `expires_in` is in seconds."""

    session: Session
    access_token: str
    expires_in: int
    refresh_token: str
    scopes: tuple[str, ...]


def digest(token: str) -> bytes:
    """Returns the SHA-256 of a token, by which it is stored."""
    return sha256(token.encode()).digest()


class SessionTokens:
    """Begins sessions, and issues their tokens in a unit of work."""

    def __init__(self, config: AccountConfig, issuer: TokenIssuer, random: RandomTokens) -> None:
        self._config = config
        self._issuer = issuer
        self._random = random

    def begin(self, work: UnitOfWork, user: User, client: Client) -> IssuedTokens:
        """Begins a session. Ends the session that is unused for longest if there are too many."""
        sessions = work.accounts.sessions
        existing = sessions.of_user(user.id)
        live = [each for each in existing if not each.has_expired(work.now)]
        end_sessions(work, user.id, live[: max(0, len(live) - MAX_SESSIONS + 1)])
        session = Session(
            id=self._random.session_id(),
            user_id=user.id,
            creation_time=work.now,
            use_time=work.now,
            expiry_time=self._expiry(work.now, work.now),
            address=client.address,
            user_agent=_shortened(client.user_agent),
        )
        sessions.add(session)
        record(work, user.id, EventAction.LOGGED_IN)
        return self._issue(work, session, user)

    def has_ended(self, session: Session, now: datetime) -> bool:
        """Returns True if the session has expired, by its stored time or by the current settings.

        The settings may have been shortened since its last use.
        """
        return session.has_expired(now) or (
            self._expiry(session.creation_time, session.use_time) <= now
        )

    def refresh(
        self,
        work: UnitOfWork,
        session: Session,
        user: User,
        client: Client,
        scopes: Collection[str] | None,
    ) -> IssuedTokens:
        """Issues new tokens of a session. Raises InvalidScope."""
        used = session._replace(
            use_time=max(work.now, session.use_time),
            expiry_time=self._expiry(session.creation_time, work.now),
            address=client.address,
            user_agent=_shortened(client.user_agent) or session.user_agent,
        )
        work.accounts.sessions.save(used)
        issued = self._issue(work, used, user, scopes)
        if digest(issued.refresh_token)[0] % _REFRESHES_BETWEEN_COUNTS == 0:  # it is random
            self._limit_tokens(work, session)
        return issued

    def _limit_tokens(self, work: UnitOfWork, session: Session) -> None:
        """Forgets the oldest tokens of a session if its user has too many.

        A session with few of them keeps all.
        """
        sessions = work.accounts.sessions
        counts = sessions.count_tokens(session.user_id)
        excess = counts.get(session.id, 0) - self._config.max_tokens // MAX_SESSIONS
        if sum(counts.values()) > self._config.max_tokens and excess > 0:
            sessions.forget_tokens(session.id, min(excess, _FORGOTTEN_AT_ONCE))

    def _issue(
        self,
        work: UnitOfWork,
        session: Session,
        user: User,
        narrowed: Collection[str] | None = None,
    ) -> IssuedTokens:
        scopes = self._config.role_scopes.of(user.role)
        if narrowed is not None:
            if not set(narrowed) <= set(scopes):
                raise InvalidScope
            scopes = tuple(scope for scope in scopes if scope in narrowed)
        # After the locks: a change of role that was waited for revokes older tokens only.
        now = work.clock()
        expiry = min(now + self._config.access_ttl, session.expiry_time)
        access_token = self._issuer.issue(
            AccessClaims(user.id, session.id, scopes, user.role, session.creation_time, now, expiry)
        )
        refresh_token = self._random.refresh_token()
        work.accounts.sessions.add_token(RefreshToken(digest(refresh_token), session.id, work.now))
        seconds = int((expiry - now).total_seconds())
        return IssuedTokens(session, access_token, seconds, refresh_token, scopes)

    def _expiry(self, begun: datetime, used: datetime) -> datetime:
        return min(begun + self._config.session_ttl, used + self._config.idle_ttl)


def _shortened(user_agent: str | None) -> str | None:
    return user_agent[:USER_AGENT_LENGTH] if user_agent else None


def end_sessions(work: UnitOfWork, user_id: int, sessions: Iterable[Session]) -> int:
    """Ends sessions of a user, and returns their number. Each end is an event."""
    ids = [each.id for each in sessions]
    if ids:
        work.accounts.sessions.end(ids, at=work.now)
        record(work, user_id, *(EventAction.SESSION_ENDED for _ in ids))
    return len(ids)


class SessionTermination:
    """Ends sessions. Each method is one unit of work.

    Users may end their own sessions. For those of others, the methods raise the policy's errors.
    """

    def __init__(
        self,
        run: UnitRunner,
        policy: Policy = ScopePolicy(),  # noqa: B008 (it has no state)
    ) -> None:
        self._run = run
        self._policy = policy

    def end(
        self,
        user_id: int,
        session_id: str,
        context: Context,
        *,
        expected: Container[int] | None = None,
    ) -> None:
        """Ends one session of a user.

        Raises SessionNotFound, and StaleVersion if its version is not in `expected`.
        """
        authorize(self._policy, context.principal, Action.DELETE, user_id)

        def unit(work: UnitOfWork) -> None:
            session = work.accounts.sessions.get(session_id)
            if session is None or session.user_id != user_id or session.has_expired(work.now):
                raise SessionNotFound
            session.require_version(expected)
            end_sessions(work, user_id, [session])

        self._run(context, unit)

    def end_all(self, user_id: int, context: Context) -> int:
        """Ends all sessions of a user, and returns their number."""
        authorize(self._policy, context.principal, Action.DELETE, user_id)

        def unit(work: UnitOfWork) -> int:
            return end_sessions(work, user_id, work.accounts.sessions.of_user(user_id))

        return self._run(context, unit)


class SessionCommands(SessionTermination):
    """Refreshes and ends sessions. Each method is one unit of work."""

    def __init__(
        self,
        run: UnitRunner,
        config: AccountConfig,
        tokens: SessionTokens,
        policy: Policy = ScopePolicy(),  # noqa: B008 (it has no state)
    ) -> None:
        super().__init__(run, policy)
        self._config = config
        self._tokens = tokens

    def refresh(
        self,
        refresh_token: str,
        client: Client,
        context: Context,
        *,
        scopes: Collection[str] | None = None,
    ) -> IssuedTokens:
        """Exchanges a refresh token for new tokens. `scopes` narrows the scopes of this response.

        A token that is used again within the grace period is accepted, because tabs run
        concurrently and responses are lost. After that, it is considered stolen, and its session
        ends (RFC 9700, section 4.14.2). Raises InvalidGrant and InvalidScope.
        """
        token_digest = digest(refresh_token)

        def unit(work: UnitOfWork) -> IssuedTokens | None:
            sessions = work.accounts.sessions
            token = sessions.token(token_digest)
            session = sessions.get(token.session_id) if token else None
            token = sessions.token(token_digest)  # as it is now that the session is locked
            if token is None or session is None or self._tokens.has_ended(session, work.now):
                return None
            user = find_user(work, session.user_id)
            if user is None or not user.is_active:
                return None
            if token.use_time is None:
                sessions.use_token(token_digest, at=work.now)
            elif work.now > token.use_time + self._config.refresh_grace:
                record(work, user.id, EventAction.TOKEN_REUSED)
                end_sessions(work, user.id, [session])
                return None
            return self._tokens.refresh(work, session, user, client, scopes)

        if (issued := self._run(context, unit)) is None:
            raise InvalidGrant
        return issued

    def revoke(self, refresh_token: str, context: Context) -> None:
        """Ends the session of a refresh token. Does nothing if there is none (RFC 7009).

        The actor is the user of the session.
        """

        def find_session(work: UnitOfWork) -> Session | None:
            token = work.accounts.sessions.token(digest(refresh_token))
            return work.accounts.sessions.get(token.session_id) if token else None

        def unit(work: UnitOfWork) -> None:
            if session := find_session(work):
                end_sessions(work, session.user_id, [session])

        if session := self._run(context, find_session):
            self._run(context_of(session.user_id, context), unit)


class SessionQueries:
    """Reads the sessions of users. Expired sessions do not exist.

    Users may read their own sessions. For those of others, `page` and `get` raise the policy's
    errors.
    """

    def __init__(
        self,
        reader: AccountReader,
        clock: Clock,
        policy: Policy = ScopePolicy(),  # noqa: B008 (it has no state)
    ) -> None:
        self._reader = reader
        self._clock = clock
        self._policy = policy

    def about(self, user_id: int) -> tuple[Condition, ...]:
        """Returns the conditions that select the sessions of a user. Cursors depend on them."""
        return (Condition("user_id", Op.EQ, (user_id,)),)

    def page(self, user_id: int, search: Search, principal: Principal | None) -> Page[Session]:
        """Returns the part of the list of a user's sessions that the search selects.

        Adds the conditions of `about` if the search lacks them. The cursors of its place depend on
        them, but not on the current time, because it differs between pages.
        """
        authorize(self._policy, principal, Action.READ, user_id)
        of_user = restricted(search, self.about(user_id))
        is_live = Condition("expiry_time", Op.GT, (self._clock(),))
        return self._reader.sessions(replace(of_user, conditions=(*of_user.conditions, is_live)))

    def get(self, user_id: int, session_id: str, principal: Principal | None) -> Session:
        """Returns one session of a user. Raises SessionNotFound."""
        authorize(self._policy, principal, Action.READ, user_id)
        session = self._reader.session(session_id)
        if session is None or session.user_id != user_id or not self._is_live(session):
            raise SessionNotFound
        return session

    def find(self, session_id: str) -> Session | None:
        """Returns the session if it has not ended."""
        session = self._reader.session(session_id)
        return session if session and self._is_live(session) else None

    def is_active(self, claims: SessionClaims) -> bool:
        """Returns True if an access token with these claims is accepted at this moment.

        The result is always current, unlike the revocations that a worker has cached.
        """
        session = self.find(claims.session_id)
        if session is None or session.user_id != claims.user_id:
            return False
        revoked = self._reader.tokens_revoked_until(claims.user_id)
        return revoked is None or _EPOCH + timedelta(milliseconds=claims.issue_time) > revoked

    def _is_live(self, session: Session) -> bool:
        return not session.has_expired(self._clock())
