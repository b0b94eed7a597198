"""The environment -> Settings, or one line that names the setting that is wrong."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from math import isfinite
from typing import Any, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")
Read = Callable[[str], T]

MEMORY = "memory://"


class BadSetting(Exception):
    """A setting that the service can't start with. Its text never shows the value."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name


def whole(least: int, most: int) -> Read[int]:
    """A whole number within bounds."""

    def read(text: str) -> int:
        if not re.fullmatch("[0-9]{1,18}", text) or not least <= int(text) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(text)

    return read


def seconds(text: str) -> float:
    """A length of time."""
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not (isfinite(value) and 0 < value <= 3600):
        raise ValueError("must be a number of seconds above 0, up to 3600")
    return value


def truth(text: str) -> bool:
    """1 or 0."""
    if text not in ("0", "1"):
        raise ValueError("must be 1 or 0")
    return text == "1"


def one_of(*choices: str) -> Read[str]:
    """One of some words."""

    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"must be {' or '.join(choices)}")
        return text

    return read


def some_text(text: str) -> str:
    """Any text but none."""
    if not text:
        raise ValueError("must not be empty")
    return text


def jwt_secret(text: str) -> str:
    """A secret that can sign tokens."""
    from adapters.tokens.keys import secret_bytes

    secret_bytes(text)
    return text


def jwks(text: str) -> str:
    """Where a key set is: a file, or an https URL."""
    problem = "must be a file or an https URL"
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise ValueError(problem) from None
    if parts.scheme == "https" and parts.hostname and parts.username is None and text.isascii():
        return text
    if not text or re.match("[A-Za-z][A-Za-z0-9+.-]+:", text):
        raise ValueError(problem)
    return text


def public_url(text: str) -> str:
    """Where the service is seen from outside, without a slash at its end; or nothing."""
    problem = "must be an http or https URL without a query"
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises where it is no number
    except ValueError:
        raise ValueError(problem) from None
    known = parts.scheme in ("http", "https") and parts.hostname and parts.username is None
    if text and (not known or re.search(r"[?#\s]", text) or not text.isascii()):
        raise ValueError(problem)
    return text.rstrip("/")


def database_url(text: str) -> str:
    """The URL of a database of a known kind."""
    if text != MEMORY:
        from adapters.sql.engine import make_engine

        make_engine(text)
    return text


def setting(name: str, default: str | None, read: Read[T], meaning: str) -> Any:
    """A field of Settings: its name in the environment, its default there, and what it means.

    A default of None is that of a setting whose absence means something; it can't be empty.
    """
    return field(metadata={"name": name, "default": default, "read": read, "meaning": meaning})


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)  # some are secrets
class Settings:
    """What can be told to the service, checked. All of it comes from the environment."""

    database_url: str = setting(
        "ROSTER_DATABASE_URL",
        "sqlite:///roster.db",
        database_url,
        "where the users are kept: sqlite:///FILE, postgresql://…, mysql+pymysql://… or "
        "mariadb+pymysql://… (MariaDB), or memory:// (one worker)",
    )
    public_url: str = setting(
        "ROSTER_PUBLIC_URL", "", public_url, "links become absolute under this URL"
    )
    jwt_secret: str | None = setting(
        "ROSTER_JWT_SECRET",
        None,
        jwt_secret,
        "whoever shows a token signed with it (HS256) is let in; 32 bytes or more",
    )
    jwt_jwks: str | None = setting(
        "ROSTER_JWT_JWKS",
        None,
        jwks,
        "whoever shows a token signed by a key of this set (RS256, ES256, EdDSA) is let in; "
        "a file or an https URL",
    )
    jwt_issuer: str | None = setting(
        "ROSTER_JWT_ISSUER", None, some_text, "the only `iss` that is taken in a token"
    )
    jwt_audience: str | None = setting(
        "ROSTER_JWT_AUDIENCE", None, some_text, "the `aud` that a token must name"
    )
    cursor_secret: str = setting(
        "ROSTER_CURSOR_SECRET",
        "roster",
        some_text,
        "key of the digest that finds damaged cursors; the same on every machine",
    )
    request_seconds: float = setting(
        "ROSTER_REQUEST_SECONDS", "8", seconds, "the deadline of a request, once it has come whole"
    )
    allow_open: bool = setting(
        "ROSTER_ALLOW_OPEN",
        "0",
        truth,
        "1 lets an open service listen on other addresses than loopback",
    )
    pool_size: int = setting(
        "ROSTER_POOL_SIZE", "10", whole(1, 1000), "database connections of each worker"
    )
    body_bytes: int = setting(
        "ROSTER_BODY_BYTES",
        str(1024**2),
        whole(1, 1024**3),
        "the longest body of a request; of operations, 8 times that",
    )
    body_seconds: float = setting(
        "ROSTER_BODY_SECONDS", "20", seconds, "how long a request may take to arrive"
    )
    header_bytes: int = setting(
        "ROSTER_HEADER_BYTES", "65536", whole(8192, 1024**2), "the longest head of a request"
    )
    header_seconds: float = setting(
        "ROSTER_HEADER_SECONDS",
        "30",
        seconds,
        "how long the head of a request may take, and a connection be idle between two",
    )
    log_format: str = setting(
        "ROSTER_LOG_FORMAT", "json", one_of("json", "text"), "lines for programs or for people"
    )

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Settings":
        """Read them all. Raises BadSetting for the first that is wrong."""
        read = cls(**{each.name: _read(each.metadata, environment) for each in fields(cls)})
        for name in ("ROSTER_JWT_ISSUER", "ROSTER_JWT_AUDIENCE"):
            if name in environment and read.is_open:
                raise BadSetting(name, "asks for ROSTER_JWT_SECRET or ROSTER_JWT_JWKS, too")
        return read

    @property
    def is_open(self) -> bool:
        """Whether the service asks nobody for a token."""
        return self.jwt_secret is None and self.jwt_jwks is None

    @property
    def embedded(self) -> bool:
        """Whether the database is a file of this machine, which `roster serve` migrates itself."""
        return self.database_url.startswith("sqlite:")

    @property
    def store(self) -> str:
        """Which store keeps the users: memory (they end with the process) or sql."""
        return "memory" if self.database_url == MEMORY else "sql"


def _read(told: Mapping[str, Any], environment: Mapping[str, str]) -> Any:
    if (text := environment.get(told["name"], told["default"])) is None:
        return None
    try:
        return told["read"](text)
    except ValueError as error:
        raise BadSetting(told["name"], str(error)) from None
