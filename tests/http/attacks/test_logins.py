"""Guesses of passwords and of addresses."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from typing import Any

import pytest
from api_client import ApiResponse
from attacks.conftest import PASSWORD, Target
from processor_time import processor_time_below

WRONG = "a wrong password, which is long enough"
LIMIT = 10


def without_ids(response: ApiResponse) -> tuple[int, bytes, list[tuple[str, str]]]:
    """A response without the parts that differ in each response."""
    headers = [each for each in response.headers if each[0] != "X-Request-ID"]
    return response.status_code, response.data, headers


def test_50_concurrent_guesses_are_checked_10_times(target: Target) -> None:
    """All are checked before the first one is counted."""
    with ThreadPoolExecutor(50) as threads:
        responses = list(threads.map(lambda _: target.log_in(password=WRONG), range(50)))
    statuses = Counter(each.status_code for each in responses)
    assert statuses[401] <= LIMIT
    assert statuses.keys() <= {401, 429, 503}
    assert target.log_in().status_code == 429


SPELLINGS: tuple[dict[str, Any], ...] = (
    {"email": "ANN@EXAMPLE.ORG"},
    {"email": "ａnn@example.org"},
    {"email": "ann@ＥＸＡＭＰＬＥ.org"},
    {"email": "ann@example.org", "path": "sessions.json"},
    {"email": "ann@example.org", "headers": {"X-Forwarded-For": "198.51.100.1"}},
    {"email": "ann@example.org", "headers": {"Forwarded": "for=198.51.100.2"}},
    {"email": "ann@example.org", "address": "::ffff:203.0.113.7"},
    {"email": "ann@example.org", "headers": {"Authorization": "Bearer a.b.c"}},
)


def test_no_other_spelling_avoids_the_limit(target: Target) -> None:
    statuses = [
        target.log_in(**{"password": WRONG, **spelling}).status_code
        for spelling in islice(cycle(SPELLINGS), LIMIT + len(SPELLINGS))
    ]
    assert statuses == [401] * LIMIT + [429] * len(SPELLINGS)


def test_the_addresses_of_one_ipv6_network_share_the_limit(target: Target) -> None:
    addresses = [f"2001:db8:0:7:{number:x}::1" for number in range(LIMIT + 1)]
    statuses = [target.log_in(password=WRONG, address=address).status_code for address in addresses]
    assert statuses == [401] * LIMIT + [429]
    assert target.log_in(address="2001:db8:0:8::1").status_code == 201


def test_no_response_reveals_which_addresses_are_known(target: Target) -> None:
    target.user("inactive", is_active=False)
    known = ("ann@example.org", "inactive@example.org")
    unknown = ("unknown@example.org", "unknown@elsewhere.example")
    refused = {str(without_ids(target.log_in(email, WRONG))) for email in (*known, *unknown)}
    refused.add(str(without_ids(target.log_in("inactive@example.org", PASSWORD))))
    assert len(refused) == 1
    recovered = {
        str(without_ids(target.post("recoveries", email=each))) for each in known + unknown
    }
    assert len(recovered) == 1
    signed_up = {
        str(without_ids(target.post("signups", email=each, name="Joe"))) for each in known + unknown
    }
    assert len(signed_up) == 1


def test_a_block_does_not_reveal_which_addresses_are_known(target: Target) -> None:
    blocked = set()
    for email in ("ann@example.org", "unknown@example.org"):
        responses = [target.log_in(email, WRONG) for _ in range(LIMIT + 1)]
        assert [each.status_code for each in responses] == [401] * LIMIT + [429]
        errors = json.loads(responses[-1].data)["errors"]
        blocked.add((errors[0]["code"], frozenset(errors[0])))
    assert len(blocked) == 1


@pytest.mark.parametrize(
    "text",
    ["x" * 500_000, "e" + "\u0301" * 150_000, "\ufdfa" * 100_000],
    ids=["long", "marks", "wide"],
)
def test_long_texts_are_rejected_without_much_processor_time(target: Target, text: str) -> None:
    """The time of NFKC grows with the square of the number of combining marks."""
    with processor_time_below(10):
        assert target.log_in(password=text).status_code == 401
        assert target.log_in(email=text).status_code == 401
        changed = target.document(
            "POST",
            "me/password",
            {"type": "passwords", "attributes": {"current_password": PASSWORD, "password": text}},
            headers=target.access(),
        )
        assert json.loads(changed.data)["errors"][0]["code"] == "too_long"


@pytest.mark.parametrize("line_end", ["\r\n", "\n", "\r", "\x85", "\u2028", "\0", "\x0b"])
@pytest.mark.parametrize("kind", ["signups", "recoveries"])
def test_addresses_and_names_contain_no_line_ends(target: Target, kind: str, line_end: str) -> None:
    email = f"ann@example.org{line_end}Bcc: eve@example.org"
    named = {"name": "Ann"} if kind == "signups" else {}
    assert target.post(kind, email=email, **named).status_code == 422
    if kind == "signups":
        name = f"Ann{line_end}Bcc: eve@example.org"
        assert target.post(kind, email="joe@example.org", name=name).status_code == 422


def test_the_host_of_a_request_is_in_no_url(target: Target) -> None:
    response = target.log_in(headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
    assert response.status_code == 201
    assert "evil" not in response.text + str(response.headers)
    for path in ("/account", "/.well-known/jwks.json", "/.well-known/oauth-authorization-server"):
        response = target.send("GET", path, headers={"Host": "evil.example"})
        assert "evil" not in response.text + str(response.headers)
