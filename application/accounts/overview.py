"""The account of a user, for administrators."""

from collections.abc import Callable
from datetime import datetime

from application.access import Action, Policy, Principal, ScopePolicy
from application.accounts.guessing import GuessingLimits, address_digest
from application.ports import AccountReader, Clock
from application.users import USER_TYPE
from domain.accounts import Account
from domain.users import User


class AccountOverview:
    """Reads accounts. `get_user` returns the user with an id, or raises UserNotFound."""

    def __init__(
        self,
        reader: AccountReader,
        get_user: Callable[[int], User],
        limits: GuessingLimits,
        clock: Clock,
        policy: Policy = ScopePolicy(),  # noqa: B008 (it has no state)
    ) -> None:
        self._reader = reader
        self._get_user = get_user
        self._limits = limits
        self._clock = clock
        self._policy = policy

    def of(self, user_id: int, principal: Principal | None) -> tuple[Account, datetime | None]:
        """Returns the account of a user, and the time until which it is blocked from a network.

        Raises UserNotFound, and the policy's errors.
        """
        self._policy.authorize(principal, Action.READ, USER_TYPE.name)
        user = self._get_user(user_id)
        times = self._reader.times_of_subject(address_digest(user.email_key))
        locked_until = self._limits.blocked_until(user.email_key, times, self._clock())
        return self._reader.account(user_id), locked_until
