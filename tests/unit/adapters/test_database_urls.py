"""The options of database URLs: which values are accepted."""

import re
from collections.abc import Callable

import pytest

from adapters.sql.database_urls import BadUrl, check_mariadb, check_postgresql, check_sqlite

Check = Callable[[str], None]
SQLITE = (check_sqlite, "sqlite:////data/x.db?")
SQLITE_FILE = (check_sqlite, "sqlite:///file:/data/x.db?uri=true&")
POSTGRESQL = (check_postgresql, "postgresql://ann@db.example/x?")
MARIADB = (check_mariadb, "mariadb+pymysql://ann@db.example/x?")
MARIADB_WITH_CERTIFICATE = (check_mariadb, "mariadb+pymysql://ann@db.example/x?ssl_cert=c&")

YEAR = 365 * 24 * 3600
NUMBERS = [
    (SQLITE, "cached_statements", 0, 1_000_000),
    *((POSTGRESQL, name, 1, YEAR) for name in ("connect_timeout", "keepalives_idle")),
    (POSTGRESQL, "keepalives_interval", 1, YEAR),
    (POSTGRESQL, "keepalives_count", 0, 1000),
    (POSTGRESQL, "tcp_user_timeout", 0, 2**31 - 1),
    *((POSTGRESQL, name, 0, 1) for name in ("keepalives", "sslcompression", "sslsni")),
    (POSTGRESQL, "gssdelegation", 0, 1),
    (MARIADB, "connect_timeout", 1, YEAR),
]
PROTOCOLS = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]
MODES = ["disable", "prefer", "require"]
CHOICES = [
    (SQLITE_FILE, "mode", ["ro", "rw", "rwc"]),
    (POSTGRESQL, "load_balance_hosts", ["disable", "random"]),
    (
        POSTGRESQL,
        "sslmode",
        ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"],
    ),
    (
        POSTGRESQL,
        "target_session_attrs",
        ["any", "read-write", "read-only", "primary", "standby", "prefer-standby"],
    ),
    (POSTGRESQL, "sslnegotiation", ["postgres", "direct"]),
    (POSTGRESQL, "ssl_min_protocol_version", PROTOCOLS),
    (POSTGRESQL, "ssl_max_protocol_version", PROTOCOLS),
    (POSTGRESQL, "sslcertmode", ["disable", "allow", "require"]),
    (POSTGRESQL, "gssencmode", MODES),
    (POSTGRESQL, "channel_binding", MODES),
]
TRUE = ["true", "YES", "on", "t", "y", "1"]
FALSE = ["false", "NO", "off", "f", "n", "0"]
WORDS = [
    (SQLITE, "check_same_thread", FALSE, TRUE),
    (MARIADB, "use_unicode", TRUE, FALSE),
    (SQLITE, "uri", FALSE, ["2"]),
    ((check_sqlite, "sqlite:///file:/data/x.db?"), "uri", TRUE, ["2"]),
    *(
        (MARIADB, name, TRUE + FALSE, ["2"])
        for name in ("ssl_disabled", "ssl_verify_cert", "ssl_verify_identity", "ssl_check_hostname")
    ),
]
TEXTS = """
    host hostaddr user password dbname passfile service application_name fallback_application_name
    options client_encoding sslrootcert sslcert sslkey sslpassword sslcrl sslcrldir requirepeer
    require_auth krbsrvname gsslib
"""
TEXTS_OF_MARIADB = """
    unix_socket charset program_name read_default_file read_default_group
    ssl_ca ssl_capath ssl_cert ssl_cipher
"""


def refusal(of: tuple[Check, str], option: str) -> str:
    """Why a URL with the option is refused, or an empty text."""
    check, url = of
    try:
        check(url + option)
    except BadUrl as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("of", "name", "least", "most"), NUMBERS)
def test_a_number_is_limited(of: tuple[Check, str], name: str, least: int, most: int) -> None:
    assert [refusal(of, f"{name}={number}") for number in (least, most)] == ["", ""]
    others = (least - 1, most + 1, "1.0", "0" * 11, "\u0661", "")
    expected = f"The option {name} must be a whole number from {least} to {most}."
    assert {refusal(of, f"{name}={number}") for number in others} == {expected}


@pytest.mark.parametrize(("of", "name", "choices"), CHOICES)
def test_a_choice_is_one_of_a_few_words(
    of: tuple[Check, str], name: str, choices: list[str]
) -> None:
    assert [refusal(of, f"{name}={each}") for each in choices] == [""] * len(choices)
    *others, last = choices
    expected = f"The option {name} must be {', '.join(others)} or {last}."
    assert {refusal(of, f"{name}={each}") for each in ("other", "")} == {expected}


@pytest.mark.parametrize(("of", "name", "accepted", "refused"), WORDS)
def test_a_boolean_has_several_spellings(
    of: tuple[Check, str], name: str, accepted: list[str], refused: list[str]
) -> None:
    assert {refusal(of, f"{name}={each}") for each in accepted} == {""}
    for each in (*refused, "maybe", ""):
        assert re.match(f"The option {name} must be (true|false)", refusal(of, f"{name}={each}"))


@pytest.mark.parametrize(
    ("of", "name"),
    [
        (of, name)
        for of, names in (
            (POSTGRESQL, TEXTS),
            (MARIADB, TEXTS_OF_MARIADB),
            (MARIADB_WITH_CERTIFICATE, "ssl_key ssl_key_password"),
        )
        for name in names.split()
    ],
)
def test_a_text_must_not_be_empty(of: tuple[Check, str], name: str) -> None:
    assert refusal(of, f"{name}=x") == ""
    assert refusal(of, f"{name}=") == f"The option {name} must be a text that is not empty."


@pytest.mark.parametrize("name", ["read_timeout", "write_timeout"])
def test_the_deadline_of_a_request_replaces_the_timeouts_of_the_driver(name: str) -> None:
    assert refusal(MARIADB, f"{name}=30").startswith(f"The option {name} is not supported.")


@pytest.mark.parametrize("option", ["ssl_key=k", "ssl_key_password=p", "ssl_ca=a&ssl_key=k"])
def test_the_key_of_a_client_requires_its_certificate(option: str) -> None:
    """The driver would ignore it."""
    name = option.rpartition("&")[2].partition("=")[0]
    assert refusal(MARIADB, option) == f"The option {name} requires ssl_cert."


@pytest.mark.parametrize(
    ("seconds", "is_accepted"),
    [
        *((each, True) for each in ("0", "0.5", "1e3", str(YEAR))),
        *((each, False) for each in ("-1", f"{YEAR}.5", "nan", "inf", "soon", "")),
    ],
)
def test_the_timeout_of_sqlite_is_at_most_a_year(seconds: str, is_accepted: bool) -> None:
    expected = "" if is_accepted else "The option timeout must be a number of seconds."
    assert refusal(SQLITE, f"timeout={seconds}") == expected


@pytest.mark.parametrize(
    ("ports", "is_accepted"),
    [("5432", True), ("65535", True), ("5432,,5433", True), ("100000", False), ("a", False)],
)
def test_postgresql_has_a_port_for_each_host(ports: str, is_accepted: bool) -> None:
    expected = "" if is_accepted else "The option port must be port numbers, separated by commas."
    assert refusal(POSTGRESQL, f"port={ports}") == expected


def test_only_the_host_of_postgresql_may_be_repeated() -> None:
    assert refusal(POSTGRESQL, "host=a&host=b") == ""
    expected = "The option user must not be repeated."
    assert refusal(POSTGRESQL, "user=a&user=b") == expected
