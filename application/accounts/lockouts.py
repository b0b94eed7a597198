"""Lockouts, which an operator can end."""

from application.accounts.guessing import forget_failures
from application.accounts.users import get_user
from application.ports import Context, UnitOfWork, UnitRunner


class Lockouts:
    """Ends the lockouts of users."""

    def __init__(self, run: UnitRunner) -> None:
        self._run = run

    def end(self, user_id: int, context: Context) -> None:
        """Deletes the counts of wrong passwords for the user's email. Raises UserNotFound.

        A network that is blocked for its wrong passwords for many addresses remains blocked.
        """

        def unit(work: UnitOfWork) -> None:
            forget_failures(work, get_user(work, user_id).email_key)

        self._run(context, unit, for_update=True)
