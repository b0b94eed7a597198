"""Content negotiation (jsonapi.org/format/1.1/#content-negotiation, RFC 9110 section 12)."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import Concatenate, Final, ParamSpec, TypeVar

from werkzeug.http import parse_list_header

from adapters.jsonapi.errors import ErrorObject, RequestError

JSONAPI: Final = "application/vnd.api+json"
JSON: Final = "application/json"
CURSOR_PROFILE: Final = "https://jsonapi.org/profiles/ethanresnick/cursor-pagination"

REMEMBERED: Final = 256
LONGEST_REMEMBERED: Final = 512
"""Clients that send longer headers could fill the memory with them."""

P = ParamSpec("P")
T = TypeVar("T")

# What stands between semicolons; those in a quoted string part nothing.
_PIECE: Final = re.compile(r'(?:[^;"]++|"(?:[^"\\]++|\\.)*+"?)++')


def _remembered(
    function: Callable[Concatenate[str | None, P], T],
) -> Callable[Concatenate[str | None, P], T]:
    """The function of a header, which remembers its results for the last headers that were short.

    Most clients send the same few headers.
    """
    known = lru_cache(REMEMBERED)(function)

    @wraps(function)
    def found(header: str | None, /, *args: P.args, **kwargs: P.kwargs) -> T:
        if header is None or len(header) <= LONGEST_REMEMBERED:
            return known(header, *args, **kwargs)  # type: ignore[arg-type]
        return function(header, *args, **kwargs)

    return found


@dataclass(frozen=True, slots=True)
class _Range:
    """A media range of an Accept header; `usable` if JSON:API lets a server honour it."""

    type: str
    quality: float
    usable: bool
    profiles: frozenset[str]


def media_type(profiles: Iterable[str] = (), *, extension: str | None = None) -> str:
    """The Content-Type of a document to which the extension and the profiles were applied."""
    named = {"ext": extension, "profile": " ".join(profiles)}
    return JSONAPI + "".join(f';{name}="{value}"' for name, value in named.items() if value)


@dataclass(frozen=True, slots=True)
class _MediaType:
    """A media type or range as it was written, its names in lower case.

    It keeps every parameter, broken and repeated ones too: JSON:API has the whole type refused for
    one that it forbids, and libraries drop what they can't read
    (docs/decisions/0015-media-type-parsing.md).
    """

    type: str
    parameters: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, text: str) -> "_MediaType":
        name, _, rest = text.partition(";")
        pieces = filter(str.strip, _PIECE.findall(rest))
        return cls(name.strip().lower(), tuple(map(_parameter, pieces)))

    def values(self, parameter: str) -> list[str]:
        """All that are given for the parameter."""
        return [value for name, value in self.parameters if name == parameter]

    def uris(self, parameter: str) -> frozenset[str]:
        """Those of the lists that its values are (#media-type-parameter-rules)."""
        return frozenset(uri for value in self.values(parameter) for uri in value.split())

    def has_none_but(self, *parameters: str) -> bool:
        """Whether every parameter is one of these."""
        return all(name in parameters for name, _ in self.parameters)


def _parameter(piece: str) -> tuple[str, str]:
    """Its name and value; what is no parameter is one without a name."""
    name, equals, value = piece.partition("=")
    return name.strip().lower() if equals else "", _unquoted(value.strip())


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:].removesuffix('"')) if value[:1] == '"' else value


def _quality(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0


def _range(text: str, extension: str | None) -> _Range:
    media = _MediaType.read(text)
    quality = min(map(_quality, media.values("q")), default=1.0)
    usable = media.has_none_but("ext", "profile", "q") and media.uris("ext") <= {extension}
    return _Range(media.type, quality, usable, media.uris("profile"))


def _ranges(accept: str, extension: str | None) -> list[_Range]:
    """Those of an Accept header; one that can't be parted, for a quote that never ends, is one."""
    parted = parse_list_header(accept) or [accept.strip(", \t")]
    return [_range(text, extension) for text in parted if text.strip()]


def _accepts(ranges: list[_Range], name: str) -> bool:
    """Whether the most specific range that fits the type gives it a quality above zero."""
    for wanted in (name, "application/*", "*/*"):
        fitting = [r for r in ranges if r.type == wanted and (r.usable or name != JSONAPI)]
        if fitting:
            return any(r.quality > 0 for r in fitting)
    return False


@_remembered
def accepted_profiles(accept: str | None, *, extension: str | None = None) -> frozenset[str]:
    """The profiles that the client requests.

    `extension` is the extension that the URL requires, if any. Raises RequestError (406) if the
    client accepts no media type that Roster can send.
    """
    ranges = _ranges(accept or "", extension)
    if not ranges:
        return frozenset()
    ours = [r for r in ranges if r.type == JSONAPI]
    if ours and not any(r.usable for r in ours):
        raise _not_acceptable(f"In Accept, {JSONAPI} may have only the parameters ext and profile.")
    if not (_accepts(ranges, JSONAPI) or _accepts(ranges, JSON)):
        raise _not_acceptable(f"Accept must allow {JSONAPI} or {JSON}.")
    wanted = [r for r in ours if r.usable and r.quality > 0]
    best = max((r.quality for r in wanted), default=0.0)
    # Instances of the same quality are equally good, and the profiles of one are among them.
    return frozenset().union(*(r.profiles for r in wanted if r.quality == best))


def _not_acceptable(detail: str) -> RequestError:
    return RequestError(
        ErrorObject(status=406, code="not_acceptable", detail=detail, header="Accept")
    )


@_remembered
def check_content_type(
    content_type: str | None, *, has_body: bool, body_matters: bool, extension: str | None = None
) -> None:
    """Raises RequestError (415) if the body has a media type that Roster does not accept.

    If the body is absent or ignored, only media type parameters that JSON:API forbids are errors.
    If the URL requires an `extension`, every body must name it.
    """
    media = _MediaType.read(content_type or "")
    extensions = media.uris("ext") if media.type == JSONAPI else frozenset()
    if media.type == JSONAPI and not media.has_none_but("ext", "profile"):
        raise _unsupported(f"{JSONAPI} may have only the parameters ext and profile.")
    if extensions - {extension}:
        raise _unsupported("This URL does not support the extension.")
    if extension and not extensions:
        raise _unsupported(f"The Content-Type must be {media_type(extension=extension)}.")
    if has_body and body_matters and media.type != JSONAPI:
        if media.type != JSON:
            raise _unsupported(f"The Content-Type must be {JSONAPI} or {JSON}.")
        if {each.lower() for each in media.values("charset")} - {"utf-8", "utf8"}:
            raise _unsupported("The body must be UTF-8.")


def check_content_encoding(content_encoding: str | None) -> None:
    """RequestError (415) for a body that is compressed: a small one could become any size
    (RFC 9110 section 8.4)."""
    if (content_encoding or "identity").strip().lower() != "identity":
        detail = "Compressed request bodies are not supported."
        found = ErrorObject(
            status=415, code="unsupported_media_type", detail=detail, header="Content-Encoding"
        )
        raise RequestError(found, headers={"Accept-Encoding": "identity"})


def _unsupported(detail: str) -> RequestError:
    return RequestError(
        ErrorObject(status=415, code="unsupported_media_type", detail=detail, header="Content-Type")
    )
