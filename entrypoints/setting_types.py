"""The types of settings. Each function parses a text, or raises ValueError with what it must be."""

import re
from collections.abc import Callable
from importlib.util import find_spec
from ipaddress import IPv6Address
from typing import Final, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")
Read = Callable[[str], T]

MEMORY = "memory://"


def integer(minimum: int, maximum: int) -> Read[int]:
    """A whole number from `minimum` to `maximum`."""

    def read(text: str) -> int:
        if not re.fullmatch("[0-9]{1,18}", text) or not minimum <= int(text) <= maximum:
            raise ValueError(f"must be a whole number from {minimum} to {maximum}")
        return int(text)

    return read


def seconds(text: str) -> float:
    """A number of seconds."""
    if not re.fullmatch(r"[0-9]{0,18}\.?[0-9]{1,18}", text) or not 0 < float(text) <= 3600:
        raise ValueError("must be a number of seconds above 0, up to 3600")
    return float(text)


_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def duration_seconds(text: str) -> int | None:
    """Returns the seconds of a duration such as 90s, 15m, 1h or 30d. None if it is not one."""
    match = re.fullmatch("([0-9]{1,9})([smhd])", text)
    return int(match[1]) * _UNITS[match[2]] if match else None


def boolean(text: str) -> bool:
    """1 or 0."""
    if text not in ("0", "1"):
        raise ValueError("must be 1 or 0")
    return text == "1"


def switch(text: str) -> bool:
    """on or off."""
    if text not in ("on", "off"):
        raise ValueError("must be on or off")
    return text == "on"


def one_of(*choices: str) -> Read[str]:
    """One of the choices."""

    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"must be {' or '.join(choices)}")
        return text

    return read


def non_empty(text: str) -> str:
    """A text that is not empty."""
    if not text:
        raise ValueError("must not be empty")
    return text


ANY: Final = ("*",)
"""The value of a setting that accepts any value of a claim."""


def claim_values(text: str) -> tuple[str, ...]:
    """The accepted values of a claim, separated by commas; ANY for `*`."""
    values = tuple(part.strip() for part in text.split(","))
    if not all(value and value.isprintable() for value in values) or (
        "*" in values and values != ANY
    ):
        raise ValueError("must be * or non-empty values, separated by commas")
    return values


def jwt_secret(text: str) -> str:
    """A secret that can sign tokens."""
    from adapters.tokens.keys import secret_bytes

    secret_bytes(text)
    return text


def jwks(text: str) -> str:
    """The place of a key set: a file, or an https URL."""
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
    """The URL of the service for its clients, without a trailing slash; may be empty."""
    problem = "must be an http or https URL (RFC 3986) without a user, query or fragment"
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises ValueError if it is not a number
    except ValueError:
        raise ValueError(problem) from None
    known = parts.scheme in ("http", "https") and parts.hostname and parts.username is None
    if text and not (known and _BASE_URL.fullmatch(text)):
        raise ValueError(problem)
    return f"{parts.scheme}{text[len(parts.scheme) :]}".rstrip("/")


_BASE_URL = re.compile(
    r"[a-z]+://(?:[a-z0-9._~!$&'()*+,;=:\[\]-]|%[0-9a-f]{2})+"
    r"(?:/(?:[a-z0-9._~!$&'()*+,;=:@/-]|%[0-9a-f]{2})*)?",
    re.IGNORECASE | re.ASCII,
)
"""A URL without a user, a query and a fragment (RFC 3986). Every link begins with it."""


def database_url(text: str) -> str:
    """The URL of a supported database."""
    if text != MEMORY:
        from adapters.sql.engine import make_engine

        make_engine(text)
    return text


def read_database_url(text: str) -> str:
    """The URL of a PostgreSQL database with the hosts of its replicas."""
    from adapters.sql.engine import make_replica_engines

    make_replica_engines(text)
    return text


def without_password(text: str) -> str:
    """Returns the URL of a database without its password."""
    from adapters.sql.database_urls import without_password

    return without_password(text)


def origins(text: str) -> tuple[str, ...]:
    """Origins (RFC 6454), separated by commas, in the form that browsers send; or * for all."""
    parsed = tuple(_origin(part.strip()) for part in text.split(",")) if text else ()
    if "*" in parsed and len(parsed) > 1:
        raise ValueError(_INVALID_ORIGINS)
    return parsed


def _origin(text: str) -> str:
    if text == "*":
        return text
    if not _ORIGIN.fullmatch(text):
        raise ValueError(_INVALID_ORIGINS)
    scheme = text.partition(":")[0].lower()
    if scheme not in _DEFAULT_PORTS:  # an application's own scheme: compared without changes
        return text
    return text.lower().removesuffix(_DEFAULT_PORTS[scheme])


_ORIGIN = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*://(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
)
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_INVALID_ORIGINS = (
    "must be * or origins such as https://app.example.org and capacitor://localhost, separated by "
    "commas, without a path"
)


def hosts(text: str) -> tuple[str, ...]:
    """Host names and addresses, separated by commas, without scheme, port and path."""
    names = [part.strip() for part in text.split(",")] if text else []
    if not all(_HOST.fullmatch(each) or _is_ipv6(each) for each in names):
        raise ValueError(
            "must be host names or addresses such as roster.example.org, separated by commas, "
            "without scheme, port and path (international names in their xn-- form)"
        )
    return tuple(names)


_HOST = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?")


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


_SIMPLE_RATE = re.compile("[1-9][0-9]{0,4}/(?:second|minute|hour|day)")


def request_rate(text: str) -> str:
    """A number of requests per time, and optionally a burst."""
    if _SIMPLE_RATE.fullmatch(text):  # such as the default: commands need not import the parser
        return text
    from adapters.web.rate_limit import rate

    try:
        rate(text)
    except ValueError:
        raise ValueError("must be a rate such as 100/minute or 600/hour burst 20") from None
    return text


def collector(text: str) -> str:
    """The URL of a collector of traces. Requires the exporter to be installed."""
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None:
        raise ValueError("requires the extra otel: pip install roster-directory[otel]")
    if not (public_url(text) and text):
        raise ValueError("must be an http or https URL without a query")
    return text
