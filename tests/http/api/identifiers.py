"""Resource identifier objects of users and groups."""

from typing import Any


def users(*ids: Any) -> list[dict[str, Any]]:
    return [{"type": "users", "id": str(each)} for each in ids]


def groups(*ids: Any) -> list[dict[str, Any]]:
    return [{"type": "groups", "id": str(each)} for each in ids]
