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
"""The pattern of the header's values.

The draft requires quotation marks around the key (RFC 8941 section 3.3.3). Many clients omit them.
"""
_KEY: Final = re.compile(PATTERN)


def idempotent_request(
    header: str, *, principal: Principal | None, url: str, body: bytes | bytearray
) -> IdempotentRequest:
    """Returns the key and the digests of a request, which identify its retries.

    Raises RequestError (400) if the header is invalid.
    """
    value = header.strip(" \t")
    if not _KEY.fullmatch(value):
        raise _invalid_key()
    key = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
    digest = sha256(url.encode("utf-8", "surrogateescape") + b"\n" + body)
    # Without a principal, the key and the digest are those of earlier releases.
    owner = principal and principal.identity
    if principal:
        # The key is not stored, so a reader of the digest cannot confirm a guess of the body.
        digest.update(b"\n" + key.encode())
    return IdempotentRequest(_digest([owner, key]), digest.hexdigest(), _digest(owner))


def _digest(value: object) -> str:
    return sha256(json.dumps(value).encode()).hexdigest()


def _invalid_key() -> RequestError:
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
