"""Small HTML pages, in the light or dark theme of the browser."""

from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from html import escape
from typing import Final

from flask import Response

__all__ = ["escape", "page_view"]

_TEMPLATE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
:root {{ --paper: #fff; --ink: #1c2430; --dim: #5b6675; --line: #d5dbe3; --way: #0b5bd3 }}
@media (prefers-color-scheme: dark) {{
  :root {{ --paper: #0d1117; --ink: #e8edf4; --dim: #9ba7b6; --line: #2c3643; --way: #6cb0ff }}
}}
body {{ font: 1rem/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper) }}
body {{ max-width: 42rem; margin: 2rem auto; padding: 0 1rem }}
h1 {{ font-size: 1.5rem; padding-bottom: .75rem; border-bottom: 1px solid var(--line) }}
h2 {{ font-size: 1rem; margin: 0 }}
p {{ margin: 0 0 .5rem; overflow-wrap: break-word }}
a {{ color: var(--way) }}
small {{ font-weight: normal; color: var(--dim) }}
section {{ margin: 1rem 0 0 -1rem; padding: 0 0 .25rem .8rem }}
section {{ border-left: .2rem solid transparent }}
:target {{ border-color: var(--way) }}
</style>
</head>
<body>
<h1>{title}</h1>
{body}{script}
</body>
</html>
"""
_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def page_view(title: str, body: str, *, script: str = "") -> Callable[[], Response]:
    """Returns a view that responds with the page. `body` is HTML.

    `script` is JavaScript, which may send requests to this service only. The policy of the page
    allows no other script, even if a client could add one.
    """
    element, policy = "", _POLICY
    if script:
        element = f"<script>{script}</script>"
        digest = b64encode(sha256(script.encode()).digest()).decode()
        policy = f"{_POLICY}; script-src 'sha256-{digest}'; connect-src 'self'"
    html = _TEMPLATE.format(title=escape(title), body=body, script=element).encode()

    def view() -> Response:
        headers = {"Content-Security-Policy": policy}
        return Response(html, mimetype="text/html", headers=headers)

    return view
