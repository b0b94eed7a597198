"""The settings, as the environment sets them."""

import re
from dataclasses import Field, fields
from datetime import timedelta
from typing import Any

import pytest

from adapters.sql.engine import make_replica_engines
from application.accounts.config import Signup
from entrypoints.account_setting_types import without_smtp_password
from entrypoints.settings import BadSetting, Settings

ANY_TOKEN = {"ROSTER_JWT_ISSUER": "*", "ROSTER_JWT_AUDIENCE": "*"}
NAMES = [each.metadata["name"] for each in fields(Settings)]


def refusal(**environment: str) -> str:
    with pytest.raises(BadSetting) as caught:
        Settings.of(environment)
    return str(caught.value)


def test_nothing_needs_to_be_set() -> None:
    settings = Settings.of({})
    assert settings.database_url == "sqlite:///roster.db"
    assert settings.request_seconds == 8
    assert settings.body_bytes == 1024 * 1024
    assert not settings.allow_open


def test_every_setting_has_a_name_a_valid_default_and_a_meaning() -> None:
    for each in fields(Settings):
        assert re.fullmatch("(ROSTER|OTEL)_[A-Z0-9_]+", each.metadata["name"])
        assert each.metadata["meaning"]
        if (default := each.metadata["default"]) is not None:
            Settings.of({each.metadata["name"]: default})


def test_settings_are_read_from_the_environment() -> None:
    settings = Settings.of(
        {
            "ROSTER_DATABASE_URL": "postgresql://roster:hush@db.example.org/roster",
            "ROSTER_PUBLIC_URL": "https://people.example.org/directory/",
            "ROSTER_ALLOW_OPEN": "1",
            "ROSTER_REQUEST_SECONDS": "2.5",
            "ROSTER_CORS_ORIGINS": "https://app.example.org, http://[::1]:8080",
            "ROSTER_HOSTS": "Roster.example.org., 192.0.2.7, ::1, [2001:db8::1], intranet",
            "ROSTER_TRUSTED_PROXIES": "2",
            "ROSTER_RATE_LIMIT": "600/hour burst 20",
        }
    )
    assert settings.cors_origins == ("https://app.example.org", "http://[::1]:8080")
    expected = ("Roster.example.org.", "192.0.2.7", "::1", "[2001:db8::1]", "intranet")
    assert settings.hosts == expected
    assert settings.trusted_proxies == 2
    assert settings.rate_limit == "600/hour burst 20"
    assert settings.database_url == "postgresql://roster:hush@db.example.org/roster"
    assert settings.public_url == "https://people.example.org/directory"
    assert settings.allow_open
    assert settings.request_seconds == 2.5


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("HTTPS://people.example.org", "https://people.example.org"),
        ("Http://People.example.org//", "http://People.example.org"),
        ("http://[2001:db8::1]:8080/a/", "http://[2001:db8::1]:8080/a"),
        (
            "https://people.example.org/a-b_c.d~e/%C3%A9",
            "https://people.example.org/a-b_c.d~e/%C3%A9",
        ),
        (
            "https://people.example.org/a//b:@!$&'()*+,;=",
            "https://people.example.org/a//b:@!$&'()*+,;=",
        ),
        ("", ""),
    ],
)
def test_the_public_url_has_no_trailing_slash_and_a_scheme_in_lower_case(
    text: str, url: str
) -> None:
    assert Settings.of({"ROSTER_PUBLIC_URL": text}).public_url == url


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://App.Example.org", "https://app.example.org"),
        ("https://app.example.org:443", "https://app.example.org"),
        ("http://app.example.org:80", "http://app.example.org"),
        ("http://app.example.org:443", "http://app.example.org:443"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("ionic://localhost", "ionic://localhost"),
        ("tauri://localhost", "tauri://localhost"),
        ("app://com.Example.App", "app://com.Example.App"),
        ("app://.", "app://."),
        (
            "chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb",
            "chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb",
        ),
        (
            "moz-extension://0b6c2d2e-9d0e-4c38-a0fb-8b33b6b6d7d8",
            "moz-extension://0b6c2d2e-9d0e-4c38-a0fb-8b33b6b6d7d8",
        ),
    ],
)
def test_origins_of_any_scheme_are_read_as_browsers_write_them(text: str, origin: str) -> None:
    assert Settings.of({"ROSTER_CORS_ORIGINS": text}).cors_origins == (origin,)


@pytest.mark.parametrize(
    ("url", "store", "embedded"),
    [
        ("sqlite:////var/lib/roster.db", "sql", True),
        ("postgresql://h/d", "sql", False),
        ("postgresql+psycopg2://h1,h2/d?target_session_attrs=read-write", "sql", False),
        ("mysql+pymysql://h/d", "sql", False),
        ("mariadb+pymysql://roster@h:3307/d?ssl_disabled=true", "sql", False),
        ("memory://", "memory", False),
    ],
)
def test_the_url_chooses_the_store(url: str, store: str, embedded: bool) -> None:
    settings = Settings.of({"ROSTER_DATABASE_URL": url})
    assert (settings.store, settings.embedded) == (store, embedded)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ROSTER_DATABASE_URL", ""),
        ("ROSTER_DATABASE_URL", "roster.db"),
        ("ROSTER_DATABASE_URL", "sqlite://"),
        ("ROSTER_DATABASE_URL", "sqlite:///:memory:"),
        ("ROSTER_DATABASE_URL", "mysql://roster:hush@h/d"),
        ("ROSTER_DATABASE_URL", "mysql+mysqldb://roster:hush@h/d"),
        ("ROSTER_DATABASE_URL", "mysql+pymysql://roster:hush@h"),
        ("ROSTER_DATABASE_URL", "mysql+pymysql://roster:hush@h:port/d"),
        ("ROSTER_DATABASE_URL", "mariadb+pymysql://roster:hush@h/d?no_such_option=1"),
        ("ROSTER_DATABASE_URL", "mariadb+pymysql://roster:hush@h/d?ssl_ca=/no/such/file"),
        ("ROSTER_DATABASE_URL", "postgresql+asyncpg://roster:hush@h/d"),
        ("ROSTER_DATABASE_URL", "postgresql://roster:hush/hush@h/d"),
        ("ROSTER_DATABASE_URL", "postgresql://roster:hush@h:port/d"),
        ("ROSTER_DATABASE_URL", "postgresql://roster:hush@h/d?no_such_option=1"),
        ("ROSTER_READ_DATABASE_URL", ""),
        ("ROSTER_READ_DATABASE_URL", "db1.hush.example.org,db2.hush.example.org"),
        ("ROSTER_READ_DATABASE_URL", "sqlite:///hush.db"),
        ("ROSTER_READ_DATABASE_URL", "mariadb+pymysql://roster:hush@h1/d"),
        ("ROSTER_READ_DATABASE_URL", "postgresql://roster:hu@sh@h1,h2/hush"),
        ("ROSTER_READ_DATABASE_URL", "postgresql://roster:hush@h1,h2:port/d"),
        ("ROSTER_READ_DATABASE_URL", "postgresql://roster:hush@h/d?target_session_attrs=standby"),
        ("ROSTER_READ_DATABASE_URL", f"postgresql://roster:hush@{','.join('abcdefghijklmnopq')}/d"),
        ("ROSTER_GUIDES_URL", "docs.example.org"),
        ("ROSTER_PUBLIC_URL", "people.example.org"),
        ("ROSTER_PUBLIC_URL", "ftp://people.example.org"),
        ("ROSTER_PUBLIC_URL", "https://ann:hush@people.example.org"),
        ("ROSTER_PUBLIC_URL", "https://people.example.org/?a=1"),
        ("ROSTER_PUBLIC_URL", "https://people.example.org/\x01"),
        ("ROSTER_PUBLIC_URL", "https://people.example.org:port"),
        ("ROSTER_PUBLIC_URL", "https://people.example.org/#hush"),
        ("ROSTER_PUBLIC_URL", "https://people.example.org/hush hush"),
        ("ROSTER_PUBLIC_URL", "https://people.example.org/é"),
        ("ROSTER_PUBLIC_URL", 'https://people.example.org/"hush"'),
        ("ROSTER_PUBLIC_URL", "https://people.example.org/<hush>"),
        ("ROSTER_PUBLIC_URL", "https://people.example.org/{hush}"),
        ("ROSTER_PUBLIC_URL", "https://people.example.org/[hush]"),
        ("ROSTER_PUBLIC_URL", "https://people.example.org/%zz"),
        ("ROSTER_PUBLIC_URL", "https://people.example.org\\hush"),
        ("ROSTER_PUBLIC_URL", "https://{hush}.example.org"),
        ("ROSTER_CURSOR_SECRET", ""),
        ("ROSTER_REQUEST_SECONDS", "soon"),
        ("ROSTER_REQUEST_SECONDS", "0"),
        ("ROSTER_REQUEST_SECONDS", "nan"),
        ("ROSTER_REQUEST_SECONDS", "1_0"),
        ("ROSTER_BODY_SECONDS", "\u0663"),
        ("ROSTER_REQUEST_SECONDS", "inf"),
        ("ROSTER_BODY_SECONDS", "-1"),
        ("ROSTER_HEADER_SECONDS", ""),
        ("ROSTER_ALLOW_OPEN", "yes"),
        ("ROSTER_POOL_SIZE", "0"),
        ("ROSTER_POOL_SIZE", "many"),
        ("ROSTER_BODY_BYTES", "1e6"),
        ("ROSTER_BODY_MEMORY", "64M"),
        ("ROSTER_BODY_MEMORY", "0"),
        ("ROSTER_HEADER_BYTES", "100"),
        ("ROSTER_QUERY_PARAMETERS", "0"),
        ("ROSTER_QUERY_PARAMETERS", "many"),
        ("ROSTER_LOG_FORMAT", "xml"),
        ("ROSTER_METRICS", "yes"),
        ("ROSTER_CONNECTIONS", "0"),
        ("ROSTER_RATE_LIMIT", ""),
        ("ROSTER_RATE_LIMIT", "100"),
        ("ROSTER_RATE_LIMIT", "0/minute"),
        ("ROSTER_RATE_LIMIT", "100/minute burst 0"),
        ("ROSTER_RATE_LIMIT", f"{'9' * 400}/minute"),
        ("ROSTER_RATE_LIMIT", f"{'9' * 5000}/minute"),
        ("ROSTER_RATE_LIMIT", "many/minute"),
        ("ROSTER_RATE_LIMIT", "100/fortnight"),
        ("ROSTER_RATE_LIMIT", "100/minute; 5/second"),
        ("ROSTER_TRUSTED_PROXIES", "-1"),
        ("ROSTER_TRUSTED_PROXIES", "10.0.0.1"),
        ("ROSTER_CORS_ORIGINS", "app.example.org"),
        ("ROSTER_CORS_ORIGINS", "https://app.example.org/"),
        ("ROSTER_CORS_ORIGINS", "https://*.example.org"),
        ("ROSTER_CORS_ORIGINS", "https://app.example.org/path"),
        ("ROSTER_CORS_ORIGINS", "https://ann:hush@app.example.org"),
        ("ROSTER_CORS_ORIGINS", "https://"),
        ("ROSTER_CORS_ORIGINS", "file://"),
        ("ROSTER_CORS_ORIGINS", "capacitor:localhost"),
        ("ROSTER_CORS_ORIGINS", "://app.example.org"),
        ("ROSTER_CORS_ORIGINS", "https://app.example.org,"),
        ("ROSTER_HOSTS", "https://hush.example.org"),
        ("ROSTER_HOSTS", "hush.example.org:5000"),
        ("ROSTER_HOSTS", "hush.example.org/path"),
        ("ROSTER_HOSTS", "hush.example.org,"),
        ("ROSTER_HOSTS", "*"),
        ("ROSTER_HOSTS", "*.hush.example.org"),
        ("ROSTER_HOSTS", "münchen.example"),
        ("ROSTER_HOSTS", "a..hush"),
        ("ROSTER_CORS_ORIGINS", "*, https://app.example.org"),
        ("ROSTER_CORS_ORIGINS", "null"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://ann:hush@collector.example.org"),
        ("ROSTER_JWT_SECRET", ""),
        ("ROSTER_JWT_SECRET", "hush"),
        ("ROSTER_JWT_SECRET", "hush" * 7),
        ("ROSTER_JWT_JWKS", ""),
        ("ROSTER_JWT_JWKS", "http://issuer.example.org/hush"),
        ("ROSTER_JWT_JWKS", "HTTP://issuer.example.org/hush"),
        ("ROSTER_JWT_JWKS", "file:///etc/hush"),
        ("ROSTER_JWT_JWKS", "https:///hush"),
        ("ROSTER_JWT_JWKS", "https://ann:hush@issuer.example.org/"),
        ("ROSTER_JWT_JWKS", "https://issuer.example.org:hush/"),
        ("ROSTER_JWT_JWKS", "https://[hush"),
        ("ROSTER_JWT_ISSUER", ""),
        ("ROSTER_JWT_ISSUER", "https://hush.example.org,"),
        ("ROSTER_JWT_ISSUER", "*,https://hush.example.org"),
        ("ROSTER_JWT_ISSUER", "hu\nsh"),
        ("ROSTER_JWT_AUDIENCE", ""),
        ("ROSTER_JWT_AUDIENCE", "hush,,hush"),
        ("ROSTER_JWT_AUDIENCE", " , "),
        ("ROSTER_JWT_LEEWAY", "-1"),
        ("ROSTER_JWT_LEEWAY", "301"),
        ("ROSTER_JWT_LEEWAY", "1.5"),
        ("ROSTER_JWT_JWKS_STALE", "299"),
        ("ROSTER_JWT_JWKS_STALE", "1h"),
        ("ROSTER_JWT_JWKS_STALE", "604801"),
        ("ROSTER_ACCOUNTS", "1"),
        ("ROSTER_SIGNING_KEYS", ""),
        ("ROSTER_ROLE_SCOPES", ""),
        ("ROSTER_ROLE_SCOPES", "admin"),
        ("ROSTER_ROLE_SCOPES", "Hush=users:read"),
        ("ROSTER_ROLE_SCOPES", "admin=me;"),
        ("ROSTER_ROLE_SCOPES", "admin=me;admin=users:read"),
        ("ROSTER_ROLE_SCOPES", "admin=*:hush"),
        ("ROSTER_ROLE_SCOPES", "admin=*"),
        ("ROSTER_ROLE_SCOPES", "admin=users:*"),
        ("ROSTER_ROLE_SCOPES", 'admin="hush"'),
        ("ROSTER_ACCESS_TTL", "10"),
        ("ROSTER_ACCESS_TTL", "0s"),
        ("ROSTER_ACCESS_TTL", "61m"),
        ("ROSTER_ACCESS_TTL", "٣m"),
        ("ROSTER_SESSION_IDLE", "7 d"),
        ("ROSTER_SESSION_TTL", "366d"),
        ("ROSTER_REFRESH_GRACE", "61s"),
        ("ROSTER_REFRESH_GRACE", "-1s"),
        ("ROSTER_SIGNUP", ""),
        ("ROSTER_SIGNUP", "hush"),
        ("ROSTER_SIGNUP", "hush.example.org,"),
        ("ROSTER_SIGNUP", "ann@hush.example.org"),
        ("ROSTER_RECOVERY_TTL", "0s"),
        ("ROSTER_INVITATION_TTL", "week"),
        ("ROSTER_LINK_URL", "https://hush.example.org/"),
        ("ROSTER_LINK_URL", "https://hush.example.org/{token}/{token}"),
        ("ROSTER_LINK_URL", "https://hush.example.org/{token}{name}"),
        ("ROSTER_LINK_URL", "https://{token}.hush.example.org/"),
        ("ROSTER_LINK_URL", "https://ann:hush@example.org/{token}"),
        ("ROSTER_LINK_URL", 'https://hush.example.org/"{token}'),
        ("ROSTER_LINK_URL", "https://hush.example.org:0/{token}"),
        ("ROSTER_LINK_URL", "https://hush.example.org/é{token}"),
        ("ROSTER_LINK_URL", "javascript:{token}"),
        ("ROSTER_SMTP_URL", "hush.example.org"),
        ("ROSTER_SMTP_URL", "http://hush.example.org"),
        ("ROSTER_SMTP_URL", "smtp://ann:hush@mail.example.org/path"),
        ("ROSTER_SMTP_URL", "smtp://ann:hush@mail.example.org:port"),
        ("ROSTER_SMTP_URL", "smtp://ann@mail.example.org"),
        ("ROSTER_SMTP_URL", "smtp://:hush@mail.example.org"),
        ("ROSTER_SMTP_URL", "smtp://ann:hush@mail.exämple.org"),
        ("ROSTER_MAIL_FROM", "hush"),
        ("ROSTER_MAIL_FROM", "a@example.org, hush@example.org"),
        ("ROSTER_MAIL_FROM", "a@example.org\nBcc: hush@example.org"),
        ("ROSTER_MAIL_FOLDER", ""),
        ("ROSTER_MAIL_TEMPLATES", ""),
        ("ROSTER_PASSWORD_LENGTH", "7"),
        ("ROSTER_PASSWORD_LENGTH", "65"),
        ("ROSTER_PASSWORD_BLOCKLIST", ""),
        ("ROSTER_ARGON2", ""),
        ("ROSTER_ARGON2", "m=7167,t=9,p=1"),
        ("ROSTER_ARGON2", "m=17919,t=2,p=1"),
        ("ROSTER_ARGON2", "m=19456,t=2,p=0"),
        ("ROSTER_ARGON2", "m=262145,t=2,p=1"),
        ("ROSTER_ARGON2", "m=19456,t=216,p=1"),
        ("ROSTER_HASHES", "0"),
        ("ROSTER_LOGIN_FAILURES", "10"),
        ("ROSTER_LOGIN_FAILURES", "0/15m"),
        ("ROSTER_LOGIN_FAILURES", "10/0s"),
        ("ROSTER_LOGIN_FAILURES", "10/minute"),
        ("ROSTER_ACCOUNT_RATE", "120"),
    ],
)
def test_a_bad_setting_is_named_in_one_line_that_does_not_show_it(name: str, value: str) -> None:
    line = refusal(**{name: value})
    assert line.startswith(f"{name}: ")
    assert "\n" not in line
    assert "hush" not in line


@pytest.mark.parametrize("url", ["sqlite:///roster.db", "mariadb+pymysql://h/d", "memory://"])
def test_replicas_require_postgresql(url: str) -> None:
    line = refusal(ROSTER_DATABASE_URL=url, ROSTER_READ_DATABASE_URL="postgresql://h1,h2/d")
    assert line == (
        "ROSTER_READ_DATABASE_URL: requires a PostgreSQL database in ROSTER_DATABASE_URL, which is "
        "the primary"
    )


@pytest.mark.parametrize(
    ("url", "replicas"),
    [
        ("postgresql://roster:hush@h1,h2:5433/d", ["h1:5432", "h2:5433"]),
        ("postgresql+psycopg2://roster@h1:5433,h2:5433/d", ["h1:5433", "h2:5433"]),
        ("postgresql://roster@/d?host=h1:5433&host=h2", ["h1:5433", "h2:5432"]),
        ("postgresql://roster@[::1]:5433,h2/d?sslmode=require", ["::1:5433", "h2:5432"]),
        ("postgresql://roster@/d?host=/run/one&host=/run/two", ["/run/one:5432", "/run/two:5432"]),
        ("postgresql://h1/d", ["h1:5432"]),
    ],
)
def test_each_host_of_the_read_url_is_a_replica(url: str, replicas: list[str]) -> None:
    primary = "postgresql://h/d"
    settings = Settings.of({"ROSTER_DATABASE_URL": primary, "ROSTER_READ_DATABASE_URL": url})
    assert settings.read_database_url == url
    engines = make_replica_engines(url)
    assert list(engines) == replicas
    user = "roster" if "roster" in url else None
    for engine in engines.values():
        assert (engine.url.username, engine.url.database) == (user, "d")


@pytest.mark.parametrize("name", ["ROSTER_JWT_ISSUER", "ROSTER_JWT_AUDIENCE"])
def test_incomplete_access_control_is_rejected(name: str) -> None:
    line = f"{name}: requires ROSTER_JWT_SECRET, ROSTER_JWT_JWKS or ROSTER_ACCOUNTS=on"
    assert refusal(**{name: "hush"}) == line
    assert not Settings.of({name: "hush", "ROSTER_ACCOUNTS": "on"}).is_open


@pytest.mark.parametrize(
    "environment",
    [
        {"ROSTER_JWT_SECRET": "x" * 32},
        {"ROSTER_JWT_JWKS": "keys.json", **ANY_TOKEN},
        {"ROSTER_JWT_JWKS": "https://issuer.example.org/.well-known/jwks.json", **ANY_TOKEN},
        {"ROSTER_JWT_SECRET": "x" * 32, "ROSTER_JWT_JWKS": "/etc/roster/keys.json", **ANY_TOKEN},
    ],
)
def test_a_secret_or_a_key_set_enables_access_control(environment: dict[str, str]) -> None:
    assert Settings.of({}).is_open
    assert not Settings.of(environment).is_open


def test_several_issuers_and_audiences_are_separated_by_commas() -> None:
    settings = Settings.of(
        {
            "ROSTER_JWT_SECRET": "x" * 32,
            "ROSTER_JWT_ISSUER": "https://sts.example.org/t/, https://login.example.org/t/v2.0",
            "ROSTER_JWT_AUDIENCE": "api://roster,roster",
        }
    )
    assert settings.jwt_issuer == (
        "https://sts.example.org/t/",
        "https://login.example.org/t/v2.0",
    )
    assert settings.jwt_audience == ("api://roster", "roster")


@pytest.mark.parametrize("name", ["ROSTER_JWT_ISSUER", "ROSTER_JWT_AUDIENCE"])
def test_a_key_set_requires_issuer_and_audience(name: str) -> None:
    environment = {"ROSTER_JWT_JWKS": "keys.json", **ANY_TOKEN}
    del environment[name]
    line = f"{name}: must be set with ROSTER_JWT_JWKS; * accepts any value"
    assert refusal(**environment) == line
    assert refusal(ROSTER_JWT_SECRET="x" * 32, **environment) == line


def test_settings_do_not_show_their_secrets() -> None:
    assert "hush" not in repr(Settings.of({"ROSTER_JWT_SECRET": "hush" * 8}))


EXAMPLES = {
    "ROSTER_DATABASE_URL": "postgresql://roster:hush@db.example.org/roster",
    "ROSTER_READ_DATABASE_URL": "postgresql://roster:hush@db1.example.org,db2.example.org/roster",
    "ROSTER_GUIDES_URL": "https://docs.example.org/roster",
    "ROSTER_PUBLIC_URL": "https://people.example.org",
    "ROSTER_JWT_SECRET": "hush" * 8,
    "ROSTER_JWT_JWKS": "/etc/roster/keys.json",
    "ROSTER_JWT_ISSUER": "https://idp.example.org/",
    "ROSTER_JWT_AUDIENCE": "roster",
    "ROSTER_RATE_LIMIT": "100/minute",
    "ROSTER_CORS_ORIGINS": "https://app.example.org",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
    "ROSTER_SIGNING_KEYS": "/etc/roster/signing-keys.json",
    "ROSTER_LINK_URL": "https://app.example.org/{purpose}#{token}",
    "ROSTER_SMTP_URL": "smtps://ann:hush@mail.example.org:465",
    "ROSTER_MAIL_FROM": "Roster <roster@example.org>",
    "ROSTER_MAIL_TEMPLATES": "/etc/roster/emails",
    "ROSTER_PASSWORD_BLOCKLIST": "/etc/roster/passwords.txt",
    "ROSTER_HASHES": "2",
}
REQUIRED = {
    "ROSTER_READ_DATABASE_URL": {"ROSTER_DATABASE_URL": "postgresql://db.example.org/roster"},
    "ROSTER_SMTP_URL": {
        "ROSTER_MAIL_FROM": "roster@example.org",
        "ROSTER_PUBLIC_URL": "https://people.example.org",
    },
}
AROUND = ["\n", "\r\n", "\r", " ", "\t", "\ufeff", "\u00a0", "\u2028", "\x0b"]


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("each", fields(Settings), ids=NAMES)
def test_whitespace_at_either_end_of_a_setting_is_removed(each: Field[Any], around: str) -> None:
    name = each.metadata["name"]
    value = EXAMPLES.get(name, each.metadata["default"] or "x")
    more = REQUIRED.get(name, {})
    if name.startswith("ROSTER_JWT"):
        more = {"ROSTER_JWT_SECRET": "hush" * 8, **ANY_TOKEN}
    expected = getattr(Settings.of(more | {name: value}), each.name)
    assert getattr(Settings.of(more | {name: f"{around}{value}{around}"}), each.name) == expected


@pytest.mark.parametrize("name", NAMES)
def test_a_setting_of_whitespace_is_an_empty_one(name: str) -> None:
    def result(value: str) -> object:
        try:
            return repr(vars_of(Settings.of({"ROSTER_JWT_SECRET": "hush" * 8, name: value})))
        except BadSetting as error:
            return str(error)

    assert result(" \r\n") == result("")


def vars_of(settings: Settings) -> list[object]:
    return [getattr(settings, each.name) for each in fields(settings)]


def test_a_secret_of_spaces_is_not_long_enough() -> None:
    assert refusal(ROSTER_JWT_SECRET="hush" * 7 + " " * 9).startswith("ROSTER_JWT_SECRET: ")


MAIL = {"ROSTER_SMTP_URL": "smtp://mail.example.org", "ROSTER_MAIL_FROM": "roster@example.org"}


@pytest.mark.parametrize("name", ["ROSTER_PUBLIC_URL", "ROSTER_LINK_URL"])
def test_a_mail_server_requires_a_sender_and_a_base_url_of_links(name: str) -> None:
    url = {name: "https://app.example.org/{token}"} if name == "ROSTER_LINK_URL" else {}
    url = url or {name: "https://app.example.org"}
    assert Settings.of(MAIL | url).mail_from == "roster@example.org"
    assert refusal(**MAIL).startswith("ROSTER_SMTP_URL: requires ROSTER_PUBLIC_URL or ")
    without_sender = {"ROSTER_SMTP_URL": MAIL["ROSTER_SMTP_URL"]} | url
    assert refusal(**without_sender) == "ROSTER_MAIL_FROM: must be set with ROSTER_SMTP_URL"


def test_accounts_enable_access_control_without_another_setting() -> None:
    settings = Settings.of({"ROSTER_ACCOUNTS": "on", "ROSTER_JWT_AUDIENCE": "roster"})
    assert not settings.is_open


@pytest.mark.parametrize("url", ["postgresql://h/d", "mariadb+pymysql://roster@h/d"])
def test_accounts_require_signing_keys_with_a_database_server(url: str) -> None:
    accounts = {"ROSTER_ACCOUNTS": "on", "ROSTER_DATABASE_URL": url}
    assert refusal(**accounts).startswith("ROSTER_SIGNING_KEYS: must be set with ")
    assert Settings.of(accounts | {"ROSTER_SIGNING_KEYS": "keys.json"}).accounts
    assert not Settings.of({"ROSTER_DATABASE_URL": url}).accounts
    for other in ("sqlite:///roster.db", "memory://"):
        assert Settings.of(accounts | {"ROSTER_DATABASE_URL": other}).accounts


def test_the_settings_of_accounts_have_the_documented_defaults() -> None:
    settings = Settings.of({})
    assert settings.role_scopes == {"admin": ("*:read", "*:write", "users:erase"), "*": ("me",)}
    assert settings.access_ttl == timedelta(minutes=10)
    assert settings.argon2 == (19456, 2, 1)
    assert settings.login_failures == (10, timedelta(minutes=15))
    assert settings.signup == Signup(enabled=False)


def test_sign_up_can_be_limited_to_domains_in_any_form() -> None:
    settings = Settings.of({"ROSTER_SIGNUP": "Example.ORG, münchen.example"})
    domains = frozenset(("example.org", "xn--mnchen-3ya.example"))
    assert settings.signup == Signup(enabled=True, domains=domains)
    assert Settings.of({"ROSTER_SIGNUP": "on"}).signup == Signup(enabled=True)


def test_the_smallest_costs_of_argon2_are_those_of_owasp() -> None:
    assert Settings.of({"ROSTER_ARGON2": "m=7168,t=5,p=1"}).argon2 == (7168, 5, 1)


def test_the_password_of_the_mail_server_is_not_shown() -> None:
    shown = without_smtp_password("smtp://ann:hush@mail.example.org:587")
    assert shown == "smtp://ann:***@mail.example.org:587"
