"""The entity type of users, for the generic use cases and stores."""

from typing import Final

from application.entities import EntityType, PersonKey, UniqueKey
from domain.text import email_key, fold
from domain.users import EmailTaken, NewUser, User, UserChanges, UserNotFound


def _folded_forms(value: str) -> frozenset[str]:
    """Returns the forms by which emails and names are compared.

    Emails of the same mailbox have a form in common.
    """
    return frozenset({fold(value), email_key(value)} if "@" in value else {fold(value)})


def _local_part(email: str) -> str:
    """Returns the local part of an email, and the @."""
    return f"{email.rpartition('@')[0]}@"


USER_TYPE: Final = EntityType(
    name="users",
    new=NewUser,
    changes=UserChanges,
    entity=User,
    not_found=UserNotFound,
    unique=(UniqueKey("email", EmailTaken, email_key, "email_key"),),
    person_key=PersonKey("email", _local_part),
    folded_forms=_folded_forms,
)
