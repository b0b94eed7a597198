"""The texts of errors about unknown names: the name in quotes, suggestions, and the known names."""

from collections.abc import Iterable
from typing import Final

from adapters.jsonapi.suggestions import suggest_attribute
from domain.errors import shortened

MAX_QUOTED: Final = 100
"""The number of characters of a client's text that an error about the query quotes."""


def quote(text: str) -> str:
    """Returns a client's text, shortened and in quotation marks."""
    return f"'{shortened(text, MAX_QUOTED)}'"


def did_you_mean(*names: str | None) -> str:
    """Returns a question that names the suggestions, or an empty text without suggestions."""
    suggestions = [quote(name) for name in names if name]
    return f" Did you mean {', '.join(suggestions)}?" if suggestions else ""


def unknown_relationship(name: str, resource_type: str, known: Iterable[str]) -> str:
    """Returns the detail of an error about a relationship that a type of resources lacks."""
    detail = f"Unknown relationship {quote(name)} of {resource_type}."
    names = [*known]
    if not names:
        return f"{detail} {resource_type} has no relationships."
    return f"{detail}{did_you_mean(suggest_attribute(name, names))} Known: {', '.join(names)}."
