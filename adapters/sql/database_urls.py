"""Checks the URL of a database before a library parses it.

The libraries repeat invalid values in their errors. They also mistake a part of a password that is
not percent-encoded for a host, a database or an option. So the errors of this module do not repeat
the invalid value.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Final, NamedTuple
from urllib.parse import parse_qsl


class BadUrl(ValueError):
    """Roster does not accept the URL. The text gives the reason and does not repeat the URL."""


_PASSWORD: Final = re.compile(r"(://[^:@/?]*):[^@]*@")
_PASSWORD_OPTION: Final = re.compile(r"(?i)([?&][^=&]*password[^=&]*)=[^&]*")


def without_password(url: str) -> str:
    """Replaces each password in the URL with ***. The URL must be one that Roster accepts."""
    return _PASSWORD_OPTION.sub(r"\1=***", _PASSWORD.sub(r"\1:***@", url, count=1))


class Option(NamedTuple):
    """An option of a URL. `accepts` checks a value, and `values` describes the accepted values."""

    accepts: Callable[[str], bool]
    values: str
    may_repeat: bool = False


Options = Mapping[str, Option]


def whole_number(minimum: int, maximum: int) -> Option:
    """An option with an integer from `minimum` to `maximum`."""

    def accepts(text: str) -> bool:
        return bool(re.fullmatch("[0-9]{1,10}", text)) and minimum <= int(text) <= maximum

    return Option(accepts, f"a whole number from {minimum} to {maximum}")


def _in_words(choices: Sequence[str]) -> str:
    *others, last = choices
    return f"{', '.join(others)} or {last}"


def one_of(*choices: str) -> Option:
    """An option with one of these values."""
    return Option(choices.__contains__, _in_words(choices))


_TRUE: Final = frozenset(("true", "yes", "on", "t", "y", "1"))
_FALSE: Final = frozenset(("false", "no", "off", "f", "n", "0"))
BOOLEAN: Final = Option(lambda text: text.lower() in _TRUE | _FALSE, "true or false")
TRUE: Final = Option(lambda text: text.lower() in _TRUE, "true")
FALSE: Final = Option(lambda text: text.lower() in _FALSE, "false")
TEXT: Final = Option(bool, "a text that is not empty")
SECONDS: Final = whole_number(1, 31_536_000)


def _is_duration(text: str) -> bool:
    try:
        value = float(text)
    except ValueError:
        return False
    return isfinite(value) and 0 <= value <= 31_536_000


SQLITE: Final[Options] = {
    "uri": BOOLEAN,
    "mode": one_of("ro", "rw", "rwc"),
    "timeout": Option(_is_duration, "a number of seconds"),
    "cached_statements": whole_number(0, 1_000_000),
    "check_same_thread": FALSE,
}
_PORTS: Final = Option(
    lambda text: bool(re.fullmatch("[0-9]{0,5}(?:,[0-9]{0,5})*", text)),
    "port numbers, separated by commas",
)
_PROTOCOLS: Final = one_of("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
POSTGRESQL: Final[Options] = {
    "host": Option(bool, TEXT.values, may_repeat=True),
    **dict.fromkeys(("hostaddr", "user", "password", "dbname", "passfile", "service"), TEXT),
    "port": _PORTS,
    **dict.fromkeys(("connect_timeout", "keepalives_idle", "keepalives_interval"), SECONDS),
    "keepalives": whole_number(0, 1),
    "keepalives_count": whole_number(0, 1000),
    "tcp_user_timeout": whole_number(0, 2**31 - 1),
    "target_session_attrs": one_of(
        "any", "read-write", "read-only", "primary", "standby", "prefer-standby"
    ),
    "load_balance_hosts": one_of("disable", "random"),
    **dict.fromkeys(("application_name", "fallback_application_name", "options"), TEXT),
    "client_encoding": TEXT,
    "sslmode": one_of("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": one_of("postgres", "direct"),
    **dict.fromkeys(("ssl_min_protocol_version", "ssl_max_protocol_version"), _PROTOCOLS),
    **dict.fromkeys(("sslcompression", "sslsni"), whole_number(0, 1)),
    "sslcertmode": one_of("disable", "allow", "require"),
    **dict.fromkeys(("sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl"), TEXT),
    **dict.fromkeys(("sslcrldir", "requirepeer", "require_auth", "krbsrvname", "gsslib"), TEXT),
    **dict.fromkeys(("gssencmode", "channel_binding"), one_of("disable", "prefer", "require")),
    "gssdelegation": whole_number(0, 1),
}
MARIADB: Final[Options] = {
    "unix_socket": TEXT,
    "connect_timeout": SECONDS,
    **dict.fromkeys(("charset", "program_name", "read_default_group"), TEXT),
    "use_unicode": TRUE,
    "read_default_file": TEXT,
    **dict.fromkeys(("ssl_ca", "ssl_capath", "ssl_cert", "ssl_key", "ssl_cipher"), TEXT),
    "ssl_key_password": TEXT,
    **dict.fromkeys(("ssl_disabled", "ssl_verify_cert", "ssl_verify_identity"), BOOLEAN),
    "ssl_check_hostname": BOOLEAN,
}

_QUOTES_OR_AT: Final = re.compile("[@'\"]")
_NAME: Final = re.compile("[a-z_]{1,40}")
_USERINFO: Final = re.compile(r"[^:/]*(?::[^@]*)?@")
_USERINFO_OF_LIBPQ: Final = re.compile(r"[^@/]*@")


def check_sqlite(text: str) -> None:
    """Raises BadUrl if an SQLite URL has an invalid option."""
    _reject_nul(text)
    address, _, query = text.partition("://")[2].partition("?")
    _check_options(query, SQLITE)
    values = dict(parse_qsl(query))
    is_uri = values.get("uri", "0").lower() in _TRUE
    if is_uri and not re.match("/file:.", address):
        raise BadUrl("With uri=true, the file must be given as sqlite:///file:FILE?uri=true.")
    if is_uri and "%2500" in address:
        raise BadUrl(_NUL)
    if not is_uri and "mode" in values:
        raise BadUrl("The option mode requires sqlite:///file:FILE?uri=true.")


def check_postgresql(text: str) -> None:
    """Raises BadUrl if the password may not be percent-encoded, or if an option is invalid."""
    _check(text, _USERINFO_OF_LIBPQ, POSTGRESQL)


def check_mariadb(text: str) -> None:
    """Raises BadUrl if the password may not be percent-encoded, or if an option is invalid."""
    _check(text, _USERINFO, MARIADB)
    names = dict(parse_qsl(text.partition("?")[2]))
    for name in ("ssl_key", "ssl_key_password"):
        if name in names and "ssl_cert" not in names:
            raise BadUrl(f"The option {name} requires ssl_cert.")


def _check(text: str, userinfo: re.Pattern[str], options: Options) -> None:
    _reject_nul(text)
    rest = text.partition("://")[2]
    if match := userinfo.match(rest):
        rest = rest[match.end() :]
    address, _, query = rest.partition("?")
    if _QUOTES_OR_AT.search(address):
        raise BadUrl(
            "The host or the database contains @ or a quotation mark, which may be a part of the "
            "password. Percent-encode these characters in the user, the password and the database: "
            "%40 for @, %2F for /, %3F for ?, %27 for ', %22 for \"."
        )
    _check_options(query, options)


_NUL: Final = "The URL must not contain a null character (%00)."


def _reject_nul(text: str) -> None:
    if "%00" in text or "\0" in text:
        raise BadUrl(_NUL)


def _check_options(query: str, options: Options) -> None:
    pairs = parse_qsl(query, keep_blank_values=True)
    counts = Counter(name for name, _ in pairs)
    for name, value in pairs:
        option = options.get(name)
        if option is None:
            # With @, the query may be a part of a password.
            is_name = "@" not in query and _NAME.fullmatch(name)
            subject = f"The option {name}" if is_name else "An option"
            raise BadUrl(f"{subject} is not supported. Supported options: {', '.join(options)}.")
        if counts[name] > 1 and not option.may_repeat:
            raise BadUrl(f"The option {name} must not be repeated.")
        if not option.accepts(value):
            raise BadUrl(f"The option {name} must be {option.values}.")
