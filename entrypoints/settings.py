"""Reads the settings from the environment. Errors name the invalid setting."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, TypeVar

from entrypoints.setting_types import (
    MEMORY,
    Read,
    boolean,
    claim_values,
    collector,
    database_url,
    hosts,
    integer,
    jwks,
    jwt_secret,
    non_empty,
    one_of,
    origins,
    public_url,
    request_rate,
    seconds,
    without_password,
)

T = TypeVar("T")


class BadSetting(Exception):
    """A setting is invalid. The message never contains its value."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name
        self.problem = problem


def setting(
    name: str,
    default: str | None,
    read: Read[T],
    meaning: str,
    *,
    hidden: Literal[True] | Callable[[str], str] | None = None,
) -> Any:
    """A field of Settings: its environment variable, its default as text, and its meaning.

    With a default of None, the setting may be absent, but not empty. `hidden` is True if the value
    is a secret, or a function that returns a valid value without the secret in it.
    """
    return field(
        metadata={
            "name": name,
            "default": default,
            "read": read,
            "meaning": meaning,
            "hidden": hidden,
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)  # some are secrets
class Settings:
    """The settings of the service, validated. They come from the environment."""

    database_url: str = setting(
        "ROSTER_DATABASE_URL",
        "sqlite:///roster.db",
        database_url,
        "the database: sqlite:///FILE, postgresql://…, mysql+pymysql://… or "
        "mariadb+pymysql://… (MariaDB), or memory:// (one worker)",
        hidden=without_password,
    )
    guides_url: str = setting(
        "ROSTER_GUIDES_URL",
        "",
        public_url,
        "URL of the documentation site (`make docs-site`), to which /docs links",
    )
    public_url: str = setting(
        "ROSTER_PUBLIC_URL", "", public_url, "base URL of the links, which are then absolute"
    )
    jwt_secret: str | None = setting(
        "ROSTER_JWT_SECRET",
        None,
        jwt_secret,
        "requires tokens, and accepts those signed with this secret (HS256); 32 bytes or more",
        hidden=True,
    )
    jwt_jwks: str | None = setting(
        "ROSTER_JWT_JWKS",
        None,
        jwks,
        "requires tokens, and accepts those signed by a key of this set (RS256, ES256, EdDSA); a "
        "file or an https URL; requires `ROSTER_JWT_ISSUER` and `ROSTER_JWT_AUDIENCE`",
    )
    jwt_jwks_stale: int = setting(
        "ROSTER_JWT_JWKS_STALE",
        "3600",
        integer(300, 604_800),
        "seconds for which the last good key set is used if it cannot be read again; then tokens "
        "of its keys get 503",
    )
    jwt_issuer: tuple[str, ...] | None = setting(
        "ROSTER_JWT_ISSUER",
        None,
        claim_values,
        "accepted issuers (`iss`) of tokens, separated by commas; `*` accepts any",
    )
    jwt_audience: tuple[str, ...] | None = setting(
        "ROSTER_JWT_AUDIENCE",
        None,
        claim_values,
        "accepted audiences (`aud`) of tokens, separated by commas; `*` accepts any",
    )
    jwt_leeway: int = setting(
        "ROSTER_JWT_LEEWAY",
        "30",
        integer(0, 300),
        "seconds by which clocks may differ when `exp`, `nbf` and `iat` of tokens are checked",
    )
    cursor_secret: str | None = setting(
        "ROSTER_CURSOR_SECRET",
        None,
        non_empty,
        "key that detects damaged cursors and encrypts personal values in them; by default, a "
        "random key that is created once and stored in the database",
        hidden=True,
    )
    request_seconds: float = setting(
        "ROSTER_REQUEST_SECONDS",
        "8",
        seconds,
        "seconds in which a request is processed, from the last byte of its body",
    )
    allow_open: bool = setting(
        "ROSTER_ALLOW_OPEN",
        "0",
        boolean,
        "1 permits a service without access control to listen on addresses other than loopback; "
        "requires `ROSTER_PUBLIC_URL` or `ROSTER_HOSTS`",
    )
    hosts: tuple[str, ...] = setting(
        "ROSTER_HOSTS",
        "",
        hosts,
        "host names, separated by commas, that a service without access control also accepts in "
        "`Host` (421 for others). It always accepts loopback addresses, `localhost` and the host "
        "of `ROSTER_PUBLIC_URL`",
    )
    pool_size: int = setting(
        "ROSTER_POOL_SIZE", "10", integer(1, 1000), "database connections of each worker"
    )
    body_bytes: int = setting(
        "ROSTER_BODY_BYTES",
        str(1024**2),
        integer(1, 1024**3),
        "maximum bytes of a request body; 8 times as many for operations",
    )
    body_memory: int = setting(
        "ROSTER_BODY_MEMORY",
        str(64 * 1024**2),
        integer(1, 64 * 1024**3),
        "maximum bytes of all request bodies in each worker, at least those of the longest "
        "body; 503 beyond it",
    )
    body_seconds: float = setting(
        "ROSTER_BODY_SECONDS", "20", seconds, "seconds in which a request body must arrive"
    )
    query_parameters: int = setting(
        "ROSTER_QUERY_PARAMETERS",
        "1000",
        integer(1, 100_000),
        "maximum number of query parameters; 400 beyond it",
    )
    idempotency_bytes: int = setting(
        "ROSTER_IDEMPOTENCY_BYTES",
        str(16 * 1024**2),
        integer(1, 1024**4),
        "maximum bytes of the responses that are stored for the `Idempotency-Key`s of one "
        "principal in 24 hours; 429 beyond it",
    )
    header_bytes: int = setting(
        "ROSTER_HEADER_BYTES",
        "65536",
        integer(8192, 1024**2),
        "maximum bytes of the request line and headers",
    )
    header_seconds: float = setting(
        "ROSTER_HEADER_SECONDS",
        "30",
        seconds,
        "seconds in which the headers must arrive. Also limits idle connections, and clients that "
        "accept less than 1 KiB of a response each second",
    )
    connections: int = setting(
        "ROSTER_CONNECTIONS",
        "512",
        integer(1, 65536),
        "maximum client connections of each worker; up to 1,024 others wait until one ends",
    )
    rate_limit: str | None = setting(
        "ROSTER_RATE_LIMIT",
        None,
        request_rate,
        "maximum rate of requests to each worker from one principal or address, such as "
        "100/minute; 429 beyond it",
    )
    trusted_proxies: int = setting(
        "ROSTER_TRUSTED_PROXIES",
        "0",
        integer(0, 16),
        "number of proxies in front of the service. The client's address is taken from the "
        "`X-Forwarded-For` that they append to, and `X-Request-ID` is accepted; with 0, both are "
        "ignored. The proxies must drop headers with underscores (`X_Forwarded_For`)",
    )
    cors_origins: tuple[str, ...] = setting(
        "ROSTER_CORS_ORIGINS",
        "",
        origins,
        "origins whose scripts may use the API, separated by commas, such as "
        "https://app.example.org or capacitor://localhost; * allows all, but only with access "
        "control",
    )
    metrics: str = setting(
        "ROSTER_METRICS", "on", one_of("on", "off"), "`off` disables `/metrics` and all counting"
    )
    log_format: str = setting(
        "ROSTER_LOG_FORMAT",
        "auto",
        one_of("auto", "json", "text"),
        "`json` for programs, `text` for people, or `auto`: text if standard output is a terminal, "
        "JSON otherwise",
    )
    traces_endpoint: str | None = setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        None,
        collector,
        "URL to which traces are sent by OTLP over HTTP, such as http://127.0.0.1:4318. Requires "
        "the extra `otel`; other `OTEL_` variables also apply",
    )

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Settings":
        """Read all settings. Raises BadSetting for the first invalid one."""
        read = cls(**{each.name: read_setting(each.metadata, environment) for each in fields(cls)})
        for name in ("ROSTER_JWT_ISSUER", "ROSTER_JWT_AUDIENCE"):
            if name in environment and read.is_open:
                raise BadSetting(name, "requires ROSTER_JWT_SECRET or ROSTER_JWT_JWKS")
        _check_key_set(read)
        return read

    @property
    def is_open(self) -> bool:
        """True if the service requires no tokens."""
        return self.jwt_secret is None and self.jwt_jwks is None

    @property
    def embedded(self) -> bool:
        """True if the database is a local SQLite file, which `roster serve` migrates itself."""
        return self.database_url.startswith("sqlite:")

    @property
    def database(self) -> str:
        """The type of the database: memory, sqlite, postgresql or mariadb."""
        kind = re.split("[+:]", self.database_url)[0]
        return {"postgres": "postgresql", "mysql": "mariadb"}.get(kind, kind)

    @property
    def store(self) -> str:
        """The type of the store: sql, or memory (lost when the process ends)."""
        return "memory" if self.database_url == MEMORY else "sql"


HIDDEN: Final = "(hidden)"
"""Printed in place of a secret."""


def without_secret(setting: Mapping[str, Any], text: str) -> str:
    """The text of a setting without its secret. `setting` is the metadata of the field."""
    hidden = setting["hidden"]
    if hidden is None:
        return text
    return HIDDEN if hidden is True else str(hidden(text))


def has_secret(values: Mapping[str, str]) -> bool:
    """Returns True if any value is or contains a secret. The keys are names of settings."""
    return any(
        name in values and without_secret(each.metadata, values[name]) != values[name]
        for each in fields(Settings)
        if (name := each.metadata["name"])
    )


_WHITESPACE = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "\ufeff"


def trimmed(text: str) -> str:
    """Remove whitespace and byte order marks at both ends.

    A value that was read from a file often ends with a line break.
    """
    return text.strip(_WHITESPACE)


def _check_key_set(settings: Settings) -> None:
    """Raises BadSetting if a key set is used without an accepted issuer and audience.

    An issuer signs tokens for many services; a token for another service must not be accepted.
    """
    if settings.jwt_jwks is None:
        return
    for name, values in (
        ("ROSTER_JWT_ISSUER", settings.jwt_issuer),
        ("ROSTER_JWT_AUDIENCE", settings.jwt_audience),
    ):
        if values is None:
            raise BadSetting(name, "must be set with ROSTER_JWT_JWKS; * accepts any value")


def read_setting(setting: Mapping[str, Any], environment: Mapping[str, str]) -> Any:
    """Read one setting, described by the metadata of its field. Raises BadSetting if invalid."""
    if (text := environment.get(setting["name"], setting["default"])) is None:
        return None
    try:
        return setting["read"](trimmed(text))
    except ValueError as error:
        raise BadSetting(setting["name"], str(error)) from None
