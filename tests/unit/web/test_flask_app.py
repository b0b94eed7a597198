"""Flask's hooks work with Roster's request and response, and Flask is as these expect."""

from collections.abc import Callable

import flask
import pytest
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
    """An application with a route for each thing that a route may do."""

    def render_error(error: Exception) -> Response:
        calls.append(f"say {type(error).__name__}")
        return Response("refused", 404 if isinstance(error, NotFound) else 500)

    app = create_app([], render_error=render_error, canonical=lambda path: path, request_seconds=8)

    @app.before_request
    def before() -> str | None:
        calls.append("before")
        return "at the door" if "stop" in request.args else None

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
    def fault() -> None:
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
        sent = request
        return {
            "rest": rest,
            "path": sent.path,
            "url": sent.url,
            "host": sent.host,
            "agent": sent.headers["User-Agent"],
            "args": sent.args.to_dict(),
            "endpoint": sent.endpoint,
            "remote": sent.remote_addr,
        }

    return app


def test_what_is_registered_is_called_in_flasks_order(app: Flask, calls: list[str]) -> None:
    def note(what: str) -> Callable[..., None]:
        return lambda *_: calls.append(what)

    @app.after_request
    def after(response: Response) -> Response:
        calls.append(f"after {response.status_code}")
        response.headers["X-After"] = "yes"
        return response

    app.teardown_request(note("request's end"))
    app.teardown_appcontext(note("context's end"))
    answer = app.test_client().get("/ready")
    assert calls == ["before", "route", "after 200", "request's end", "context's end"]
    assert (answer.data, answer.headers["X-After"], answer.headers["ETag"]) == (
        b"whole",
        "yes",
        '"1"',
    )
    assert answer.headers.getlist("Content-Length") == ["5"]


def test_what_comes_first_may_answer(app: Flask, calls: list[str]) -> None:
    assert app.test_client().get("/ready?stop=1").data == b"at the door"
    assert calls == ["before"]


def test_a_route_may_decorate_its_own_answer(app: Flask) -> None:
    answer = app.test_client().get("/decorated")
    assert answer.headers["X-Added"] == "yes"
    assert (answer.data, answer.headers["Content-Length"]) == (b"whole", "5")


def test_whatever_goes_wrong_is_said_by_the_one_who_says(app: Flask, calls: list[str]) -> None:
    client = app.test_client()
    assert (client.get("/fault").status_code, client.get("/none").status_code) == (500, 404)
    assert [call for call in calls if call != "before"] == ["say RuntimeError", "say NotFound"]


def test_a_ready_answer_is_sent_as_it_is(app: Flask) -> None:
    client = app.test_client()
    got, head = client.get("/ready"), client.head("/ready")
    assert (got.status, got.data, got.headers["Content-Type"]) == ("200 OK", b"whole", TYPE[1])
    assert (head.status, head.data, head.headers["Content-Length"]) == ("200 OK", b"", "5")


@pytest.mark.parametrize("looked_at", [False, True])
@pytest.mark.parametrize(("path", "status"), [("/nothing", 204), ("/unchanged", 304)])
def test_an_answer_without_a_body_has_neither_length_nor_type(
    app: Flask, path: str, status: int, *, looked_at: bool
) -> None:
    if looked_at:

        @app.after_request
        def look(response: Response) -> Response:
            assert "X-None" not in response.headers
            return response

    answer = app.test_client().get(path)
    assert (answer.status_code, answer.data) == (status, b"")
    assert not {"Content-Length", "Content-Type"} & {name for name, _ in answer.headers}


def test_nothing_is_registered_once_requests_come(app: Flask) -> None:
    app.test_client().get("/ready")
    with pytest.raises(AssertionError, match="setup method"):
        app.after_request(lambda response: response)


def test_routes_may_answer_in_any_of_flasks_ways(app: Flask) -> None:
    answer = app.test_client().get("/text")
    assert (answer.status_code, answer.data) == (202, b"text")


def test_a_request_tells_everything_to_whoever_asks(app: Flask) -> None:
    told = app.test_client().get("/echo/%C3%A4/b?c=%C3%B6", headers={"Host": "a.org:81"}).json
    assert told["rest"] == "ä/b"
    assert told["path"] == "/echo/ä/b"
    assert told["host"] == "a.org:81"
    assert told["url"] == "http://a.org:81/echo/ä/b?c=ö"
    assert told["args"] == {"c": "ö"}
    assert told["endpoint"] == "echo"
    assert told["remote"] == "127.0.0.1"
    assert told["agent"].startswith("Werkzeug")


def test_what_a_request_or_an_answer_has_not_is_an_attribute_error(app: Flask) -> None:
    with app.test_request_context("/ready"):
        with pytest.raises(AttributeError):
            _ = request.nothing_of_the_kind  # type: ignore[attr-defined]
        with pytest.raises(AttributeError):
            _ = PreparedResponse(b"", 200, []).nothing_of_the_kind  # type: ignore[attr-defined]


def test_whoever_looks_at_a_ready_answer_finds_a_response(app: Flask) -> None:
    answer = PreparedResponse(b"whole", 201, [TYPE, ("Location", "/x")])
    closed = []
    answer.call_on_close(lambda: closed.append(True))
    assert (answer.status_code, answer.status, answer.get_data()) == (201, "201 CREATED", b"whole")
    assert answer.headers.to_wsgi_list() == [TYPE, ("Location", "/x"), ("Content-Length", "5")]
    answer.close()
    assert closed == [True]


@pytest.fixture
def plain() -> App:
    """An application with nothing around it, and a route that returns a prepared response."""
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
    """flask_app.py relies on it: otherwise each request costs 20 µs more."""
    environ = EnvironBuilder("/users/7?a=b", headers={"X-Some": "header"}).get_environ()
    body, status, _ = run_wsgi_app(plain, environ)
    ((sent, response),) = plain.config["seen"]
    assert (list(body), status) == ([b"7"], "200 OK")
    assert "headers" not in vars(sent)
    assert "headers" not in vars(response)


def test_every_attribute_of_flasks_own_classes_is_there(plain: App) -> None:
    environ = EnvironBuilder("/users/7?a=b", headers={"X-Some": "header"}).get_environ()
    own, flasks = Request(dict(environ)), flask.Request(dict(environ))
    assert own.headers["X-Some"] == "header"
    assert vars(own).keys() == vars(flasks).keys()
    prepared, response = PreparedResponse(b"", 200, [TYPE]), Response(b"", 200, [TYPE])
    assert prepared.status == response.status
    assert vars(response).keys() <= vars(prepared).keys()


ENVIRONMENTS = {
    "plain": {"base_url": "http://localhost"},
    "port": {"base_url": "http://directory.example.org:8080"},
    "default port": {"base_url": "http://directory.example.org:80"},
    "https": {"base_url": "https://directory.example.org:8443"},
    "capitals": {"base_url": "http://Directory.Example.ORG"},
    "IPv6": {"base_url": "http://[2001:db8::1]:8080"},
    "mounted": {"base_url": "http://localhost/below"},
    "text": {"path": "/users/\u00e4\u4e00"},
    "no UTF-8": {"environ_overrides": {"PATH_INFO": "/users/\xff"}},
    "method": {"method": "PATCH"},
    "IDNA": {"base_url": "http://xn--bcher-kva.example"},
}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_url_adapter_is_that_of_flask(plain: App, name: str) -> None:
    """flask_app.py relies on MapAdapter's constructor. It leaves out the query."""
    environ = EnvironBuilder(**{"path": "/users/7", **ENVIRONMENTS[name]}).get_environ()
    sent = Request(environ)
    own = plain.create_url_adapter(sent)
    flasks = flask.Flask.create_url_adapter(plain, sent)
    assert {**vars(own), "query_args": None} == {**vars(flasks), "query_args": None}


def test_the_current_request_is_the_one_that_flask_handles(plain: App) -> None:
    with plain.test_request_context("/users/7") as context:
        assert current_request() is context.request
    with pytest.raises(RuntimeError):
        current_request()


def test_options_lists_the_methods_of_all_routes_of_the_url(app: Flask) -> None:
    @app.post("/ready")
    def create() -> str:
        return ""

    answer = app.test_client().open("/ready", method="OPTIONS")
    assert (answer.status_code, answer.headers["Allow"]) == (204, "GET, HEAD, OPTIONS, POST")


def test_only_extension_points_of_flask_are_overridden() -> None:
    """The methods that dispatch a request get other parameters in Flask 3.2."""
    overridden = vars(App).keys() & {name for name in dir(flask.Flask) if name[:2] != "__"}
    assert overridden == {"create_url_adapter", "ensure_sync", "session_interface"}
