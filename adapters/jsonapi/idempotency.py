"""The header Idempotency-Key (draft-ietf-httpapi-idempotency-key-header)."""

import json
import re
from hashlib import sha256
from typing import Final

from adapters.jsonapi.errors import ErrorObject, RequestError
from application.access import Principal
from application.idempotency import IdempotentRequest

MAX_LENGTH: Final = 255

_BARE: Final = rf"[!#-~](?:[ !#-~]{{0,{MAX_LENGTH - 2}}}[!#-~])?"
_QUOTED: Final = rf'"(?:[ !#-\[\]-~]|\\["\\]){{1,{MAX_LENGTH}}}"'
PATTERN: Final = f"{_BARE}|{_QUOTED}"
"""The pattern of the header's values: what is described and what is accepted.

The draft has the key in quotation marks (RFC 8941 section 3.3.3). Many clients leave them out.
"""
_KEY: Final = re.compile(PATTERN)


def idempotent_request(
    header: str, *, principal: Principal | None, url: str, body: bytes | bytearray
) -> IdempotentRequest:
    """The request as one that may be repeated. Raises RequestError (400)."""
    sent = header.strip(" \t")
    if not _KEY.fullmatch(sent):
        raise _unusable()
    key = re.sub(r"\\(.)", r"\1", sent[1:-1]) if sent.startswith('"') else sent
    digest = sha256(url.encode("utf-8", "surrogateescape") + b"\n" + body)
    # Without a principal, the key and the digest are the same as in the release before.
    owner = principal and principal.identity
    if principal:
        # The key is not stored. So who reads the digest can't confirm a guess of the body.
        digest.update(b"\n" + key.encode())
    return IdempotentRequest(_digest([owner, key]), digest.hexdigest(), _digest(owner))


def _digest(value: object) -> str:
    return sha256(json.dumps(value).encode()).hexdigest()


def _unusable() -> RequestError:
    detail = (
        f"An Idempotency-Key is 1 to {MAX_LENGTH} printable ASCII characters. It may be in "
        'quotation marks, with a backslash before each " and \\ inside; otherwise it must not '
        'contain ".'
    )
    return RequestError(
        ErrorObject(
            status=400, code="invalid_idempotency_key", detail=detail, header="Idempotency-Key"
        )
    )
