"""Units of work that read and write users, on every store."""

from datetime import UTC, datetime

import pytest
from contract.stores.directories import ANONYMOUS, Directory, listed, many
from sqlalchemy import event

from application.ports import ConcurrentUpdate
from application.users import USER_TYPE
from domain.attributes import StaleVersion
from domain.users import EmailTaken, NewUser, User, UserChanges, UserNotFound

ANN = NewUser(email="Ann@Example.org", name="Ann")


def test_reads_the_user_that_was_added(directory: Directory) -> None:
    new = NewUser(email="Ünï@exämple.org", name="Ann 👩‍🚀 %_\\'\"", is_active=True, role="admin")
    added = directory.commands.create(new, ANONYMOUS)
    assert directory.reader.get(added.id) == added
    assert (added.email, added.name, added.is_active, added.role, added.version) == (
        new.email,
        new.name,
        True,
        "admin",
        1,
    )
    assert added.creation_time == added.update_time
    assert directory.reader.get(added.id).creation_time.tzinfo is UTC


def test_everything_that_a_unit_writes_has_its_time(directory: Directory) -> None:
    with directory.begin(ANONYMOUS) as work:
        user = work.repository(USER_TYPE).add(ANN, at=work.now)
        assert user.creation_time == work.now


@pytest.mark.parametrize(
    ("stored", "same"),
    [
        ("ann@example.org", "ANN@example.ORG"),
        ("é@example.org", "É@example.org"),
        ("e\u0301@example.org", "é@example.org"),
        ("ann@example.org", "ａｎｎ@example.org"),
        ("strasse@example.org", "straße@example.org"),
    ],
    ids=["case", "case beyond ASCII", "decomposed", "full width", "sharp s"],
)
def test_rejects_an_email_that_is_taken_in_another_spelling(
    directory: Directory, stored: str, same: str
) -> None:
    directory.add(stored)
    other = directory.add("other@example.org")
    with pytest.raises(EmailTaken):
        directory.add(same)
    with pytest.raises(EmailTaken):
        directory.commands.change(other.id, UserChanges({"email": same}), ANONYMOUS)
    assert directory.reader.get(other.id) == other


def test_emails_that_differ_by_an_accent_are_different(directory: Directory) -> None:
    directory.add("jose@example.org")
    directory.add("josé@example.org")
    assert directory.emails() == ["jose@example.org", "josé@example.org"]


def test_a_user_can_change_the_spelling_of_its_email(directory: Directory) -> None:
    user = directory.add("ann@example.org")
    changed = directory.commands.change(
        user.id, UserChanges({"email": "Ann@example.org"}), ANONYMOUS
    )
    assert directory.reader.get(user.id).email == changed.email == "Ann@example.org"


def test_an_email_is_free_again_after_a_delete_or_a_change(directory: Directory) -> None:
    first, second = directory.add("one@example.org"), directory.add("two@example.org")
    directory.commands.delete(first.id, ANONYMOUS)
    directory.commands.change(second.id, UserChanges({"email": "three@example.org"}), ANONYMOUS)
    directory.add("one@example.org")
    directory.add("two@example.org")
    assert directory.emails() == ["three@example.org", "one@example.org", "two@example.org"]


def test_an_id_is_never_reused(directory: Directory) -> None:
    last = directory.add("one@example.org")
    directory.commands.delete(last.id, ANONYMOUS)
    assert directory.add("two@example.org").id > last.id


def test_every_attribute_can_change(directory: Directory) -> None:
    user = directory.add("ann@example.org")
    changes = {"email": "é@example.org", "name": "Bo", "is_active": True, "role": "root"}
    changed = directory.commands.change(user.id, UserChanges(changes), ANONYMOUS)
    assert directory.reader.get(user.id) == changed
    assert {name: getattr(changed, name) for name in changes} == changes
    assert (changed.version, changed.creation_time) == (2, user.creation_time)
    assert changed.update_time > user.update_time


@pytest.mark.parametrize("user_id", [0, -1, 999_999, 2**63 - 1, 2**63, -(2**63) - 1, 10**40])
def test_there_is_no_user_with_an_unused_id(directory: Directory, user_id: int) -> None:
    with pytest.raises(UserNotFound):
        directory.reader.get(user_id)
    with pytest.raises(UserNotFound):
        directory.commands.change(user_id, UserChanges({"name": "Bo"}), ANONYMOUS)
    with pytest.raises(UserNotFound):
        directory.commands.delete(user_id, ANONYMOUS)


def test_saving_another_version_is_a_conflict(directory: Directory) -> None:
    user = directory.add("ann@example.org")
    other = user._replace(version=2)
    with pytest.raises(ConcurrentUpdate), directory.begin(ANONYMOUS) as work:
        work.repository(USER_TYPE).save(_renamed(other, work.now), before=other)
    assert directory.reader.get(user.id) == user


def test_saving_an_unchanged_user_is_not_a_conflict(directory: Directory) -> None:
    user = directory.add("ann@example.org")
    with directory.begin(ANONYMOUS) as work:
        work.repository(USER_TYPE).save(user, before=user)
    assert directory.reader.get(user.id) == user


def test_saving_a_deleted_user_is_a_conflict(directory: Directory) -> None:
    user = directory.add("ann@example.org")
    with pytest.raises(ConcurrentUpdate), directory.begin(ANONYMOUS) as work:
        work.repository(USER_TYPE).remove(user)
        work.repository(USER_TYPE).save(_renamed(user, work.now), before=user)
    assert directory.reader.get(user.id) == user


def test_removing_another_version_is_a_conflict(directory: Directory) -> None:
    user = directory.add("ann@example.org")
    with pytest.raises(ConcurrentUpdate), directory.begin(ANONYMOUS) as work:
        work.repository(USER_TYPE).remove(user._replace(version=2))
    assert directory.reader.get(user.id) == user
    with pytest.raises(ConcurrentUpdate), directory.begin(ANONYMOUS) as work:
        work.repository(USER_TYPE).remove(user._replace(id=user.id + 1))


@pytest.mark.parametrize("expected", [[], [2], [2, 3]])
def test_deletes_only_an_expected_version(directory: Directory, expected: list[int]) -> None:
    user = directory.add("ann@example.org")
    with pytest.raises(StaleVersion):
        directory.commands.delete(user.id, ANONYMOUS, expected=expected)
    directory.commands.delete(user.id, ANONYMOUS, expected=[*expected, 1])
    with pytest.raises(UserNotFound):
        directory.commands.delete(user.id, ANONYMOUS, expected=[1])


def test_a_unit_reads_its_own_changes(directory: Directory) -> None:
    with directory.begin(ANONYMOUS) as work:
        user = work.repository(USER_TYPE).add(ANN, at=work.now)
        assert work.repository(USER_TYPE).get(user.id) == user
        work.repository(USER_TYPE).remove(user)
        with pytest.raises(UserNotFound):
            work.repository(USER_TYPE).get(user.id)


def test_a_failed_unit_changes_nothing(directory: Directory) -> None:
    changed, deleted = directory.add("changed@example.org"), directory.add("deleted@example.org")
    with pytest.raises(ZeroDivisionError), directory.begin(ANONYMOUS) as work:
        added = work.repository(USER_TYPE).add(ANN, at=work.now)
        work.repository(USER_TYPE).save(_renamed(changed, work.now), before=changed)
        work.repository(USER_TYPE).remove(deleted)
        raise ZeroDivisionError
    assert directory.find() == [changed, deleted]
    with pytest.raises(UserNotFound):
        directory.reader.get(added.id)
    assert directory.commands.create(ANN, ANONYMOUS).email == ANN.email


def test_others_do_not_see_a_unit_before_its_end(directory: Directory) -> None:
    with directory.begin(ANONYMOUS) as work:
        user = work.repository(USER_TYPE).add(ANN, at=work.now)
        with pytest.raises(UserNotFound):
            directory.reader.get(user.id)
    assert directory.reader.get(user.id) == user


def test_a_store_that_works_is_ready(directory: Directory) -> None:
    directory.ready()


def _renamed(user: User, now: datetime) -> User:
    return user.with_changes(UserChanges({"name": "Bo"}), at=now)


def test_adds_many_users_in_order(directory: Directory) -> None:
    emails = [f"u{number}@example.org" for number in range(2500)]
    with directory.begin(ANONYMOUS) as work:
        assert list(work.repository(USER_TYPE).add_many(many(*emails), at=work.now)) == []
        now = work.now
    assert directory.emails() == emails
    user = directory.find()[0]
    assert user == User(
        id=user.id,
        email="u0@example.org",
        name="Many",
        is_active=False,
        role="user",
        creation_time=now,
        update_time=now,
        version=1,
    )


def test_add_many_skips_users_whose_email_is_taken(directory: Directory) -> None:
    directory.add("taken@example.org")
    with directory.begin(ANONYMOUS) as work:
        work.repository(USER_TYPE).add(NewUser(email="unit@example.org", name="Unit"), at=work.now)
        emails = ("TAKEN@example.org", "é@x.test", "UNIT@example.org", "E\u0301@x.test", "z@x.test")
        assert list(work.repository(USER_TYPE).add_many(many(*emails), at=work.now)) == [0, 2, 3]
        assert list(work.repository(USER_TYPE).add_many(many("Z@X.test"), at=work.now)) == [0]
        assert list(work.repository(USER_TYPE).add_many([], at=work.now)) == []
        work.repository(USER_TYPE).add(NewUser(email="last@example.org", name="Last"), at=work.now)
    assert listed(directory) == [
        ("taken@example.org", "Ann"),
        ("unit@example.org", "Unit"),
        ("é@x.test", "Many"),
        ("z@x.test", "Many"),
        ("last@example.org", "Last"),
    ]


def test_add_many_in_a_failed_unit_adds_nothing(directory: Directory) -> None:
    with pytest.raises(ZeroDivisionError), directory.begin(ANONYMOUS) as work:
        work.repository(USER_TYPE).add_many(many("a@example.org", "b@example.org"), at=work.now)
        raise ZeroDivisionError
    assert listed(directory) == []


@pytest.mark.parametrize("for_update", [False, True])
def test_finds_users_by_any_spelling_of_their_emails(
    directory: Directory, for_update: bool
) -> None:
    ann, bob = directory.add("Ann@example.org"), directory.add("é@example.org")
    directory.add("other@example.org")
    with directory.begin(ANONYMOUS, for_update=for_update) as work:
        found = work.repository(USER_TYPE).find_by_keys(
            USER_TYPE.unique[0], ["ANN@EXAMPLE.org", "E\u0301@example.org", "no@example.org"]
        )
        assert found == {"ann@example.org": ann, "é@example.org": bob}
        assert work.repository(USER_TYPE).find_by_keys(USER_TYPE.unique[0], []) == {}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql_18", "mariadb"])
def test_adds_many_users_with_few_statements(directory: Directory) -> None:
    statements = []

    def record(*arguments: object) -> None:
        statements.append(arguments[2])

    event.listen(directory.engine, "before_cursor_execute", record)
    try:
        add_and_find_1000_users(directory)
    finally:
        event.remove(directory.engine, "before_cursor_execute", record)
    assert len(statements) < 10


@pytest.mark.parametrize("kind", ["mariadb"])
def test_mariadb_receives_few_statements_for_many_users(directory: Directory) -> None:
    """SQLAlchemy's events do not report all statements. The server counts them."""
    before = directory.statements_of_mariadb()
    add_and_find_1000_users(directory)
    assert directory.statements_of_mariadb() - before < 30
    assert len(directory.events.read_from(0, size=2000)) == 1000


def add_and_find_1000_users(directory: Directory) -> None:
    emails = [f"u{number}@example.org" for number in range(1000)]
    with directory.begin(ANONYMOUS) as work:
        work.repository(USER_TYPE).add_many(many(*emails), at=work.now)
        work.repository(USER_TYPE).find_by_keys(USER_TYPE.unique[0], emails)
