"""Flask's hooks work with Roster's request and response classes, which rely on some of Flask's."""

from collections.abc import Callable
from typing import Any

import flask
import pytest
from api_client import ApiClient
from flask import Flask, Response, after_this_request, request
from werkzeug.exceptions import NotFound
from werkzeug.test import EnvironBuilder, run_wsgi_app

from adapters.web.app import create_app
from adapters.web.flask_app import App, PreparedResponse, Request, current_request

TYPE = ("Content-Type", "text/plain")


@pytest.fixture
def calls() -> list[str]:
    return []


@pytest.fixture
def app(calls: list[str]) -> Flask:
    """An application with a route for each kind of response."""

    def render_error(error: Exception) -> Response:
        calls.append(f"render {type(error).__name__}")
        return Response("error", 404 if isinstance(error, NotFound) else 500)

    app = create_app([], render_error=render_error, canonical=lambda path: path, request_seconds=8)

    @app.before_request
    def before() -> str | None:
        calls.append("before")
        return "stopped" if "stop" in request.args else None

    @app.get("/ready")
    def ready() -> Response:
        calls.append("route")
        return PreparedResponse(b"whole", 200, [TYPE, ("ETag", '"1"')])

    @app.get("/nothing")
    def nothing() -> Response:
        return PreparedResponse(b"", 204, [])

    @app.get("/unchanged")
    def unchanged() -> Response:
        return PreparedResponse(b"", 304, [("ETag", '"1"')])

    @app.get("/text")
    def text() -> tuple[str, int]:
        return "text", 202

    @app.get("/fault")
    def fault() -> Response:
        raise RuntimeError

    @app.get("/decorated")
    def decorated() -> Response:
        @after_this_request
        def add(response: Response) -> Response:
            response.headers["X-Added"] = "yes"
            return response

        return PreparedResponse(b"whole", 200, [TYPE])

    @app.get("/echo/<path:rest>")
    def echo(rest: str) -> dict[str, object]:
        return {
            "rest": rest,
            "path": request.path,
            "url": request.url,
            "host": request.host,
            "agent": request.headers["User-Agent"],
            "args": request.args.to_dict(),
            "endpoint": request.endpoint,
            "remote": request.remote_addr,
        }

    return app


def test_calls_hooks_in_the_order_of_flask(app: Flask, calls: list[str]) -> None:
    def record(call: str) -> Callable[..., None]:
        return lambda *_: calls.append(call)

    @app.after_request
    def after(response: Response) -> Response:
        calls.append(f"after {response.status_code}")
        response.headers["X-After"] = "yes"
        return response

    app.teardown_request(record("end of request"))
    app.teardown_appcontext(record("end of context"))
    response = ApiClient(app).get("/ready")
    assert calls == ["before", "route", "after 200", "end of request", "end of context"]
    assert (response.data, response.headers["X-After"], response.headers["ETag"]) == (
        b"whole",
        "yes",
        '"1"',
    )
    assert response.headers.getlist("Content-Length") == ["5"]


def test_a_before_request_hook_can_respond(app: Flask, calls: list[str]) -> None:
    assert ApiClient(app).get("/ready?stop=1").data == b"stopped"
    assert calls == ["before"]


def test_a_route_can_change_its_own_response(app: Flask) -> None:
    response = ApiClient(app).get("/decorated")
    assert response.headers["X-Added"] == "yes"
    assert (response.data, response.headers["Content-Length"]) == (b"whole", "5")


def test_renders_every_error_with_the_error_handler(app: Flask, calls: list[str]) -> None:
    client = ApiClient(app)
    assert (client.get("/fault").status_code, client.get("/none").status_code) == (500, 404)
    assert [call for call in calls if call != "before"] == [
        "render RuntimeError",
        "render NotFound",
    ]


def test_sends_a_prepared_response_unchanged(app: Flask) -> None:
    client = ApiClient(app)
    got, head = client.get("/ready"), client.head("/ready")
    assert (got.status, got.data, got.headers["Content-Type"]) == ("200 OK", b"whole", TYPE[1])
    assert (head.status, head.data, head.headers["Content-Length"]) == ("200 OK", b"", "5")


@pytest.mark.parametrize("reads_headers", [False, True])
@pytest.mark.parametrize(("path", "status"), [("/nothing", 204), ("/unchanged", 304)])
def test_a_response_without_a_body_has_neither_length_nor_type(
    app: Flask, path: str, status: int, *, reads_headers: bool
) -> None:
    if reads_headers:

        @app.after_request
        def read_headers(response: Response) -> Response:
            assert "X-None" not in response.headers
            return response

    response = ApiClient(app).get(path)
    assert (response.status_code, response.data) == (status, b"")
    assert not {"Content-Length", "Content-Type"} & {name for name, _ in response.headers}


def test_rejects_a_hook_that_is_registered_after_the_first_request(app: Flask) -> None:
    ApiClient(app).get("/ready")
    with pytest.raises(AssertionError, match="setup method"):
        app.after_request(lambda response: response)


def test_a_route_can_return_every_type_that_flask_accepts(app: Flask) -> None:
    response = ApiClient(app).get("/text")
    assert (response.status_code, response.data) == (202, b"text")


def test_a_request_has_the_attributes_of_flasks_request(app: Flask) -> None:
    headers = {"Host": "a.org:81", "User-Agent": "test"}
    assert ApiClient(app).get("/echo/%C3%A4/b?c=%C3%B6", headers=headers).json == {
        "rest": "ä/b",
        "path": "/echo/ä/b",
        "host": "a.org:81",
        "url": "http://a.org:81/echo/ä/b?c=ö",
        "args": {"c": "ö"},
        "endpoint": "echo",
        "remote": "127.0.0.1",
        "agent": "test",
    }


def test_a_missing_attribute_of_a_request_or_response_raises_attribute_error(app: Flask) -> None:
    with app.test_request_context("/ready"):
        with pytest.raises(AttributeError):
            _ = request.missing  # type: ignore[attr-defined]  # it must not exist
        with pytest.raises(AttributeError):
            _ = PreparedResponse(b"", 200, []).missing  # type: ignore[attr-defined]  # it must not exist


def test_a_prepared_response_has_the_interface_of_a_response() -> None:
    response = PreparedResponse(b"whole", 201, [TYPE, ("Location", "/x")])
    closed = []
    response.call_on_close(lambda: closed.append(True))
    assert (response.status_code, response.status, response.get_data()) == (
        201,
        "201 CREATED",
        b"whole",
    )
    assert response.headers.to_wsgi_list() == [TYPE, ("Location", "/x"), ("Content-Length", "5")]
    response.close()
    assert closed == [True]


@pytest.fixture
def plain() -> App:
    """A bare application with a route that returns a prepared response."""
    app = App("plain")
    app.before_request(lambda: None)

    @app.get("/users/<int:user_id>")
    def show(user_id: int) -> Response:
        response = PreparedResponse(b"%d" % user_id, 200, [TYPE])
        seen.append((current_request(), response))
        return response

    seen: list[tuple[Request, PreparedResponse]] = []
    app.config["seen"] = seen
    return app


def test_flask_reads_neither_the_request_nor_the_prepared_response(plain: App) -> None:
    """flask_app.py relies on this, which saves 20 µs per request."""
    environ = EnvironBuilder("/users/7?a=b", headers=[("X-Some", "header")]).get_environ()
    body, status, _ = run_wsgi_app(plain, environ)
    ((sent, response),) = plain.config["seen"]
    assert (list(body), status) == ([b"7"], "200 OK")
    assert "headers" not in vars(sent)
    assert "headers" not in vars(response)


def test_has_every_attribute_of_flasks_own_classes(plain: App) -> None:
    environ = EnvironBuilder("/users/7?a=b", headers=[("X-Some", "header")]).get_environ()
    own, flasks = Request(dict(environ)), flask.Request(dict(environ))
    assert own.headers["X-Some"] == "header"
    assert vars(own).keys() == vars(flasks).keys()
    prepared, response = PreparedResponse(b"", 200, [TYPE]), Response(b"", 200, [TYPE])
    assert prepared.status == response.status
    assert vars(response).keys() <= vars(prepared).keys()


ENVIRONMENTS: dict[str, dict[str, Any]] = {
    "plain": {"base_url": "http://localhost"},
    "port": {"base_url": "http://directory.example.org:8080"},
    "default port": {"base_url": "http://directory.example.org:80"},
    "https": {"base_url": "https://directory.example.org:8443"},
    "upper case": {"base_url": "http://Directory.Example.ORG"},
    "IPv6": {"base_url": "http://[2001:db8::1]:8080"},
    "mounted": {"base_url": "http://localhost/below"},
    "not ASCII": {"path": "/users/\u00e4\u4e00"},
    "not UTF-8": {"environ_overrides": {"PATH_INFO": "/users/\xff"}},
    "method": {"method": "PATCH"},
    "IDNA": {"base_url": "http://xn--bcher-kva.example"},
}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_builds_the_same_url_adapter_as_flask(plain: App, name: str) -> None:
    """flask_app.py relies on MapAdapter's constructor. It leaves out the query."""
    environ = EnvironBuilder(**{"path": "/users/7", **ENVIRONMENTS[name]}).get_environ()
    sent = Request(environ)
    own = plain.create_url_adapter(sent)
    flasks = flask.Flask.create_url_adapter(plain, sent)
    assert {**vars(own), "query_args": None} == {**vars(flasks), "query_args": None}


def test_current_request_returns_the_request_that_flask_handles(plain: App) -> None:
    with plain.test_request_context("/users/7") as context:
        assert current_request() is context.request
    with pytest.raises(RuntimeError):
        current_request()


def test_options_lists_the_methods_of_all_routes_of_the_url(app: Flask) -> None:
    @app.post("/ready")
    def create() -> str:
        return ""

    response = ApiClient(app).open("/ready", method="OPTIONS")
    assert (response.status_code, response.headers["Allow"]) == (204, "GET, HEAD, OPTIONS, POST")


def test_only_extension_points_of_flask_are_overridden() -> None:
    """The methods that dispatch a request get other parameters in Flask 3.2."""
    overridden = vars(App).keys() & {name for name in dir(flask.Flask) if name[:2] != "__"}
    assert overridden == {"create_url_adapter", "ensure_sync", "session_interface"}
