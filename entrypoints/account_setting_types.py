"""The types of the settings of accounts. Each function parses a text, or raises ValueError."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from application.accounts.config import EVERY_ROLE, Signup
from domain.text import EMAIL_LENGTH, email, email_key, slug
from domain.users import ROLE_LENGTH
from entrypoints.setting_types import Read, duration_seconds

_MIN_MEMORY: Final = 7168
_MIN_WORK: Final = 35_840
_MAX_MEMORY: Final = 262_144
_MAX_WORK: Final = 4_194_304
_MAX_LANES: Final = 16
_MAX_FAILURES: Final = 1000
_MAX_ROLES: Final = 1000
_PERMISSIONS: Final = ("read", "write")


def duration_of(minimum: int, maximum: int, accepted: str) -> Read[timedelta]:
    """A duration of `minimum` to `maximum` seconds. `accepted` names the limits."""

    def read(text: str) -> timedelta:
        seconds = duration_seconds(text)
        if seconds is None or not minimum <= seconds <= maximum:
            raise ValueError(f"must be a duration such as 90s, 15m, 1h or 30d, {accepted}")
        return timedelta(seconds=seconds)

    return read


def role_scopes(text: str) -> Mapping[str, tuple[str, ...]]:
    """The scopes of each role, and of EVERY_ROLE: `admin=*:read users:erase;*=me`."""
    scopes: dict[str, tuple[str, ...]] = {}
    for part in text.split(";", _MAX_ROLES):
        role, equals, listed = (each.strip() for each in part.partition("="))
        if not equals or (role != EVERY_ROLE and slug(role, max_length=ROLE_LENGTH)):
            raise ValueError(
                "must be roles with scopes, such as admin=*:read *:write;*=me. A role has the "
                "characters a-z, 0-9, _ and -, and starts with a letter; * is every role"
            )
        if role in scopes:
            raise ValueError("must contain each role only once")
        scopes[role] = tuple(dict.fromkeys(map(_scope, listed.split())))
    return scopes


def _scope(text: str) -> str:
    from adapters.tokens.scopes import is_scope

    resource, colon, permission = text.partition(":")
    if not is_scope(text) or (
        "*" in text and not (resource == "*" and colon and permission in _PERMISSIONS)
    ):
        raise ValueError(
            "must contain scopes such as users:read, *:read, *:write and me, separated by spaces"
        )
    return text


def signup(text: str) -> Signup:
    """on, off, or the email domains that may sign up, separated by commas."""
    if text in ("on", "off"):
        return Signup(enabled=text == "on")
    return Signup(enabled=True, domains=frozenset(map(_domain, text.split(","))))


def _domain(text: str) -> str:
    """The domain in the form of email keys."""
    address = f"x@{text.strip().removeprefix('@')}"
    if address.count("@") != 1 or email(address, max_length=EMAIL_LENGTH):
        raise ValueError("must be on, off, or email domains such as example.org, with commas")
    return email_key(address).partition("@")[2]


class Argon2Costs(NamedTuple):
    """The costs of argon2id: the memory in KiB, the passes and the lanes."""

    memory: int
    passes: int
    lanes: int


def argon2_costs(text: str) -> Argon2Costs:
    """The costs of argon2id: m=KiB,t=passes,p=lanes."""
    match = re.fullmatch("m=([0-9]{1,9}),t=([0-9]{1,9}),p=([0-9]{1,9})", text)
    if match is None:
        raise ValueError("must be memory in KiB, passes and lanes, such as m=19456,t=2,p=1")
    costs = Argon2Costs(*map(int, match.groups()))
    if not (
        _MIN_MEMORY <= costs.memory <= _MAX_MEMORY
        and _MIN_WORK <= costs.memory * costs.passes <= _MAX_WORK
        and 1 <= costs.lanes <= _MAX_LANES
    ):
        raise ValueError(
            f"must have m from {_MIN_MEMORY} to {_MAX_MEMORY}, m * t from {_MIN_WORK} to "
            f"{_MAX_WORK}, and p from 1 to {_MAX_LANES}"
        )
    return costs


class Limit(NamedTuple):
    """A number of events within a time."""

    number: int
    time: timedelta


def limit(text: str) -> Limit:
    """A number of events within a time, such as 10/15m."""
    number, _, time = text.partition("/")
    seconds = duration_seconds(time)
    is_number = re.fullmatch("[0-9]{1,9}", number) and 1 <= int(number) <= _MAX_FAILURES
    if not is_number or seconds is None or not 1 <= seconds <= 86_400:
        raise ValueError(
            f"must be a number from 1 to {_MAX_FAILURES} and a time of at most 1d, such as 10/15m"
        )
    return Limit(int(number), timedelta(seconds=seconds))


def link_url(text: str) -> str:
    """The URL of the page that links open, with {token} once and perhaps {purpose}."""
    from adapters.mail.links import check_link_url

    check_link_url(text)
    return text


def smtp_url(text: str) -> str:
    """The URL of a mail server: smtp://USER:PASSWORD@HOST:PORT or smtps://."""
    from adapters.mail.smtp import parse_smtp_url

    parse_smtp_url(text)
    return text


def without_smtp_password(text: str) -> str:
    """Returns the URL of a mail server without its password."""
    parts = urlsplit(text)
    if parts.password is None:
        return text
    user, host = (parts.username or ""), parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{user}:***@{host}{parts.path}"


def sender(text: str) -> str:
    """The sender of emails: an address, or NAME <ADDRESS>."""
    from adapters.mail.message import parse_sender

    parse_sender(text)
    return text
