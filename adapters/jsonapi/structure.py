"""The errors of a document's structure, and the checks of its objects and members."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from adapters.jsonapi.errors import MAX_ERRORS, ErrorObject, RequestError

_TYPE_NAMES: Final[Mapping[Any, str]] = {dict: "an object", list: "an array", str: "a string"}
_ENVELOPE: Final = frozenset(("", "/data"))
"""The pointers of the errors that an example of the whole document explains."""
_EXPLAINED: Final = frozenset(("invalid_document", "missing_member", "wrong_json_type"))


class StructureErrors:
    """Collects the first MAX_ERRORS errors of a document's structure, and counts the others.

    `example` returns a valid document. An error shows it if the document has no resource object.
    """

    def __init__(self, example: Callable[[], str]) -> None:
        self._example = example
        self._errors: list[ErrorObject] = []
        self._omitted = 0

    def add_error(self, pointer: str, detail: str, *, code: str = "invalid_document") -> None:
        """Adds an error to the list, or to the number of the others if the list is full."""
        if len(self._errors) == MAX_ERRORS:
            self._omitted += 1
            return
        self._errors.append(ErrorObject(status=400, code=code, detail=detail, pointer=pointer))

    def raise_errors(self) -> None:
        """Raises RequestError (400) with all errors, if there are any."""
        if not self._errors:
            return
        for position, error in enumerate(self._errors):
            if error.pointer in _ENVELOPE and error.code in _EXPLAINED:
                detail = f"{error.detail} Send a document such as {self._example()}."
                self._errors[position] = replace(error, detail=detail)
                break
        raise RequestError(*self._errors, omitted=self._omitted)

    def is_object(self, value: Any, at: str, description: str) -> bool:
        """Returns True if the value is an object. Adds an error if it is not."""
        if not isinstance(value, dict):
            self.add_error(at, f"{description} must be an object.", code="wrong_json_type")
        return isinstance(value, dict)

    def has_member(self, owner: dict[str, Any], at: str, name: str) -> bool:
        """Returns True if the object `owner` at the JSON Pointer `at` has the member.

        Adds an error if it does not.
        """
        if name in owner:
            return True
        self.add_error(at, f"The member {name} is missing.", code="missing_member")
        return False

    def member(
        self, owner: dict[str, Any], at: str, name: str, kind: type, *, required: bool = False
    ) -> Any:
        """Returns the member `name` of the object `owner` at the JSON Pointer `at`.

        Adds an error and returns None if the member has another JSON type, or if it is required and
        missing.
        """
        if name not in owner:
            if required:
                self.has_member(owner, at, name)  # adds the error
            return None
        if isinstance(value := owner[name], kind):
            return value
        self.add_error(
            f"{at}/{name}", f"{name} must be {_TYPE_NAMES[kind]}.", code="wrong_json_type"
        )
        return None
