"""/docs: interactive API documentation (Swagger UI). The service hosts all of its files."""

from importlib.resources import as_file, files
from typing import Final

from flask import Blueprint, Response, request, send_from_directory
from werkzeug.exceptions import NotFound
from werkzeug.http import parse_date, parse_if_range_header

# The URLs are relative, so the page works behind a proxy with a path prefix.
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Roster API</title>
<link rel="icon" type="image/png" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="stylesheet" href="docs/style.css">
</head>
<body>
<div id="docs"></div>
<noscript>The description is in <a href="openapi.json">openapi.json</a>.</noscript>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_START: Final = r"""const dark = matchMedia("(prefers-color-scheme: dark)");
const applyTheme = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", applyTheme);
applyTheme();

// A list has a filter for each attribute and operator, and for each attribute of related resources.
// The table shows one row for each field, with a button for the rest. A row with a value is always
// shown.
const filterOf = (name) => /^filter\[(\w+)(?:\.\w+)?\](?:\[\w+\])?$/.exec(name)?.[1];
const groupFilters = (Row, { React, layoutActions, layoutSelectors, specSelectors }) => (props) => {
  const { param, rawParam, pathMethod } = props;
  const row = React.createElement(Row, props);
  const field = filterOf(rawParam.get("name"));
  if (!field) return row;
  const group = ["filters", ...pathMethod, field];
  const isOpen = layoutSelectors.isShown(group, false);
  // The selectors that add what the reader entered cost time for each parameter of the operation.
  const names = specSelectors.specJson().getIn(["paths", ...pathMethod, "parameters"])
    .map((each) => each.get("name")).filter((name) => filterOf(name) === field);
  if (rawParam.get("name") !== names.first()) return isOpen || param.get("value") ? row : null;
  if (names.size === 1) return row;
  const rest = names.some((name) => name.includes(".")) ? "operators and attributes" : "operators";
  const label = `${isOpen ? "Hide" : "Show"} the ${rest} of ${field} (${names.size - 1})`;
  const button = React.createElement("button", {
    "aria-expanded": isOpen,
    className: "operators",
    onClick: () => layoutActions.show(group, !isOpen),
    type: "button",
  }, label);
  const cell = React.createElement("td", { className: "parameters-col_name" });
  const more = React.createElement("tr", null, cell, React.createElement("td", null, button));
  return React.createElement(React.Fragment, null, row, more);
};

// An error response is one line, because all errors have the same schema.
const shortenErrors = (Row, { React, getComponent }) => (props) => {
  if (!/^[45]/.test(props.code)) return React.createElement(Row, props);
  const text = React.createElement(getComponent("Markdown", true), {
    source: props.response.get("description"),
  });
  return React.createElement("tr", { className: "response" },
    React.createElement("td", { className: "response-col_status" }, props.code),
    React.createElement("td", { className: "response-col_description", colSpan: 2 }, text));
};

SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  displayRequestDuration: true,
  filter: true,
  persistAuthorization: false,
  plugins: [{ wrapComponents: { parameterRow: groupFilters, response: shortenErrors } }],
  tryItOutEnabled: true,
  validatorUrl: null,
});
"""
_STYLE: Final = """#docs .operators { border: 0; padding: 0; cursor: pointer; font: inherit }
#docs .operators { background: none; color: inherit; text-decoration: underline }
#docs .parameters td { padding-top: .25rem; padding-bottom: 0 }
#docs .parameters .parameter__type { padding: 0 }
#docs .parameters .model-example .tab { display: none }
#docs .parameters textarea { height: 2.5rem; min-height: 0; padding: .25rem }
#docs .response-col_description p { margin: 0 }
#docs .response-col_links { display: none }
#docs .headers-wrapper h5 { margin: .25rem 0 }
#docs .headers :is(th, td) { padding: 0 .5rem 0 0 }
"""
_ASSETS: Final = frozenset(("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"))
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def docs() -> Blueprint:
    """Returns the blueprint of the page and its files."""
    blueprint = Blueprint("docs", __name__)
    blueprint.after_request(_add_policy)
    with as_file(files("flask_swagger_ui") / "dist") as directory:
        assets = directory

    @blueprint.get("/docs")
    def show_docs() -> Response:
        return Response(_PAGE, mimetype="text/html")

    @blueprint.get("/docs/start.js")
    def start() -> Response:
        return Response(_START, mimetype="text/javascript")

    @blueprint.get("/docs/style.css")
    def style() -> Response:
        return Response(_STYLE, mimetype="text/css")

    @blueprint.get("/docs/<name>")
    def asset(name: str) -> Response:
        if name not in _ASSETS:
            raise NotFound
        return send_from_directory(assets, name, conditional=_has_usable_dates())

    return blueprint


def _has_usable_dates() -> bool:
    """Returns False if Werkzeug fails with a date of the request, such as one in year 99999999999.

    Other dates that are invalid are ignored by Werkzeug itself.
    """
    try:
        parse_date(request.environ.get("HTTP_IF_MODIFIED_SINCE"))
        parse_if_range_header(request.environ.get("HTTP_IF_RANGE"))
    except OverflowError:
        return False
    return True


def _add_policy(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = _POLICY
    return response
