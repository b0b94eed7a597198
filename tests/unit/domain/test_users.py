"""Users, new users and their changes."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.attributes import ReadOnly, StaleVersion
from domain.errors import Invalid
from domain.users import NewUser, User, UserChanges

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def ann(**other: object) -> User:
    given = {
        "id": 7,
        "email": "ann@example.org",
        "name": "Ann",
        "is_active": False,
        "role": "user",
        "creation_time": NOON,
        "update_time": NOON,
        "version": 1,
    }
    return User(**{**given, **other})  # type: ignore[arg-type]


def codes(refused: pytest.ExceptionInfo[Invalid]) -> list[tuple[str, str]]:
    return [(v.attribute, v.problem.code) for v in refused.value.violations]


def test_a_new_user_is_inactive_and_has_the_role_user() -> None:
    new = NewUser(email="ann@example.org", name="Ann")
    assert (new.is_active, new.role) == (False, "user")


def test_every_broken_rule_of_one_input_is_named() -> None:
    with pytest.raises(Invalid) as refused:
        NewUser.of({"name": " ", "is_active": "yes", "role": "Boss", "shoe": 44})
    assert codes(refused) == [
        ("email", "missing"),
        ("name", "blank"),
        ("is_active", "wrong_type"),
        ("role", "invalid_format"),
        ("shoe", "unknown_attribute"),
    ]


def test_no_way_leads_to_a_new_user_that_breaks_a_rule() -> None:
    with pytest.raises(Invalid):
        NewUser(email="ann", name="Ann")


@pytest.mark.parametrize("name", ["id", "version", "creation_time"])
def test_what_the_service_sets_is_no_attribute_to_set(name: str) -> None:
    with pytest.raises(Invalid) as refused:
        NewUser.of({"email": "ann@example.org", "name": "Ann", name: 1})
    assert codes(refused) == [(name, "unknown_attribute")]


def test_a_new_user_has_no_creation_time_but_null_is_no_claim() -> None:
    attributes = {"email": "ann@example.org", "name": "Ann"}
    assert NewUser.of(attributes, read_only={"creation_time": None, "update_time": "then"})
    with pytest.raises(ReadOnly) as refused:
        NewUser.of(attributes, read_only={"creation_time": NOON})
    assert refused.value.attribute == "creation_time"


def test_broken_rules_are_told_before_read_only_attributes() -> None:
    with pytest.raises(Invalid):
        NewUser.of({"email": "ann", "name": "Ann"}, read_only={"creation_time": NOON})


def test_a_change_makes_a_later_version() -> None:
    later = NOON + timedelta(seconds=1)
    changed = ann().with_changes(UserChanges({"name": "Anne", "is_active": True}), at=later)
    assert changed == ann(name="Anne", is_active=True, update_time=later, version=2)


def test_a_change_that_changes_nothing_leaves_the_user_itself() -> None:
    user = ann()
    assert user.with_changes(UserChanges({"name": "Ann"}), at=NOON + timedelta(1)) is user
    assert user.with_changes(UserChanges({}), at=NOON + timedelta(1)) is user


def test_another_spelling_of_the_same_email_is_a_change() -> None:
    assert ann().with_changes(UserChanges({"email": "ANN@example.org"}), at=NOON).version == 2


def test_a_clock_that_was_set_back_never_makes_an_update_older() -> None:
    changed = ann().with_changes(UserChanges({"name": "Anne"}), at=NOON - timedelta(hours=1))
    assert changed.update_time == NOON


def test_changes_name_every_broken_rule_and_unknown_attribute() -> None:
    with pytest.raises(Invalid) as refused:
        UserChanges({"email": None, "role": 5, "shoe": 44})
    assert codes(refused) == [
        ("email", "wrong_type"),
        ("role", "wrong_type"),
        ("shoe", "unknown_attribute"),
    ]


def test_a_read_only_attribute_may_be_sent_as_it_is() -> None:
    same = NOON.astimezone()
    changes = UserChanges({"name": "Anne"}, {"creation_time": same, "update_time": "whenever"})
    assert ann().with_changes(changes, at=NOON).name == "Anne"


@pytest.mark.parametrize("claim", [None, "soon", NOON + timedelta(milliseconds=1)])
def test_a_read_only_attribute_may_not_be_changed(claim: object) -> None:
    with pytest.raises(ReadOnly):
        ann().with_changes(UserChanges({}, {"creation_time": claim}), at=NOON)


def test_a_user_stands_at_one_version() -> None:
    ann(version=3).require_version(None)
    ann(version=3).require_version({2, 3})
    with pytest.raises(StaleVersion):
        ann(version=3).require_version({2})
    with pytest.raises(StaleVersion):
        ann(version=3).require_version(set())


def test_a_stored_user_may_break_a_rule_that_was_made_since() -> None:
    assert (
        ann(role="Old Role").with_changes(UserChanges({"name": "Anne"}), at=NOON).role == "Old Role"
    )
