"""The commands of one resource, such as `roster users`.

They have the same use cases, searches and documents as the API.
"""

from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final

import click

from domain.attributes import new_entity
from domain.english import with_article
from entrypoints.cli import changes, counts, exports, imports, lists
from entrypoints.cli.actor import actor_option, check_subjects
from entrypoints.cli.changes import Choice
from entrypoints.cli.confirmation import yes_option
from entrypoints.cli.lists import as_document
from entrypoints.cli.option_names import NULL, SET, command_name, option_names
from entrypoints.cli.relationships import (
    key_of,
    reference_ids,
    reference_options,
    relationship_commands,
)
from entrypoints.cli.services import connect, open_services

if TYPE_CHECKING:
    from adapters.jsonapi.resource import Attribute, Resource
    from entrypoints.resources import RegisteredResource

_DROPPED_FROM_HISTORY: Final = ("request_id", "actor_issuer", "actor_kind", "version")
"""The columns of a history that a narrow terminal does not show, in the order of dropping."""


def collection(resource: "RegisteredResource") -> click.Group:
    """The command group of a resource."""
    name = resource.type.name
    group = click.Group(command_name(name), help=f"Manage {name}.")
    make = _Commands(resource)
    for each in (
        make.list,
        make.history,
        make.show,
        make.count,
        make.create,
        make.update,
        make.delete,
        partial(imports.import_command, resource),
        partial(exports.export_command, resource),
    ):
        group.add_command(each())
    for command in relationship_commands(resource, taken=group.commands.keys()):
        group.add_command(command)
    return group


class _Commands:
    """Creates the commands of a resource."""

    def __init__(self, resource: "RegisteredResource") -> None:
        self._resource = resource
        self._name = resource.type.name
        self._noun = resource.type.not_found.noun
        self._a_noun = with_article(self._noun)
        self._key = key_of(resource.type)
        self._example = f"roster {command_name(self._name)}"

    def _command(
        self, name: str, callback: Callable[..., None], text: str, *decorators: Any
    ) -> click.Command:
        for decorate in reversed(decorators):
            callback = decorate(callback)
        return click.command(name, help=text)(callback)

    @property
    def _argument(self) -> Any:
        return click.argument("which", metavar=self._key)

    @property
    def _arguments(self) -> Any:
        return click.argument("which", metavar=f"[{self._key}]...", nargs=-1)

    def _declaration(self) -> "Resource":
        return self._resource.declaration

    def _filter_option(self, verb: str) -> Any:
        return lists.filter_option(
            f"{verb} the {self._name} that match, like filter[ATTR]=VALUE over HTTP. "
            "'ATTR[OP]=VALUE' compares with another operator. Can be repeated: all filters must "
            "match.",
            self._declaration,
        )

    def list(self) -> click.Command:
        def list_entities(**options: Any) -> None:
            chosen = lists.ListOptions(**options)
            with open_services(self._name, one_request=chosen.one_page) as services:
                declaration = services.declaration
                query = services.collection_query(declaration, chosen.query(declaration.type))
                page = partial(services.queries.page, principal=services.principal)
                lists.show(chosen, declaration, query, page, services.writer)

        text = f"""List {self._name}, by id unless --sort is given.

        If a row is wider than the terminal, the table drops columns and shortens texts. --columns
        chooses the columns, and --wide shows everything. A note follows if there are more rows.

        \b
        {self._example} list --sort -creation_time --limit 5
        {self._example} list --columns id,creation_time --all
        {self._example} list --all --json
        """
        return self._command("list", list_entities, text, lists.options(self._declaration))

    def history(self) -> click.Command:
        def show_history(which: str, **options: Any) -> None:
            from adapters.resources.events import EVENTS

            chosen = lists.ListOptions(**options)
            with open_services(self._name, one_request=chosen.one_page) as services:
                entity_id = services.id_of(which)
                about = services.history.about(entity_id)
                query = services.collection_query(EVENTS, chosen.query(EVENTS.type), within=about)
                page = partial(services.history.page, entity_id, principal=services.principal)
                writer = services.urls.history(self._name, entity_id)
                drop = _DROPPED_FROM_HISTORY
                lists.show(chosen, EVENTS, query, page, writer, dropped_first=drop)

        text = f"""Show the history of {self._a_noun}.

        To see the history of a deleted {self._noun}, use its id.

        \b
        {self._example} history 7
        {self._example} history 7 --sort -id --limit 5 --json
        """
        options = lists.options(_declaration_of_events)
        return self._command("history", show_history, text, self._argument, options)

    def show(self) -> click.Command:
        def show(which: str, as_json: bool) -> None:
            with open_services(self._name) as services:
                changes.show(services, services.find(which), as_json=as_json)

        text = f"""Show {self._a_noun}.

        \b
        {self._example} show 7
        {self._example} show 7 --json
        """
        return self._command("show", show, text, self._argument, as_document)

    def count(self) -> click.Command:
        def count(by: str | None, **options: Any) -> None:
            with connect(self._name) as (_, services):
                counts.show(services, by, **options)

        text = f"""Count {self._name}, in total or by the values of an attribute.

        --by compares values exactly. The most frequent value comes first.

        \b
        {self._example} count
        {self._example} count --by {self._counted_attribute}
        {self._example} count --filter 'creation_time[ge]=2026-11-22T00:00:00Z' --json
        """
        filters = self._filter_option("Count")
        return self._command(
            "count", count, text, filters, counts.options(self._declaration), as_document
        )

    @property
    def _counted_attribute(self) -> str:
        """An attribute for an example: the last settable one that the list can be sorted by.

        If there is none, any attribute that the list can be sorted by.
        """
        declared = self._declaration()
        names = [name for name in declared.settable if name in declared.sortable]
        return (names or [*declared.sortable])[-1]

    def create(self) -> click.Command:
        def create(as_json: bool, **options: Any) -> None:
            values = _values_of(options)
            with open_services(self._name) as services:
                references = reference_ids(services, self._resource.references, values)
                attributes, _ = services.declaration.load(self._attributes(values), partial=False)
                new = new_entity(services.type.new, attributes | references)
                entity = services.commands.create(new, services.context)
                changes.show(services, entity, as_json=as_json)

        text = f"""Create {self._a_noun}. Attributes without an option get their defaults."""
        return self._command("create", create, text, self._options, actor_option, as_document)

    def update(self) -> click.Command:
        def update(
            which: tuple[str, ...],
            filters: tuple[str, ...],
            yes: bool,
            as_json: bool,
            **options: Any,
        ) -> None:
            choice, values = Choice(self._key, which, filters), _values_of(options)
            with connect(self._name) as (settings, services):
                attributes, _ = services.declaration.load(self._attributes(values), partial=True)
                references = reference_ids(services, self._resource.references, values)
                changes.change(
                    services,
                    choice,
                    services.type.changes(attributes | references),
                    seconds=settings.request_seconds,
                    yes=yes,
                    as_json=as_json,
                )

        text = f"""Change attributes of {self._name}. Attributes without an option do not change.

        The command runs in one transaction: it changes all of the {self._name}, or none. With
        --filter, it first prints how many match, and asks for confirmation.

        \b
        {self._example} update 7 8 {self._example_option}
        {self._example} update --filter 'id[ge]=7' {self._example_option}
        """
        return self._command(
            "update",
            update,
            text,
            self._arguments,
            self._options,
            self._filter_option("Change"),
            yes_option,
            actor_option,
            as_document,
        )

    @property
    def _example_option(self) -> str:
        """An option for an example: the last one of an attribute that takes a value.

        If there is none, the option of a reference, or any option in words.
        """
        from adapters.jsonapi.kinds import Boolean

        declared = self._declaration()
        names = [
            name for name, each in declared.settable.items() if not isinstance(each.field, Boolean)
        ]
        names = names or [*declared.references]
        return f"--{self._option_names[names[-1]]} VALUE" if names else "OPTION"

    @cached_property
    def _option_names(self) -> dict[str, str]:
        """The names of the options by attributes and references. See option_names."""
        declared = self._resource.declaration
        names = [*declared.settable, *(each.name for each in self._resource.references)]
        return option_names(names, self._resource.options)

    def delete(self) -> click.Command:
        def delete(
            which: tuple[str, ...],
            filters: tuple[str, ...],
            erase: bool,
            subjects: tuple[str, ...],
            yes: bool,
            as_json: bool,
        ) -> None:
            choice = Choice(self._key, which, filters)
            if subjects and not erase:
                raise click.UsageError("--subject requires --erase.")
            with connect(self._name) as (settings, services):
                run = partial(changes.erase, subjects=subjects) if erase else changes.delete
                seconds = settings.request_seconds
                run(services, choice, seconds=seconds, yes=yes, as_json=as_json)

        text = f"""Delete {self._name}. Their history remains.

        The command runs in one transaction: it deletes all of the {self._name}, or none. With
        --filter, it first prints how many match, and asks for confirmation.

        --erase also erases the personal values in the history, after a confirmation. The events and
        their order remain. To erase a deleted {self._noun}, use its id. An actor is erased from the
        audit log if it is one of the personal values, or the SUBJECT of --subject.

        \b
        {self._example} delete 7 8
        {self._example} delete --filter 'id[ge]=7'
        {self._example} delete 7 --erase --subject 'auth0|1807'
        """
        erase = click.option(
            "--erase",
            is_flag=True,
            help="Also erase the personal values from the audit log and from stored responses.",
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
            "delete",
            delete,
            text,
            self._arguments,
            self._filter_option("Delete"),
            erase,
            subject,
            yes_option,
            actor_option,
            as_document,
        )

    def _options(self, command: Any) -> Any:
        """Adds the options that set the attributes and the references."""
        for option in reversed([*reference_options(self._resource, self._option_names)]):
            command = option(command)
        for attribute in reversed([*self._resource.declaration.settable.values()]):
            for option in self._options_of(attribute):
                command = option(command)
        return command

    def _options_of(self, attribute: "Attribute") -> Iterator[Any]:
        """The option that sets the attribute, and the one that sets it to null."""
        from adapters.jsonapi.kinds import Boolean

        name = self._option_names[attribute.name]
        parameter = SET + attribute.name
        if isinstance(attribute.field, Boolean):
            spelled = self._resource.options.get(attribute.name, f"--{name}/--no-{name}")
            text = f"Set {attribute.name} to true or false."
            yield click.option(spelled, parameter, default=None, help=text)
            null = f"--null-{name}"
        else:
            yield click.option(f"--{name}", parameter, help=f"Set {attribute.name}.")
            null = f"--no-{name}"
        if attribute.field.allow_none:
            yield click.option(
                null,
                NULL + attribute.name,
                is_flag=True,
                default=None,
                help=f"Set {attribute.name} to null.",
            )

    def _attributes(self, values: dict[str, Any]) -> dict[str, Any]:
        """The attributes among the values of options, in their JSON form."""
        settable = self._resource.declaration.settable
        return {
            name: settable[name].field.text_to_json(value) if isinstance(value, str) else value
            for name, value in values.items()
            if name in settable
        }


def _values_of(options: dict[str, Any]) -> dict[str, Any]:
    """Returns the values of the options that set attributes and references. None is null.

    Raises UsageError if an attribute or a reference would have two values.
    """
    values: dict[str, Any] = {}
    for option, value in options.items():
        if value is None:
            continue
        name = option.removeprefix(NULL).removeprefix(SET)
        if name in values:
            raise click.UsageError(
                f"{name} cannot be set to a value and to null. Use only one of the options."
            )
        values[name] = None if option.startswith(NULL) else value
    return values


def _declaration_of_events() -> "Resource":
    from adapters.resources.events import EVENTS

    return EVENTS
