"""Suggests a URL for an unknown one."""

from difflib import get_close_matches
from typing import Final

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map

from adapters.resources.addresses import PREFIX

_SIMILARITY: Final = 0.75
_MAX_LENGTH: Final = 100


def suggest_url(path: str, urls: Map) -> str | None:
    """Returns the path with the prefix if it exists; else the most similar path, if any."""
    if len(path) > _MAX_LENGTH:
        return None
    if _is_known(f"{PREFIX}{path}", urls):
        return f"{PREFIX}{path}"
    paths = {rule.rule for rule in urls.iter_rules() if not rule.arguments}
    return next(iter(get_close_matches(path, paths, 1, _SIMILARITY)), None)


def _is_known(path: str, urls: Map) -> bool:
    try:
        urls.bind("").match(path)
    except HTTPException:
        return False
    return True
