"""Reads the settings from the environment. Errors name the invalid setting."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any, Final, Literal, TypeVar

from application.accounts.config import Signup
from application.ports import STORED_BYTES
from entrypoints.account_setting_types import (
    Argon2Costs,
    Limit,
    argon2_costs,
    duration_of,
    limit,
    link_url,
    role_scopes,
    sender,
    signup,
    smtp_url,
    without_smtp_password,
)
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
    read_database_url,
    request_rate,
    seconds,
    switch,
    without_password,
)

T = TypeVar("T")

_YEAR: Final = 365 * 86400
_MAIL_FOLDER: Final = "roster-mail"
ACCESS_CONTROL: Final = "ROSTER_JWT_SECRET, ROSTER_JWT_JWKS or ROSTER_ACCOUNTS=on"
"""The settings that require tokens, for messages. See Settings.is_open."""


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
    read_database_url: str | None = setting(
        "ROSTER_READ_DATABASE_URL",
        None,
        read_database_url,
        "replicas that serve reads: a PostgreSQL URL that names each of them, such as "
        "postgresql://roster@HOST1,HOST2:5433/roster; requires PostgreSQL in `ROSTER_DATABASE_URL`",
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
        "seconds for which the last good key set is used if the set cannot be read; then tokens "
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
        "deadline of a request in seconds, counted from the last byte of its body",
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
        "maximum bytes of all request bodies in each worker; 503 beyond it. The maximum of one "
        "body applies if that is more",
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
        str(STORED_BYTES),
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
    metrics: bool = setting(
        "ROSTER_METRICS", "on", switch, "`off` disables `/metrics` and all counting"
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

    accounts: bool = setting(
        "ROSTER_ACCOUNTS",
        "off",
        switch,
        "`on` lets users log in, and requires tokens",
    )
    signing_keys: str | None = setting(
        "ROSTER_SIGNING_KEYS",
        None,
        non_empty,
        "file with a JSON Web Key Set of private keys (ES256, RS256, EdDSA) that sign access "
        "tokens; must not be world-readable. The first key signs, all are accepted. By default, "
        "a service on SQLite creates `FILE.keys.json` next to its database; others require the "
        "setting",
    )
    role_scopes: Mapping[str, tuple[str, ...]] = setting(
        "ROSTER_ROLE_SCOPES",
        "admin=*:read *:write users:erase;*=me",
        role_scopes,
        "scopes of users by role, separated by semicolons. Every user also has the scopes of `*`; "
        "`*:read` and `*:write` stand for that scope of every resource",
    )
    access_ttl: timedelta = setting(
        "ROSTER_ACCESS_TTL",
        "10m",
        duration_of(1, 3600, "at most 1h"),
        "lifetime of an access token, at most 1h",
    )
    session_idle: timedelta = setting(
        "ROSTER_SESSION_IDLE",
        "7d",
        duration_of(1, _YEAR, "at most 365d"),
        "a session ends this long after its last use",
    )
    session_ttl: timedelta = setting(
        "ROSTER_SESSION_TTL",
        "30d",
        duration_of(1, _YEAR, "at most 365d"),
        "a session ends this long after it began",
    )
    refresh_grace: timedelta = setting(
        "ROSTER_REFRESH_GRACE",
        "10s",
        duration_of(0, 60, "from 0s to 60s"),
        "how long a used refresh token is still accepted, from 0s to 60s",
    )
    signup: Signup = setting(
        "ROSTER_SIGNUP",
        "off",
        signup,
        "`on`, `off`, or the email domains that may sign up, separated by commas",
    )
    recovery_ttl: timedelta = setting(
        "ROSTER_RECOVERY_TTL",
        "30m",
        duration_of(1, _YEAR, "at most 365d"),
        "lifetime of a link to recover an account",
    )
    invitation_ttl: timedelta = setting(
        "ROSTER_INVITATION_TTL",
        "7d",
        duration_of(1, _YEAR, "at most 365d"),
        "lifetime of the link in an invitation",
    )
    link_url: str | None = setting(
        "ROSTER_LINK_URL",
        None,
        link_url,
        "URL of the application page that links open. It contains `{token}` once and, optionally, "
        "`{purpose}`, such as https://app.example.org/welcome#{token}; by default, links open "
        "Roster's own page",
    )
    smtp_url: str | None = setting(
        "ROSTER_SMTP_URL",
        None,
        smtp_url,
        "mail server: smtp://USER:PASSWORD@HOST:587 (STARTTLS) or smtps://HOST:465. Requires "
        "`ROSTER_MAIL_FROM`, and `ROSTER_PUBLIC_URL` or `ROSTER_LINK_URL`",
        hidden=without_smtp_password,
    )
    mail_from: str | None = setting(
        "ROSTER_MAIL_FROM",
        None,
        sender,
        "sender of emails, such as roster@example.org or Roster <roster@example.org>",
    )
    mail_folder: str = setting(
        "ROSTER_MAIL_FOLDER",
        _MAIL_FOLDER,
        non_empty,
        "folder to which emails are written as `.eml` files without SMTP. With the default, "
        "Roster starts only if it listens on loopback",
    )
    mail_templates: str | None = setting(
        "ROSTER_MAIL_TEMPLATES",
        None,
        non_empty,
        "folder whose files replace Roster's own templates of the same name",
    )
    password_length: int = setting(
        "ROSTER_PASSWORD_LENGTH",
        "12",
        integer(8, 64),
        "minimum length of passwords, 8 to 64. NIST requires 15 for passwords without a second "
        "factor",
    )
    password_blocklist: str | None = setting(
        "ROSTER_PASSWORD_BLOCKLIST",
        None,
        non_empty,
        "file of passwords that are not allowed, one per line",
    )
    argon2: Argon2Costs = setting(
        "ROSTER_ARGON2",
        "m=19456,t=2,p=1",
        argon2_costs,
        "costs of a password hash: KiB (m), passes (t) and lanes (p). m must be at least 7168, and "
        "m * t at least 35840",
    )
    hashes: int | None = setting(
        "ROSTER_HASHES",
        None,
        integer(1, 64),
        "number of passwords that each worker hashes concurrently; by default, half the "
        "processors, divided among all workers, and at least 1",
    )
    login_failures: Limit = setting(
        "ROSTER_LOGIN_FAILURES",
        "10/15m",
        limit,
        "number of wrong passwords for one email from one network after which logins are blocked, "
        "and the time in which they are counted",
    )
    account_rate: str = setting(
        "ROSTER_ACCOUNT_RATE",
        "120/minute",
        request_rate,
        "maximum rate of requests to each worker from one network at the URLs of accounts that "
        "require no token; 429 beyond it",
    )

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Settings":
        """Reads all settings. Raises BadSetting for the first invalid one."""
        read = cls(**{each.name: read_setting(each.metadata, environment) for each in fields(cls)})
        for name in ("ROSTER_JWT_ISSUER", "ROSTER_JWT_AUDIENCE"):
            if name in environment and read.is_open:
                raise BadSetting(name, f"requires {ACCESS_CONTROL}")
        _check_replicas(read)
        _check_key_set(read)
        _check_mail(read)
        _check_signing_keys(read)
        return read

    @property
    def is_open(self) -> bool:
        """True if the service requires no tokens."""
        return not self.accounts and self.jwt_secret is None and self.jwt_jwks is None

    @property
    def has_default_mail_folder(self) -> bool:
        """True if emails are written to the default folder."""
        return self.smtp_url is None and self.mail_folder == _MAIL_FOLDER

    def hashes_per_worker(self, workers: int = 1) -> int:
        """Returns the number of passwords that each of the workers hashes concurrently."""
        return self.hashes or max(1, (os.cpu_count() or 1) // 2 // workers)

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
    def reads(self) -> str:
        """Where resources are read: replicas, or primary."""
        return "primary" if self.read_database_url is None else "replicas"

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
    """Removes whitespace and byte order marks at both ends.

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


def _check_replicas(settings: Settings) -> None:
    """Raises BadSetting if there are replicas of a database other than PostgreSQL."""
    if settings.read_database_url is not None and settings.database != "postgresql":
        raise BadSetting(
            "ROSTER_READ_DATABASE_URL",
            "requires a PostgreSQL database in ROSTER_DATABASE_URL, which is the primary",
        )


def _check_mail(settings: Settings) -> None:
    """Raises BadSetting if a mail server is used without a sender or a base URL of links."""
    if settings.smtp_url is None:
        return
    if settings.mail_from is None:
        raise BadSetting("ROSTER_MAIL_FROM", "must be set with ROSTER_SMTP_URL")
    if not settings.public_url and settings.link_url is None:
        raise BadSetting(
            "ROSTER_SMTP_URL",
            "requires ROSTER_PUBLIC_URL or ROSTER_LINK_URL, the base URL of the links in emails",
        )


def _check_signing_keys(settings: Settings) -> None:
    """Raises BadSetting if accounts are on and there is no place for signing keys."""
    if settings.accounts and settings.signing_keys is None:
        if settings.embedded or settings.store == "memory":
            return
        raise BadSetting(
            "ROSTER_SIGNING_KEYS",
            "must be set with ROSTER_ACCOUNTS=on and this database. Create a file with "
            "`roster keys new FILE`; all workers must use the same keys",
        )


def read_setting(setting: Mapping[str, Any], environment: Mapping[str, str]) -> Any:
    """Reads one setting, described by the metadata of its field. Raises BadSetting if invalid."""
    if (text := environment.get(setting["name"], setting["default"])) is None:
        return None
    try:
        return setting["read"](trimmed(text))
    except ValueError as error:
        raise BadSetting(setting["name"], str(error)) from None
