"""Which keys of a set are used, and what becomes of a set that changes or can't be had."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from adapters.tokens.key_sets import LARGEST, KeySet, UnreachableKeySet, fetch, read_file
from adapters.tokens.keys import UnusableKeySet, read_keys, secret_bytes
from adapters.tokens.tokens import Tokens
from application.access import InvalidToken

Shown = Callable[..., bytes]


def kids(body: bytes) -> list[str | None]:
    return [key.kid for key in read_keys(body)]


def test_all_usable_keys_of_a_set_are_used(
    rs256: Any, es256: Any, eddsa: Any, shown: Shown
) -> None:
    for more in ({}, {"use": "sig"}, {"key_ops": ["verify"]}, {"x5c": ["a"], "extra": {}}):
        members = ({**key.jwk, **more} for key in (rs256, es256, eddsa))
        assert kids(shown(*members)) == ["rsa", "ec", "ed"]


def test_unusable_keys_are_passed_over(rs256: Any, signing_key: Any, shown: Shown) -> None:
    jwk = rs256.jwk
    unusable: list[Any] = [
        {**jwk, "use": "enc"},
        {**jwk, "key_ops": ["encrypt"]},
        {**jwk, "key_ops": "verify"},
        {**jwk, "alg": "RSA-OAEP"},
        {**jwk, "alg": "PS256"},
        {**jwk, "alg": "HS256"},
        {**jwk, "alg": "none"},
        {**jwk, "alg": []},
        {**jwk, "kid": 5},
        {**jwk, "kty": []},
        {**jwk, "kty": "EC"},
        {**jwk, "n": "!"},
        {**jwk, "n": 5},
        {**jwk, "e": None},
        {"kty": "RSA"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
        {"kty": "OKP", "crv": "X25519", "x": signing_key("EdDSA").jwk["x"]},
        {"kty": "oct", "k": "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3JldA"},
        rs256.private_jwk,
        signing_key("RS256", size=1024).jwk,
        None,
        [],
        "rsa",
    ]
    assert kids(shown(*unusable, rs256)) == ["rsa"]
    with pytest.raises(UnusableKeySet, match="it has no key for RS256, ES256 or EdDSA"):
        read_keys(shown(*unusable))


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b'{"keys": {}}', b'{"keys": null}', b"\xff", b"[" * 10**5]
)
def test_what_is_no_set_is_refused(body: bytes) -> None:
    with pytest.raises(UnusableKeySet):
        read_keys(body)


@given(st.recursive(st.none() | st.integers() | st.text(), st.lists) | st.binary())
def test_anything_else_is_refused_alike(found: Any) -> None:
    body = found if isinstance(found, bytes) else json.dumps({"keys": found}).encode()
    with pytest.raises(UnusableKeySet):
        read_keys(body)


@pytest.mark.parametrize("secret", ["", "short", "x" * 31, "é" * 15])
def test_a_weak_secret_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="must have 32 bytes or more"):
        secret_bytes(secret)


def test_a_key_of_another_kind_is_no_secret() -> None:
    with pytest.raises(ValueError, match="must not be the key of another algorithm"):
        secret_bytes("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")


def test_a_secret_need_not_be_unicode() -> None:
    assert secret_bytes("\udcff" * 32) == b"\xff" * 32


def test_a_set_is_read_from_a_file(rs256: Any, shown: Shown, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(shown(rs256))
    assert kids(read_file(str(file))) == ["rsa"]


@pytest.mark.parametrize("path", ["nowhere", ".", "a\0b", "x" * 5000])
def test_a_file_that_can_not_be_read_is_told(path: str) -> None:
    with pytest.raises(UnreachableKeySet, match="the file can't be read"):
        read_file(path)


def test_a_file_has_an_end() -> None:
    with pytest.raises(UnusableKeySet, match="it is longer than 262144 bytes"):
        read_file("/dev/zero")


def test_a_set_is_fetched_over_https(issuer: Any, rs256: Any, shown: Shown) -> None:
    issuer.body = shown(rs256)
    assert kids(fetch(issuer.url)) == ["rsa"]


def test_an_issuer_that_nobody_vouches_for_is_not_believed(
    untrusted_issuer: Any, rs256: Any, shown: Shown
) -> None:
    untrusted_issuer.body = shown(rs256)
    with pytest.raises(UnreachableKeySet):
        fetch(untrusted_issuer.url)
    assert untrusted_issuer.asked == 0


@pytest.mark.parametrize("status", [301, 302, 307, 308, 404, 500])
def test_only_a_plain_answer_counts(issuer: Any, rs256: Any, shown: Shown, status: int) -> None:
    issuer.body = shown(rs256)
    issuer.status = status
    issuer.headers = {"Location": f"{issuer.url}/elsewhere"}
    with pytest.raises(UnreachableKeySet, match="it can't be fetched"):
        fetch(issuer.url)
    assert issuer.asked == 1


def test_a_set_without_an_end_is_not_read_to_it(issuer: Any) -> None:
    issuer.body = b" " * (LARGEST * 8)
    with pytest.raises(UnusableKeySet, match="longer"):
        fetch(issuer.url)


@pytest.mark.parametrize("url", ["https://127.0.0.1:1/", "https://[::1", "https://a b/"])
def test_an_issuer_that_is_not_there_is_told(url: str) -> None:
    with pytest.raises(UnreachableKeySet):
        fetch(url)


def test_a_new_key_is_found_by_its_first_token(issuer: Any, signing_key: Any, shown: Shown) -> None:
    old, new = signing_key("ES256", "old"), signing_key("ES256", "new")
    issuer.body = shown(old)
    keys = KeySet(lambda: fetch(issuer.url), floor=0)
    keys.load()
    tokens = Tokens(None, keys)
    before = old.sign()
    assert tokens.principal(before)
    issuer.body = shown(new)
    assert tokens.principal(before)
    assert tokens.principal(new.sign())
    with pytest.raises(InvalidToken):
        tokens.principal(before)


def test_unknown_keys_do_not_make_it_ask_again_and_again(
    issuer: Any, signing_key: Any, shown: Shown
) -> None:
    known, unknown = signing_key("ES256", "known"), signing_key("ES256", "unknown")
    issuer.body = shown(known)
    keys = KeySet(lambda: fetch(issuer.url))
    keys.load()
    tokens = Tokens(None, keys)
    for _ in range(20):
        with pytest.raises(InvalidToken):
            tokens.principal(unknown.sign())
    assert issuer.asked == 1


@pytest.mark.parametrize(
    ("status", "body"), [(503, b""), (200, b""), (200, b'{"keys": []}'), (200, b" " * LARGEST * 2)]
)
def test_the_last_good_keys_hold_while_the_issuer_is_down(
    issuer: Any, signing_key: Any, shown: Shown, status: int, body: bytes
) -> None:
    known, unknown = signing_key("ES256", "known"), signing_key("ES256", "unknown")
    issuer.body = shown(known)
    keys = KeySet(lambda: fetch(issuer.url), floor=0)
    keys.load()
    tokens = Tokens(None, keys)
    issuer.status, issuer.body = status, body
    with capture_logs() as log, pytest.raises(InvalidToken):
        tokens.principal(unknown.sign())
    assert issuer.asked == 2
    assert [entry["event"] for entry in log] == ["key set not renewed"]
    assert tokens.principal(known.sign())


def test_an_old_set_is_renewed_while_its_keys_are_in_use(
    signing_key: Any, shown: Shown, eventually: Callable[..., None]
) -> None:
    old, new = signing_key("ES256", "old"), signing_key("ES256", "new")
    bodies = [shown(new), shown(old)]
    keys = KeySet(lambda: bodies.pop() if len(bodies) > 1 else bodies[0], lifespan=0, floor=0)
    keys.load()
    eventually(lambda: [key.kid for key in keys.keys] == ["new"])


def test_a_service_that_began_without_keys_gets_them_when_they_can_be_had(
    issuer: Any, signing_key: Any, shown: Shown
) -> None:
    key = signing_key("ES256", "a")
    issuer.body = shown(key)
    tokens = Tokens(None, KeySet(lambda: fetch(issuer.url)))
    assert tokens.principal(key.sign()).subject == "ann"
