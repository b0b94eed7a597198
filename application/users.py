"""Users, as the generic use cases and stores know them."""

from typing import Final

from application.entities import EntityType, UniqueKey
from domain.text import email_key, fold
from domain.users import EmailTaken, NewUser, User, UserChanges, UserNotFound


def _folded_forms(value: str) -> frozenset[str]:
    return frozenset({fold(value)})


USER_TYPE: Final = EntityType(
    name="users",
    new=NewUser,
    changes=UserChanges,
    entity=User,
    not_found=UserNotFound,
    unique=(UniqueKey("email", EmailTaken, email_key, "email_key"),),
    folded_forms=_folded_forms,
)
