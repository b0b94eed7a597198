"""Finds users and their principals, for the use cases of accounts."""

from hashlib import sha256
from typing import Final

from application.access import SESSION, Action, Policy, Principal
from application.ports import Context, UnitOfWork
from application.users import USER_TYPE
from domain.errors import NotFound
from domain.text import EMAIL_LENGTH, MAX_FOLDED_INPUT, email_key
from domain.users import User, UserNotFound

EMAIL: Final = USER_TYPE.unique[0]


def login_key(text: str) -> str:
    """Returns the key by which a text is compared with the emails of users.

    A text that is too long to be an email has a key that no user has.
    """
    if len(text) > MAX_FOLDED_INPUT:
        return f"too long: {sha256(text.encode()).hexdigest()}"
    return email_key(text)


def find_by_email(work: UnitOfWork, text: str) -> User | None:
    """Returns the user with the email, or None."""
    key = login_key(text)
    if len(text) > MAX_FOLDED_INPUT or len(key) > EMAIL_LENGTH:
        return None
    return work.repository(USER_TYPE).find_by_keys(EMAIL, [text]).get(key)


def find_user(work: UnitOfWork, user_id: int) -> User | None:
    """Returns the user with the id, or None."""
    try:
        return work.repository(USER_TYPE).get(user_id)
    except NotFound:
        return None


def get_user(work: UnitOfWork, user_id: int) -> User:
    """Returns the user with the id. Raises UserNotFound."""
    if (user := find_user(work, user_id)) is None:
        raise UserNotFound(user_id)
    return user


def principal_of(user_id: int) -> Principal:
    """Returns the principal of a user, as the audit log records it, without scopes.

    It has no issuer, so that it remains the same if the URL of the service changes.
    """
    return Principal(SESSION, None, f"{USER_TYPE.name}/{user_id}")


def authorize(policy: Policy, principal: Principal | None, action: Action, user_id: int) -> None:
    """Raises the errors of the policy, unless the principal is the session of the user."""
    if principal is None or principal.identity != principal_of(user_id).identity:
        policy.authorize(principal, action, USER_TYPE.name)


def context_of(user_id: int, context: Context) -> Context:
    """Returns the context of a request whose client has proved to be the user."""
    return Context(principal_of(user_id), context.request_id, context.link_limit)
