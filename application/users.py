"""What can be done to users."""

from collections.abc import Container
from contextlib import suppress
from typing import Final

from application.ports import Context, Run, UnitOfWork
from application.trail import Kind
from domain.users import PERSONAL, RULES, NewUser, User, UserChanges, UserNotFound

RECORDED: Final = Kind("users", tuple(RULES), PERSONAL)
"""Users, as the trail tells of them."""


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

    def erase(self, user_id: int, context: Context) -> None:
        """Remove the user, if it is still there, and its personal values from the trail.

        UserNotFound if there is neither the user nor a trail of it.
        """

        def unit(work: UnitOfWork) -> None:
            with suppress(UserNotFound):
                work.users.remove(work.users.get(user_id))
            if not work.trail.erase(RECORDED, user_id):
                raise UserNotFound(user_id)

        self._run(context, unit)
