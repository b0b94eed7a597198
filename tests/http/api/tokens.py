"""Signs tokens for services with access control."""

import json
from time import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

SECRET = "a secret of at least 32 characters"
_KEY = ec.generate_private_key(ec.SECP256R1())
KEY_SET = json.dumps({"keys": [ECAlgorithm.to_jwk(_KEY.public_key(), True) | {"kid": "key"}]})


def secret_token(*scopes: str, subject: str | None = None, issuer: str | None = None) -> str:
    """A token that is signed with the secret."""
    return jwt.encode(_claims(scopes, subject, issuer), SECRET, "HS256")


def key_set_token(*scopes: str, subject: str | None = None, issuer: str | None = None) -> str:
    """A token that is signed with the key in the key set."""
    return jwt.encode(_claims(scopes, subject, issuer), _KEY, "ES256", {"kid": "key"})


def _claims(
    scopes: tuple[str, ...], subject: str | None, issuer: str | None
) -> dict[str, str | int]:
    claims = {"scope": " ".join(scopes), "sub": subject, "iss": issuer, "exp": int(time()) + 86_400}
    return {name: value for name, value in claims.items() if value is not None}
