"""Entity tags and conditional requests (RFC 9110 sections 8.8.3 and 13)."""

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from hashlib import blake2b, sha256
from typing import Final

_DIGITS: Final = 16
"""The number of hexadecimal digits of the digest in a tag. SHA-256 is the fastest digest on
processors with instructions for it."""
_TAG: Final = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_TAG_OF_VERSION: Final = re.compile(r"([1-9][0-9]{0,17})-[0-9a-f]+")
_SUFFIX: Final = r"[-;:.+_]{1,2}[A-Za-z][A-Za-z0-9]{0,9}"
"""The suffix that a compressing proxy appends, such as -gzip (Apache) and ;br (LiteSpeed)."""
_PROXY_SUFFIX: Final = re.compile(_SUFFIX)
_WEAK_TAG_OF_VERSION: Final = re.compile(rf"{_TAG_OF_VERSION.pattern}(?:{_SUFFIX})?")
_TAG_OF_LIST: Final = re.compile(r"r([0-9a-f]{16})-[0-9a-f]+")
_WEAK_TAG_OF_LIST: Final = re.compile(rf"{_TAG_OF_LIST.pattern}(?:{_SUFFIX})?")
_TAG_WITH_SUFFIX: Final = re.compile(
    rf"(?:(?:[1-9][0-9]{{0,17}}|r[0-9a-f]{{16}})-)?[0-9a-f]{{{_DIGITS}}}{_SUFFIX}"
)
_REMEDY: Final = (
    "A proxy that compresses responses changes their ETags. Read the resource with "
    "Accept-Encoding: identity, or turn off the proxy's compression."
)


def entity_tag(body: bytes, version: int | str | None = None) -> str:
    """Returns a strong validator of the bytes, which includes the version of the resource.

    The version of a list of related resources is the result of RelatedList.version.
    """
    digest = sha256(body, usedforsecurity=False).hexdigest()[:_DIGITS]
    return f'"{digest}"' if version is None else f'"{version}-{digest}"'


def if_none_match_matches(if_none_match: str | None, etag: str) -> bool:
    """Returns True if If-None-Match names the tag (section 13.1.2: weak comparison).

    A tag with the suffix of a compressing proxy matches as well.
    """
    if not if_none_match:
        return False
    return _is_star(if_none_match) or any(
        _matches_weakly(opaque, etag[1:-1]) for _, opaque in _TAG.findall(if_none_match)
    )


def _matches_weakly(sent: str, tag: str) -> bool:
    """Returns True if the client sent the tag, with or without a proxy's suffix."""
    return sent == tag or (sent.startswith(tag) and bool(_PROXY_SUFFIX.fullmatch(sent, len(tag))))


def if_match_matches(if_match: str | None, etag: str) -> bool:
    """Returns True if If-Match is absent or names the tag (section 13.1.1: strong comparison)."""
    if if_match is None or _is_star(if_match):
        return True
    return any(opaque == etag[1:-1] for weak, opaque in _TAG.findall(if_match) if not weak)


@dataclass(frozen=True, slots=True)
class AllowedVersions(Container[int]):
    """The versions in `included` (None for any version) without those in `excluded`."""

    included: frozenset[int] | None = None
    excluded: frozenset[int] = frozenset()

    def __contains__(self, version: object) -> bool:
        return (self.included is None or version in self.included) and version not in self.excluded


def expected_versions(
    if_match: str | None, if_none_match: str | None = None
) -> Container[int] | None:
    """Returns the versions for which the preconditions hold; None for any (section 13.2.2).

    A strong tag contains the version of the resource. So a client may read a resource with sparse
    fieldsets and then change it under the same tag. Unknown tags match no version.
    """
    if if_none_match is not None and _is_star(if_none_match):
        return frozenset()
    included = None if if_match is None or _is_star(if_match) else _versions(if_match, weak=False)
    excluded = frozenset() if if_none_match is None else _versions(if_none_match, weak=True)
    return AllowedVersions(included, excluded) if excluded else included


@dataclass(frozen=True, slots=True)
class RelatedList:
    """The list of a to-many relationship of one resource. `url` identifies it.

    Its version follows from the fingerprint of the list (application.relationships.fingerprint).
    Lists at different URLs never have the same version.
    """

    url: str

    def version(self, fingerprint: str) -> str:
        """Returns the version of the list with the fingerprint, as ETags include it."""
        return f"r{self.digest(fingerprint)}"

    def digest(self, fingerprint: str) -> str:
        """Returns the part of the version that identifies the list and its content."""
        return blake2b(f"{self.url} {fingerprint}".encode(), digest_size=8).hexdigest()

    def expected(self, if_match: str | None, if_none_match: str | None) -> Container[str] | None:
        """Returns the fingerprints of the lists that may be changed, or None for any.

        See section 13.2.2. An ETag that does not show the whole list matches none.
        """
        if if_none_match is not None and _is_star(if_none_match):
            return frozenset()
        included = None if if_match is None or _is_star(if_match) else _lists(if_match, weak=False)
        excluded = frozenset() if if_none_match is None else _lists(if_none_match, weak=True)
        if included is None and not excluded:
            return None
        return _AllowedLists(self, included, excluded)


@dataclass(frozen=True, slots=True)
class _AllowedLists(Container[str]):
    """The fingerprints that the conditions on a list accept, by their digests.

    One of `included` (None for any), and not one of `excluded`.
    """

    listed: RelatedList
    included: frozenset[str] | None
    excluded: frozenset[str]

    def __contains__(self, fingerprint: object) -> bool:
        digest = self.listed.digest(str(fingerprint)) if fingerprint else None
        return (self.included is None or digest in self.included) and digest not in self.excluded


def names_list(if_match: str) -> bool:
    """Returns True if the condition has a strong tag of any list of related resources."""
    return bool(_lists(if_match, weak=False))


def _lists(condition: str, *, weak: bool) -> frozenset[str]:
    """Returns the digests of the lists whose tags the condition has."""
    pattern = _WEAK_TAG_OF_LIST if weak else _TAG_OF_LIST
    return frozenset(_first_groups(pattern, condition, weak=weak))


def unmatchable(if_match: str, source: str = "If-Match") -> str | None:
    """Returns why an If-Match condition can never match; None if it could match a document.

    `source` is the header or the member that contains the condition.
    """
    if _is_star(if_match):
        return None
    tags = _TAG.findall(if_match)
    if not tags:
        return f'{source} must be * or ETags in quotation marks, such as "7-0123456789abcdef".'
    if any(mark for mark, _ in tags):
        return f"{source} has a weak ETag (W/…), which never matches. {_REMEDY}"
    if any(_TAG_WITH_SUFFIX.fullmatch(opaque) for _, opaque in tags):
        return f"{source} has an ETag with a suffix, which never matches. {_REMEDY}"
    return None


def names_version(if_match: str) -> bool:
    """Returns True if the condition is * or has a strong tag that contains a version."""
    return _is_star(if_match) or bool(_versions(if_match, weak=False))


def _versions(condition: str, *, weak: bool) -> frozenset[int]:
    """Returns the versions whose tags the condition has."""
    pattern = _WEAK_TAG_OF_VERSION if weak else _TAG_OF_VERSION
    return frozenset(map(int, _first_groups(pattern, condition, weak=weak)))


def _first_groups(pattern: re.Pattern[str], condition: str, *, weak: bool) -> Iterator[str]:
    """Yields the first group of each tag that matches. Without `weak`, skips weak tags."""
    for mark, opaque in _TAG.findall(condition):
        if (weak or not mark) and (match := pattern.fullmatch(opaque)):
            yield match[1]


def _is_star(condition: str) -> bool:
    return condition.strip() == "*"
