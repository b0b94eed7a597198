"""The stored digest of a request with an Idempotency-Key."""

from adapters.jsonapi.idempotency import idempotent_request
from application.access import Principal

ANN = Principal("secret", None, "ann")
BODY = b'{"data":{"type":"users","attributes":{"email":"bob@example.org","name":"Bob"}}}'


def digest(key: str, body: bytes = BODY) -> str:
    return idempotent_request(key, principal=ANN, url="/api/v1/users?", body=body).digest


def test_the_digest_of_a_body_depends_on_the_key() -> None:
    """It remains after an erasure if the response contains no person. The key is not stored."""
    assert digest("first") != digest("second")
    assert digest("first") == digest('"first"')
    assert digest("first") != digest("first", BODY + b" ")
