"""The links and the meta object of a page (cursor pagination profile, section Links)."""

from typing import Any

from adapters.jsonapi.filters import Pairs
from adapters.jsonapi.parameters import MAX_OFFSET, CollectionQuery
from application.search import Key, Numbered, Page, Slice


def page_meta(page: Page[Any], query: CollectionQuery) -> dict[str, Any]:
    """Returns the members of `meta.page`: the total, if requested, and `rangeTruncated`."""
    place = query.search.place
    meta: dict[str, Any] = {} if page.total is None else {"total": page.total}
    if isinstance(place, Slice) and place.after and place.before and page.more:
        meta["rangeTruncated"] = True
    return meta


def page_links(page: Page[Any], query: CollectionQuery) -> dict[str, Pairs | None]:
    """Returns the query parameters of each link to another page; None if there is no such page."""
    place = query.search.place
    if isinstance(place, Numbered):
        return _numbered_links(page, place, query)
    first, last = _end_keys(page, place, query)
    has_previous = page.more if place.backward else place.after is not None
    has_next = page.more or place.before is not None
    return {
        "first": (),
        "prev": _cursor_parameter("page[before]", first, query) if has_previous else None,
        "next": _cursor_parameter("page[after]", last, query) if has_next else None,
    }


def _cursor_parameter(parameter: str, key: Key | None, query: CollectionQuery) -> Pairs | None:
    return ((parameter, query.cursors.write(key)),) if key else None


def _end_keys(
    page: Page[Any], place: Slice, query: CollectionQuery
) -> tuple[Key | None, Key | None]:
    """Returns the keys of the first and the last item; of an empty page, those at its cursors."""
    cursors = query.cursors
    if page.items:
        return cursors.key(page.items[0]), cursors.key(page.items[-1])
    first = cursors.adjacent_key(place.after, beyond=True) if place.after else None
    last = cursors.adjacent_key(place.before, beyond=False) if place.before else None
    return first, last


def _numbered_links(
    page: Page[Any], place: Numbered, query: CollectionQuery
) -> dict[str, Pairs | None]:
    pages = max(1, -(-(page.total or 0) // place.size))
    max_number = MAX_OFFSET // place.size + 1
    return {
        "first": _number_parameter(1),
        "prev": _number_parameter(min(place.number - 1, pages)) if place.number > 1 else None,
        "next": _next_page(page, place, query, pages, max_number),
        "last": _number_parameter(pages) if pages <= max_number else None,
    }


def _number_parameter(number: int) -> Pairs:
    return (("page[number]", str(number)),)


def _next_page(
    page: Page[Any], place: Numbered, query: CollectionQuery, pages: int, max_number: int
) -> Pairs | None:
    if place.number >= pages or not page.items:
        return None
    if place.number < max_number:
        return _number_parameter(place.number + 1)
    # After the last numbered page, the list continues with cursors.
    return (("page[after]", query.cursors.write(query.cursors.key(page.items[-1]))),)
