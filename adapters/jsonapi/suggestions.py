"""Suggests a valid name for an unknown one.

Tables contain the names that other APIs use. Any other unknown name is compared with the valid
names of the resource. The work is limited: there is no suggestion for a long name, and a check
suggests at most MAX_SUGGESTIONS names.
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
    """Maps each guess to its valid name."""
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
    """Returns the most similar attribute, if there is one.

    Attributes of related resources, such as `owner.email`, are compared without the relationship,
    because the same beginning would make any two of them similar.
    """
    names = [*valid]
    relationship, dot, attribute = name.rpartition(".")
    beginning = relationship + dot
    related = [each.removeprefix(beginning) for each in names if each.startswith(beginning)]
    if not dot or not related:
        return _nearest(name, names, _ATTRIBUTES)
    nearest = _nearest(attribute, related, _ATTRIBUTES)
    return nearest and f"{beginning}{nearest}"


def suggest_operator(name: str, valid: Iterable[str]) -> str | None:
    """Returns the most similar operator, if there is one."""
    return _nearest(name, valid, _OPERATORS)


def suggest_parameter(
    name: str, valid: Sequence[str], operators: Mapping[str, Sequence[str]]
) -> str | None:
    """Returns the most similar query parameter, if there is one.

    `valid` contains the names of parameters, without the filters of attributes. `operators` maps
    each filterable attribute to its operators.
    """
    if len(name) > _MAX_LENGTH:
        return None
    simple_name = _simplify(name)
    parameter = _PARAMETERS.get(simple_name)
    if parameter in valid:
        return parameter
    if simple_name in _FIELDS:
        return next((each for each in valid if each.startswith("fields[")), None)
    return _nearest(name, [each for each in valid if not each.startswith("filter[")], {}) or (
        _suggest_filter(name, operators)
    )


def _suggest_filter(name: str, operators: Mapping[str, Sequence[str]]) -> str | None:
    """Returns the filter for a name such as `isActive`, `name__contains` or `filter[name`."""
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
    names = {_simplify(each): each for each in valid}
    simple_name = _simplify(name)
    if simple_name in names:
        return names[simple_name]
    guess = guesses.get(simple_name or name)
    if guess in names.values():
        return guess
    return names.get(next(_similar(simple_name, names), ""))


def _similar(name: str, valid: Iterable[str]) -> Iterator[str]:
    """Yields the valid names that contain the name or are part of it, then the most similar one."""
    names = [*valid]
    if len(name) >= _MIN_PART:
        yield from (
            each for each in names if len(each) >= _MIN_PART and (each in name or name in each)
        )
    yield from get_close_matches(name, names, 1, _SIMILARITY)


def _simplify(name: str) -> str:
    """Returns the name without case and punctuation: `isActive` and `is_active` are equal."""
    return _PUNCTUATION.sub("", name).casefold()
