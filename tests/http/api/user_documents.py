"""Documents that create and change users."""

from typing import Any

ANN = {"email": "ann@example.org", "name": "Ann"}


def new(attributes: Any = ANN, **more: Any) -> dict[str, Any]:
    """A document that creates a user."""
    return {"data": {"type": "users", "attributes": attributes, **more}}


def change(attributes: Any, **more: Any) -> dict[str, Any]:
    """A document that changes user 1."""
    return {"data": {"type": "users", "id": "1", "attributes": attributes, **more}}
