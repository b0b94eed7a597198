"""The keys of a set that are used, and for how long if the set changes or cannot be read."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread, Timer, current_thread
from time import time
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jwt.utils import to_base64url_uint
from structlog.testing import capture_logs
from waiting import until

from adapters.tokens.issuer import sign
from adapters.tokens.key_sets import (
    MAX_BYTES,
    MIN_REFRESH_SECONDS,
    REFRESH_SECONDS,
    STALE_SECONDS,
    KeySet,
    UnreachableKeySet,
    fetch,
    read_file,
)
from adapters.tokens.keys import Secret, UnusableKeySet, read_keys, secret_bytes
from adapters.tokens.verifier import TokenVerifier
from application.access import InvalidToken
from application.deadlines import deadline, time_left
from application.ports import Unavailable

KeySetOf = Callable[..., bytes]


def kids(body: bytes) -> list[str | None]:
    return [key.kid for key in read_keys(body)]


def test_all_usable_keys_of_a_set_are_used(
    rs256: Any, es256: Any, eddsa: Any, key_set_of: KeySetOf
) -> None:
    for extra in ({}, {"use": "sig"}, {"key_ops": ["verify"]}, {"x5c": ["a"], "extra": {}}):
        members = ({**key.jwk, **extra} for key in (rs256, es256, eddsa))
        assert kids(key_set_of(*members)) == ["rsa", "ec", "ed"]


def test_ignores_unusable_keys(rs256: Any, signing_key: Any, key_set_of: KeySetOf) -> None:
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
    assert kids(key_set_of(*unusable, rs256)) == ["rsa"]
    with pytest.raises(UnusableKeySet, match="it has no key for RS256, ES256 or EdDSA"):
        read_keys(key_set_of(*unusable))


@pytest.mark.parametrize(
    ("modulus_bits", "exponent_bits", "usable"),
    [
        (2047, 17, False),
        (2048, 17, True),
        (16_384, 17, True),
        (16_385, 17, False),
        (16_392, 17, False),
        (3072, 65, True),
        (4096, 64, True),
        (4096, 65, False),
    ],
)
def test_rsa_keys_that_openssl_never_verifies_with_are_ignored(
    key_set_of: KeySetOf, rs256: Any, modulus_bits: int, exponent_bits: int, usable: bool
) -> None:
    """Otherwise the service would start with a key set that accepts no token."""
    numbers = {"n": 1 << (modulus_bits - 1) | 1, "e": 1 << (exponent_bits - 1) | 1}
    encoded = {name: to_base64url_uint(number).decode() for name, number in numbers.items()}
    jwk = {**rs256.jwk, **encoded, "kid": "other"}
    assert kids(key_set_of(jwk, rs256)) == (["other", "rsa"] if usable else ["rsa"])


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b'{"keys": {}}', b'{"keys": null}', b"\xff", b"[" * 10**5]
)
def test_rejects_a_body_that_is_not_a_key_set(body: bytes) -> None:
    with pytest.raises(UnusableKeySet):
        read_keys(body)


@given(st.recursive(st.none() | st.integers() | st.text(), st.lists) | st.binary())
def test_rejects_any_other_content(content: Any) -> None:
    body = content if isinstance(content, bytes) else json.dumps({"keys": content}).encode()
    with pytest.raises(UnusableKeySet):
        read_keys(body)


@pytest.mark.parametrize("secret", ["", "short", "x" * 31, "é" * 15])
def test_rejects_a_weak_secret(secret: str) -> None:
    with pytest.raises(ValueError, match="must have 32 bytes or more"):
        secret_bytes(secret)


def test_rejects_a_key_of_another_algorithm_as_a_secret() -> None:
    with pytest.raises(ValueError, match="must not be the key of another algorithm"):
        secret_bytes("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")


def test_a_secret_need_not_be_utf_8() -> None:
    assert secret_bytes("\udcff" * 32) == b"\xff" * 32


def test_reads_a_set_from_a_file(rs256: Any, key_set_of: KeySetOf, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(key_set_of(rs256))
    assert kids(read_file(str(file))) == ["rsa"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("nowhere", "No such file or directory"),
        (".", "Is a directory"),
        ("a\0b", "its name is not valid"),
        ("x" * 5000, "File name too long"),
    ],
)
def test_a_file_that_cannot_be_read_is_reported_with_the_reason(path: str, reason: str) -> None:
    with pytest.raises(UnreachableKeySet) as caught:
        read_file(path)
    assert str(caught.value) == f"cannot read the file: {reason}"


def test_rejects_a_file_that_is_too_long() -> None:
    with pytest.raises(UnusableKeySet, match="it is longer than 262144 bytes"):
        read_file("/dev/zero")


def test_fetches_a_set_over_https(issuer: Any, rs256: Any, key_set_of: KeySetOf) -> None:
    issuer.body = key_set_of(rs256)
    assert kids(fetch(issuer.url)) == ["rsa"]


def test_rejects_a_set_that_is_too_long(issuer: Any) -> None:
    issuer.body = b" " * (MAX_BYTES * 8)
    with pytest.raises(UnusableKeySet, match="it is longer than 262144 bytes"):
        fetch(issuer.url)


def test_a_failed_fetch_is_reported_with_its_reason(issuer: Any) -> None:
    issuer.status = 403
    with pytest.raises(UnreachableKeySet) as caught:
        fetch(issuer.url)
    assert str(caught.value) == "cannot fetch the key set: HTTP 403 Forbidden"


def test_a_new_key_is_found_by_its_first_token(
    issuer: Any, signing_key: Any, key_set_of: KeySetOf
) -> None:
    old, new = signing_key("ES256", "old"), signing_key("ES256", "new")
    issuer.body = key_set_of(old)
    keys = KeySet(lambda: fetch(issuer.url), floor=0)
    keys.load()
    tokens = TokenVerifier(keys, leeway=30)
    before = old.sign()
    assert tokens.verify(before).scopes == {"users:read"}
    issuer.body = key_set_of(new)
    assert tokens.verify(before).scopes == {"users:read"}
    assert tokens.verify(new.sign()).scopes == {"users:read"}
    with pytest.raises(InvalidToken):
        tokens.verify(before)


def test_fetches_the_set_once_for_many_unknown_keys(
    issuer: Any, signing_key: Any, key_set_of: KeySetOf
) -> None:
    known, unknown = signing_key("ES256", "known"), signing_key("ES256", "unknown")
    issuer.body = key_set_of(known)
    keys = KeySet(lambda: fetch(issuer.url))
    keys.load()
    tokens = TokenVerifier(keys, leeway=30)
    for _ in range(20):
        with pytest.raises(InvalidToken):
            tokens.verify(unknown.sign())
    assert issuer.requests == 1


@pytest.mark.parametrize(
    ("status", "body"), [(503, b""), (200, b""), (200, b'{"keys": [{'), (200, b" " * MAX_BYTES * 2)]
)
def test_uses_the_last_keys_while_the_issuer_is_down(
    issuer: Any, signing_key: Any, key_set_of: KeySetOf, status: int, body: bytes
) -> None:
    known, unknown = signing_key("ES256", "known"), signing_key("ES256", "unknown")
    issuer.body = key_set_of(known)
    keys = KeySet(lambda: fetch(issuer.url), floor=0)
    keys.load()
    tokens = TokenVerifier(keys, leeway=30)
    issuer.status, issuer.body = status, body
    with capture_logs() as log, pytest.raises(InvalidToken):
        tokens.verify(unknown.sign())
    assert issuer.requests == 2
    assert [entry["event"] for entry in log] == ["key set not renewed"]
    assert tokens.verify(known.sign()).scopes == {"users:read"}


class Publisher:
    """Publishes the key set `body`. If that is None, reading it fails."""

    def __init__(self, body: bytes) -> None:
        self.body: bytes | None = body
        self.reads = 0
        self.threads = set[Thread]()
        self.open = Event()
        self.open.set()

    def read(self) -> bytes:
        self.reads += 1
        self.threads.add(current_thread())
        assert self.open.wait(20)
        if self.body is None:
            raise UnreachableKeySet("no response")
        return self.body


@pytest.fixture
def old(signing_key: Any) -> Any:
    return signing_key("ES256", "old")


@pytest.fixture
def new(signing_key: Any) -> Any:
    return signing_key("ES256", "new")


@pytest.fixture
def publisher(old: Any, key_set_of: KeySetOf) -> Iterator[Publisher]:
    """Publishes the old key."""
    publisher = Publisher(key_set_of(old))
    yield publisher
    publisher.open.set()
    for each in publisher.threads - {current_thread()}:
        each.join(20)  # it may log an error, which the next test would get


@pytest.fixture
def key_set(publisher: Publisher, clock: Any) -> KeySet:
    keys = KeySet(publisher.read, clock=clock)
    keys.load()
    return keys


def ids(key_set: KeySet) -> list[str | None]:
    return [key.kid for key in key_set.current_keys()]


@pytest.mark.parametrize("known", [True, False])
def test_a_withdrawn_key_does_not_work_after_five_minutes_without_requests(
    publisher: Publisher,
    key_set: KeySet,
    clock: Any,
    old: Any,
    new: Any,
    key_set_of: KeySetOf,
    known: bool,
) -> None:
    tokens, token = TokenVerifier(key_set, leeway=30), old.sign()
    if known:
        assert tokens.verify(token).scopes == {"users:read"}
    publisher.body = key_set_of(new)
    publisher.open.clear()
    clock.now += REFRESH_SECONDS
    timer = Timer(0.1, publisher.open.set)
    timer.start()
    with pytest.raises(InvalidToken):
        tokens.verify(token)
    assert tokens.verify(new.sign()).scopes == {"users:read"}
    timer.join()


def test_a_set_in_use_is_read_ahead_so_that_no_request_waits(
    publisher: Publisher,
    key_set: KeySet,
    clock: Any,
    new: Any,
    key_set_of: KeySetOf,
) -> None:
    publisher.body = key_set_of(new)
    publisher.open.clear()
    clock.now += REFRESH_SECONDS * 0.9
    assert ids(key_set) == ["old"]
    assert ids(key_set) == ["old"]
    publisher.open.set()
    until(lambda: ids(key_set) == ["new"])
    assert publisher.reads == 2


def test_does_not_use_keys_that_may_be_withdrawn_while_the_set_is_read(
    publisher: Publisher, key_set: KeySet, clock: Any, old: Any
) -> None:
    tokens, token = TokenVerifier(key_set, leeway=30), old.sign()
    assert tokens.verify(token).scopes == {"users:read"}
    publisher.open.clear()
    clock.now += REFRESH_SECONDS
    for _ in range(2):
        with deadline(0.05), pytest.raises(Unavailable):
            tokens.verify(token)
    publisher.open.set()
    assert tokens.verify(token).scopes == {"users:read"}


def test_a_set_is_read_each_time_it_changes(
    publisher: Publisher, key_set: KeySet, clock: Any, new: Any, old: Any, key_set_of: KeySetOf
) -> None:
    for published, kid in ((new, "new"), (old, "old"), (new, "new")):
        publisher.body = key_set_of(published)
        clock.now += REFRESH_SECONDS
        assert ids(key_set) == [kid]
    assert publisher.reads == 4


def test_an_old_failure_does_not_make_withdrawn_keys_usable(
    publisher: Publisher, key_set: KeySet, clock: Any
) -> None:
    body, publisher.body = publisher.body, None
    clock.now += REFRESH_SECONDS
    assert ids(key_set) == ["old"]
    publisher.body = body
    publisher.open.clear()
    clock.now += REFRESH_SECONDS
    for _ in range(2):  # the first starts an attempt, the second finds it in progress
        with deadline(0.05):
            assert ids(key_set) == []
    publisher.open.set()
    until(lambda: ids(key_set) == ["old"])


def test_uses_the_last_keys_for_a_limited_time(
    publisher: Publisher, key_set: KeySet, clock: Any, old: Any
) -> None:
    tokens, token = TokenVerifier(key_set, leeway=30), old.sign()
    assert tokens.verify(token).scopes == {"users:read"}
    body, publisher.body = publisher.body, None
    end = clock.now + STALE_SECONDS
    while clock.now < end - REFRESH_SECONDS:
        clock.now += REFRESH_SECONDS / 2
        assert tokens.verify(token).scopes == {"users:read"}
        assert tokens.verify(old.sign(jti=str(clock.now))).scopes == {"users:read"}
    clock.now = end
    for _ in range(2):
        with pytest.raises(Unavailable) as caught:
            tokens.verify(token)
        assert str(caught.value.__cause__) == "ROSTER_JWT_JWKS: no response"
    publisher.body = body
    clock.now += MIN_REFRESH_SECONDS
    assert tokens.verify(token).scopes == {"users:read"}


def test_requests_do_not_wait_for_each_attempt_while_the_set_cannot_be_read(
    publisher: Publisher, key_set: KeySet, clock: Any
) -> None:
    publisher.body = None
    clock.now += REFRESH_SECONDS
    assert ids(key_set) == ["old"]
    publisher.open.clear()
    clock.now += MIN_REFRESH_SECONDS
    with deadline(20):
        until(lambda: ids(key_set) == ["old"] and publisher.reads == 3)
        for _ in range(10):
            assert ids(key_set) == ["old"]
        left = time_left()
        assert left is not None
        assert left > 5


def test_uses_the_last_keys_while_no_thread_can_be_started(
    publisher: Publisher,
    key_set: KeySet,
    clock: Any,
    old: Any,
    new: Any,
    key_set_of: KeySetOf,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(thread: Thread) -> None:
        raise RuntimeError("can't start new thread")

    publisher.body = key_set_of(new)
    tokens = TokenVerifier(key_set, leeway=30)
    with monkeypatch.context() as patched, capture_logs() as entries:
        patched.setattr(Thread, "start", fail)
        clock.now += REFRESH_SECONDS
        for _ in range(2):
            assert tokens.verify(old.sign()).scopes == {"users:read"}
        with pytest.raises(InvalidToken):
            tokens.verify(new.sign())
    assert [entry["reason"] for entry in entries] == ["no thread can be started"]
    clock.now += MIN_REFRESH_SECONDS
    until(lambda: ids(key_set) == ["new"])


def test_a_set_that_was_emptied_withdraws_its_keys(
    publisher: Publisher, key_set: KeySet, clock: Any, old: Any
) -> None:
    tokens, token = TokenVerifier(key_set, leeway=30), old.sign()
    assert tokens.verify(token).scopes == {"users:read"}
    publisher.body = b'{"keys": []}'
    clock.now += REFRESH_SECONDS
    with pytest.raises(Unavailable):
        tokens.verify(token)


def test_tokens_of_the_secret_do_not_wait_for_the_key_set(
    publisher: Publisher, key_set: KeySet, clock: Any
) -> None:
    secret = "a secret of more than thirty-two bytes"
    tokens = TokenVerifier(Secret(secret), key_set, leeway=30)
    token = sign(secret, ["users:read"], seconds=60)
    publisher.open.clear()
    clock.now += STALE_SECONDS
    assert tokens.verify(token) == tokens.verify(token)
    assert publisher.reads == 1


@pytest.mark.parametrize("count", [1, 2])
def test_a_token_without_an_id_needs_the_only_key_for_its_algorithm(
    signing_key: Any, eddsa: Any, key_set_of: KeySetOf, count: int
) -> None:
    keys = [signing_key("ES256", f"key {number}") for number in range(count)]
    body = key_set_of(*keys, eddsa)
    key_set = KeySet(lambda: body)
    key_set.load()
    token = jwt.encode({"exp": time() + 60, "sub": "ann"}, keys[0].private, "ES256")
    if count == 1:
        assert TokenVerifier(key_set, leeway=30).verify(token).subject == "ann"
    else:
        with pytest.raises(InvalidToken):
            TokenVerifier(key_set, leeway=30).verify(token)


def test_a_service_that_started_without_keys_reads_them_later(
    issuer: Any, signing_key: Any, key_set_of: KeySetOf
) -> None:
    key = signing_key("ES256", "a")
    issuer.body = key_set_of(key)
    tokens = TokenVerifier(KeySet(lambda: fetch(issuer.url)), leeway=30)
    assert tokens.verify(key.sign()).subject == "ann"
