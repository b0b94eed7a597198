"""The events of accounts in the history of a user."""

from enum import StrEnum

from application.audit import NewEvent
from application.ports import UnitOfWork
from application.users import USER_TYPE


class AccountEvent(StrEnum):
    """What happened to an account."""

    LOGGED_IN = "logged_in"
    SESSION_ENDED = "session_ended"
    TOKEN_REUSED = "token_reused"
    PASSWORD_SET = "password_set"
    PASSWORD_CHANGED = "password_changed"
    INVITED = "invited"
    LOCKED_OUT = "locked_out"


def record(work: UnitOfWork, user_id: int, *events: AccountEvent) -> None:
    """Records events of a user, in their order."""
    for event in events:
        work.audit.add(NewEvent(event.value, USER_TYPE.name, user_id, None, {}))
