"""The texts of errors about unknown names: the name in quotes, suggestions, and the known names."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from adapters.jsonapi.suggestions import MAX_SUGGESTIONS, suggest_attribute
from domain.errors import shortened

MAX_QUOTED: Final = 100
"""The number of characters of a client's text that an error about the query quotes."""
_MAX_LISTED: Final = 10


def quote(text: str) -> str:
    """Returns a client's text, shortened and in quotation marks."""
    return f"'{shortened(text, MAX_QUOTED)}'"


def quote_all(names: Sequence[str]) -> str:
    """Returns the first names in quotation marks, and the number of the others."""
    listed = ", ".join(map(quote, names[:_MAX_LISTED]))
    more = len(names) - _MAX_LISTED
    return f"{listed} and {more} more" if more > 0 else listed


def did_you_mean(*names: str | None) -> str:
    """Returns a question that names the suggestions, or an empty text without suggestions."""
    suggestions = [quote(name) for name in names if name]
    return f" Did you mean {', '.join(suggestions)}?" if suggestions else ""


def unknown_attributes(unknown: Sequence[str], known: Collection[str], place: str = "") -> str:
    """Returns the detail of an error about attributes that do not exist.

    `place` follows the first of the unknown names, such as " in --by".
    """
    noun = "attribute" if len(unknown) == 1 else "attributes"
    similar = (suggest_attribute(name, known) for name in unknown[:MAX_SUGGESTIONS])
    detail = f"Unknown {noun} {quote_all(unknown)}{place}.{did_you_mean(*similar)}"
    return f"{detail} Known: {', '.join(known)}."


def unknown_relationship(name: str, resource_type: str, known: Iterable[str]) -> str:
    """Returns the detail of an error about a relationship that a type of resources lacks."""
    detail = f"Unknown relationship {quote(name)} of {resource_type}."
    names = [*known]
    if not names:
        return f"{detail} {resource_type} has no relationships."
    return f"{detail}{did_you_mean(suggest_attribute(name, names))} Known: {', '.join(names)}."
