"""Administrators, whom an operator creates on the command line."""

from collections.abc import Mapping
from typing import Any, Final

from application.accounts.passwords import NewPasswords, set_password
from application.accounts.users import find_by_email
from application.ports import ConcurrentUpdate, Context, UnitOfWork, UnitRunner
from application.users import USER_TYPE
from domain.users import EmailTaken, NewUser, User, UserChanges

ADMIN: Final = "admin"
"""The role of an administrator."""
_NAME: Final = "name"


class Administrators:
    """Creates administrators."""

    def __init__(self, run: UnitRunner, new_passwords: NewPasswords) -> None:
        self._run = run
        self._new_passwords = new_passwords

    def check(self, email: str, name: str | None) -> None:
        """Raises Invalid if no user can have the email or the name."""
        _new_user(email, name)

    def appoint(
        self, email: str, password: str, context: Context, *, name: str | None = None
    ) -> tuple[User, bool]:
        """Creates an active user of role admin, or turns the user with the email into one.

        Sets the password. Without a `name`, a new user has the local part of the email as the name.
        Returns the user, and True if it was created. Raises Invalid and Busy.
        """
        new = _new_user(email, name)

        def read(work: UnitOfWork) -> str:
            user = find_by_email(work, email)
            return user.name if user and name is None else new.name

        personal = (email, self._run(context, read))
        password_hash = self._new_passwords.hash(password, personal=personal)

        def unit(work: UnitOfWork) -> tuple[User, bool]:
            existing = find_by_email(work, email)
            user = _add(work, new) if existing is None else _promote(work, existing, name)
            set_password(work, user, password_hash)
            return user, existing is None

        return self._run(context, unit, for_update=True)


def _new_user(email: str, name: str | None) -> NewUser:
    """Returns the new administrator. Raises Invalid."""
    if name is None:
        name = email.rpartition("@")[0] or email
    return NewUser(email=email, name=name, is_active=True, role=ADMIN)


def _add(work: UnitOfWork, new: NewUser) -> User:
    """Creates the user. Raises ConcurrentUpdate if another unit of work does so meanwhile."""
    try:
        return work.repository(USER_TYPE).add(new, at=work.now)
    except EmailTaken:
        raise ConcurrentUpdate from None


def _promote(work: UnitOfWork, user: Any, name: str | None) -> User:
    """Makes the user an active administrator, and returns it."""
    attributes: Mapping[str, object] = {"is_active": True, "role": ADMIN}
    if name is not None:
        attributes = {**attributes, _NAME: name}
    after: User = user.with_changes(UserChanges(attributes), at=work.now)
    return after if after is user else work.repository(USER_TYPE).save(after, before=user)
