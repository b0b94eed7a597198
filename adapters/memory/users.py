"""Users in a dict."""

from collections.abc import Collection, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Protocol

from adapters.memory.search import page_of
from application.audit import AuditLog
from application.ports import ConcurrentUpdate, UserReader, Users
from application.search import Page, Search
from application.users import AUDITED_USERS
from domain.text import email_key
from domain.users import EmailTaken, NewUser, User, UserNotFound


class MemoryUsers(Users):
    """The users of a unit of work that is open."""

    def __init__(
        self,
        rows: MutableMapping[int, User],
        holders: MutableMapping[str, int],
        ids: Iterator[int],
        trail: AuditLog,
    ) -> None:
        self._rows = rows
        self._holders = holders  # of the keys of emails
        self._ids = ids
        self._trail = trail

    def add(self, new: NewUser, *, at: datetime) -> User:
        user = User(id=next(self._ids), **asdict(new), creation_time=at, update_time=at, version=1)
        self._put(user)
        self._trail.record(AUDITED_USERS, None, user)
        return user

    def add_many(self, new: Sequence[NewUser], *, at: datetime) -> Collection[int]:
        refused = []
        for position, each in enumerate(new):
            if email_key(each.email) in self._holders:
                refused.append(position)
            else:
                self.add(each, at=at)
        return refused

    def find_by_emails(self, emails: Collection[str]) -> Mapping[str, User]:
        keys = {email_key(email) for email in emails}
        return {key: self._rows[self._holders[key]] for key in keys if key in self._holders}

    def get(self, user_id: int) -> User:
        return _user(self._rows, user_id)

    def save(self, user: User, *, before: User) -> User:
        stored = self._still(before)
        self._put(user)
        if (key := stored.email_key) != user.email_key:
            del self._holders[key]
        self._trail.record(AUDITED_USERS, before, user)
        return user

    def remove(self, user: User) -> None:
        stored = self._still(user)
        del self._rows[user.id], self._holders[stored.email_key]
        self._trail.record(AUDITED_USERS, user, None)

    def _still(self, user: User) -> User:
        stored = self._rows.get(user.id)
        if stored is None or stored.version != user.version:
            raise ConcurrentUpdate
        return stored

    def _put(self, user: User) -> None:
        if self._holders.setdefault(user.email_key, user.id) != user.id:
            raise EmailTaken
        self._rows[user.id] = user


class Committed(Protocol):
    """A store, as its readers know it."""

    @property
    def rows(self) -> Mapping[int, User]:
        """The users by their ids, as the last unit of work left them."""


class MemoryUserReader(UserReader):
    """What the last unit of work left."""

    def __init__(self, store: Committed) -> None:
        self._store = store

    def get(self, user_id: int) -> User:
        return _user(self._store.rows, user_id)

    def page(self, search: Search) -> Page[User]:
        return page_of(self._store.rows.values(), search)


def _user(rows: Mapping[int, User], user_id: int) -> User:
    try:
        return rows[user_id]
    except KeyError:
        raise UserNotFound(user_id) from None
