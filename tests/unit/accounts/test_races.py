"""The account changes between the check of a password and the action that it permits."""

from collections.abc import Callable

import pytest
from accounts_service import ANONYMOUS, HOME, NEW_PASSWORD, PASSWORD, AccountService

from application.access import InvalidToken
from application.accounts.errors import InvalidCredentials, WrongPassword
from application.ports import ConcurrentUpdate, UnitOfWork
from domain.accounts import Purpose
from domain.errors import RosterError
from domain.users import User, UserChanges

Meanwhile = Callable[[AccountService, User], object]


def change(service: AccountService, user: User, **attributes: object) -> None:
    service.users.change(user.id, UserChanges(attributes), ANONYMOUS)


def recover(service: AccountService, user: User) -> None:
    token = service.link_of(user, Purpose.RECOVERY)
    service.confirmation.confirm(token, NEW_PASSWORD, ANONYMOUS)


def deactivate(service: AccountService, user: User) -> None:
    change(service, user, is_active=False)


def delete(service: AccountService, user: User) -> None:
    service.users.delete(user.id, ANONYMOUS)


def set_hash(service: AccountService, user: User, password_hash: str) -> None:
    def unit(work: UnitOfWork) -> None:
        accounts = work.accounts.accounts
        accounts.save(accounts.get(user.id)._replace(password_hash=password_hash))

    service.run(ANONYMOUS, unit)


def end_sessions(service: AccountService, user: User) -> None:
    service.sessions.end_all(user.id, ANONYMOUS)


@pytest.mark.parametrize("meanwhile", [recover, deactivate, delete])
def test_a_login_does_not_survive_a_change_of_the_account(
    service: AccountService, meanwhile: Meanwhile
) -> None:
    user = service.user()
    service.hasher.meanwhile = lambda: meanwhile(service, user)
    with pytest.raises(InvalidCredentials):
        service.log_in()
    assert not service.store.account_tables.sessions


def test_a_login_grants_the_scopes_of_a_role_that_was_changed_meanwhile(
    service: AccountService,
) -> None:
    user = service.user(role="admin")
    service.hasher.meanwhile = lambda: change(service, user, role="user")
    assert service.log_in().scopes == ("me",)


@pytest.mark.parametrize("action", ["email", "password"])
@pytest.mark.parametrize("meanwhile", [recover, deactivate, end_sessions])
def test_a_session_that_ends_meanwhile_changes_nothing(
    service: AccountService, action: str, meanwhile: Meanwhile
) -> None:
    """The owner recovers an account while a thief, who knows the password, requests an address."""
    user = service.user()
    session = service.log_in().session
    service.hasher.meanwhile = lambda: meanwhile(service, user)
    with pytest.raises(InvalidToken):
        if action == "email":
            service.request_email(session, "thief@example.org")
        else:
            service.change_password(session)
    assert ("email", "thief@example.org") not in service.sent_emails()
    assert "password_changed" not in service.events(user)


@pytest.mark.parametrize("action", ["email", "password"])
def test_an_action_requires_the_password_of_this_moment(
    service: AccountService, action: str
) -> None:
    """For example, a client sends a change of the password twice at the same time."""
    user = service.user()
    session = service.log_in().session
    service.hasher.meanwhile = lambda: service.change_password(session)
    with pytest.raises(WrongPassword):
        if action == "email":
            service.request_email(session, "thief@example.org")
        else:
            service.change_password(session, new="the password of the second request")
    assert service.log_in(password=NEW_PASSWORD)
    assert ("email", "thief@example.org") not in service.sent_emails()
    assert service.events(user).count("password_changed") == 1


@pytest.mark.parametrize("action", ["email", "password"])
def test_an_action_succeeds_if_a_login_replaces_the_hash_meanwhile(
    service: AccountService, action: str
) -> None:
    user = service.user()
    session = service.log_in().session
    set_hash(service, user, f"old {PASSWORD}")
    service.hasher.meanwhile = service.log_in
    if action == "email":
        service.request_email(session, "new@example.org")
        assert ("email", "new@example.org") in service.sent_emails()
    else:
        service.change_password(session)
        assert service.log_in(password=NEW_PASSWORD)


@pytest.mark.parametrize("action", ["email", "password"])
def test_an_action_fails_if_the_hash_is_replaced_at_each_attempt(
    service: AccountService, action: str
) -> None:
    user = service.user()
    session = service.log_in().session
    hashes = [f"old {PASSWORD}", f"hash {PASSWORD}"] * 2

    def replace() -> None:
        set_hash(service, user, hashes.pop())
        if hashes:
            service.hasher.meanwhile = replace

    set_hash(service, user, hashes.pop())
    service.hasher.meanwhile = replace
    with pytest.raises(ConcurrentUpdate):
        if action == "email":
            service.request_email(session, "new@example.org")
        else:
            service.change_password(session)


def test_guesses_with_a_stolen_token_are_limited_over_all_networks(
    service: AccountService,
) -> None:
    """A session does not make the network of its client known."""
    service.user()
    session = service.log_in().session
    codes = []
    for number in range(40):
        network = f"198.51.100.{number}"
        client = HOME._replace(address=network, network=network)
        try:
            service.change_password(session, client, current="wrong")
        except RosterError as error:
            codes.append(error.code)
    assert codes == ["wrong_password"] * 30 + ["too_many_failures"] * 10
    service.change_password(session)  # the user has logged in from this network
