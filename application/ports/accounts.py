"""The data of accounts: in a unit of work, and for readers."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from application.search import Page, Search
from domain.accounts import (
    Account,
    EmailedLink,
    RefreshToken,
    Session,
    WaitingEmail,
)


class Accounts(Protocol):
    """The login data of users, and the networks from which they logged in."""

    def get(self, user_id: int) -> Account:
        """Returns the account of a user, and locks it until the unit ends.

        An account that was never saved has None in every field.
        """

    def password_hash(self, user_id: int) -> str | None:
        """Returns the hash of the user's password, without a lock. None if there is none.

        It takes the same time for every id, also for that of no user.
        """

    def save(self, account: Account) -> None:
        """Stores the account. The user must exist."""

    def remember_network(self, user_id: int, network: str, *, at: datetime) -> None:
        """Stores the time of the last login of the user from the network."""

    def knows_network(self, user_id: int, network: str, *, since: datetime) -> bool:
        """Returns True if the user has logged in from the network since then."""

    def remove(self, user_id: int) -> None:
        """Deletes the account and its networks."""

    def forget_networks(self, until: datetime) -> int:
        """Deletes some of the networks whose last login was at `until` or before.

        Returns their number. Skips networks that another unit has locked.
        """


class Sessions(Protocol):
    """The sessions, and their refresh tokens. The end of a session deletes it."""

    def add(self, session: Session) -> None:
        """Stores a new session."""

    def get(self, session_id: str) -> Session | None:
        """Returns the session and locks it until the unit ends. None if it does not exist.

        It may have expired.
        """

    def of_user(self, user_id: int) -> Sequence[Session]:
        """Returns the sessions of a user by ascending use time, and locks them."""

    def save(self, session: Session) -> None:
        """Stores the use time, the expiry time, the address and the user agent of a session."""

    def end(self, session_ids: Collection[str], *, at: datetime) -> None:
        """Deletes sessions and their refresh tokens, and revokes their access tokens."""

    def revoke_tokens_before(self, user_id: int, *, at: datetime) -> None:
        """Revokes the access tokens of the user that were issued at `at` or before."""

    def add_token(self, token: RefreshToken) -> None:
        """Stores a refresh token of a session."""

    def token(self, digest: bytes) -> RefreshToken | None:
        """Returns the refresh token with the digest. None if it does not exist."""

    def use_token(self, digest: bytes, *, at: datetime) -> bool:
        """Stores the time of the first use. Returns False if the token was used before."""

    def count_tokens(self, user_id: int) -> Mapping[str, int]:
        """Returns the number of refresh tokens of each session of a user."""

    def forget_tokens(self, session_id: str, number: int) -> None:
        """Deletes this number of refresh tokens of a session, the oldest ones."""

    def delete_expired(self, until: datetime) -> int:
        """Deletes some of the sessions that expired by `until`, and returns their number.

        Also deletes their refresh tokens. Skips sessions that another unit has locked.
        """

    def delete_revocations(self, until: datetime) -> int:
        """Deletes some of the revocations made by `until`, and returns their number."""


class EmailedLinks(Protocol):
    """The links that were emailed."""

    def add(self, link: EmailedLink) -> None:
        """Stores a link."""

    def get(self, digest: bytes) -> EmailedLink | None:
        """Returns the link and locks it until the unit ends. None if it does not exist.

        It may have expired.
        """

    def remove(self, digest: bytes) -> None:
        """Deletes the link, if it exists."""

    def remove_of_user(self, user_id: int) -> None:
        """Deletes the links of a user."""

    def remove_of_address(self, email_key: str, *, signups_only: bool = False) -> None:
        """Deletes the links that were sent to an address: all, or only those of sign-ups.

        See domain.text.email_key.
        """

    def delete_expired(self, until: datetime) -> int:
        """Deletes some of the links that expired by `until`, and returns their number."""


class Outbox(Protocol):
    """The emails that wait to be sent."""

    def add(self, email: WaitingEmail, *, at: datetime) -> None:
        """Stores an email, whose `id` is 0. It is due at `at`."""

    def claim(self, now: datetime, *, until: datetime) -> WaitingEmail | None:
        """Returns an email that is due, with another attempt, and makes it due at `until`.

        So no other worker claims it until then. Returns None if no email is due.
        """

    def postpone(self, email_id: int, *, until: datetime) -> None:
        """Makes an email due at `until`, if it still exists."""

    def remove(self, email_id: int) -> None:
        """Deletes an email, if it exists."""

    def remove_of_user(self, user_id: int, *, with_link_only: bool = False) -> None:
        """Deletes the emails of a user: all, or only those that contain a link."""

    def remove_of_address(self, email_key: str) -> None:
        """Deletes the emails to an address. See domain.text.email_key."""

    def delete_overdue(self, until: datetime) -> int:
        """Deletes some of the emails that have been due since `until` or longer.

        Returns their number. Skips emails that another unit has locked.
        """


class Counters(Protocol):
    """Lists of recent times, such as those of wrong passwords, by key.

    A key is a text of at most 64 characters. A subject groups the keys that concern one address.
    """

    def lock(self, keys: Collection[str]) -> Mapping[str, Sequence[datetime]]:
        """Returns the times of each key, ascending, and locks all keys until the unit ends.

        A key without times can also be locked. The keys are locked in ascending order.
        """

    def read(self, keys: Collection[str]) -> Mapping[str, Sequence[datetime]]:
        """Returns the times of each key, ascending, without locks."""

    def save(
        self, key: str, times: Sequence[datetime], *, subject: str | None, expiry: datetime
    ) -> None:
        """Replaces the times of a locked key. They can be deleted after `expiry`."""

    def remove(self, keys: Collection[str]) -> None:
        """Deletes the times of keys."""

    def remove_of_subject(self, subject: str) -> None:
        """Deletes the times of all keys of a subject."""

    def delete_expired(self, until: datetime) -> int:
        """Deletes some of the keys that expired by `until`, and returns their number."""


class AccountRecords(Protocol):
    """The data of accounts in a unit of work."""

    @property
    def accounts(self) -> Accounts:
        """The login data of users."""

    @property
    def sessions(self) -> Sessions:
        """The sessions, their refresh tokens, and the revocations of access tokens."""

    @property
    def links(self) -> EmailedLinks:
        """The links that were emailed."""

    @property
    def outbox(self) -> Outbox:
        """The emails that wait to be sent."""

    @property
    def counters(self) -> Counters:
        """The times of wrong passwords and of emails, by key."""


class Revocation(NamedTuple):
    """Access tokens that are no longer valid: those of a session, or older ones of a user.

    Either `session_id` or `user_id` is None. `time` is the time of the revocation.
    """

    id: int
    session_id: str | None
    user_id: int | None
    time: datetime


class AccountReader(Protocol):
    """The committed data of accounts. Takes no locks. Raises Unavailable."""

    def account(self, user_id: int) -> Account:
        """Returns the account of a user, with None in every field if it was never saved."""

    def session(self, session_id: str) -> Session | None:
        """Returns the session, which may have expired. None if it does not exist."""

    def sessions(self, search: Search) -> Page[Session]:
        """Returns the part of the list of sessions that the search selects."""

    def times_of_subject(self, subject: str) -> Mapping[str, Sequence[datetime]]:
        """Returns the times of each key of a subject of Counters, ascending."""

    def waiting_emails(self) -> int:
        """Returns the number of emails in the outbox."""

    def revocations(
        self, *, after: int, before: int | None = None, also: Collection[int] = (), limit: int
    ) -> Sequence[Revocation]:
        """Returns revocations by ascending id: those between two ids, and those with one of `also`.

        `also` has ids up to `after`. Ids ascend, but units commit in any order. So a reader
        requests the missing ids again.
        """

    def tokens_revoked_until(self, user_id: int) -> datetime | None:
        """Returns the time of the last `revoke_tokens_before` of a user; None if there is none."""
