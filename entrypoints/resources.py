"""The list of resources. Generic code receives it as a parameter, and imports no resource."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from adapters.jsonapi.resource import Resource
from adapters.resources.users import USERS
from adapters.sql.repository import EntityTable
from adapters.sql.users import USERS_TABLE
from application.entities import AnyType
from application.users import USER_TYPE


@dataclass(frozen=True, slots=True)
class RegisteredResource:
    """A resource: its entities, its JSON:API declaration, and its table.

    `options` are the command-line options of boolean attributes, by the attributes' names.
    """

    type: AnyType
    declaration: Resource
    table: EntityTable[Any, Any]
    options: Mapping[str, str] = field(default_factory=dict)


RESOURCES: Final = (
    RegisteredResource(USER_TYPE, USERS, USERS_TABLE, {"is_active": "--active/--inactive"}),
)
