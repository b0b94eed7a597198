"""The password hashes that an import of users accepts."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from application.accounts.events import record
from application.audit import EventAction
from application.ports import UnitOfWork, UnsupportedHash
from application.record_import import ExtraColumn
from domain.errors import Invalid, Problem, Violation
from domain.text import NOT_TEXT

COLUMN: Final = "password_hash"
UNSUPPORTED: Final = "unsupported_hash"
_SUPPORTED: Final = (
    "must be a hash of argon2, bcrypt, PBKDF2 or scrypt in a supported format, and of moderate cost"
)


class ImportedHashes(ExtraColumn):
    """Stores hashes unchanged as the passwords of users who have none.

    `check` raises UnsupportedHash, with the reason, if a hash cannot be verified.
    """

    name = COLUMN

    def __init__(self, check: Callable[[str], object]) -> None:
        self._check = check

    def parse(self, value: object) -> str | None:
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise Invalid([Violation(COLUMN, NOT_TEXT)])
        try:
            self._check(value)
        except UnsupportedHash as error:
            problem = Problem(UNSUPPORTED, f"{_SUPPORTED}, but {error}")
            raise Invalid([Violation(COLUMN, problem)]) from None
        return value

    def store(self, work: UnitOfWork, values: Mapping[int, Any]) -> None:
        accounts = work.accounts.accounts
        for user_id, password_hash in values.items():
            account = accounts.get(user_id)
            if account.password_hash is None:
                accounts.save(account._replace(password_hash=password_hash, password_time=work.now))
                record(work, user_id, EventAction.PASSWORD_SET)
