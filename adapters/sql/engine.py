"""Creates an engine from the URL of a database."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, make_url

from adapters.sql.connection_pool import DeadlinePool
from adapters.sql.database_urls import BadUrl, check_mariadb, check_postgresql, check_sqlite
from adapters.sql.dialects import mariadb, postgresql, sqlite
from adapters.sql.dialects.words import quote_words

MAX_REPLICAS: Final = 16


def make_engine(url: str, *, pool_size: int = 5, exclusive: bool = False) -> Engine:
    """Creates an engine for the URL of a database, without connecting.

    Set `exclusive` if only one thread of this process uses databases. Bulk operations may then use
    faster methods that would disturb other threads.

    Raises ValueError if Roster does not accept the URL. Its text is for users and does not repeat
    the URL, which may contain a password.
    """
    scheme = url.partition("://")[0]
    try:
        if make := _ENGINES.get(scheme):
            engine = make(url, pool_size)
            engine.update_execution_options(exclusive=exclusive)
            return engine
    except BadUrl:
        raise
    except FileNotFoundError:  # for a relative path
        raise BadUrl("The current directory does not exist. Change to another one.") from None
    except Exception:  # noqa: BLE001 (the libraries' errors would show a part of the URL)
        raise BadUrl("The database's URL can't be read.") from None
    raise ValueError(
        "The URL of the database must begin with sqlite:///, postgresql:// or mariadb+pymysql://."
    )


def make_replica_engines(url: str, *, pool_size: int = 5) -> dict[str, Engine]:
    """Creates an engine for each host in the URL of a PostgreSQL server, by host and port.

    Raises ValueError if Roster does not accept the URL. Its text does not repeat the URL.
    """
    if _ENGINES.get(url.partition("://")[0]) is not _postgresql:
        raise BadUrl("The URL of the replicas must begin with postgresql://.")
    check_postgresql(url)
    try:
        urls = postgresql.single_hosts(url)
        if any("target_session_attrs" in each.query for each in urls.values()):
            raise BadUrl(
                "The option target_session_attrs is not supported here: Roster itself checks that "
                "each host is a replica."
            )
        if len(urls) > MAX_REPLICAS:
            raise BadUrl(f"The URL must name at most {MAX_REPLICAS} hosts.")
        return {name: _postgresql_engine(each, pool_size) for name, each in urls.items()}
    except BadUrl:
        raise
    except Exception:  # noqa: BLE001 (the libraries' errors would show a part of the URL)
        raise BadUrl("The URL of the replicas can't be read.") from None


def is_exclusive(of: Engine | Connection) -> bool:
    """Returns True if only one thread of this process uses databases (see `make_engine`)."""
    return bool(of.get_execution_options().get("exclusive"))


def _sqlite(text: str, pool_size: int) -> Engine:
    url = make_url(text)
    sqlite.require_file(url)
    check_sqlite(text)
    engine = _engine(url, pool_size)
    sqlite.prepare(engine)
    return engine


def _postgresql(text: str, pool_size: int) -> Engine:
    check_postgresql(text)
    return _postgresql_engine(postgresql.url_of(text), pool_size)


def _postgresql_engine(url: URL, pool_size: int) -> Engine:
    engine = _engine(url, pool_size, use_native_hstore=False)
    postgresql.prepare(engine)
    return engine


def _mariadb(text: str, pool_size: int) -> Engine:
    check_mariadb(text)
    engine = _engine(mariadb.url_of(text), pool_size)
    mariadb.prepare(engine)
    return engine


_OPTIONS: Final[Mapping[str, Any]] = {
    "poolclass": DeadlinePool,
    "pool_reset_on_return": None,  # transactions.py ends every transaction
    "isolation_level": "AUTOCOMMIT",
    # If a driver's ROLLBACK after the commit failed, the commit would seem to have failed.
    "skip_autocommit_rollback": True,
    "hide_parameters": True,  # errors in the log must not show personal data
}


def _engine(url: URL, pool_size: int, **options: Any) -> Engine:
    engine = create_engine(url, pool_size=pool_size, **_OPTIONS, **options)
    quote_words(engine)
    return engine


_ENGINES: Final[Mapping[str, Callable[[str, int], Engine]]] = {
    "postgresql": _postgresql,
    "postgresql+psycopg2": _postgresql,
    "postgres": _postgresql,
    "sqlite": _sqlite,
    "sqlite+pysqlite": _sqlite,
    "mariadb+pymysql": _mariadb,
    "mysql+pymysql": _mariadb,
}
