"""The stored digest of a request with an Idempotency-Key."""

import json
from hashlib import sha256

import pytest

from adapters.jsonapi.idempotency import idempotent_request
from application.access import KEY_SET, ROSTER_KEY, SECRET, SESSION, Principal

ANN = Principal("secret", None, "ann")
BODY = b'{"data":{"type":"users","attributes":{"email":"bob@example.org","name":"Bob"}}}'


def digest(key: str, body: bytes = BODY) -> str:
    return idempotent_request(key, principal=ANN, url="/api/v1/users?", body=body).digest


def test_the_digest_of_a_body_depends_on_the_key() -> None:
    """It remains after an erasure if the response contains no person. The key is not stored."""
    assert digest("first") != digest("second")
    assert digest("first") == digest('"first"')
    assert digest("first") != digest("first", BODY + b" ")


KINDS = [(SECRET, "secret"), (KEY_SET, "key_set"), (SESSION, "session"), (ROSTER_KEY, "roster_key")]


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_a_request_is_recognized_after_an_upgrade(kind: str, name: str) -> None:
    """The digest of the owner and the key, by which a stored response is found, stays the same."""
    ann = Principal(kind, "https://issuer.example", "ann")
    request = idempotent_request("first", principal=ann, url="/api/v1/users?", body=BODY)
    identity = json.dumps([[name, "https://issuer.example", "ann"], "first"])
    assert request.key == sha256(identity.encode()).hexdigest()
