"""Logging in, and the limits on guessing."""

from contextlib import nullcontext

import pytest
from accounts_service import ANONYMOUS, HOME, PASSWORD, AccountService

from application.accounts.errors import InvalidCredentials, TooManyFailures
from application.accounts.sessions import MAX_SESSIONS, Client
from domain.passwords import normalize
from domain.users import UserChanges

ELSEWHERE = Client("198.51.100.1", "198.51.100.1")


def test_a_login_begins_a_session_with_the_scopes_of_the_role(service: AccountService) -> None:
    user = service.user(role="admin")
    issued = service.log_in()
    assert issued.scopes == ("users:read", "groups:read", "users:write", "groups:write", "me")
    assert issued.session.user_id == user.id
    assert issued.session.address == HOME.address
    assert issued.expires_in == 600
    assert service.events(user)[-1] == "logged_in"
    assert service.last_actor() == f"users/{user.id}"
    assert service.session_queries.get(user.id, issued.session.id, None) == issued.session


@pytest.mark.parametrize("spelling", ["ANN@example.org", "ann@EXAMPLE.org", "ａnn@example.org"])
def test_addresses_are_compared_by_their_keys(service: AccountService, spelling: str) -> None:
    user = service.user()
    issued = service.login.log_in(spelling, PASSWORD, HOME, ANONYMOUS)
    assert issued.session.user_id == user.id


@pytest.mark.parametrize(("password", "hashes"), [(PASSWORD, 1), (f"{PASSWORD} ½", 2)])
@pytest.mark.parametrize("case", ["unknown", "wrong", "none", "inactive", "long"])
def test_every_rejection_is_the_same_and_costs_as_many_hashes(
    service: AccountService, case: str, password: str, hashes: int
) -> None:
    """A password that normalization changes is also compared as it was entered."""
    service.user("ann")
    service.user("bob", password=None)
    carl = service.user("carl")
    service.users.change(carl.id, UserChanges({"is_active": False}), ANONYMOUS)
    name, sent = {
        "unknown": ("unknown", password),
        "wrong": ("ann", f"{password} 2"),
        "none": ("bob", password),
        "inactive": ("carl", password),
        "long": ("x" * 100_000, password),
    }[case]
    before = service.hasher.verified
    with pytest.raises(InvalidCredentials):
        service.log_in(name, sent)
    assert service.hasher.verified == before + hashes


@pytest.mark.parametrize("name", ["ann", "unknown"])
def test_an_address_is_blocked_in_one_network_after_the_limit(
    service: AccountService, name: str
) -> None:
    user = service.user()
    for _ in range(3):
        with pytest.raises(InvalidCredentials):
            service.log_in(name, "wrong")
    checked = service.hasher.verified
    with pytest.raises(TooManyFailures) as blocked:
        service.log_in(name)
    assert blocked.value.retry_after == 15 * 60
    assert service.hasher.verified == checked
    assert service.events(user).count("locked_out") == (1 if name == "ann" else 0)
    service.wait(minutes=14, seconds=59)
    with pytest.raises(TooManyFailures, match=r"Try again in 1 second\."):
        service.log_in(name)
    service.wait(seconds=1)
    with nullcontext() if name == "ann" else pytest.raises(InvalidCredentials):
        service.log_in(name)


def test_a_blocked_network_does_not_block_others(service: AccountService) -> None:
    service.user()
    for _ in range(3):
        with pytest.raises(InvalidCredentials):
            service.log_in(password="wrong", client=ELSEWHERE)
    service.log_in()


def test_a_network_is_blocked_for_all_addresses(service: AccountService) -> None:
    service.user()
    for number in range(30):
        with pytest.raises(InvalidCredentials):
            service.log_in(f"unknown{number}")
    with pytest.raises(TooManyFailures):
        service.log_in()
    service.log_in(client=ELSEWHERE)


def test_attackers_cannot_lock_users_out_of_networks_that_they_use(service: AccountService) -> None:
    user = service.user()
    service.log_in()
    for number in range(30):
        with pytest.raises(InvalidCredentials):
            service.log_in(password="wrong", client=Client("x", f"network {number}"))
    with pytest.raises(TooManyFailures):
        service.log_in(client=ELSEWHERE)
    service.log_in()
    assert service.events(user).count("locked_out") == 1


def test_a_login_resets_the_count_of_its_network(service: AccountService) -> None:
    service.user()
    for _ in range(5):
        for _ in range(2):
            with pytest.raises(InvalidCredentials):
                service.log_in(password="wrong")
        service.log_in()


def test_a_new_session_replaces_the_one_unused_for_longest(service: AccountService) -> None:
    user = service.user()
    first = service.log_in()
    for _ in range(MAX_SESSIONS):
        service.wait(seconds=1)
        service.log_in()
    assert len(service.store.account_tables.sessions) == MAX_SESSIONS
    assert first.session.id not in service.store.account_tables.sessions
    assert service.events(user).count("session_ended") == 1


def test_an_outdated_hash_is_replaced_at_login(service: AccountService) -> None:
    user = service.user()
    tables = service.store.account_tables
    outdated = tables.accounts[user.id]._replace(password_hash=f"old {PASSWORD}")
    tables.accounts[user.id] = outdated
    service.log_in()
    assert service.reader.account(user.id).password_hash == f"hash {PASSWORD}"


@pytest.mark.parametrize("costs", ["old", "hash"])  # others, and those of the setting
def test_an_imported_hash_may_be_that_of_the_password_as_entered(
    service: AccountService, costs: str
) -> None:
    user = service.user()
    tables = service.store.account_tables
    entered = "Straße… 12 m² and more"
    imported = tables.accounts[user.id]._replace(password_hash=f"{costs} {entered}")
    tables.accounts[user.id] = imported
    with pytest.raises(InvalidCredentials):
        service.log_in(password=normalize(entered))
    service.log_in(password=entered)
    assert service.reader.account(user.id).password_hash == f"hash {normalize(entered)}"
    service.log_in(password=normalize(entered))
