"""Client addresses in every form that proxies write."""

import pytest

from adapters.web.addresses import network_of, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7:50001", "203.0.113.7"),
        (" 203.0.113.7:1 ", "203.0.113.7"),
        ("203.0.113.7:_hidden", "203.0.113.7"),
        ('"203.0.113.7:50001"', "203.0.113.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:50001", "2001:db8::1"),
        ('"[2001:db8::1]:50001"', "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]:50001", "fe80::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("[::ffff:203.0.113.7]:50001", "203.0.113.7"),
        ("::1", "::1"),
    ],
)
def test_reads_an_address_in_every_form(text: str, address: str) -> None:
    assert str(parse_address(text)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unknown",
        "_obfuscated",
        "localhost",
        "203.0.113",
        "203.0.113.256",
        "0203.0.113.7",
        "203.0.113.7:",
        "203.0.113.7:50001:50001",
        "203.0.113.7, 203.0.113.8",
        "[2001:db8::1",
        "2001:db8::1]",
        "[2001:db8::1]50001",
        "[[2001:db8::1]]",
        "[203.0.113.7]x",
        "X203.0.113.7",
        "203.0.113.7X",
        "\u0662.1.1.1",
        "0x7f000001",
        "2130706433",
        "1" * 100_000,
        "[" * 50_000,
        "unix:/run/roster.sock",
    ],
)
def test_returns_none_for_any_other_text(text: str) -> None:
    assert parse_address(text) is None


def test_an_address_with_everything_around_it_has_at_most_100_characters() -> None:
    assert str(parse_address("fe80::1%" + "e" * 92)) == "fe80::1"
    assert parse_address("fe80::1%" + "e" * 93) is None


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("/run/roster.sock", "/run/roster.sock"),
        ("", ""),
    ],
)
def test_the_network_of_a_client_is_its_ipv4_address_or_its_ipv6_prefix(
    address: str, network: str
) -> None:
    assert network_of(address) == network
