"""The API requires its own class of requests."""

import pytest
from api.conftest import CheckedClient
from flask import Blueprint, Response

from adapters.api.request import ApiRequest, current_request, require_request_class
from adapters.web.app import create_app


def refuse(error: Exception) -> Response:
    return Response(str(error), 500)


def blueprint() -> Blueprint:
    created = Blueprint("checked", __name__)
    created.record_once(require_request_class)

    @created.get("/")
    def show() -> str:
        return type(current_request()).__name__

    return created


def test_an_application_with_another_request_class_is_rejected() -> None:
    with pytest.raises(TypeError, match="request_class=ApiRequest"):
        create_app([blueprint()], render_error=refuse, canonical=str, request_seconds=8)


def test_the_current_request_is_an_api_request() -> None:
    app = create_app(
        [blueprint()],
        render_error=refuse,
        canonical=str,
        request_seconds=8,
        request_class=ApiRequest,
    )
    assert CheckedClient(app).get("/").text == "ApiRequest"
