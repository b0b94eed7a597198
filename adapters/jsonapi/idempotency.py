"""The header Idempotency-Key (draft-ietf-httpapi-idempotency-key-header)."""

import json
import re
from hashlib import sha256
from typing import Final

from adapters.jsonapi.problems import ErrorObject, Refused
from application.access import Principal
from application.once import Keyed

LONGEST: Final = 255

_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_SANE: Final = re.compile(rf"[\x20-\x7e]{{1,{LONGEST}}}")


def keyed(header: str, *, principal: Principal | None, url: str, body: bytes) -> Keyed:
    """The request as one that may be repeated. Refused (400).

    The draft has the key in quotation marks (RFC 8941 section 3.3.3). Many clients leave them out.
    """
    sent = header.strip(" \t")
    quoted = _QUOTED.fullmatch(sent)
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else sent
    if not _SANE.fullmatch(key) or ('"' in sent and not quoted):
        raise _unusable()
    asked = sha256(url.encode("utf-8", "surrogateescape") + b"\n" + body)
    # Without a principal, the key is the same as in the release before.
    owner = principal and principal.identity
    return Keyed(_digest([owner, key]), asked.hexdigest(), _digest(owner))


def _digest(value: object) -> str:
    return sha256(json.dumps(value).encode()).hexdigest()


def _unusable() -> Refused:
    detail = f"A key is 1 to {LONGEST} characters of ASCII, in quotation marks or without."
    return Refused(
        ErrorObject(
            status=400, code="invalid_idempotency_key", detail=detail, header="Idempotency-Key"
        )
    )
