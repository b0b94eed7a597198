"""The events of accounts in the history of a user."""

from application.audit import EventAction, NewEvent
from application.ports import UnitOfWork
from application.users import USER_TYPE


def record(work: UnitOfWork, user_id: int, *actions: EventAction) -> None:
    """Records events of a user, in their order."""
    for action in actions:
        work.audit.add(NewEvent(action.value, USER_TYPE.name, user_id, None, {}))
