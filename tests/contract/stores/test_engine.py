"""Which URLs name a database, and what is said of those that don't."""

import pytest

from adapters.sql.engine import make_engine


@pytest.mark.parametrize(
    "url",
    [
        "",
        "roster.db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///file:roster?mode=memory&uri=true",
        "oracle://ann:secret@db/roster",
        "postgresql+psycopg://ann:secret@db/roster",
        "postgresql://ann:secret@db:port/roster",
        "postgresql://ann:secret@db/roster?no_such=parameter",
        "postgresql://ann:secret@/roster?host=db:5432&host=db2&no_such=parameter",
        "postgresql://ann:secret@db:1:2/roster?host=x",
        "mysql://ann:secret@db/roster",
        "mysql+pymysql://ann:secret@db",
        "mysql+pymysql://ann:secret@db/",
        "mysql+pymysql://ann:secret@db:port/roster",
        "mariadb+pymysql://ann:secret@db/roster?no_such=parameter",
        "mariadb+pymysql://ann:secret@db/roster?ssl_ca=/no/such/file",
        "mariadb+pymysql://ann:secret@db/roster?connect_timeout=0",
    ],
)
def test_a_url_that_names_no_database_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError) as refusal:
        make_engine(url)
    assert "secret" not in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1


def test_who_asks_sqlite_for_memory_is_told_what_to_use() -> None:
    with pytest.raises(ValueError, match="memory://"):
        make_engine("sqlite://")


@pytest.mark.parametrize("kind", ["postgresql", "postgresql+psycopg2", "postgres"])
def test_postgresql_is_reached_by_psycopg2_and_its_password_stays_hidden(kind: str) -> None:
    engine = make_engine(f"{kind}://ann:p%40ss@db:5433/roster?sslmode=require")
    assert (engine.name, engine.driver) == ("postgresql", "psycopg2")
    arguments = engine.dialect.create_connect_args(engine.url)[1]
    assert arguments | {"port": int(arguments["port"])} == {
        "user": "ann",
        "password": "p@ss",
        "host": "db",
        "port": 5433,
        "dbname": "roster",
        "sslmode": "require",
    }
    assert "p@ss" not in repr(engine)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg2://ann@/roster?host=one:5432&host=two:5433",
        "postgresql://ann@one:5432,two:5433/roster",
        "postgresql://ann@/roster?host=one,two&port=5432,5433",
    ],
)
def test_several_hosts_are_understood_in_every_spelling(url: str) -> None:
    engine = make_engine(url)
    arguments = engine.dialect.create_connect_args(engine.url)[1]
    assert (arguments["host"], arguments["port"]) == ("one,two", "5432,5433")
