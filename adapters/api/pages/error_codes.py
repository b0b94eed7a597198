"""The page that explains each error code. The `about` links of errors refer to its sections."""

from collections.abc import Mapping
from typing import Final

from flask import Blueprint, Response

from adapters.api.pages.html import escape, page_view

URL: Final = "/docs/errors"


def error_codes_page(codes: Mapping[str, tuple[str, str]]) -> Blueprint:
    """Returns the blueprint of the page with the meanings of the error codes."""
    blueprint = Blueprint("errors", __name__)
    sections = (_section(code, *explanation) for code, explanation in codes.items())
    respond = page_view("Errors of the Roster API", "".join(sections))

    @blueprint.get(URL)
    def show_errors() -> Response:
        return respond()

    return blueprint


def _section(code: str, status: str, meaning: str) -> str:
    return (
        f'<section id="{code}"><h2><code>{code}</code> <small>{status}</small></h2>'
        f"<p>{escape(meaning)}</p></section>\n"
    )
