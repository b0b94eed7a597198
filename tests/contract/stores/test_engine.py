"""URLs of databases, and the errors for other URLs."""

import subprocess
from contextlib import closing, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from database_servers import PostgresServer

from adapters.sql.engine import make_engine, make_replica_engines


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
def test_rejects_an_invalid_url_without_quoting_it(url: str) -> None:
    with pytest.raises(ValueError) as caught:
        make_engine(url)
    assert "secret" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_the_error_for_sqlite_in_memory_names_the_right_url() -> None:
    with pytest.raises(ValueError, match="memory://"):
        make_engine("sqlite://")


@pytest.mark.parametrize("kind", ["postgresql", "postgresql+psycopg2", "postgres"])
def test_connects_to_postgresql_with_psycopg2_and_hides_the_password(kind: str) -> None:
    engine = make_engine(f"{kind}://ann:p%40ss@db:5433/roster?sslmode=require")
    assert (engine.name, engine.driver) == ("postgresql", "psycopg2")
    arguments = engine.dialect.create_connect_args(engine.url)[1]
    assert {**arguments, "port": int(arguments["port"])} == {
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
def test_accepts_several_hosts_in_every_spelling(url: str) -> None:
    engine = make_engine(url)
    arguments = engine.dialect.create_connect_args(engine.url)[1]
    assert (arguments["host"], arguments["port"]) == ("one,two", "5432,5433")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:secret@one,two:5433/roster?sslmode=require",
        "postgresql://ann:secret@/roster?host=one:&host=two:5433&sslmode=require",
        "postgresql://ann:secret@/roster?host=one,two&port=,5433&sslmode=require",
    ],
)
def test_each_replica_has_the_options_of_its_host(url: str) -> None:
    shared = {"user": "ann", "password": "secret", "dbname": "roster", "sslmode": "require"}
    options = {
        name: engine.dialect.create_connect_args(engine.url)[1]
        for name, engine in make_replica_engines(url).items()
    }
    assert options == {
        "one:5432": {**shared, "host": "one"},
        "two:5433": {**shared, "host": "two", "port": "5433"},
    }


@pytest.mark.parametrize(
    ("password", "is_accepted"), [("correct", True), ("wrong", False), (None, False)]
)
def test_the_password_of_a_private_key_for_mariadb_is_in_the_url(
    tmp_path: Path, password: str | None, is_accepted: bool
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-passout", "pass:correct"]
    files = ["-keyout", str(key), "-out", str(certificate), "-subj", "/CN=ann"]
    subprocess.run([*request, *files], check=True, capture_output=True)
    url = f"mariadb+pymysql://ann@db/roster?ssl_cert={certificate}&ssl_key={key}"
    with nullcontext() if is_accepted else pytest.raises(ValueError, match="ssl_key"):
        make_engine(url if password is None else f"{url}&ssl_key_password={password}")


@pytest.mark.slow
@pytest.mark.parametrize("target", ["any", "prefer-standby"])
@pytest.mark.parametrize(("balancing", "count"), [("disable", 1), ("random", 2)])
def test_connections_are_balanced_between_hosts_if_the_url_requires_that(
    postgresql_18: PostgresServer, balancing: str, count: int, target: str
) -> None:
    with TemporaryDirectory() as folder:
        other = Path(folder, "other")
        other.symlink_to(postgresql_18.socket)
        url = f"postgresql://postgres@/postgres?host={postgresql_18.socket}&host={other}"
        options = f"load_balance_hosts={balancing}&target_session_attrs={target}"
        hosts = set()
        for _ in range(30):
            engine = make_engine(f"{url}&{options}")
            with closing(engine.raw_connection()) as connection:
                session = connection.dbapi_connection
                assert session
                hosts.add(session.info.host)
            engine.dispose()
    assert len(hosts) == count
