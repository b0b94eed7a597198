"""The errors of one query."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final

from adapters.jsonapi.errors import ErrorObject, RequestError
from adapters.jsonapi.unknown_names import quote_all, unknown_attributes
from domain.errors import shortened

_MAX_PARAMETER_LENGTH: Final = 250
"""Clients look for `source.parameter` by its exact name; none that exists is longer."""


def query_error(
    code: str, detail: str, *, parameter: str | None = None, **more: Any
) -> ErrorObject:
    """Returns an error object (400) about a query parameter, or about the query as a whole."""
    named = parameter and shortened(parameter, _MAX_PARAMETER_LENGTH)
    return ErrorObject(status=400, code=code, detail=detail, parameter=named, **more)


class QueryErrors:
    """Collects the errors of one query, so that all of them are reported together."""

    def __init__(self) -> None:
        self._errors: list[ErrorObject] = []

    def __bool__(self) -> bool:
        return bool(self._errors)

    def __iter__(self) -> Iterator[ErrorObject]:
        return iter(self._errors)

    def add(
        self, parameter: str, detail: str, *, code: str = "invalid_parameter", **more: Any
    ) -> None:
        """Adds an error about a parameter."""
        self._errors.append(query_error(code, detail, parameter=parameter, **more))

    def add_unknown(
        self,
        parameter: str,
        names: Iterable[str],
        known: Collection[str],
        *,
        others: Collection[str] = (),
        use: str = "",
        **more: Any,
    ) -> None:
        """Adds one error for all of the names that are not known, with suggestions.

        It is one error, so that the response does not grow larger than the request. `others` are
        names that exist, but have no `use` ("sorted" or "filtered") in lists.
        """
        refused = [name for name in dict.fromkeys(names) if name not in known]
        if not refused:
            return
        unknown = [name for name in refused if name not in others]
        unsupported = [name for name in refused if name in others]
        detail = unknown_attributes(unknown, known) if unknown else f"Known: {', '.join(known)}."
        if unsupported:
            detail = f"This list cannot be {use} by {quote_all(unsupported)}. {detail}"
        self.add(parameter, detail, code="unknown_attribute", **more)

    def raise_all(self) -> None:
        """Raises RequestError (400) with all errors, if there are any."""
        if self._errors:
            raise RequestError(*self._errors)
