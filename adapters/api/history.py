"""What happened to a thing, over HTTP."""

from flask import Blueprint, Response

from adapters.api import http
from adapters.jsonapi import parameters
from adapters.jsonapi.cursors import Cursors
from adapters.resources.addresses import Urls
from adapters.resources.events import EVENTS
from application.audit import History
from application.search import Slice


def history(api: Blueprint, of: History, addresses: Urls, cursors: Cursors) -> None:
    """Give the API the histories of things of a type."""
    kind = of.kind

    @api.get(f"/{kind.type}/<key:subject_id>/history", endpoint=f"{kind.type}_history")
    def show_history(subject_id: int) -> Response:
        query = http.query()
        question = parameters.collection(query, EVENTS, cursors, within=of.about(subject_id))
        page = of.page(subject_id, question.search)
        profile = http.wants_cursor_profile() and isinstance(question.search.place, Slice)
        writer = addresses.history(kind.type, subject_id)
        body = writer.collection(page, question, query=query, profile=profile)
        return http.ok(body, profile=profile)
