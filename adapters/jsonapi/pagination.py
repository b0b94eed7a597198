"""Where a page lies in its list: the parameters of the pages around it, and its meta
(the section Links of the cursor pagination profile)."""

from typing import Any

from adapters.jsonapi.filters import Pairs
from adapters.jsonapi.parameters import MAX_OFFSET, CollectionQuery
from application.search import Key, Numbered, Page, Slice


def page_meta(page: Page[Any], question: CollectionQuery) -> dict[str, Any]:
    place = question.search.place
    meta: dict[str, Any] = {} if page.total is None else {"total": page.total}
    if isinstance(place, Slice) and place.after and place.before and page.more:
        meta["rangeTruncated"] = True
    return meta


def page_links(page: Page[Any], question: CollectionQuery) -> dict[str, Pairs | None]:
    """The parameters that lead to the pages around this one; None where there is none."""
    place = question.search.place
    if isinstance(place, Numbered):
        return _numbered_neighbours(page, place, question)
    first, last = _ends(page, place, question)
    before = page.more if place.backward else place.after is not None
    behind = page.more or place.before is not None
    return {
        "first": (),
        "prev": _at("page[before]", first, question) if before else None,
        "next": _at("page[after]", last, question) if behind else None,
    }


def _at(parameter: str, key: Key | None, question: CollectionQuery) -> Pairs | None:
    return ((parameter, question.cursors.write(key)),) if key else None


def _ends(
    page: Page[Any], place: Slice, question: CollectionQuery
) -> tuple[Key | None, Key | None]:
    """The keys between which the page lies; an empty one lies right at its cursors."""
    cursors = question.cursors
    if page.items:
        return cursors.key(page.items[0]), cursors.key(page.items[-1])
    first = cursors.adjacent_key(place.after, beyond=True) if place.after else None
    last = cursors.adjacent_key(place.before, beyond=False) if place.before else None
    return first, last


def _numbered_neighbours(
    page: Page[Any], place: Numbered, question: CollectionQuery
) -> dict[str, Pairs | None]:
    pages = max(1, -(-(page.total or 0) // place.size))
    reachable = MAX_OFFSET // place.size + 1
    return {
        "first": _number(1),
        "prev": _number(min(place.number - 1, pages)) if place.number > 1 else None,
        "next": _next_number(page, place, question, pages, reachable),
        "last": _number(pages) if pages <= reachable else None,
    }


def _number(number: int) -> Pairs:
    return (("page[number]", str(number)),)


def _next_number(
    page: Page[Any], place: Numbered, question: CollectionQuery, pages: int, reachable: int
) -> Pairs | None:
    if place.number >= pages or not page.items:
        return None
    if place.number < reachable:
        return _number(place.number + 1)
    # Where numbers end, the list goes on by cursor.
    return (("page[after]", question.cursors.write(question.cursors.key(page.items[-1]))),)
