"""Reactions of accounts to changes of users, in the same unit of work."""

from collections.abc import Collection

from application.accounts.guessing import forget_address
from application.accounts.passwords import invalidate_links
from application.accounts.sessions import end_sessions
from application.accounts.users import find_by_email
from application.ports import UnitOfWork
from application.reactions import Reaction
from domain.text import email_key
from domain.users import User


class AccountReaction(Reaction):
    """Ends the sessions of inactive and deleted users, and revokes tokens of former roles."""

    def saved(self, work: UnitOfWork, before: User, after: User) -> None:
        """Ends the sessions after a deactivation, and revokes access tokens after a change of role.

        Invalidates the links after a deactivation or a change of the email.
        """
        records = work.accounts
        if before.is_active and not after.is_active:
            end_sessions(work, after.id, records.sessions.of_user(after.id))
            invalidate_links(work, after.id)
        if before.role != after.role:
            records.sessions.of_user(after.id)  # waits for refreshes that have read the old role
            records.sessions.revoke_tokens_before(after.id, at=work.clock())
        if before.email != after.email:
            invalidate_links(work, after.id)
        if before.email_key != after.email_key:
            account = records.accounts.get(after.id)
            if account.email_verified_time:
                records.accounts.save(account._replace(email_verified_time=None))

    def removed(self, work: UnitOfWork, entity: User) -> None:
        """Deletes everything that belongs to the account."""
        records = work.accounts
        end_sessions(work, entity.id, records.sessions.of_user(entity.id))
        records.outbox.remove_of_user(entity.id)
        records.links.remove_of_user(entity.id)
        _remove_address(work, entity.email_key)
        records.accounts.remove(entity.id)

    def erased(self, work: UnitOfWork, values: Collection[str]) -> None:
        """Deletes what was stored for the person's former addresses, such as sign-ups.

        Keeps what belongs to an address that another user has now.
        """
        for email in sorted(values):
            if find_by_email(work, email) is None:
                _remove_address(work, email_key(email))


def _remove_address(work: UnitOfWork, key: str) -> None:
    """Deletes the links, the waiting emails and the counts of an address."""
    # In this order: sign-ups lock the counts before a link. The removal of an email waits for a
    # sender that creates its link at that time.
    forget_address(work, key)
    work.accounts.outbox.remove_of_address(key)
    work.accounts.links.remove_of_address(key)
