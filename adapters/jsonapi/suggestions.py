"""The valid name that an unknown one probably means.

Names that other APIs use are looked up in tables; any other unknown name is compared with the valid
ones, which come from the resource's declaration. The work is bounded: long names get no suggestion,
and a check suggests at most MAX_SUGGESTIONS names.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Final

SEARCH: Final = "q"
"""The name of the filter that searches for words."""
MAX_SUGGESTIONS: Final = 3

_MAX_LENGTH: Final = 64
_MIN_PART: Final = 3
_SIMILARITY: Final = 0.7
_PUNCTUATION: Final = re.compile(r"[\W_]+")
_WORD: Final = re.compile(r"[^\W_]+(?:_[^\W_]+)*")

_Guesses = Mapping[str, str]


def _table(names: Mapping[str, str]) -> _Guesses:
    """The valid name by each of its guesses."""
    return {guess: name for name, guesses in names.items() for guess in guesses.split()}


_PARAMETERS: Final = _table(
    {
        "page[size]": "limit perpage pagelimit size count top take max maxresults first",
        "page[number]": "page p pageno pagenum pageindex pageoffset offset skip start",
        "page[after]": "cursor pagecursor after startingafter pagetoken nexttoken",
        "page[before]": "before endingbefore",
        "page[total]": "total totalcount includetotal withtotal pagecount",
        "sort": "order orderby ordering",
        f"filter[{SEARCH}]": "q query search searchterm term keyword text filter",
        "include": "expand embed with populate",
    }
)
_FIELDS: Final = frozenset(("fields", "field", "select", "only", "columns", "attributes"))
_ATTRIBUTES: Final = _table(
    {
        "creation_time": "created createdat createdon creationdate datecreated createtime",
        "update_time": "updated updatedat updatedon modified modifiedat lastmodified dateupdated",
        "id": "pk key identifier",
        SEARCH: "query search text keyword term",
    }
)
_OPERATORS: Final = _table(
    {
        "eq": "= == is equal equals",
        "ne": "! != <> neq not notequal notequals isnot nin notin",
        "in": "any anyof oneof",
        "lt": "< before less lessthan",
        "le": "<= lte until max",
        "gt": "> after greater greaterthan",
        "ge": ">= gte since from min",
        "contains": "like ilike search match matches includes substring has icontains",
        "starts_with": "prefix begins beginswith istartswith",
    }
)


def suggest_attribute(name: str, valid: Iterable[str]) -> str | None:
    """The attribute that the name probably means."""
    return _nearest(name, valid, _ATTRIBUTES)


def suggest_operator(name: str, valid: Iterable[str]) -> str | None:
    """The operator that the name probably means."""
    return _nearest(name, valid, _OPERATORS)


def suggest_parameter(
    name: str, valid: Sequence[str], operators: Mapping[str, Sequence[str]]
) -> str | None:
    """The query parameter that the name probably means.

    `valid` are the names of parameters, without the filters of attributes. `operators` are those of
    each attribute that the URL can filter by.
    """
    if len(name) > _MAX_LENGTH:
        return None
    plain = _simplified(name)
    guessed = _PARAMETERS.get(plain)
    if guessed in valid:
        return guessed
    if plain in _FIELDS:
        return next((each for each in valid if each.startswith("fields[")), None)
    return _nearest(name, [each for each in valid if not each.startswith("filter[")], {}) or (
        _suggest_filter(name, operators)
    )


def _suggest_filter(name: str, operators: Mapping[str, Sequence[str]]) -> str | None:
    """The filter that a name such as `isActive`, `name__contains` or `filter[name` means."""
    words = [part for word in _WORD.findall(name) for part in word.split("__")]
    if words and words[0].casefold() == "filter":
        del words[0]
    attribute = suggest_attribute(words[0], operators) if words else None
    if attribute is None:
        return None
    operator = suggest_operator(words[1], operators[attribute]) if len(words) > 1 else None
    return f"filter[{attribute}][{operator}]" if operator else f"filter[{attribute}]"


def _nearest(name: str, valid: Iterable[str], guesses: _Guesses) -> str | None:
    if len(name) > _MAX_LENGTH:
        return None
    names = {_simplified(each): each for each in valid}
    wanted = _simplified(name)
    if wanted in names:
        return names[wanted]
    guessed = guesses.get(wanted or name)
    if guessed in names.values():
        return guessed
    return names.get(next(_alike(wanted, names), ""))


def _alike(wanted: str, names: Iterable[str]) -> Iterator[str]:
    """The names that contain the wanted one or are part of it, then the most similar one."""
    known = [*names]
    if len(wanted) >= _MIN_PART:
        yield from (
            each for each in known if len(each) >= _MIN_PART and (each in wanted or wanted in each)
        )
    yield from get_close_matches(wanted, known, 1, _SIMILARITY)


def _simplified(name: str) -> str:
    """The name without case and punctuation: `isActive` and `is_active` are the same."""
    return _PUNCTUATION.sub("", name).casefold()
