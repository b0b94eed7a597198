"""A client for requests to an application in this process, whose responses have typed documents."""

from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse


class ApiResponse(TestResponse):
    """A response, with its JSON document and the errors of that document."""

    @property
    def json(self) -> Any:
        """The JSON document. Fails if the response has another media type."""
        assert self.is_json, f"{self.status} {self.text}"
        return self.get_json()

    @property
    def problems(self) -> list[tuple[str, str, str | None]]:
        """The status, code and pointer of each error, sorted."""
        errors = self.json["errors"]
        return sorted((e["status"], e["code"], e.get("source", {}).get("pointer")) for e in errors)


class ApiClient(FlaskClient):
    """Flask's test client, whose methods return an `ApiResponse`."""

    def __init__(self, application: Flask) -> None:
        super().__init__(application, ApiResponse)

    def open(self, *args: Any, **kwargs: Any) -> ApiResponse:
        response = super().open(*args, **kwargs)
        assert isinstance(response, ApiResponse)
        return response

    def get(self, *args: Any, **kwargs: Any) -> ApiResponse:
        return self.open(*args, **kwargs, method="GET")

    def head(self, *args: Any, **kwargs: Any) -> ApiResponse:
        return self.open(*args, **kwargs, method="HEAD")

    def post(self, *args: Any, **kwargs: Any) -> ApiResponse:
        return self.open(*args, **kwargs, method="POST")

    def put(self, *args: Any, **kwargs: Any) -> ApiResponse:
        return self.open(*args, **kwargs, method="PUT")

    def patch(self, *args: Any, **kwargs: Any) -> ApiResponse:
        return self.open(*args, **kwargs, method="PATCH")

    def delete(self, *args: Any, **kwargs: Any) -> ApiResponse:
        return self.open(*args, **kwargs, method="DELETE")

    def options(self, *args: Any, **kwargs: Any) -> ApiResponse:
        return self.open(*args, **kwargs, method="OPTIONS")
