"""The operators' use cases of accounts, on the in-memory store."""

import pytest
from accounts_service import ANONYMOUS, HOME, PASSWORD, AccountService, ShortBlockList

from application.accounts.administrators import Administrators
from application.accounts.config import AccountConfig, RoleScopes
from application.accounts.errors import InvalidCredentials, TooManyFailures
from application.accounts.lockouts import Lockouts
from application.accounts.passwords import NewPasswords
from domain.errors import Invalid
from domain.users import UserNotFound


@pytest.fixture
def administrators(service: AccountService) -> Administrators:
    config = AccountConfig(role_scopes=RoleScopes({}, ()))
    return Administrators(service.run, NewPasswords(config, service.hasher, ShortBlockList()))


def test_an_administrator_can_log_in(
    service: AccountService, administrators: Administrators
) -> None:
    user, created = administrators.appoint("ann@example.org", PASSWORD, ANONYMOUS)
    assert (created, user.name, user.is_active, user.role) == (True, "ann", True, "admin")
    assert "users:write" in service.log_in().scopes
    assert service.events(user)[:2] == ["created", "password_set"]


def test_an_existing_user_is_promoted_and_their_sessions_end(
    service: AccountService, administrators: Administrators
) -> None:
    ann = service.user()
    service.log_in()
    user, created = administrators.appoint(
        "ANN@example.org", "another long one", ANONYMOUS, name="A"
    )
    assert (created, user.id, user.name, user.role) == (False, ann.id, "A", "admin")
    assert user.email == "ann@example.org"
    assert not service.store.account_tables.sessions
    assert service.log_in(password="another long one")


def test_the_password_of_a_promoted_user_must_not_be_their_name(
    service: AccountService, administrators: Administrators
) -> None:
    ann = service.user()
    with pytest.raises(Invalid):
        administrators.appoint(ann.email, ann.name, ANONYMOUS)
    with pytest.raises(Invalid):
        administrators.appoint(ann.email, "Another long name", ANONYMOUS, name="Another long name")


def test_an_invalid_administrator_changes_nothing(
    service: AccountService, administrators: Administrators
) -> None:
    ann = service.user()
    for email, password in (("ann", PASSWORD), ("ann@example.org", "password1234")):
        with pytest.raises(Invalid):
            administrators.appoint(email, password, ANONYMOUS)
    assert service.user_reader.get(ann.id) == ann


def test_an_unlocked_user_can_log_in(service: AccountService) -> None:
    ann = service.user()
    for _ in range(3):
        with pytest.raises(InvalidCredentials):
            service.log_in(password="wrong", client=HOME)
    with pytest.raises(TooManyFailures):
        service.log_in()
    Lockouts(service.run).end(ann.id, ANONYMOUS)
    assert service.log_in()
    with pytest.raises(UserNotFound):
        Lockouts(service.run).end(999, ANONYMOUS)


def test_unlocking_does_not_permit_more_emails(service: AccountService) -> None:
    ann = service.user()
    for _ in range(6):
        service.links.recover(ann.email, ANONYMOUS)
    Lockouts(service.run).end(ann.id, ANONYMOUS)
    service.links.recover(ann.email, ANONYMOUS)
    assert len(service.sent_emails()) == 5
