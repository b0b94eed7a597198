"""Validators of documents, and the conditions that clients put on them (RFC 9110 section 13)."""

import re
from collections.abc import Container
from dataclasses import dataclass
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


def meant(if_match: str | None, etag: str) -> bool:
    """Whether the client means the very document (section 13.1.1: strong comparison)."""
    if if_match is None or _is_star(if_match):
        return True
    return any(opaque == etag[1:-1] for weak, opaque in _TAG.findall(if_match) if not weak)


@dataclass(frozen=True, slots=True)
class Versions(Container[int]):
    """The versions that conditions let through: one of `only` (None for any), and not `but`."""

    only: frozenset[int] | None = None
    but: frozenset[int] = frozenset()

    def __contains__(self, version: object) -> bool:
        return (self.only is None or version in self.only) and version not in self.but


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
    return Versions(only, but) if but else only


def _versions(condition: str, *, weak: bool) -> frozenset[int]:
    tags = (opaque for mark, opaque in _TAG.findall(condition) if weak or not mark)
    found = (_TAG_OF_VERSION.fullmatch(opaque) for opaque in tags)
    return frozenset(int(tag[1]) for tag in found if tag)


def _is_star(condition: str) -> bool:
    return condition.strip() == "*"
