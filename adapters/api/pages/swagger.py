"""/docs: the API's description for people, with requests to try. No asset comes from elsewhere."""

from importlib.resources import as_file, files
from typing import Final

from flask import Blueprint, Response, send_from_directory
from werkzeug.exceptions import NotFound

# The addresses are relative, so that the page works under whatever path a proxy puts it.
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Roster API</title>
<link rel="icon" type="image/png" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<noscript>The description is in <a href="openapi.json">openapi.json</a>.</noscript>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_START: Final = """const dark = matchMedia("(prefers-color-scheme: dark)");
const dress = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", dress);
dress();
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  displayRequestDuration: true,
  filter: true,
  persistAuthorization: false,
  tryItOutEnabled: true,
  validatorUrl: null,
});
"""
_ASSETS: Final = frozenset(("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"))
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def docs() -> Blueprint:
    """The page, and what it is made of."""
    blueprint = Blueprint("docs", __name__)
    blueprint.after_request(_guarded)
    with as_file(files("flask_swagger_ui") / "dist") as directory:
        assets = directory

    @blueprint.get("/docs")
    def show_docs() -> Response:
        return Response(_PAGE, mimetype="text/html")

    @blueprint.get("/docs/start.js")
    def start() -> Response:
        return Response(_START, mimetype="text/javascript")

    @blueprint.get("/docs/<name>")
    def asset(name: str) -> Response:
        if name not in _ASSETS:
            raise NotFound
        return send_from_directory(assets, name)

    return blueprint


def _guarded(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = _POLICY
    return response
