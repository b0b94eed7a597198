"""What can be done to users."""

from collections.abc import Collection, Container
from typing import Final

from application.ports import Context, Run, UnitOfWork
from application.trail import Kind
from domain.text import email_key, fold
from domain.users import (
    PERSONAL,
    RULES,
    NewUser,
    StaleVersion,
    User,
    UserChanges,
    UserNotFound,
)


def _forms(value: str) -> frozenset[str]:
    """The forms in which an email or a name is compared: two emails of one mailbox share one."""
    return frozenset({fold(value), email_key(value)} if "@" in value else {fold(value)})


RECORDED: Final = Kind("users", tuple(RULES), PERSONAL, _forms)
"""Users, as the audit log records them."""


class UserCommands:
    """Each method is one unit of work: all of it happens, or none.

    `expected` are the versions that the caller means; None means whichever stands.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    def create(self, new: NewUser, context: Context) -> User:
        """Add a user. EmailTaken."""

        def unit(work: UnitOfWork) -> User:
            return work.users.add(new, at=work.now)

        return self._run(context, unit)

    def change(
        self,
        user_id: int,
        changes: UserChanges,
        context: Context,
        *,
        expected: Container[int] | None = None,
    ) -> User:
        """The user after the changes. UserNotFound, StaleVersion, ReadOnly, EmailTaken."""

        def unit(work: UnitOfWork) -> User:
            before = work.users.get(user_id)
            before.must_be(expected)
            after = before.changed(changes, at=work.now)
            return before if after is before else work.users.save(after, before=before)

        return self._run(context, unit)

    def delete(
        self, user_id: int, context: Context, *, expected: Container[int] | None = None
    ) -> None:
        """Remove the user for good. UserNotFound, StaleVersion."""

        def unit(work: UnitOfWork) -> None:
            user = work.users.get(user_id)
            user.must_be(expected)
            work.users.remove(user)

        self._run(context, unit)

    def erase(
        self,
        user_id: int,
        context: Context,
        *,
        expected: Container[int] | None = None,
        subjects: Collection[str] = (),
    ) -> None:
        """Delete the user, if it still exists, and erase its personal values everywhere.

        They are erased from the audit log and from stored responses, also those of earlier users
        with the same mailbox that were deleted: as far as is known, the same person. The actor of
        an event is erased if it is one of these values, or one of `subjects`, or contains one of
        these emails. Raises UserNotFound if there is
        neither the user nor an event about it; StaleVersion if the user is at another version
        than expected, or has been deleted although a version is expected.
        """

        def unit(work: UnitOfWork) -> None:
            existed = _removed(work, user_id, expected)
            earlier = _deleted_with_same_mailbox(work, user_id)
            if not work.trail.erase(RECORDED, user_id, actors=subjects):
                raise UserNotFound(user_id)
            if not existed and expected is not None:
                raise StaleVersion
            work.answers.erase(RECORDED.type, user_id)
            for each in earlier:
                work.trail.erase(RECORDED, each)
                work.answers.erase(RECORDED.type, each)

        self._run(context, unit)


def _removed(work: UnitOfWork, user_id: int, expected: Container[int] | None) -> bool:
    """Whether there was a user to remove."""
    try:
        user = work.users.get(user_id)
    except UserNotFound:
        return False
    user.must_be(expected)
    work.users.remove(user)
    return True


def _deleted_with_same_mailbox(work: UnitOfWork, user_id: int) -> list[int]:
    """The ids of other users, deleted since, that had one of this one's mailboxes."""
    others = work.trail.others_with(RECORDED, user_id, "email", _local_part)
    return [other for other in others if not _exists(work, other)]


def _local_part(email: str) -> str:
    """The local part of an email and the @."""
    return f"{email.rpartition('@')[0]}@"


def _exists(work: UnitOfWork, user_id: int) -> bool:
    try:
        work.users.get(user_id)
    except UserNotFound:
        return False
    return True
