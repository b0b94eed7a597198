"""GET /: where a newcomer finds everything, as JSON or as a page."""

from collections.abc import Mapping
from typing import Final

import orjson
from flask import Blueprint, Response, request
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from adapters.api.errors import URL as ERRORS
from adapters.api.pages.html import page, text
from adapters.jsonapi.content_negotiation import JSON
from adapters.resources.addresses import PREFIX

HTML: Final = "text/html"
_LONGEST_ACCEPT: Final = 2048
PLACES: Final[Mapping[str, tuple[str, str]]] = {
    "api": (PREFIX, "the JSON:API root, which names the collections"),
    "docs": ("/docs", "the documentation, with requests to try"),
    "errors": (ERRORS, "what each error means"),
    "openapi": ("/openapi.json", "the same documentation for programs"),
    "healthz": ("/healthz", "whether the process lives"),
    "readyz": ("/readyz", "whether it can serve"),
}


def home(base: str) -> Blueprint:
    """The page and its JSON; `base` is what comes before the paths in every URL."""
    blueprint = Blueprint("welcome", __name__)
    places = {name: f"{base}{path}" for name, (path, _) in PLACES.items()}
    document = orjson.dumps({"name": "Roster", "links": places})
    listed = "".join(
        f'<p><a href="{text(places[name])}">{text(path)}</a>: {text(what)}</p>\n'
        for name, (path, what) in PLACES.items()
    )
    answer = page("Roster, a directory of users", listed)

    @blueprint.get("/")
    def show_places() -> Response:
        # A program that takes anything gets JSON; browsers name HTML first.
        if _prefers_html(request.environ.get("HTTP_ACCEPT", "")):
            return answer()
        return Response(document, content_type=JSON)

    return blueprint


def _prefers_html(accept: str) -> bool:
    """Whether an Accept header names HTML before JSON. One that no browser sends is not read."""
    if len(accept) > _LONGEST_ACCEPT:
        return False
    return parse_accept_header(accept, MIMEAccept).best_match([JSON, HTML]) == HTML
