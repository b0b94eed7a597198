"""GET /: links to the parts of the service, as JSON or as a page."""

from collections.abc import Mapping
from typing import Final

import orjson
from flask import Blueprint, Response, request
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from adapters.api.pages.error_codes import URL as ERRORS
from adapters.api.pages.html import escape, page_view
from adapters.jsonapi.content_negotiation import JSON
from adapters.resources.urls import PREFIX

HTML: Final = "text/html"
_MAX_ACCEPT_LENGTH: Final = 2048
LINKS: Final[Mapping[str, tuple[str, str]]] = {
    "api": (PREFIX, "the JSON:API root, with links to the collections"),
    "docs": ("/docs", "interactive API documentation"),
    "errors": (ERRORS, "the meaning of each error code"),
    "openapi": ("/openapi.json", "the OpenAPI document"),
    "healthz": ("/healthz", "liveness"),
    "readyz": ("/readyz", "readiness"),
}


def home(base: str) -> Blueprint:
    """Returns the blueprint of the page. `base` precedes the path in every URL."""
    blueprint = Blueprint("home", __name__)
    urls = {name: f"{base}{path}" for name, (path, _) in LINKS.items()}
    document = orjson.dumps({"name": "Roster", "links": urls})
    paragraphs = "".join(
        f'<p><a href="{escape(urls[name])}">{escape(path)}</a>: {escape(description)}</p>\n'
        for name, (path, description) in LINKS.items()
    )
    show_page = page_view("Roster, a directory of users", paragraphs)

    @blueprint.get("/")
    def show_home() -> Response:
        # Browsers name HTML first. A client that accepts anything gets JSON.
        if _prefers_html(request.environ.get("HTTP_ACCEPT", "")):
            return show_page()
        return Response(document, content_type=JSON)

    return blueprint


def _prefers_html(accept: str) -> bool:
    """Returns True if Accept prefers HTML to JSON. A header longer than any browser's does not."""
    if len(accept) > _MAX_ACCEPT_LENGTH:
        return False
    return parse_accept_header(accept, MIMEAccept).best_match([JSON, HTML]) == HTML
