"""Users, new users and their changes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.attributes import ReadOnly, StaleVersion, new_entity
from domain.errors import Invalid
from domain.users import NewUser, User, UserChanges

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def ann(**other: object) -> User:
    attributes: dict[str, Any] = {
        "id": 7,
        "email": "ann@example.org",
        "name": "Ann",
        "is_active": False,
        "role": "user",
        "creation_time": NOON,
        "update_time": NOON,
        "version": 1,
    }
    return User(**{**attributes, **other})


def codes(caught: pytest.ExceptionInfo[Invalid]) -> list[tuple[str, str]]:
    return [(v.attribute, v.problem.code) for v in caught.value.violations]


def test_a_new_user_is_inactive_and_has_the_role_user() -> None:
    new = NewUser(email="ann@example.org", name="Ann")
    assert (new.is_active, new.role) == (False, "user")


def test_every_broken_rule_of_one_input_is_named() -> None:
    with pytest.raises(Invalid) as caught:
        new_entity(NewUser, {"name": " ", "is_active": "yes", "role": "Boss", "shoe": 44})
    assert codes(caught) == [
        ("email", "missing"),
        ("name", "blank"),
        ("is_active", "wrong_type"),
        ("role", "invalid_format"),
        ("shoe", "unknown_attribute"),
    ]


def test_a_new_user_cannot_break_a_rule() -> None:
    with pytest.raises(Invalid) as caught:
        NewUser(email="ann", name="Ann")
    assert codes(caught) == [("email", "invalid_email")]


@pytest.mark.parametrize("name", ["id", "version", "creation_time"])
def test_rejects_attributes_that_the_service_sets(name: str) -> None:
    with pytest.raises(Invalid) as caught:
        new_entity(NewUser, {"email": "ann@example.org", "name": "Ann", name: 1})
    assert codes(caught) == [(name, "unknown_attribute")]


def test_rejects_a_creation_time_of_a_new_user_unless_it_is_null() -> None:
    attributes = {"email": "ann@example.org", "name": "Ann"}
    new = new_entity(NewUser, attributes, read_only={"creation_time": None, "update_time": "then"})
    assert new == NewUser(email="ann@example.org", name="Ann")
    with pytest.raises(ReadOnly) as caught:
        new_entity(NewUser, attributes, read_only={"creation_time": NOON})
    assert caught.value.attribute == "creation_time"


def test_reports_broken_rules_before_read_only_attributes() -> None:
    with pytest.raises(Invalid) as caught:
        new_entity(NewUser, {"email": "ann", "name": "Ann"}, read_only={"creation_time": NOON})
    assert codes(caught) == [("email", "invalid_email")]


def test_a_change_increments_the_version() -> None:
    later = NOON + timedelta(seconds=1)
    changed = ann().with_changes(UserChanges({"name": "Anne", "is_active": True}), at=later)
    assert changed == ann(name="Anne", is_active=True, update_time=later, version=2)


def test_a_change_without_effect_returns_the_same_user() -> None:
    user = ann()
    assert user.with_changes(UserChanges({"name": "Ann"}), at=NOON + timedelta(1)) is user
    assert user.with_changes(UserChanges({}), at=NOON + timedelta(1)) is user


def test_another_spelling_of_the_same_email_is_a_change() -> None:
    assert ann().with_changes(UserChanges({"email": "ANN@example.org"}), at=NOON).version == 2


def test_an_update_time_is_never_earlier_than_the_last_one() -> None:
    changed = ann().with_changes(UserChanges({"name": "Anne"}), at=NOON - timedelta(hours=1))
    assert changed.update_time == NOON


def test_changes_name_every_broken_rule_and_unknown_attribute() -> None:
    with pytest.raises(Invalid) as caught:
        UserChanges({"email": None, "role": 5, "shoe": 44})
    assert codes(caught) == [
        ("email", "wrong_type"),
        ("role", "wrong_type"),
        ("shoe", "unknown_attribute"),
    ]


def test_a_read_only_attribute_can_be_sent_unchanged() -> None:
    same = NOON.astimezone()
    changes = UserChanges({"name": "Anne"}, {"creation_time": same, "update_time": "whenever"})
    assert ann().with_changes(changes, at=NOON).name == "Anne"


@pytest.mark.parametrize("value", [None, "soon", NOON + timedelta(milliseconds=1)])
def test_rejects_a_change_of_a_read_only_attribute(value: object) -> None:
    with pytest.raises(ReadOnly):
        ann().with_changes(UserChanges({}, {"creation_time": value}), at=NOON)


def test_a_user_has_one_version() -> None:
    ann(version=3).require_version(None)
    ann(version=3).require_version({2, 3})
    with pytest.raises(StaleVersion):
        ann(version=3).require_version({2})
    with pytest.raises(StaleVersion):
        ann(version=3).require_version(set())


def test_a_stored_user_may_break_a_newer_rule() -> None:
    assert (
        ann(role="Old Role").with_changes(UserChanges({"name": "Anne"}), at=NOON).role == "Old Role"
    )
