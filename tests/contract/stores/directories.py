"""Directories of users and groups on one store, with helpers for tests."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeVar

from sqlalchemy import Engine, text
from waiting import until

from adapters.memory.audit import MemoryEventReader
from adapters.memory.links import MemoryLinkReader
from adapters.memory.repository import MemoryReader
from adapters.memory.store import MemoryStore
from adapters.sql.account_reader import SqlAccountReader
from adapters.sql.audit import SqlEventReader
from adapters.sql.groups import GROUPS_TABLE, MEMBERSHIPS_TABLE
from adapters.sql.links import SqlLinkReader
from adapters.sql.repository import SqlReader
from adapters.sql.store import SqlStore
from adapters.sql.tables import Tables
from adapters.sql.users import USERS_TABLE
from application.accounts.reactions import AccountReaction
from application.audit import EventReader
from application.commands import Commands
from application.entities import AnyType
from application.groups import GROUP_TYPE, MEMBERSHIPS, OWNER
from application.ports import (
    AccountReader,
    Begin,
    Context,
    LinkReader,
    Reader,
    UnitOfWork,
    UnitRunner,
)
from application.reactions import NO_REACTIONS, Reactions
from application.relationship_commands import RelationshipCommands
from application.relationship_queries import RelationshipQueries
from application.relationships import Relationships
from application.search import Search, Slice, Test, walk
from application.units import retrying
from application.users import USER_TYPE
from domain.groups import Group, NewGroup
from domain.users import NewUser, User

T = TypeVar("T")

START = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
ANONYMOUS = Context()
REACTIONS = {USER_TYPE: AccountReaction()}
RELATIONSHIPS = Relationships(MEMBERSHIPS, OWNER)
MEMBERS, GROUPS = MEMBERSHIPS.ends
TABLES = Tables([USERS_TABLE, GROUPS_TABLE], [MEMBERSHIPS_TABLE], [OWNER])
WAITING_FOR_A_LOCK = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity"
    " WHERE wait_event_type = 'Lock' AND datname = current_database()",
    # Its user cannot list locks. The statement of a deletion is only visible while it waits.
    "mariadb": "SELECT count(*) FROM information_schema.processlist"
    " WHERE info LIKE '%DELETE FROM users%' AND db = DATABASE() AND id <> CONNECTION_ID()",
}
"""The number of transactions that wait for another one."""


def wait_for_a_lock(engine: Engine) -> None:
    """Waits until a transaction waits for another one. In MariaDB, it must delete a user."""
    waiting = text(WAITING_FOR_A_LOCK[engine.name])
    with engine.connect() as connection:
        until(lambda: connection.execute(waiting).scalar_one())


class TickingClock:
    """A clock that advances by a millisecond on each call."""

    def __init__(self) -> None:
        self._ticks = count()

    def __call__(self) -> datetime:
        return START + timedelta(milliseconds=next(self._ticks))


@dataclass(frozen=True)
class Directory:
    """A store of this kind with its ports, and helpers for tests."""

    kind: str
    store: MemoryStore | SqlStore
    reader: Reader[User]
    events: EventReader
    accounts: AccountReader
    database: Engine | None = None
    commands: Commands[NewUser, User] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "commands", Commands(USER_TYPE, retrying(self.begin)))

    @property
    def begin(self) -> Begin:
        return self.store.begin

    def ready(self) -> None:
        self.store.ready()

    @property
    def engine(self) -> Engine:
        """The engine of a store in a database."""
        assert self.database
        return self.database

    def add(self, email: str, name: str = "Ann", **attributes: Any) -> User:
        """Creates a user."""
        new = NewUser(email=email, name=name, **attributes)
        return self.commands.create(new, ANONYMOUS)

    def find(self, *conditions: Test) -> list[User]:
        """The users who meet the conditions, by id."""
        return list(self.reader.page(Search(conditions, place=Slice(5000))).items)

    def emails(self) -> list[str]:
        return [user.email for user in self.find()]

    def statements_of_mariadb(self) -> int:
        """The number of statements that the server has received, including this one."""
        with self.engine.connect() as connection:
            status = connection.exec_driver_sql("SHOW GLOBAL STATUS LIKE 'Questions'")
            return int(status.one()[1])

    def wait_for_a_lock(self) -> None:
        """Waits until a transaction waits for another one. In MariaDB, it must delete a user."""
        wait_for_a_lock(self.engine)

    @classmethod
    def of_engine(cls, kind: str, engine: Engine) -> "Directory":
        store = SqlStore(engine, TickingClock(), [USERS_TABLE], reactions=REACTIONS)
        return cls(
            kind,
            store,
            SqlReader(USERS_TABLE, engine),
            SqlEventReader(engine),
            SqlAccountReader(engine),
            engine,
        )


def without_retries(begin: Begin, *, for_update: bool = False) -> UnitRunner:
    """Returns a runner that runs each unit of work once, so that a deadlock is not hidden.

    With `for_update`, all units lock what they read.
    """
    always = for_update

    def run(context: Context, unit: Callable[[UnitOfWork], T], /, *, for_update: bool = False) -> T:
        with begin(context, for_update=always or for_update) as work:
            return unit(work)

    return run


def many(*emails: str, name: str = "Many") -> list[NewUser]:
    """New users with these emails."""
    return [NewUser(email=email, name=name) for email in emails]


def listed(directory: Directory) -> list[tuple[str, str]]:
    """The emails and names of all users, by id."""
    return [(user.email, user.name) for user in directory.find()]


class RelatedDirectory:
    """Users and groups on one store, with shorthands for tests."""

    def __init__(
        self, kind: str, engine: Engine | None, reactions: Reactions = NO_REACTIONS
    ) -> None:
        self.kind = kind
        self._database = engine
        self.relationships = RELATIONSHIPS
        clock = TickingClock()
        readers: dict[AnyType, Reader[Any]]
        links: LinkReader
        if engine is None:
            store = MemoryStore(clock, relationships=RELATIONSHIPS, reactions=reactions)
            readers = {each: MemoryReader(each, store) for each in (USER_TYPE, GROUP_TYPE)}
            links = MemoryLinkReader(store)
            self.begin: Begin = store.begin
            self.event_reader: EventReader = MemoryEventReader(store)
        else:
            self.begin = SqlStore(engine, clock, TABLES, reactions=reactions).begin
            readers = {
                each: SqlReader(TABLES.entities[each], engine, TABLES.searches(each))
                for each in (USER_TYPE, GROUP_TYPE)
            }
            links = SqlLinkReader(TABLES, engine)
            self.event_reader = SqlEventReader(engine)
        run = retrying(self.begin)
        self.users = Commands(USER_TYPE, run, relationships=RELATIONSHIPS, replaceable=3)
        self.groups = Commands(GROUP_TYPE, run, relationships=RELATIONSHIPS, replaceable=3)
        self.members = RelationshipCommands(MEMBERS, run)
        self.groups_of = RelationshipCommands(GROUPS, run)
        self.user_reader: Reader[User] = readers[USER_TYPE]
        self.group_reader: Reader[Group] = readers[GROUP_TYPE]
        self.links = links
        self.queries = RelationshipQueries(readers, links, RELATIONSHIPS)

    def user(self, name: str) -> int:
        return self.users.create(NewUser(email=f"{name}@example.org", name=name), ANONYMOUS).id

    def group(self, name: str, **more: Any) -> int:
        related = {"members": more.pop("members", ())}
        return self.groups.create(NewGroup(name=name, **more), ANONYMOUS, related=related).id

    def member_ids(self, group_id: int, search: Search = Search()) -> list[int]:  # noqa: B008
        page = self.queries.page(MEMBERS, group_id, search, None, resources=True)
        return [each.id for each in page.items]

    def wait_for_a_lock(self) -> None:
        """Waits until a transaction waits for another one. In MariaDB, it must delete a user."""
        assert self._database
        wait_for_a_lock(self._database)

    def find_ids(self, *tests: Any) -> list[int]:
        return [each.id for each in self.user_reader.page(Search(tests)).items]

    def recorded(self) -> list[tuple[str, str, int | None, Any]]:
        """The events, without their times and actors."""
        everything = walk(self.event_reader.page, Search())
        return [(e.action, e.subject_type, e.subject_id, e.changes) for e in everything]
