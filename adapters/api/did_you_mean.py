"""Suggests a URL for an unknown one."""

import re
from difflib import get_close_matches
from typing import Final

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map

from adapters.resources.urls import PREFIX

_SIMILARITY: Final = 0.75
_MAX_LENGTH: Final = 100
_NUMBER: Final = re.compile(r"(/(?:[^/]+/)+?)([1-9][0-9]*)(/.+)")
_VARIABLE: Final = re.compile(r"<[^<>]+>")


def suggest_url(path: str, urls: Map) -> str | None:
    """Returns the path with the prefix if it exists; else the most similar path, if any."""
    if len(path) > _MAX_LENGTH:
        return None
    if _is_known(f"{PREFIX}{path}", urls):
        return f"{PREFIX}{path}"
    paths = {rule.rule for rule in urls.iter_rules() if not rule.arguments} - {path}
    if number := _NUMBER.match(path):
        return _suggest_below(number, urls)
    return next(iter(get_close_matches(path, paths, 1, _SIMILARITY)), None)


def _suggest_below(number: re.Match[str], urls: Map) -> str | None:
    """Returns the URL below a resource whose last part is the most similar."""
    begin, key, rest = number.groups()
    parent, _, last = rest.rpartition("/")
    known = {}
    for rule in urls.iter_rules():
        if len(rule.arguments) == 1:
            before, after = _VARIABLE.split(rule.rule)
            above, _, name = after.rpartition("/")
            if (before, above) == (begin, parent):
                known[name] = f"{begin}{key}{after}"
    return next((known[name] for name in get_close_matches(last, known, 1, _SIMILARITY)), None)


def _is_known(path: str, urls: Map) -> bool:
    try:
        urls.bind("").match(path)
    except HTTPException:
        return False
    return True
