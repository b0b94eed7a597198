"""Small pages for people, in the colours that their browser prefers."""

from collections.abc import Callable
from html import escape as text
from typing import Final

from flask import Response

__all__ = ["page", "text"]

_FRAME: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif }}
body {{ max-width: 42rem; margin: 2rem auto; padding: 0 1rem }}
h2 {{ font-size: 1rem; margin: 1.5rem 0 0 }}
p {{ margin: 0 0 1rem }}
small {{ font-weight: normal; opacity: .7 }}
:target {{ outline: 2px solid; outline-offset: .5rem }}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""
_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def page(title: str, body: str) -> Callable[[], Response]:
    """Answers with the page; `body` is HTML."""
    made = _FRAME.format(title=text(title), body=body).encode()

    def answer() -> Response:
        headers = {"Content-Security-Policy": _POLICY}
        return Response(made, mimetype="text/html", headers=headers)

    return answer
