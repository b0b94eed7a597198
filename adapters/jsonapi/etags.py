"""Validators of documents, and the conditions that clients put on them (RFC 9110 section 13)."""

import re
from hashlib import blake2b
from typing import Final

_TAG: Final = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_TAG_OF_VERSION: Final = re.compile(r"([1-9][0-9]{0,17})-[0-9a-f]+")


def entity_tag(body: bytes, version: int | None = None) -> str:
    """A strong validator of the very bytes, which also tells the version of the one resource."""
    digest = blake2b(body, digest_size=8).hexdigest()
    return f'"{digest}"' if version is None else f'"{version}-{digest}"'


def unchanged(if_none_match: str | None, etag: str) -> bool:
    """Whether the client has the document already (section 13.1.2: weak comparison)."""
    if not if_none_match:
        return False
    found = _TAG.findall(if_none_match)
    return _is_star(if_none_match) or any(opaque == etag[1:-1] for _, opaque in found)


def expected_versions(if_match: str | None) -> frozenset[int] | None:
    """The versions that the client means; None if any will do (section 13.1.1).

    The strong tag that any document of the resource bore names its version, so that a client may
    read with sparse fieldsets and change what it read. A tag that is none of ours names nothing.
    """
    if if_match is None or _is_star(if_match):
        return None
    strong = (opaque for weak, opaque in _TAG.findall(if_match) if not weak)
    found = (_TAG_OF_VERSION.fullmatch(opaque) for opaque in strong)
    return frozenset(int(tag[1]) for tag in found if tag)


def _is_star(condition: str) -> bool:
    return condition.strip() == "*"
