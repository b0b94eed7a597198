"""Validators of documents, and the conditions that clients put on them (RFC 9110 section 13)."""

import re
from hashlib import blake2b
from typing import Final

from werkzeug.http import parse_etags

_TAG_OF_VERSION: Final = re.compile(r"([1-9][0-9]{0,17})-[0-9a-f]+")


def entity_tag(body: bytes, version: int | None = None) -> str:
    """A strong validator of the very bytes, which also tells the version of the one resource."""
    digest = blake2b(body, digest_size=8).hexdigest()
    return f'"{digest}"' if version is None else f'"{version}-{digest}"'


def unchanged(if_none_match: str | None, etag: str) -> bool:
    """Whether the client has the document already (section 13.1.2: weak comparison)."""
    if not if_none_match:
        return False
    return parse_etags(if_none_match).contains_weak(etag[1:-1])


def expected_versions(if_match: str | None) -> frozenset[int] | None:
    """The versions that the client means; None if any will do (section 13.1.1).

    The strong tag that any document of the resource bore names its version, so that a client may
    read with sparse fieldsets and change what it read. A tag that is none of ours names nothing.
    """
    if if_match is None:
        return None
    tags = parse_etags(if_match)
    if tags.star_tag:
        return None
    found = (_TAG_OF_VERSION.fullmatch(tag) for tag in tags.as_set())
    return frozenset(int(tag[1]) for tag in found if tag)
