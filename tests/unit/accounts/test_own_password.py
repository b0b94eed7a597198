"""A user's change of the own password, and the limit on guessing the current one."""

import pytest
from accounts_service import NEW_PASSWORD, AccountService

from application.accounts.errors import InvalidCredentials, TooManyFailures, WrongPassword


def test_wrong_current_passwords_lock_the_user_out(service: AccountService) -> None:
    user = service.user()
    session = service.log_in().session
    for _ in range(3):
        with pytest.raises(WrongPassword):
            service.change_password(session, current="wrong")
    assert service.events(user)[-1] == "locked_out"
    with pytest.raises(TooManyFailures):
        service.change_password(session)
    assert service.events(user).count("locked_out") == 1


def test_a_new_password_resets_the_count_of_wrong_ones(service: AccountService) -> None:
    service.user()
    session = service.log_in().session
    for _ in range(2):
        with pytest.raises(WrongPassword):
            service.change_password(session, current="wrong")
    service.change_password(session)
    for _ in range(2):
        with pytest.raises(InvalidCredentials):
            service.log_in(password="wrong")
    assert service.log_in(password=NEW_PASSWORD).session
