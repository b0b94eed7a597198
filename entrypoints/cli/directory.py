"""The directory of the settings, as the commands use it."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from entrypoints.settings import Settings

if TYPE_CHECKING:
    from adapters.jsonapi.cursors import Cursors
    from adapters.jsonapi.documents import DocumentWriter
    from adapters.jsonapi.parameters import CollectionQuery
    from adapters.jsonapi.resource import Resource
    from adapters.memory.store import MemoryStore
    from adapters.resources.addresses import Urls
    from adapters.resources.files import Copies
    from adapters.sql.store import SqlStore
    from application.audit import EventReader, History
    from application.ports import Context, UserReader
    from application.search import Condition
    from application.user_import import UserImport
    from application.users import UserCommands
    from domain.users import User


# To look among the thousand records of a batch for cycles, of which there are hardly any, took a
# tenth of the time of an import.
_NEW_OBJECTS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What a command needs to ask and to change."""

    commands: "UserCommands"
    imports: "UserImport"
    reader: "UserReader"
    history: "History"
    events: "EventReader"
    copies: "Copies | None"
    addresses: "Urls"
    writer: "DocumentWriter"
    cursors: "Cursors"
    context: "Context"
    store: "MemoryStore | SqlStore"

    def question(
        self, resource: "Resource", query: str, *, within: "tuple[Condition, ...]" = ()
    ) -> "CollectionQuery":
        """What the query asks, as over HTTP. RequestError."""
        from adapters.jsonapi.parameters import collection

        return collection(query, resource, self.cursors, within=within)

    def history_writer(self, user_id: int) -> "DocumentWriter":
        """Writes the history of a user."""
        return self.addresses.history(self.history.kind.type, user_id)

    def id_of(self, text: str) -> int:
        """The id itself, whether or not there is such a user; of an email as find."""
        from adapters.resources.users import USERS

        return USERS.id.parse(text) or self.find(text).id

    def event_count(self, user_id: int) -> int:
        """The number of events about the user. Raises UserNotFound if nothing is known of it."""
        from application.search import Numbered, Search

        about = Search(self.history.about(user_id), place=Numbered(size=1, number=1))
        return self.history.page(user_id, about).total or 0

    def find(self, text: str) -> "User":
        """The user with this id, or with this email in any form. Raises UserNotFound."""
        from adapters.resources.users import USERS
        from application.search import Condition, Op, Search
        from domain.text import email_key
        from domain.users import EMAIL_LENGTH, UserNotFound

        if key := USERS.id.parse(text):
            return self.reader.get(key)
        if len(text) > EMAIL_LENGTH:
            raise UserNotFound(f"{text[:EMAIL_LENGTH]}…")
        same = Condition("email_key", Op.EQ, (email_key(text),))
        for user in self.reader.page(Search((same,))).items:
            return user
        raise UserNotFound(text)


@contextmanager
def open_services() -> Iterator[Services]:
    """The directory, for as long as a request may take. Raises BadSetting, Unavailable."""
    from application.deadlines import deadline

    with connected() as (settings, directory), deadline(settings.request_seconds):
        yield directory


@contextmanager
def connected() -> Iterator[tuple[Settings, Services]]:
    """The directory, for as long as it takes."""
    settings = Settings.of(os.environ)
    gc.set_threshold(_NEW_OBJECTS)

    from adapters.resources.addresses import Urls
    from adapters.resources.users import USERS
    from application.ports import Context
    from entrypoints.cli.actor import operator
    from entrypoints.container import Container

    container = Container(settings=settings, alone=True)
    addresses = Urls(settings.public_url)
    try:
        yield (
            settings,
            Services(
                commands=container.user_commands(),
                imports=container.user_import(),
                reader=container.user_reader(),
                copies=container.user_copies(),
                history=container.user_history(),
                events=container.event_reader(),
                addresses=addresses,
                writer=addresses.writer(USERS),
                cursors=container.cursors(),
                context=Context(principal=operator(), request_id=uuid4().hex),
                store=container.store(),
            ),
        )
    finally:
        if settings.store == "sql":
            container.engine().dispose()
