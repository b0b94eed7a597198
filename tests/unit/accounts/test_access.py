"""The use cases of accounts consult the policy, so that no entry point can bypass it."""

from collections.abc import Callable
from typing import Any

import pytest
from accounts_service import AccountService

from application.access import COMMAND_LINE, SECRET, InsufficientScope, Principal, SubjectRequired
from application.accounts.overview import AccountOverview
from application.accounts.users import principal_of
from application.ports import Context
from application.search import Search

Use = Callable[[AccountService, int, str, Principal | None], object]


def overview(service: AccountService, user_id: int, _: str, principal: Principal | None) -> object:
    get_user: Callable[[int], Any] = service.user_reader.get
    read = AccountOverview(service.reader, get_user, service.limits, lambda: service.now)
    return read.of(user_id, principal)


def end(service: AccountService, user_id: int, session: str, principal: Principal | None) -> None:
    service.sessions.end(user_id, session, Context(principal))


def end_all(service: AccountService, user_id: int, _: str, principal: Principal | None) -> object:
    return service.sessions.end_all(user_id, Context(principal))


def withdraw(service: AccountService, user_id: int, _: str, principal: Principal | None) -> None:
    service.links.withdraw(user_id, Context(principal))


def read(service: AccountService, user_id: int, session: str, by: Principal | None) -> object:
    return service.session_queries.get(user_id, session, by)


def list_all(service: AccountService, user_id: int, _: str, principal: Principal | None) -> object:
    return service.session_queries.page(user_id, Search(), principal)


READS: list[Use] = [overview, read, list_all]
CHANGES: list[Use] = [end, end_all]
OWN: list[Use] = [read, list_all, end, end_all]


def operator(*scopes: str, subject: str | None = "ops") -> Principal:
    return Principal(SECRET, None, subject, frozenset(scopes))


@pytest.mark.parametrize(
    ("use", "scope", "other"),
    [
        *((each, "users:read", "users:write") for each in READS),
        *((each, "users:write", "users:read") for each in (*CHANGES, withdraw)),
    ],
)
def test_the_account_of_a_user_requires_a_scope_of_users(
    service: AccountService, use: Use, scope: str, other: str
) -> None:
    user = service.user()
    session = service.log_in().session.id
    with pytest.raises(InsufficientScope, match=scope):
        use(service, user.id, session, operator(other, "me"))
    use(service, user.id, session, operator(scope))


@pytest.mark.parametrize("use", CHANGES)
def test_a_principal_without_a_subject_ends_no_sessions(service: AccountService, use: Use) -> None:
    user = service.user()
    with pytest.raises(SubjectRequired):
        use(service, user.id, service.log_in().session.id, operator("users:write", subject=None))


@pytest.mark.parametrize("use", OWN)
def test_users_require_no_scope_for_their_own_sessions(service: AccountService, use: Use) -> None:
    ann, bob = service.user("ann"), service.user("bob")
    session = service.log_in("ann").session.id
    with pytest.raises(InsufficientScope):
        use(service, ann.id, session, principal_of(bob.id))
    use(service, ann.id, session, principal_of(ann.id))


def test_a_subject_of_another_kind_is_not_the_user(service: AccountService) -> None:
    ann = service.user()
    with pytest.raises(InsufficientScope):
        list_all(service, ann.id, "", Principal(SECRET, None, principal_of(ann.id).subject))


@pytest.mark.parametrize("use", [*READS, *CHANGES])
def test_the_command_line_requires_no_scope(service: AccountService, use: Use) -> None:
    user = service.user()
    use(service, user.id, service.log_in().session.id, Principal(COMMAND_LINE, None, "root"))
