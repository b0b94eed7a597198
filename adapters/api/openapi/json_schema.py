"""The parts of JSON Schemas that all descriptions share."""

from typing import Any, Final

MEMBERS_WITH_AT: Final = {"patternProperties": {"^@": True}, "additionalProperties": False}
"""The keywords of an object whose other members all start with @."""


def reference(name: str) -> dict[str, str]:
    """Returns a reference to the schema of that name."""
    return {"$ref": f"#/components/schemas/{name}"}


def object_of(required: list[str], **properties: Any) -> dict[str, Any]:
    """Returns the schema of objects with these members."""
    return {"type": "object", "required": required, "properties": properties}


def closed_object(required: list[str], properties: dict[str, Any]) -> dict[str, Any]:
    """Returns the schema of an object whose other members all start with @."""
    return {**object_of(required, **properties), **MEMBERS_WITH_AT}
