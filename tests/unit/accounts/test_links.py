"""Sign-up, invitation, recovery and new addresses."""

from collections import Counter
from datetime import timedelta

import pytest
from accounts_service import ANONYMOUS, NEW_PASSWORD, PASSWORD, AccountService

from application.access import InsufficientScope, Principal
from application.accounts.config import Signup
from application.accounts.errors import (
    InvalidCredentials,
    LinkInvalid,
    SignupClosed,
    WrongPassword,
)
from application.ports import Context, UnitOfWork
from application.users import USER_TYPE
from domain.accounts import Purpose
from domain.errors import Invalid
from domain.users import EmailTaken, UserChanges, UserNotFound


def codes(error: Invalid) -> list[str]:
    return [each.problem.code for each in error.violations]


def test_a_sign_up_creates_the_user_when_its_link_is_used(service: AccountService) -> None:
    service.links.sign_up("ann@example.org", "Ann", ANONYMOUS)
    service.links.sign_up("ann@example.org", "Other", ANONYMOUS)
    assert not service.store.rows(USER_TYPE)
    first, second = map(service.open_link, service.emails())
    service.confirmation.confirm(first, PASSWORD, ANONYMOUS)
    issued = service.log_in()
    user = service.user_reader.get(issued.session.user_id)
    assert (user.name, user.role, user.is_active) == ("Ann", "user", True)
    assert service.reader.account(user.id).email_verified_time == service.now
    with pytest.raises(LinkInvalid):
        service.confirmation.confirm(second, PASSWORD, ANONYMOUS)


def test_the_owner_of_a_known_address_gets_a_note(service: AccountService) -> None:
    service.user()
    service.links.sign_up("ANN@example.org", "Mallory", ANONYMOUS)
    assert service.sent_emails() == [("taken", "ann@example.org")]


def test_an_address_that_was_taken_meanwhile_is_a_conflict(service: AccountService) -> None:
    service.links.sign_up("ann@example.org", "Ann", ANONYMOUS)
    token = service.open_link(service.emails()[0])
    service.user()
    with pytest.raises(EmailTaken):
        service.confirmation.confirm(token, PASSWORD, ANONYMOUS)


def test_sign_up_can_be_closed_or_limited_to_domains() -> None:
    with pytest.raises(SignupClosed):
        AccountService(Signup()).links.sign_up("ann@example.org", "Ann", ANONYMOUS)
    limited = AccountService(Signup(enabled=True, domains=frozenset(["example.org"])))
    limited.links.sign_up("ann@EXAMPLE.org", "Ann", ANONYMOUS)
    with pytest.raises(Invalid) as other:
        limited.links.sign_up("ann@example.com", "Ann", ANONYMOUS)
    assert codes(other.value) == ["email_domain"]


@pytest.mark.parametrize("password", ["short", "password1234", None, "Ann", "x" * 257, "a\tb" * 9])
def test_a_rejected_password_does_not_use_up_the_link(
    service: AccountService, password: str | None
) -> None:
    user = service.user(password=None)
    token = service.link_of(user, Purpose.INVITATION)
    with pytest.raises(Invalid):
        service.confirmation.confirm(token, password, ANONYMOUS)
    service.confirmation.confirm(token, PASSWORD, ANONYMOUS)
    with pytest.raises(LinkInvalid):
        service.confirmation.confirm(token, PASSWORD, ANONYMOUS)


def test_an_invitation_makes_the_user_active(service: AccountService) -> None:
    user = service.user(password=None, is_active=False)
    service.links.invite(user.id, ANONYMOUS)
    (email,) = service.emails()
    service.confirmation.confirm(service.open_link(email), PASSWORD, ANONYMOUS)
    service.log_in()
    assert "invited" in service.events(user)


def test_only_writers_invite(service: AccountService) -> None:
    user = service.user()
    reader = Context(Principal("secret", None, "x", frozenset(["users:read"])))
    with pytest.raises(InsufficientScope):
        service.links.invite(user.id, reader)
    with pytest.raises(UserNotFound):
        service.links.invite(999, ANONYMOUS)


def test_recovery_ends_the_sessions_and_sends_a_notice(service: AccountService) -> None:
    user = service.user()
    service.log_in()
    service.links.recover(user.email, ANONYMOUS)
    (email,) = service.emails()
    service.confirmation.confirm(service.open_link(email), NEW_PASSWORD, ANONYMOUS)
    assert not service.store.account_tables.sessions
    assert service.sent_emails() == [("password_changed", user.email)]
    service.log_in(password=NEW_PASSWORD)


def test_recovery_emails_active_users_only(service: AccountService) -> None:
    service.user("bob", password=None, is_active=False)
    for address in ("bob@example.org", "unknown@example.org"):
        service.links.recover(address, ANONYMOUS)
    assert service.sent_emails() == []


def test_unauthenticated_requests_send_five_emails_an_hour(service: AccountService) -> None:
    user = service.user()
    for _ in range(7):
        service.links.recover(user.email, ANONYMOUS)
    assert len(service.sent_emails()) == 5
    service.wait(hours=1)
    service.links.recover(user.email, ANONYMOUS)
    assert len(service.sent_emails()) == 6


def test_a_deletion_deletes_the_counts_of_the_address(service: AccountService) -> None:
    user = service.user()
    service.links.recover(user.email, ANONYMOUS)
    with pytest.raises(InvalidCredentials):
        service.log_in(password="wrong")
    service.users.delete(user.id, ANONYMOUS)
    counters = service.store.account_tables.counters.values()
    assert [subject for _, subject, _ in counters] == [None]  # that of the network


@pytest.mark.parametrize("is_known", [True, False])
def test_requests_that_send_no_email_use_up_none(service: AccountService, is_known: bool) -> None:
    """So no one can prevent a sign-up, or the recovery of a user who is activated later."""
    user = service.user(is_active=False) if is_known else None
    for _ in range(7):
        service.links.recover("ann@example.org", ANONYMOUS)
    assert service.sent_emails() == []
    service.links.sign_up("ann@example.org", "Ann", ANONYMOUS)
    assert service.sent_emails() == [("taken" if user else "signup", "ann@example.org")]


def test_sign_ups_and_recoveries_send_five_emails_together(service: AccountService) -> None:
    user = service.user()
    for _ in range(3):
        service.links.sign_up(user.email, "Ann", ANONYMOUS)
        service.links.recover(user.email, ANONYMOUS)
    assert len(service.sent_emails()) == 5


@pytest.mark.parametrize("first", ["sign-up", "recovery"])
def test_the_outbox_grows_equally_for_every_address(service: AccountService, first: str) -> None:
    """A request stores an email for both or for neither, because storing one takes time."""
    service.user()
    grown: dict[str, list[int]] = {}
    for name in ("ann", "unknown"):
        email = f"{name}@example.org"
        requests = [
            lambda email=email: service.links.sign_up(email, "Ann", ANONYMOUS),
            lambda email=email: service.links.recover(email, ANONYMOUS),
        ]
        grown[name] = []
        for request in requests if first == "sign-up" else requests[::-1]:
            for _ in range(7):
                before = len(service.emails())
                request()
                grown[name].append(len(service.emails()) - before)
    assert grown["ann"] == grown["unknown"]


@pytest.mark.parametrize(
    "change", ["password", "address", "letter case", "deactivation", "deletion", "withdrawal"]
)
def test_links_and_waiting_emails_end_together(service: AccountService, change: str) -> None:
    user = service.user()
    service.links.recover(user.email, ANONYMOUS)
    token = service.link_of(user, Purpose.RECOVERY)
    if change == "password":
        service.passwords.set(user.email, NEW_PASSWORD, ANONYMOUS)
    elif change == "address":
        service.users.change(user.id, UserChanges({"email": "new@example.org"}), ANONYMOUS)
    elif change == "letter case":
        changes = UserChanges({"email": user.email.title()})
        assert service.users.change(user.id, changes, ANONYMOUS).email_key == user.email_key
    elif change == "deactivation":
        service.users.change(user.id, UserChanges({"is_active": False}), ANONYMOUS)
    elif change == "deletion":
        service.users.delete(user.id, ANONYMOUS)
    else:
        service.links.withdraw(user.id, ANONYMOUS)
    assert not [each for each in service.emails() if each.template.purpose]
    with pytest.raises(LinkInvalid):
        service.confirmation.confirm(token, PASSWORD, ANONYMOUS)


def test_a_new_email_does_not_wait_for_overdue_retries(service: AccountService) -> None:
    """A server that refuses many emails does not delay the first attempt of others."""
    for name in ("ann", "bob"):
        service.user(name)

    def claim(work: UnitOfWork) -> str:
        email = work.accounts.outbox.claim(work.now, until=work.now + timedelta(minutes=5))
        assert email
        return email.address

    service.links.recover("ann@example.org", ANONYMOUS)
    assert service.run(ANONYMOUS, claim) == "ann@example.org"
    service.wait(minutes=10)
    service.links.recover("bob@example.org", ANONYMOUS)
    claimed = [service.run(ANONYMOUS, claim) for _ in range(2)]
    assert claimed == ["bob@example.org", "ann@example.org"]


def test_a_link_expires(service: AccountService) -> None:
    token = service.link_of(service.user(), Purpose.RECOVERY)
    service.wait(minutes=30)
    with pytest.raises(LinkInvalid):
        service.confirmation.confirm(token, PASSWORD, ANONYMOUS)


def test_a_new_address_is_confirmed_by_its_link(service: AccountService) -> None:
    user = service.user()
    session = service.log_in().session
    with pytest.raises(WrongPassword) as wrong:
        service.request_email(session, "new@example.org", password="wrong")
    assert wrong.value.attribute == "password"
    service.request_email(session, "new@example.org")
    assert service.user_reader.get(user.id).email == user.email
    service.confirmation.confirm(service.open_link(service.emails()[0]), None, ANONYMOUS)
    assert service.user_reader.get(user.id).email == "new@example.org"
    assert service.reader.account(user.id).email_verified_time == service.now
    assert ("email_changed", user.email) in service.sent_emails()


def test_only_a_change_of_the_address_makes_it_unverified(service: AccountService) -> None:
    service.links.sign_up("ann@example.org", "Ann", ANONYMOUS)
    service.confirmation.confirm(service.open_link(service.emails()[0]), PASSWORD, ANONYMOUS)
    user_id = service.log_in().session.user_id
    for changes, is_verified in (
        ({"name": "Anna"}, True),
        ({"email": "ANN@example.org"}, True),
        ({"email": "anna@example.org"}, False),
    ):
        service.users.change(user_id, UserChanges(changes), ANONYMOUS)
        assert bool(service.reader.account(user_id).email_verified_time) is is_verified


def test_a_taken_address_looks_like_a_free_one(service: AccountService) -> None:
    service.user("ann")
    bob = service.user("bob")
    service.request_email(service.log_in("ann").session, bob.email)
    assert service.sent_emails() == [("taken", bob.email)]


def test_users_send_five_emails_an_hour_to_one_new_address(service: AccountService) -> None:
    """They do not use up the emails of its owner, who may have forgotten a password."""
    service.user("ann")
    bob = service.user("bob")
    session = service.log_in("ann").session
    for _ in range(7):
        service.request_email(session, bob.email)
        service.request_email(session, "stranger@example.org")
    service.links.recover(bob.email, ANONYMOUS)
    assert Counter(service.sent_emails()) == {
        ("taken", bob.email): 5,
        ("email", "stranger@example.org"): 5,
        ("recovery", bob.email): 1,
    }
