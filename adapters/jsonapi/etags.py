"""Validators of documents, and the conditions that clients put on them (RFC 9110 section 13)."""

import re
from collections.abc import Container
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

_DIGITS: Final = 16
"""How many digits of the digest a tag has. SHA-256 is the fastest digest where the processor has
instructions for it."""
_TAG: Final = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_TAG_OF_VERSION: Final = re.compile(r"([1-9][0-9]{0,17})-[0-9a-f]+")
_SUFFIX: Final = r"[-;:.+_]{1,2}[A-Za-z][A-Za-z0-9]{0,9}"
"""What a proxy that compresses appends to a tag, such as -gzip (Apache) and ;br (LiteSpeed)."""
_CODING: Final = re.compile(_SUFFIX)
_VERSION_WEAKLY: Final = re.compile(rf"{_TAG_OF_VERSION.pattern}(?:{_SUFFIX})?")
_RECODED: Final = re.compile(rf"(?:[1-9][0-9]{{0,17}}-)?[0-9a-f]{{{_DIGITS}}}{_SUFFIX}")
_REMEDY: Final = (
    "A proxy that compresses responses changes their ETags. Read the resource with "
    "Accept-Encoding: identity, or turn off the proxy's compression."
)


def entity_tag(body: bytes, version: int | None = None) -> str:
    """A strong validator of the very bytes, which also tells the version of the one resource."""
    digest = sha256(body, usedforsecurity=False).hexdigest()[:_DIGITS]
    return f'"{digest}"' if version is None else f'"{version}-{digest}"'


def if_none_match_matches(if_none_match: str | None, etag: str) -> bool:
    """Whether the client has the document already (section 13.1.2: weak comparison).

    A tag that a compressing proxy has changed is still a tag of the document.
    """
    if not if_none_match:
        return False
    return _is_star(if_none_match) or any(
        _matches_weakly(opaque, etag[1:-1]) for _, opaque in _TAG.findall(if_none_match)
    )


def _matches_weakly(sent: str, tag: str) -> bool:
    """Whether the tag was sent, as it is or with what a compressing proxy appends."""
    return sent == tag or (sent.startswith(tag) and bool(_CODING.fullmatch(sent, len(tag))))


def if_match_matches(if_match: str | None, etag: str) -> bool:
    """Whether the client means the very document (section 13.1.1: strong comparison)."""
    if if_match is None or _is_star(if_match):
        return True
    return any(opaque == etag[1:-1] for weak, opaque in _TAG.findall(if_match) if not weak)


@dataclass(frozen=True, slots=True)
class AllowedVersions(Container[int]):
    """The versions that conditions let through: one of `only` (None for any), and not `but`."""

    included: frozenset[int] | None = None
    excluded: frozenset[int] = frozenset()

    def __contains__(self, version: object) -> bool:
        return (self.included is None or version in self.included) and version not in self.excluded


def expected_versions(
    if_match: str | None, if_none_match: str | None = None
) -> Container[int] | None:
    """The versions at which a resource may be changed; None if any will do (section 13.2.2).

    The strong tag that any document of the resource bore names its version, so that a client may
    read with sparse fieldsets and change what it read. A tag that is none of ours names nothing.
    """
    if if_none_match is not None and _is_star(if_none_match):
        return frozenset()
    only = None if if_match is None or _is_star(if_match) else _versions(if_match, weak=False)
    but = frozenset() if if_none_match is None else _versions(if_none_match, weak=True)
    return AllowedVersions(only, but) if but else only


def unmatchable(if_match: str, place: str = "If-Match") -> str | None:
    """Why an If-Match condition can match no document at all; None if it could match one.

    `place` is where the request has the condition.
    """
    if _is_star(if_match):
        return None
    tags = _TAG.findall(if_match)
    if not tags:
        return f'{place} must be * or ETags in quotation marks, such as "7-0123456789abcdef".'
    if any(mark for mark, _ in tags):
        return f"{place} has a weak ETag (W/…), which never matches. {_REMEDY}"
    if any(_RECODED.fullmatch(opaque) for _, opaque in tags):
        return f"{place} has an ETag with a suffix, which never matches. {_REMEDY}"
    return None


def names_version(if_match: str) -> bool:
    """Whether the condition has a strong tag of some version of a resource, or is a star."""
    return _is_star(if_match) or bool(_versions(if_match, weak=False))


def _versions(condition: str, *, weak: bool) -> frozenset[int]:
    pattern = _VERSION_WEAKLY if weak else _TAG_OF_VERSION
    tags = (opaque for mark, opaque in _TAG.findall(condition) if weak or not mark)
    found = (pattern.fullmatch(opaque) for opaque in tags)
    return frozenset(int(tag[1]) for tag in found if tag)


def _is_star(condition: str) -> bool:
    return condition.strip() == "*"
