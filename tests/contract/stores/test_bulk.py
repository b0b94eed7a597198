"""Adds many users by COPY, on PostgreSQL, in a process that does nothing else."""

from collections.abc import Callable

import pytest
from contract.stores.directories import ANONYMOUS, Directory, listed, many
from psycopg2.extensions import get_wait_callback
from sqlalchemy import Engine

from adapters.sql.engine import make_engine
from application.deadlines import deadline
from application.ports import Unavailable
from application.users import USER_TYPE
from domain.users import NewUser


@pytest.fixture(params=["postgresql_18", "postgresql_15"])
def kind(request: pytest.FixtureRequest) -> str:
    """The databases that support COPY."""
    return str(request.param)


@pytest.fixture
def others(directory: Directory) -> Directory:
    """The same directory, as other processes use it."""
    return directory


@pytest.fixture
def exclusive(others: Directory, directory_of: Callable[[Engine], Directory]) -> Directory:
    """The directory of a process that does nothing else."""
    url = others.engine.url.render_as_string(hide_password=False)
    return directory_of(make_engine(url, exclusive=True))


def test_stores_every_character_of_a_name(exclusive: Directory) -> None:
    names = [r"back\slash", r"\N", r"\.", r"\t", "'", '"', ",", "👩‍🚀", " x ", "e\u0301", "\u200bx"]
    new = [NewUser(email=f"u{n}@x.test", name=name) for n, name in enumerate(names)]
    with exclusive.begin(ANONYMOUS) as work:
        assert list(work.repository(USER_TYPE).add_many(new, at=work.now)) == []
        now = work.now
    users = exclusive.find()
    assert [user.name for user in users] == names
    assert {(user.creation_time, user.update_time, user.version) for user in users} == {
        (now,) * 2 + (1,)
    }
    assert (
        exclusive.commands.create(NewUser(email="last@x.test", name="Last"), ANONYMOUS).version == 1
    )


def test_skips_users_whose_email_is_taken(others: Directory, exclusive: Directory) -> None:
    others.add("taken@x.test")
    with exclusive.begin(ANONYMOUS) as work:
        add = work.repository(USER_TYPE).add_many
        assert list(add(many("a@x.test", "b@x.test"), at=work.now)) == []
        assert list(add(many("c@x.test", "TAKEN@x.test", "C@x.test"), at=work.now)) == [1, 2]
        assert list(add(many("A@x.test", "d@x.test"), at=work.now)) == [0]
        assert list(add(many("Taken@x.test"), at=work.now)) == [0]
        assert list(add(many("e@x.test"), at=work.now)) == []
    emails = [f"{name}@x.test" for name in ("taken", "a", "b", "c", "d", "e")]
    assert others.emails() == emails


def test_skips_an_email_that_another_unit_takes_meanwhile(
    others: Directory, exclusive: Directory
) -> None:
    with exclusive.begin(ANONYMOUS) as work:
        assert list(work.repository(USER_TYPE).add_many(many("a@x.test"), at=work.now)) == []
        others.add("b@x.test", "Other")
        assert list(
            work.repository(USER_TYPE).add_many(many("c@x.test", "b@x.test"), at=work.now)
        ) == [1]
        others.add("d@x.test", "Other")  # after a query that found one
        assert list(
            work.repository(USER_TYPE).add_many(many("d@x.test", "e@x.test"), at=work.now)
        ) == [0]
    assert sorted(listed(others)) == [
        ("a@x.test", "Many"),
        ("b@x.test", "Other"),
        ("c@x.test", "Many"),
        ("d@x.test", "Other"),
        ("e@x.test", "Many"),
    ]


def test_a_failed_unit_adds_nothing(others: Directory, exclusive: Directory) -> None:
    with pytest.raises(ZeroDivisionError), exclusive.begin(ANONYMOUS) as work:
        work.repository(USER_TYPE).add_many(many("a@x.test"), at=work.now)
        raise ZeroDivisionError
    assert listed(others) == []


def test_the_server_ends_a_statement_at_the_deadline(
    others: Directory, exclusive: Directory
) -> None:
    with others.begin(ANONYMOUS) as other:
        other.repository(USER_TYPE).add(NewUser(email="a@x.test", name="Other"), at=other.now)
        with pytest.raises(Unavailable), deadline(0.5), exclusive.begin(ANONYMOUS) as work:
            work.repository(USER_TYPE).add_many(many("a@x.test"), at=work.now)
    assert listed(others) == [("a@x.test", "Other")]


def test_the_deadline_applies_again_after_each_copy(
    others: Directory, exclusive: Directory
) -> None:
    with exclusive.begin(ANONYMOUS) as work:
        for _ in range(2):  # the second time the email is taken
            work.repository(USER_TYPE).add_many(many("a@x.test"), at=work.now)
            assert get_wait_callback() is not None
