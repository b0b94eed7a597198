"""The data of accounts in memory."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from operator import attrgetter
from typing import Final, Protocol

from adapters.memory.search import page_of
from application.ports import (
    AccountReader,
    AccountRecords,
    Accounts,
    Counters,
    EmailedLinks,
    Outbox,
    Revocation,
    Sessions,
)
from application.search import Page, Search
from domain.accounts import Account, EmailedLink, RefreshToken, Session, WaitingEmail
from domain.text import email_key

_BATCH: Final = 1000


@dataclass(slots=True)
class AccountTables:
    """The rows of accounts. The values are immutable, so copies are shallow."""

    accounts: dict[int, Account] = field(default_factory=dict)
    networks: dict[tuple[int, str], datetime] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    tokens: dict[bytes, RefreshToken] = field(default_factory=dict)
    links: dict[bytes, EmailedLink] = field(default_factory=dict)
    outbox: dict[int, tuple[WaitingEmail, datetime]] = field(default_factory=dict)
    counters: dict[str, tuple[tuple[datetime, ...], str | None, datetime]] = field(
        default_factory=dict
    )
    revocations: dict[int, Revocation] = field(default_factory=dict)
    last_ids: dict[str, int] = field(default_factory=dict)

    def copy(self) -> "AccountTables":
        """Returns a copy that can be changed independently."""
        return AccountTables(**{each.name: dict(getattr(self, each.name)) for each in fields(self)})

    def restore(self, other: "AccountTables") -> None:
        """Replaces the content with that of other tables."""
        for each in fields(self):
            table = getattr(self, each.name)
            table.clear()
            table.update(getattr(other, each.name))

    def new_id(self, table: str) -> int:
        """Returns an id that was never used before in the table."""
        self.last_ids[table] = self.last_ids.get(table, 0) + 1
        return self.last_ids[table]


class MemoryAccounts(Accounts):
    """The login data in a unit of work."""

    def __init__(self, tables: AccountTables) -> None:
        self._tables = tables

    def get(self, user_id: int) -> Account:
        return self._tables.accounts.get(user_id, Account(user_id))

    def password_hash(self, user_id: int) -> str | None:
        return self.get(user_id).password_hash

    def save(self, account: Account) -> None:
        self._tables.accounts[account.user_id] = account

    def remember_network(self, user_id: int, network: str, *, at: datetime) -> None:
        self._tables.networks[user_id, network] = at

    def knows_network(self, user_id: int, network: str, *, since: datetime) -> bool:
        time = self._tables.networks.get((user_id, network))
        return time is not None and time >= since

    def remove(self, user_id: int) -> None:
        self._tables.accounts.pop(user_id, None)
        for key in [key for key in self._tables.networks if key[0] == user_id]:
            del self._tables.networks[key]

    def forget_networks(self, until: datetime) -> int:
        networks = self._tables.networks
        old = [key for key, time in networks.items() if time <= until][:_BATCH]
        for key in old:
            del networks[key]
        return len(old)


class MemorySessions(Sessions):
    """The sessions in a unit of work."""

    def __init__(self, tables: AccountTables) -> None:
        self._tables = tables

    def add(self, session: Session) -> None:
        self._tables.sessions[session.id] = session

    def get(self, session_id: str) -> Session | None:
        return self._tables.sessions.get(session_id)

    def of_user(self, user_id: int) -> Sequence[Session]:
        own = (each for each in self._tables.sessions.values() if each.user_id == user_id)
        return sorted(own, key=lambda each: (each.use_time, each.id))

    def save(self, session: Session) -> None:
        self._tables.sessions[session.id] = session

    def end(self, session_ids: Collection[str], *, at: datetime) -> None:
        for session_id in session_ids:
            self._delete(session_id)
            self._revoke(session_id, None, at)

    def revoke_tokens_before(self, user_id: int, *, at: datetime) -> None:
        self._revoke(None, user_id, at)

    def add_token(self, token: RefreshToken) -> None:
        self._tables.tokens[token.digest] = token

    def token(self, digest: bytes) -> RefreshToken | None:
        return self._tables.tokens.get(digest)

    def use_token(self, digest: bytes, *, at: datetime) -> bool:
        token = self._tables.tokens.get(digest)
        if token is None or token.use_time is not None:
            return False
        self._tables.tokens[digest] = token._replace(use_time=at)
        return True

    def count_tokens(self, user_id: int) -> Mapping[str, int]:
        sessions = self._tables.sessions
        ids = (each.session_id for each in self._tables.tokens.values())
        return Counter(each for each in ids if sessions[each].user_id == user_id)

    def forget_tokens(self, session_id: str, number: int) -> None:
        tokens = self._tables.tokens
        own = [each for each in tokens.values() if each.session_id == session_id]
        for each in sorted(own, key=attrgetter("creation_time"))[:number]:
            del tokens[each.digest]

    def delete_expired(self, until: datetime) -> int:
        sessions = self._tables.sessions.values()
        expired = [each.id for each in sessions if each.expiry_time <= until][:_BATCH]
        for session_id in expired:
            self._delete(session_id)
        return len(expired)

    def delete_revocations(self, until: datetime) -> int:
        revocations = self._tables.revocations
        old = [each.id for each in revocations.values() if each.time <= until][:_BATCH]
        for revocation_id in old:
            del revocations[revocation_id]
        return len(old)

    def _delete(self, session_id: str) -> None:
        self._tables.sessions.pop(session_id, None)
        tokens = self._tables.tokens
        for digest in [key for key, each in tokens.items() if each.session_id == session_id]:
            del tokens[digest]

    def _revoke(self, session_id: str | None, user_id: int | None, at: datetime) -> None:
        number = self._tables.new_id("revocations")
        self._tables.revocations[number] = Revocation(number, session_id, user_id, at)


class MemoryEmailedLinks(EmailedLinks):
    """The emailed links in a unit of work."""

    def __init__(self, tables: AccountTables) -> None:
        self._tables = tables

    def add(self, link: EmailedLink) -> None:
        self._tables.links[link.digest] = link

    def get(self, digest: bytes) -> EmailedLink | None:
        return self._tables.links.get(digest)

    def remove(self, digest: bytes) -> None:
        self._tables.links.pop(digest, None)

    def remove_of_user(self, user_id: int) -> None:
        self._remove([each for each in self._all() if each.user_id == user_id])

    def remove_of_address(self, key: str, *, signups_only: bool = False) -> None:
        links = (each for each in self._all() if each.user_id is None or not signups_only)
        self._remove([each for each in links if email_key(each.email) == key])

    def delete_expired(self, until: datetime) -> int:
        expired = [each for each in self._all() if each.expiry_time <= until][:_BATCH]
        self._remove(expired)
        return len(expired)

    def _all(self) -> Collection[EmailedLink]:
        return self._tables.links.values()

    def _remove(self, links: Collection[EmailedLink]) -> None:
        for each in links:
            del self._tables.links[each.digest]


class MemoryOutbox(Outbox):
    """The outbox in a unit of work."""

    def __init__(self, tables: AccountTables) -> None:
        self._tables = tables

    def add(self, email: WaitingEmail, *, at: datetime) -> None:
        number = self._tables.new_id("outbox")
        self._tables.outbox[number] = (email._replace(id=number), at)

    def claim(self, now: datetime, *, until: datetime) -> WaitingEmail | None:
        due = [(at, email) for email, at in self._tables.outbox.values() if at <= now]
        if not due:
            return None
        _, email = min(due, key=lambda each: (each[0], each[1].id))
        updated = email._replace(attempts=email.attempts + 1)
        self._tables.outbox[email.id] = (updated, until)
        return updated

    def postpone(self, email_id: int, *, until: datetime) -> None:
        if email_id in self._tables.outbox:
            self._tables.outbox[email_id] = (self._tables.outbox[email_id][0], until)

    def remove(self, email_id: int) -> None:
        self._tables.outbox.pop(email_id, None)

    def remove_of_user(self, user_id: int, *, with_link_only: bool = False) -> None:
        for email, _ in [*self._tables.outbox.values()]:
            if email.user_id == user_id and (email.template.purpose or not with_link_only):
                del self._tables.outbox[email.id]

    def remove_of_address(self, key: str) -> None:
        for email, _ in [*self._tables.outbox.values()]:
            if email_key(email.address) == key:
                del self._tables.outbox[email.id]

    def delete_overdue(self, until: datetime) -> int:
        overdue = [email.id for email, due in self._tables.outbox.values() if due <= until][:_BATCH]
        for email_id in overdue:
            del self._tables.outbox[email_id]
        return len(overdue)


class MemoryCounters(Counters):
    """The counters in a unit of work."""

    def __init__(self, tables: AccountTables) -> None:
        self._tables = tables

    def lock(self, keys: Collection[str]) -> Mapping[str, Sequence[datetime]]:
        return _times(self._tables, keys)

    def read(self, keys: Collection[str]) -> Mapping[str, Sequence[datetime]]:
        return _times(self._tables, keys)

    def save(
        self, key: str, times: Sequence[datetime], *, subject: str | None, expiry: datetime
    ) -> None:
        self._tables.counters[key] = (tuple(times), subject, expiry)

    def remove(self, keys: Collection[str]) -> None:
        for key in keys:
            self._tables.counters.pop(key, None)

    def remove_of_subject(self, subject: str) -> None:
        self.remove([key for key, each in self._tables.counters.items() if each[1] == subject])

    def delete_expired(self, until: datetime) -> int:
        counters = self._tables.counters.items()
        expired = [key for key, each in counters if each[2] <= until][:_BATCH]
        self.remove(expired)
        return len(expired)


def _times(tables: AccountTables, keys: Collection[str]) -> dict[str, Sequence[datetime]]:
    return {key: tables.counters[key][0] if key in tables.counters else () for key in keys}


class MemoryAccountRecords(AccountRecords):
    """The data of accounts in a unit of work."""

    def __init__(self, tables: AccountTables) -> None:
        self._tables = tables

    @property
    def accounts(self) -> Accounts:
        return MemoryAccounts(self._tables)

    @property
    def sessions(self) -> Sessions:
        return MemorySessions(self._tables)

    @property
    def links(self) -> EmailedLinks:
        return MemoryEmailedLinks(self._tables)

    @property
    def outbox(self) -> Outbox:
        return MemoryOutbox(self._tables)

    @property
    def counters(self) -> Counters:
        return MemoryCounters(self._tables)


class CommittedAccounts(Protocol):
    """The part of a store that the reader of accounts needs."""

    @property
    def account_tables(self) -> AccountTables:
        """The committed data of accounts."""


class MemoryAccountReader(AccountReader):
    """Reads the committed data of accounts."""

    def __init__(self, store: CommittedAccounts) -> None:
        self._store = store

    def account(self, user_id: int) -> Account:
        return MemoryAccounts(self._tables).get(user_id)

    def session(self, session_id: str) -> Session | None:
        return self._tables.sessions.get(session_id)

    def sessions(self, search: Search) -> Page[Session]:
        return page_of(self._tables.sessions.values(), search)

    def times_of_subject(self, subject: str) -> Mapping[str, Sequence[datetime]]:
        counters = self._tables.counters.items()
        return {key: times for key, (times, of_subject, _) in counters if of_subject == subject}

    def waiting_emails(self) -> int:
        return len(self._tables.outbox)

    def revocations(
        self, *, after: int, before: int | None = None, also: Collection[int] = (), limit: int
    ) -> Sequence[Revocation]:
        found = [
            each
            for each in sorted(self._tables.revocations.values())
            if (after < each.id and (before is None or each.id < before)) or each.id in also
        ]
        return found[:limit]

    def tokens_revoked_until(self, user_id: int) -> datetime | None:
        revocations = self._tables.revocations.values()
        return max((each.time for each in revocations if each.user_id == user_id), default=None)

    @property
    def _tables(self) -> AccountTables:
        return self._store.account_tables
