"""Refreshing and ending sessions."""

from datetime import timedelta
from typing import Any

import pytest
from accounts_service import ANONYMOUS, HOME, NEW_PASSWORD, PASSWORD, AccountService

from application.accounts.config import AccountConfig, RoleScopes
from application.accounts.errors import (
    InvalidGrant,
    InvalidScope,
    SessionNotFound,
    WrongPassword,
)
from application.accounts.sessions import IssuedTokens, SessionCommands, SessionTokens
from application.search import Search
from domain.users import UserChanges


def sessions_with(service: AccountService, **settings: Any) -> SessionCommands:
    """The commands of the service with other settings."""
    config = AccountConfig(role_scopes=RoleScopes({"*": ("me",)}, ()), **settings)
    return SessionCommands(
        service.run, config, SessionTokens(config, service.tokens, service.tokens)
    )


def refresh(service: AccountService, token: str, **more: Any) -> IssuedTokens:
    return service.sessions.refresh(token, HOME, ANONYMOUS, **more)


def test_each_refresh_token_works_once_and_returns_the_next(service: AccountService) -> None:
    service.user()
    issued = service.log_in()
    for _ in range(3):
        service.wait(hours=1)
        issued = refresh(service, issued.refresh_token)
    assert len(service.store.account_tables.sessions) == 1


def test_tabs_may_refresh_at_the_same_time(service: AccountService) -> None:
    service.user()
    token = service.log_in().refresh_token
    first = refresh(service, token)
    service.wait(seconds=10)
    second = refresh(service, token)
    service.wait(minutes=1)
    for issued in (first, second):
        assert refresh(service, issued.refresh_token).access_token


def test_a_token_used_again_later_ends_the_session(service: AccountService) -> None:
    user = service.user()
    token = service.log_in().refresh_token
    newer = refresh(service, token).refresh_token
    service.wait(seconds=10.001)
    with pytest.raises(InvalidGrant):
        refresh(service, token)
    with pytest.raises(InvalidGrant):
        refresh(service, newer)
    assert service.events(user)[-2:] == ["token_reused", "session_ended"]
    revocation = next(iter(service.store.account_tables.revocations.values()))
    assert revocation.time == service.now


def test_a_client_that_refreshes_all_the_time_cannot_prevent_the_end_of_its_session(
    service: AccountService,
) -> None:
    """The end of a session deletes its tokens, and must take less time than a request may."""
    service.user()
    service.sessions = sessions_with(service, max_tokens=300)
    other, issued = service.log_in(), service.log_in()
    tokens = service.store.account_tables.tokens
    most = 0
    for _ in range(4000):
        before, issued = issued, refresh(service, issued.refresh_token)
        refresh(service, before.refresh_token)  # another tab, which stores its token
        service.wait(milliseconds=1)
        most = max(most, len(tokens))
    assert most < 4000
    assert refresh(service, other.refresh_token)
    service.wait(minutes=1)
    with pytest.raises(InvalidGrant):
        refresh(service, before.refresh_token)
    with pytest.raises(InvalidGrant):
        refresh(service, issued.refresh_token)


@pytest.mark.parametrize(("idle", "works"), [(6.9, True), (7, False)])
def test_a_session_ends_when_it_is_idle(service: AccountService, idle: float, works: bool) -> None:
    service.user()
    token = service.log_in().refresh_token
    service.wait(days=idle)
    if works:
        refresh(service, token)
    else:
        with pytest.raises(InvalidGrant):
            refresh(service, token)


def test_a_session_shows_its_last_use(service: AccountService) -> None:
    user = service.user()
    issued = service.log_in()
    service.wait(days=2)
    refresh(service, issued.refresh_token)
    found = service.session_queries.get(user.id, issued.session.id, None)
    assert (found.creation_time, found.use_time) == (issued.session.use_time, service.now)


def test_the_version_of_a_session_is_the_time_of_its_last_use(service: AccountService) -> None:
    """Clients keep the versions and ETags of earlier releases."""
    service.user()
    session = service.log_in().session
    assert session.version == 1000 * session.use_time.timestamp()


def test_a_session_ends_at_its_maximum_age(service: AccountService) -> None:
    service.user()
    issued = service.log_in()
    for _ in range(29):
        service.wait(days=1)
        issued = refresh(service, issued.refresh_token)
    service.wait(hours=23, minutes=55)
    issued = refresh(service, issued.refresh_token)
    assert issued.expires_in == 300, "the access token outlives the session"
    service.wait(minutes=5)
    with pytest.raises(InvalidGrant):
        refresh(service, issued.refresh_token)


@pytest.mark.parametrize("setting", ["session_ttl", "idle_ttl"])
def test_a_shorter_setting_ends_older_sessions(service: AccountService, setting: str) -> None:
    """Otherwise a refresh would succeed with tokens that have expired."""
    service.user()
    issued = service.log_in()
    service.wait(days=2)
    shorter: dict[str, Any] = {setting: timedelta(days=1)}
    config = AccountConfig(role_scopes=RoleScopes({}, ()), **shorter)
    issuing = SessionTokens(config, service.tokens, service.tokens)
    commands = SessionCommands(service.run, config, issuing)
    with pytest.raises(InvalidGrant):
        commands.refresh(issued.refresh_token, HOME, ANONYMOUS)


def test_a_refresh_grants_the_present_scopes(service: AccountService) -> None:
    user = service.user()
    issued = service.log_in()
    service.users.change(user.id, UserChanges({"role": "admin"}), ANONYMOUS)
    (revocation,) = service.store.account_tables.revocations.values()
    assert (revocation.user_id, revocation.session_id) == (user.id, None)
    issued = refresh(service, issued.refresh_token)
    assert "users:write" in issued.scopes
    narrowed = refresh(service, issued.refresh_token, scopes=["me"])
    assert narrowed.scopes == ("me",)
    assert "users:write" in refresh(service, narrowed.refresh_token).scopes
    with pytest.raises(InvalidScope):
        refresh(service, narrowed.refresh_token, scopes=["users:erase"])


def test_deactivation_and_deletion_end_the_sessions(service: AccountService) -> None:
    ann, bob = service.user("ann"), service.user("bob")
    tokens = [service.log_in(name).refresh_token for name in ("ann", "bob")]
    service.users.change(ann.id, UserChanges({"is_active": False}), ANONYMOUS)
    service.users.delete(bob.id, ANONYMOUS)
    for token in tokens:
        with pytest.raises(InvalidGrant):
            refresh(service, token)
    tables = service.store.account_tables
    assert not tables.sessions
    assert not tables.tokens
    assert bob.id not in tables.accounts
    assert "session_ended" in service.events(ann)


def test_users_end_their_own_sessions_only(service: AccountService) -> None:
    ann, bob = service.user("ann"), service.user("bob")
    session = service.log_in("ann").session
    with pytest.raises(SessionNotFound):
        service.sessions.end(bob.id, session.id, ANONYMOUS)
    service.sessions.end(ann.id, session.id, ANONYMOUS)
    with pytest.raises(SessionNotFound):
        service.session_queries.get(ann.id, session.id, None)


def test_a_list_of_sessions_has_those_of_one_user_for_any_search(
    service: AccountService,
) -> None:
    ann, bob = service.user("ann"), service.user("bob")
    session = service.log_in("ann").session
    service.log_in("bob")
    queries = service.session_queries
    assert queries.page(ann.id, Search(), None).items == (session,)
    assert queries.page(ann.id, Search(queries.about(bob.id)), None).items == ()


def test_a_new_password_ends_all_sessions_except_the_current_one(service: AccountService) -> None:
    user = service.user()
    current, other = service.log_in(), service.log_in()
    change: Any = {"current": PASSWORD, "new": NEW_PASSWORD, "client": HOME, "context": ANONYMOUS}
    service.passwords.change(user.id, current.session.id, **change)
    assert refresh(service, current.refresh_token)
    with pytest.raises(InvalidGrant):
        refresh(service, other.refresh_token)
    service.log_in(password=NEW_PASSWORD)
    assert service.sent_emails() == [("password_changed", user.email)]
    assert "password_changed" in service.events(user)
    with pytest.raises(WrongPassword) as wrong:
        service.passwords.change(user.id, current.session.id, **change)
    assert wrong.value.attribute == "current_password"
