"""What somebody may have meant by a URL that is none."""

from difflib import get_close_matches
from typing import Final

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map

from adapters.resources.addresses import PREFIX

_LIKENESS: Final = 0.75
_LONGEST: Final = 100


def suggest_url(path: str, urls: Map) -> str | None:
    """The URL that lies below the prefix as the path does, or is written most alike."""
    if len(path) > _LONGEST:
        return None
    if _is_known(f"{PREFIX}{path}", urls):
        return f"{PREFIX}{path}"
    plain = {rule.rule for rule in urls.iter_rules() if not rule.arguments}
    return next(iter(get_close_matches(path, plain, 1, _LIKENESS)), None)


def _is_known(path: str, urls: Map) -> bool:
    try:
        urls.bind("").match(path)
    except HTTPException:
        return False
    return True
