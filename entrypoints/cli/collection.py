"""The commands of one resource, such as `roster users`: the same use cases, searches and documents
as over HTTP."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from application.ports import Unavailable
from domain.errors import Problem
from entrypoints.cli import lists, output, transfer
from entrypoints.cli.actor import actor_option, check_subjects
from entrypoints.cli.confirmation import confirm, yes_option
from entrypoints.cli.lists import as_document
from entrypoints.cli.services import Services, connect, open_services

if TYPE_CHECKING:
    from adapters.jsonapi.kinds import Kind
    from adapters.jsonapi.resource import Attribute
    from entrypoints.resources import RegisteredResource

_ERASE_SECONDS = 600.0
"""How long an erasure may take. A long history takes longer than a request may."""


class RemnantsLeft(Unavailable):
    """The values are erased from the tables, but not from the file of SQLite."""

    code = "remnants_left"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The database file still contains erased values: {reason} The service removes them "
            "within a minute, or when it starts; or repeat the command."
        )


def collection(resource: "RegisteredResource") -> click.Group:
    """The command group of a resource."""
    name = resource.type.name
    group = click.Group(name, help=f"Manage {name}.")
    make = _Commands(resource)
    for each in (
        make.list,
        make.history,
        make.show,
        make.create,
        make.update,
        make.delete,
        partial(transfer.import_command, resource),
        partial(transfer.export_command, resource),
    ):
        group.add_command(each())
    return group


class _Commands:
    """Makes the commands of a resource."""

    def __init__(self, resource: "RegisteredResource") -> None:
        self._resource = resource
        self._name = resource.type.name
        self._noun = resource.type.not_found.noun
        unique = resource.type.unique[:1]
        self._key = "_OR_".join(["ID", *(each.attribute.upper() for each in unique)])
        self._example = f"roster {self._name}"

    def _command(
        self, name: str, callback: Callable[..., None], text: str, *decorators: Any
    ) -> click.Command:
        for decorate in reversed(decorators):
            callback = decorate(callback)
        return click.command(name, help=text)(callback)

    @property
    def _argument(self) -> Any:
        return click.argument("which", metavar=self._key)

    def list(self) -> click.Command:
        def list_entities(**options: Any) -> None:
            chosen = lists.ListOptions(**options)
            with open_services(self._name) as services:
                declaration = services.declaration
                query = services.collection_query(declaration, chosen.query(declaration.type))
                page = partial(services.queries.page, principal=services.principal)
                lists.show(chosen, declaration, query, page, services.writer)

        text = f"""List {self._name}, by id unless --sort is given.

        \b
        {self._example} list --sort -creation_time --limit 5
        {self._example} list --all --json
        """
        return self._command("list", list_entities, text, lists.options)

    def history(self) -> click.Command:
        def show_history(which: str, **options: Any) -> None:
            from adapters.resources.events import EVENTS

            chosen = lists.ListOptions(**options)
            with open_services(self._name) as services:
                entity_id = services.id_of(which)
                about = services.history.about(entity_id)
                query = services.collection_query(EVENTS, chosen.query(EVENTS.type), within=about)
                page = partial(services.history.page, entity_id, principal=services.principal)
                writer = services.urls.history(self._name, entity_id)
                lists.show(chosen, EVENTS, query, page, writer)

        text = f"""Show what happened to a {self._noun}. A deleted one is found by its id.

        \b
        {self._example} history 7
        {self._example} history 7 --sort -id --limit 5 --json
        """
        return self._command("history", show_history, text, self._argument, lists.options)

    def show(self) -> click.Command:
        def show(which: str, as_json: bool) -> None:
            with open_services(self._name) as services:
                _show(services, services.find(which), as_json=as_json)

        text = f"""Show a {self._noun}.

        \b
        {self._example} show 7
        {self._example} show 7 --json
        """
        return self._command("show", show, text, self._argument, as_document)

    def create(self) -> click.Command:
        def create(as_json: bool, **options: Any) -> None:
            with open_services(self._name) as services:
                sent = services.declaration.load(self._sent(options), partial=False)
                new = services.type.new.of(*sent)
                entity = services.commands.create(new, services.context)
                _show(services, entity, as_json=as_json)

        text = f"""Create a {self._noun}. Attributes without an option get their defaults."""
        return self._command("create", create, text, self._options, actor_option, as_document)

    def update(self) -> click.Command:
        def update(which: str, as_json: bool, **options: Any) -> None:
            with open_services(self._name) as services:
                sent = services.declaration.load(self._sent(options), partial=True)
                changes = services.type.changes(*sent)
                entity_id = services.find(which).id
                entity = services.commands.change(entity_id, changes, services.context)
                _show(services, entity, as_json=as_json)

        text = f"""Change attributes of a {self._noun}. The others keep their values."""
        return self._command(
            "update", update, text, self._argument, self._options, actor_option, as_document
        )

    def delete(self) -> click.Command:
        def delete(which: str, erase: bool, subjects: tuple[str, ...], yes: bool) -> None:
            if erase:
                self._erase(which, subjects, yes=yes)
                return
            if subjects:
                raise click.UsageError("--subject requires --erase.")
            with open_services(self._name) as services:
                entity = services.find(which)
                services.commands.delete(entity.id, services.context)
                click.echo(f"Removed {self._noun} {entity.id}.")

        text = f"""Delete a {self._noun}. Its history stays.

        With --erase, the personal values in the history are erased. The events and their order
        stay. A {self._noun} that was deleted before is erased by its id. An actor is erased from
        the audit log if it is one of the personal values, or the SUBJECT that --subject names.

        \b
        {self._example} delete 7
        {self._example} delete 7 --erase --subject auth0|1807
        """
        erase = click.option(
            "--erase",
            is_flag=True,
            help="Erase the personal values from the audit log and from stored responses as well.",
        )
        subject = click.option(
            "--subject",
            "subjects",
            multiple=True,
            metavar="SUBJECT",
            callback=check_subjects,
            help="With --erase: also erase this token subject from the audit log. Can be repeated.",
        )
        return self._command(
            "delete", delete, text, self._argument, erase, subject, yes_option, actor_option
        )

    def _erase(self, which: str, subjects: tuple[str, ...], *, yes: bool) -> None:
        from application.deadlines import deadline

        with connect(self._name) as (settings, services):
            with deadline(settings.request_seconds):
                entity_id = services.id_of(which)
                count = services.event_count(entity_id)
            events = f"{count} {'event' if count == 1 else 'events'}"
            confirm(
                f"This deletes {self._noun} {entity_id} and erases the personal values in "
                f"{events}, in those of deleted {self._name} of the same person, and in stored "
                "responses. It can't be undone.",
                yes=yes,
            )
            with deadline(_ERASE_SECONDS):
                services.commands.erase(entity_id, services.context, subjects=subjects)
            click.echo(f"Erased {self._noun} {entity_id}.")
            with deadline(_ERASE_SECONDS):
                _purge(services)

    def _options(self, command: Any) -> Any:
        """Add the options that set the attributes."""
        for attribute in reversed([*self._resource.declaration.settable.values()]):
            for option in self._options_of(attribute):
                command = option(command)
        return command

    def _options_of(self, attribute: "Attribute") -> Iterator[Any]:
        """The option that sets the attribute, and the one that sets it to null."""
        from adapters.jsonapi.kinds import Boolean

        name = attribute.name.replace("_", "-")
        if isinstance(attribute.field, Boolean):
            spelled = self._resource.options.get(attribute.name, f"--{name}/--no-{name}")
            text = f"Set {attribute.name} to true or false."
            yield click.option(spelled, attribute.name, default=None, help=text)
            null = f"--null-{name}"
        else:
            yield click.option(f"--{name}", attribute.name, help=f"Set {attribute.name}.")
            null = f"--no-{name}"
        if attribute.field.allow_none:
            yield click.option(
                null,
                _NULL + attribute.name,
                is_flag=True,
                default=None,
                help=f"Set {attribute.name} to null.",
            )

    def _sent(self, options: dict[str, Any]) -> dict[str, Any]:
        """The attributes of the options, in their JSON form."""
        settable = self._resource.declaration.settable
        sent: dict[str, Any] = {}
        for option, value in options.items():
            if value is None:  # the option is absent
                continue
            name = option.removeprefix(_NULL)
            sent[name] = None if name != option else _to_json(settable[name].field, value)
        return sent


_NULL: Final = "null__"
"""Precedes the name of an attribute in the name of the option that sets it to null."""


def _to_json(field: "Kind", value: Any) -> Any:
    """The JSON form of an option's value; an invalid text as it is, which is then reported."""
    if not isinstance(value, str):
        return value
    found = field.from_text(value)
    return value if isinstance(found, Problem) else field.to_json(found)


def _purge(services: Services) -> None:
    try:
        services.store.purge()
    except Unavailable as error:
        raise RemnantsLeft(error.detail) from error


def _show(services: Services, entity: Any, *, as_json: bool) -> None:
    if as_json:
        output.document(services.writer.single(entity))
    else:
        output.table(services.declaration, [entity])
