"""The request class of the API, with the parts that have been parsed so far."""

from collections.abc import Callable
from typing import cast

from flask import Flask
from flask.blueprints import BlueprintSetupState

from adapters.jsonapi.atomic import Batch
from adapters.jsonapi.linkage import Linkage
from adapters.jsonapi.resource_objects import ResourceObject
from adapters.web import flask_app
from adapters.web.request_body import Body


class ApiRequest(flask_app.Request):
    """A request of the API. Checks and routes store what they have parsed."""

    profiles: frozenset[str] = frozenset()
    """The profiles that the client accepts (adapters.api.http.request_checks)."""
    body: Body = b""
    """The body, empty after `discard_body` (adapters.api.http.request_checks)."""
    resource_object: ResourceObject | None = None
    """The resource object in the body, for the pointers of errors."""
    linkage: Linkage | None = None
    """The linkage in the body of a change of a relationship, for the pointers of errors."""
    changes_list: bool = False
    """True if the request changes a to-many relationship, so that conditions apply to its list."""
    batch: Batch | None = None
    """The operations in the body, for the pointers of errors."""


current_request = cast("Callable[[], ApiRequest]", flask_app.current_request)
"""Returns the current request. Raises RuntimeError outside a request."""


def require_request_class(state: BlueprintSetupState) -> None:
    """Raises TypeError if requests of the application are not instances of ApiRequest."""
    app = state.app
    if not (isinstance(app, Flask) and issubclass(app.request_class, ApiRequest)):
        raise TypeError("create_app needs request_class=ApiRequest for the API's blueprints.")
