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

MAX_CACHED: Final = 256
MAX_CACHED_LENGTH: Final = 512
"""Longer headers are not cached: clients could fill the memory with them."""

P = ParamSpec("P")
T = TypeVar("T")

# A parameter. Semicolons in a quoted string do not end it.
_PARAMETER_TEXT: Final = re.compile(r'(?:[^;"]++|"(?:[^"\\]++|\\.)*+"?)++')


def _cached(
    function: Callable[Concatenate[str | None, P], T],
) -> Callable[Concatenate[str | None, P], T]:
    """Decorates a function of a header with a cache of its results for short headers.

    Most clients send the same few headers.
    """
    cached_function = lru_cache(MAX_CACHED)(function)

    @wraps(function)
    def wrapper(header: str | None, /, *args: P.args, **kwargs: P.kwargs) -> T:
        if header is None or len(header) <= MAX_CACHED_LENGTH:
            return cached_function(header, *args, **kwargs)  # type: ignore[arg-type]
        return function(header, *args, **kwargs)

    return wrapper


@dataclass(frozen=True, slots=True)
class _Range:
    """A media range of an Accept header. JSON:API requires servers to ignore unusable ranges.

    A range is valid if its parameters are. It is usable if its extensions are also supported.
    """

    type: str
    quality: float
    is_valid: bool
    is_usable: bool
    profiles: frozenset[str]


def media_type(profiles: Iterable[str] = (), *, extension: str | None = None) -> str:
    """Returns the Content-Type of a document with the extension and the profiles."""
    parameters = {"ext": extension, "profile": " ".join(profiles)}
    return JSONAPI + "".join(f';{name}="{value}"' for name, value in parameters.items() if value)


@dataclass(frozen=True, slots=True)
class _MediaType:
    """A media type or range with names in lower case and all parameters.

    Malformed and repeated parameters are included, because JSON:API requires servers to reject a
    type for any forbidden parameter. Libraries drop parameters that they cannot parse
    (docs/decisions/0015-media-type-parsing.md).
    """

    type: str
    parameters: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, text: str) -> "_MediaType":
        name, _, rest = text.partition(";")
        parameters = filter(str.strip, _PARAMETER_TEXT.findall(rest))
        return cls(name.strip().lower(), tuple(map(_parse_parameter, parameters)))

    def values(self, parameter: str) -> list[str]:
        """Returns all values of the parameter."""
        return [value for name, value in self.parameters if name == parameter]

    def uris(self, parameter: str) -> frozenset[str]:
        """Returns the URIs of the parameter, a list of URIs (#media-type-parameter-rules)."""
        return frozenset(uri for value in self.values(parameter) for uri in value.split())

    def has_only(self, *parameters: str) -> bool:
        """Returns True if the type has no other parameters."""
        return all(name in parameters for name, _ in self.parameters)


def _parse_parameter(text: str) -> tuple[str, str]:
    """Returns the name and the value. The name is empty if the text has no equals sign."""
    name, equals, value = text.partition("=")
    return name.strip().lower() if equals else "", _unquoted(value.strip())


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:].removesuffix('"')) if value[:1] == '"' else value


def _quality(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0


def _parse_range(text: str, extension: str | None) -> _Range:
    media = _MediaType.parse(text)
    quality = min(map(_quality, media.values("q")), default=1.0)
    is_valid = media.has_only("ext", "profile", "q")
    is_usable = is_valid and media.uris("ext") <= {extension}
    return _Range(media.type, quality, is_valid, is_usable, media.uris("profile"))


def _parse_ranges(accept: str, extension: str | None) -> list[_Range]:
    """Returns the ranges of an Accept header. An unclosed quote makes it a single range."""
    texts = parse_list_header(accept) or [accept.strip(", \t")]
    return [_parse_range(text, extension) for text in texts if text.strip()]


def _accepts(ranges: list[_Range], name: str) -> bool:
    """Returns True if the most specific matching range has a quality above zero."""
    for pattern in (name, "application/*", "*/*"):
        matching = [r for r in ranges if r.type == pattern and (r.is_usable or name != JSONAPI)]
        if matching:
            return any(r.quality > 0 for r in matching)
    return False


@_cached
def accepted_profiles(accept: str | None, *, extension: str | None = None) -> frozenset[str]:
    """Returns the profiles that the client requests.

    `extension` is the extension that the URL requires, if any. Raises RequestError (406) if the
    client accepts no media type that Roster can send.
    """
    ranges = _parse_ranges(accept or "", extension)
    if not ranges:
        return frozenset()
    jsonapi_ranges = [r for r in ranges if r.type == JSONAPI]
    if jsonapi_ranges and not any(r.is_usable for r in jsonapi_ranges):
        if any(r.is_valid for r in jsonapi_ranges):
            raise _not_acceptable("This URL does not support an extension in Accept.")
        raise _not_acceptable(f"In Accept, {JSONAPI} may have only the parameters ext and profile.")
    if not (_accepts(ranges, JSONAPI) or _accepts(ranges, JSON)):
        raise _not_acceptable(f"Accept must allow {JSONAPI} or {JSON}.")
    accepted = [r for r in jsonapi_ranges if r.is_usable and r.quality > 0]
    best = max((r.quality for r in accepted), default=0.0)
    # Ranges of the same quality are equally good, so the profiles of all of them are accepted.
    return frozenset().union(*(r.profiles for r in accepted if r.quality == best))


def _not_acceptable(detail: str) -> RequestError:
    return RequestError(
        ErrorObject(status=406, code="not_acceptable", detail=detail, header="Accept")
    )


@_cached
def check_content_type(
    content_type: str | None, *, has_body: bool, uses_body: bool, extension: str | None = None
) -> None:
    """Raises RequestError (415) if the body has a media type that Roster does not accept.

    If the request has no body or does not use it, only the parameters that JSON:API forbids are
    errors. If the URL requires an `extension`, the Content-Type must name it.
    """
    media = _MediaType.parse(content_type or "")
    extensions = media.uris("ext") if media.type == JSONAPI else frozenset()
    if media.type == JSONAPI and not media.has_only("ext", "profile"):
        raise _unsupported(f"{JSONAPI} may have only the parameters ext and profile.")
    if extensions - {extension}:
        raise _unsupported("This URL does not support the extension.")
    if extension and not extensions:
        raise _unsupported(f"The Content-Type must be {media_type(extension=extension)}.")
    if has_body and uses_body and media.type != JSONAPI:
        if media.type != JSON:
            raise _unsupported(f"The Content-Type must be {JSONAPI} or {JSON}.")
        if {each.lower() for each in media.values("charset")} - {"utf-8", "utf8"}:
            raise _unsupported("The body must be UTF-8.")


def check_content_encoding(content_encoding: str | None) -> None:
    """Raises RequestError (415) if the body is compressed (RFC 9110 section 8.4).

    A small compressed body could expand to any size.
    """
    if (content_encoding or "identity").strip().lower() != "identity":
        detail = "Compressed request bodies are not supported."
        error = ErrorObject(
            status=415, code="unsupported_media_type", detail=detail, header="Content-Encoding"
        )
        raise RequestError(error, headers={"Accept-Encoding": "identity"})


def _unsupported(detail: str) -> RequestError:
    return RequestError(
        ErrorObject(status=415, code="unsupported_media_type", detail=detail, header="Content-Type")
    )
