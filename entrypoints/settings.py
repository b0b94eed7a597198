"""The environment -> Settings, or one line that names the setting that is wrong."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from entrypoints.values import (
    MEMORY,
    Read,
    collector,
    database_url,
    jwks,
    jwt_secret,
    one_of,
    origins,
    public_url,
    request_rate,
    seconds,
    some_text,
    truth,
    whole,
)

T = TypeVar("T")


class BadSetting(Exception):
    """A setting that the service can't start with. Its text never shows the value."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name


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
    query_parameters: int = setting(
        "ROSTER_QUERY_PARAMETERS",
        "1000",
        whole(1, 100_000),
        "how many parameters a query may have; 400 beyond it",
    )
    idempotency_bytes: int = setting(
        "ROSTER_IDEMPOTENCY_BYTES",
        str(16 * 1024**2),
        whole(1, 1024**4),
        "the bytes of the responses that are stored for the `Idempotency-Key`s of one principal "
        "in 24 hours; 429 beyond it",
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
    connections: int = setting(
        "ROSTER_CONNECTIONS",
        "512",
        whole(1, 65536),
        "connections of clients that each worker holds; up to 1,024 more wait for one to end",
    )
    rate_limit: str | None = setting(
        "ROSTER_RATE_LIMIT",
        None,
        request_rate,
        "how often one principal or address may ask each worker, as 100/minute; 429 beyond it",
    )
    trusted_proxies: int = setting(
        "ROSTER_TRUSTED_PROXIES",
        "0",
        whole(0, 16),
        "how many proxies stand before the service and tell the client's address by "
        "`X-Forwarded-For`, of which otherwise nothing is believed",
    )
    cors_origins: tuple[str, ...] = setting(
        "ROSTER_CORS_ORIGINS",
        "",
        origins,
        "origins whose scripts may use the API, as https://app.example.org, with commas; * for all",
    )
    metrics: str = setting(
        "ROSTER_METRICS", "on", one_of("on", "off"), "off closes `/metrics`, and nothing is counted"
    )
    log_format: str = setting(
        "ROSTER_LOG_FORMAT", "json", one_of("json", "text"), "lines for programs or for people"
    )
    traces_endpoint: str | None = setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        None,
        collector,
        "where traces go by OTLP over HTTP (asks for the extra `otel`), as "
        "http://127.0.0.1:4318; other `OTEL_` variables hold, too",
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
    def database(self) -> str:
        """The kind of the database: memory, sqlite, postgresql, mariadb."""
        kind = re.split("[+:]", self.database_url)[0]
        return {"postgres": "postgresql", "mysql": "mariadb"}.get(kind, kind)

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
