"""Groups and their relationships to users, for the generic use cases and stores."""

from typing import Final

from application.entities import EntityType, UniqueKey
from application.relationships import Association, ToOne
from application.users import USER_TYPE
from domain.groups import Group, GroupChanges, GroupNotFound, NameTaken, NewGroup
from domain.text import fold

GROUP_TYPE: Final = EntityType(
    name="groups",
    new=NewGroup,
    changes=GroupChanges,
    entity=Group,
    not_found=GroupNotFound,
    unique=(UniqueKey("name", NameTaken, fold, "name_key"),),
)
MEMBERSHIPS: Final = Association(
    name="memberships",
    singular="membership",
    source=GROUP_TYPE,
    source_name="members",
    target=USER_TYPE,
    target_name="groups",
)
OWNER: Final = ToOne("owner", GROUP_TYPE, USER_TYPE)
