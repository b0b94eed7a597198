"""Sign-up, recovery, invitation and confirmation."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from accounts.conftest import Build, Service, bearer, other_issuer
from accounts.table import NEW_PASSWORD, PASSWORD, document
from accounts.test_me import BAD_PASSWORDS
from api.tokens import secret_token

from domain.accounts import Template
from entrypoints.container import utc_now


def sign_up(service: Service, email: str = "bob@example.org", name: str = "Bob") -> Any:
    return service.send("POST", "/signups", document("signups", email=email, name=name))


def recover(service: Service, email: str) -> Any:
    return service.send("POST", "/recoveries", document("recoveries", email=email))


def confirm(service: Service, token: str, **attributes: Any) -> Any:
    sent = document("confirmations", token=token, **attributes)
    return service.send("POST", "/confirmations", sent)


def invite(service: Service, method: str = "POST") -> Any:
    admin = other_issuer("users:read", "users:write")
    return service.send(method, "/users/1/invitations", {"data": {"type": "invitations"}}, admin)


def user_of(service: Service, user_id: int = 1) -> Any:
    response = service.send("GET", f"/users/{user_id}", headers=other_issuer("users:read"))
    return response.json.get("data", {}).get("attributes")


def logs_in(service: Service, email: str, password: str = NEW_PASSWORD) -> bool:
    sent = document("sessions", email=email, password=password)
    return bool(service.send("POST", "/sessions", sent).status_code == 201)


def test_the_link_of_a_signup_creates_the_user(service: Service) -> None:
    response = sign_up(service)
    assert response.status_code == 202
    assert response.json.keys() == {"jsonapi", "meta"}
    token = service.link_token()
    assert user_of(service) is None
    response = confirm(service, token, password=NEW_PASSWORD)
    assert (response.status_code, response.data) == (204, b"")
    user = user_of(service)
    assert (user["email"], user["name"]) == ("bob@example.org", "Bob")
    assert (user["is_active"], user["role"]) == (True, "user")
    assert logs_in(service, "bob@example.org")
    again = confirm(service, token, password=NEW_PASSWORD)
    assert again.problems == [("403", "link_invalid", "/data/attributes/token")]


def test_a_signup_gets_409_if_the_address_was_taken_since(service: Service) -> None:
    sign_up(service)
    token = service.link_token()
    service.user("bob")
    response = confirm(service, token, password=NEW_PASSWORD)
    (problem,) = response.problems
    assert problem[:2] == ("409", "email_taken")


def test_an_account_shows_when_its_password_was_last_set(service: Service) -> None:
    def password_time() -> datetime:
        response = service.send("GET", "/users/1/account", headers=other_issuer("users:read"))
        return datetime.fromisoformat(response.json["data"]["attributes"]["password_time"])

    start = utc_now()
    sign_up(service)
    assert confirm(service, service.link_token(), password=PASSWORD).status_code == 204
    signed_up = password_time()
    change = document("passwords", current_password=PASSWORD, password=NEW_PASSWORD)
    response = service.send("POST", "/me/password", change, service.access("bob"))
    assert response.status_code == 204
    changed = password_time()
    service.next_email()  # about the change
    recover(service, "bob@example.org")
    assert confirm(service, service.link_token(), password=PASSWORD).status_code == 204
    assert start - timedelta(milliseconds=1) < signed_up < changed < password_time()


@pytest.mark.parametrize("request_link", [sign_up, recover])
def test_the_responses_to_known_and_unknown_addresses_are_the_same(
    service: Service, request_link: Any
) -> None:
    service.user()
    service.user("inactive", is_active=False)
    seen = set()
    for name in ("ann", "ANN", "inactive", "unknown"):
        response = request_link(service, f"{name}@example.org")
        assert response.status_code == 202
        headers = {k: v for k, v in response.headers.items() if k != "X-Request-ID"}
        seen.add((response.data, *headers.items()))
    assert len(seen) == 1


@pytest.mark.parametrize("request_link", [sign_up, recover])
@pytest.mark.parametrize("email", ["not an address", "", "a@b", "x" * 300 + "@example.org"])
def test_an_invalid_address_gets_422(service: Service, request_link: Any, email: str) -> None:
    (problem,) = request_link(service, email).problems
    assert problem[0] == "422"
    assert problem[1] in ("invalid_email", "too_long", "blank")
    assert problem[2] == "/data/attributes/email"


@pytest.mark.parametrize(
    ("name", "code"), [("", "blank"), ("a" * 251, "too_long"), ("a\tb", "control_character")]
)
def test_an_invalid_name_at_signup_gets_422(service: Service, name: str, code: str) -> None:
    response = sign_up(service, "bad address", name)
    assert ("422", code, "/data/attributes/name") in response.problems
    assert ("422", "invalid_email", "/data/attributes/email") in response.problems


def test_signup_can_be_off_or_for_some_domains(build: Build) -> None:
    assert sign_up(build(ROSTER_SIGNUP="off")).problems == [("403", "signup_closed", None)]
    service = build(ROSTER_SIGNUP="Example.com, example.net")
    assert sign_up(service).problems == [("422", "email_domain", "/data/attributes/email")]
    assert sign_up(service, "bob@EXAMPLE.com").status_code == 202


def test_no_user_can_be_created_with_other_attributes(service: Service) -> None:
    sent = document("signups", email="bob@example.org", name="Bob", role="admin")
    response = service.send("POST", "/signups", sent)
    assert response.problems == [("422", "unknown_attribute", "/data/attributes/role")]
    sent = document("signups", email="bob@example.org", name="Bob", password=NEW_PASSWORD)
    response = service.send("POST", "/signups", sent)
    assert response.problems == [("422", "unknown_attribute", "/data/attributes/password")]


def test_a_recovery_sets_the_password_and_ends_all_sessions(service: Service) -> None:
    service.user()
    service.log_in()
    recover(service, "ANN@example.org")
    token = service.link_token()
    recover(service, "ann@example.org")
    other = service.link_token()
    response = confirm(service, token, password=NEW_PASSWORD)
    assert response.status_code == 204
    sessions = service.send("GET", "/users/1/sessions", headers=other_issuer("users:read"))
    assert sessions.json["data"] == []
    assert logs_in(service, "ann@example.org")
    assert not logs_in(service, "ann@example.org", PASSWORD)
    notice = service.next_email()
    assert notice
    assert notice.outgoing.template is Template.PASSWORD_CHANGED
    assert notice.outgoing.token is None
    assert confirm(service, other, password=PASSWORD).status_code == 403


def test_recovery_emails_active_users_only(service: Service) -> None:
    service.user(is_active=False)
    recover(service, "ann@example.org")
    recover(service, "unknown@example.org")
    assert service.next_email() is None


def test_an_address_gets_five_emails_per_hour(service: Service) -> None:
    service.user()
    for _ in range(4):
        assert recover(service, "ann@example.org").status_code == 202
        assert sign_up(service, "Ann@example.org").status_code == 202
    emails = 0
    while service.next_email():
        emails += 1
    assert emails == 5


def change_own_password(service: Service) -> Any:
    sent = document("passwords", current_password=PASSWORD, password=NEW_PASSWORD)
    return service.send("POST", "/me/password", sent, service.access())


def set_password_by_link(service: Service) -> Any:
    recover(service, "ann@example.org")
    return confirm(service, service.link_token(), password=NEW_PASSWORD)


@pytest.mark.parametrize("set_password", [change_own_password, set_password_by_link])
def test_a_new_password_does_not_permit_more_emails(
    service: Service, set_password: Callable[[Service], Any]
) -> None:
    service.user()
    for _ in range(4):
        recover(service, "ann@example.org")
        assert service.link_token()
    assert set_password(service).status_code == 204
    for _ in range(6):
        recover(service, "ann@example.org")
        sign_up(service, "ann@example.org")
    caused_by_anyone = []
    while email := service.next_email():
        if email.outgoing.template is not Template.PASSWORD_CHANGED:
            caused_by_anyone.append(email.outgoing.template)
    assert len(caused_by_anyone) == (1 if set_password is change_own_password else 0)


@pytest.mark.parametrize(("password", "code"), BAD_PASSWORDS[:-1], ids=ascii)
def test_a_rejected_password_does_not_use_up_the_link(
    service: Service, password: str, code: str
) -> None:
    sign_up(service)
    token = service.link_token()
    response = confirm(service, token, password=password)
    assert response.problems == [("422", code, "/data/attributes/password")]
    response = confirm(service, token)
    assert response.problems == [("422", "missing", "/data/attributes")]
    assert response.json["errors"][0]["meta"]["attribute"] == "password"
    assert confirm(service, token, password=NEW_PASSWORD).status_code == 204


@pytest.mark.parametrize("token", ["", "x", "rlt_" + "A" * 43, "rrt_" + "A" * 43, "x" * 5000, "é"])
@pytest.mark.parametrize("attributes", [{}, {"password": NEW_PASSWORD}])
def test_an_unknown_token_gets_403(service: Service, token: str, attributes: Any) -> None:
    response = confirm(service, token, **attributes)
    assert response.problems == [("403", "link_invalid", "/data/attributes/token")]


def test_an_invitation_makes_the_user_active(service: Service) -> None:
    service.user(is_active=False, has_password=False)
    response = invite(service)
    assert response.status_code == 202
    assert response.json.keys() == {"jsonapi", "meta"}
    assert confirm(service, service.link_token(), password=NEW_PASSWORD).status_code == 204
    assert user_of(service)["is_active"] is True
    assert logs_in(service, "ann@example.org")
    account = service.send("GET", "/users/1/account", headers=other_issuer("users:read")).json
    assert account["data"]["attributes"]["email_verified_time"]


def test_withdrawn_invitations_are_invalid(service: Service) -> None:
    service.user(has_password=False)
    invite(service)
    token = service.link_token()
    invite(service)
    for _ in range(2):
        assert invite(service, "DELETE").status_code == 204
    assert confirm(service, token, password=NEW_PASSWORD).problems[0][1] == "link_invalid"
    assert service.next_email() is None


def test_an_invitation_has_no_attributes(service: Service) -> None:
    service.user()
    admin = other_issuer("users:read", "users:write")
    for name in ("password", "email", "token"):
        sent = document("invitations", **{name: "x"})
        response = service.send("POST", "/users/1/invitations", sent, admin)
        assert response.problems == [("422", "unknown_attribute", f"/data/attributes/{name}")]
        detail = f"{name} is not a settable attribute. There are none."
        assert response.json["errors"][0]["detail"] == detail


def test_a_new_address_that_was_taken_meanwhile_gets_409(service: Service) -> None:
    service.user()
    headers = service.access()
    sent = document("emails", email="new@example.org", password=PASSWORD)
    service.send("POST", "/me/email", sent, headers)
    token = service.link_token()
    service.user("new")
    response = confirm(service, token)
    assert response.problems[0][:2] == ("409", "email_taken")


def test_a_change_without_a_subject_is_refused(service: Service) -> None:
    service.user()
    without_subject = bearer(secret_token("users:read", "users:write"))
    for method, url in [
        ("POST", "/users/1/invitations"),
        ("DELETE", "/users/1/invitations"),
        ("DELETE", "/users/1/sessions"),
    ]:
        sent = {"data": {"type": "invitations"}} if method == "POST" else None
        response = service.send(method, url, sent, without_subject)
        assert response.problems == [("403", "subject_required", None)]
    assert service.send("GET", "/users/1/sessions", headers=without_subject).status_code == 200
