"""Relationships on the command line: options that set a reference, and commands for lists.

Each to-one relationship has the options --NAME and --no-NAME of create and update. Each to-many
relationship has a command that lists the related resources. The type that governs an association
also has the commands `add` and `remove`.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from domain.english import counted, with_article
from entrypoints.cli import files, lists, output
from entrypoints.cli.actor import actor_option
from entrypoints.cli.option_names import NULL, SET, command_name
from entrypoints.cli.services import catalog, open_services

if TYPE_CHECKING:
    from application.imports import RejectedRecord
    from application.relationships import ToMany, ToOne
    from entrypoints.cli.services import Services
    from entrypoints.resources import RegisteredResource

_MAX_PRINTED: Final = 20
"""The number of unknown lines that are printed."""


def reference_options(resource: "RegisteredResource", names: Mapping[str, str]) -> Iterator[Any]:
    """Yields the options that set the references of a resource or clear them.

    `names` are the names of the options; see option_names.
    """
    for each in resource.references:
        name = names[each.name]
        yield click.option(
            f"--{name}",
            SET + each.name,
            metavar=key_of(each.target),
            help=f"Set {each.name} to this {each.target.not_found.noun}.",
        )
        yield click.option(
            f"--no-{name}",
            NULL + each.name,
            is_flag=True,
            default=None,
            help=f"Set {each.name} to null.",
        )


def key_of(entity_type: Any) -> str:
    """Returns the name of an argument that is an id or a unique value, such as ID_OR_EMAIL."""
    return f"ID_OR_{key.attribute.upper()}" if (key := entity_type.text_key) else "ID"


def reference_ids(
    services: "Services", references: "tuple[ToOne, ...]", values: Mapping[str, Any]
) -> dict[str, int | None]:
    """Returns the ids that the options name, or None for null.

    Raises NotFound if an entity does not exist.
    """
    return {
        each.name: None if value is None else services.by_type(each.target.name).find(value).id
        for each in references
        if (value := values.get(each.name, _ABSENT)) is not _ABSENT
    }


_ABSENT: Final = object()


def relationship_commands(
    resource: "RegisteredResource", *, taken: Collection[str]
) -> Iterator[click.Command]:
    """Yields the commands of the to-many relationships of a resource.

    `taken` are the names of its other commands. If a relationship has one of these names, `list-`
    precedes the name of its command.
    """
    from application.relationships import ToMany

    of_type = catalog().relationships[resource.type.name].values()
    to_many = [each for each in of_type if isinstance(each, ToMany)]
    governed = [each for each in to_many if each.is_source]
    changes = {
        f"{verb}-{command_name(each.name)}" for each in governed for verb in ("add", "remove")
    }
    used = {*taken, "add", "remove", *changes}
    for relationship in to_many:
        name = command_name(relationship.name, "list-", used)
        used.add(name)
        yield _list_command(relationship, name)
    for relationship in governed:
        # A type that governs several associations has commands such as add-members.
        suffix = f"-{command_name(relationship.name)}" if len(governed) > 1 else ""
        yield _change_command(relationship, f"add{suffix}", remove=False)
        yield _change_command(relationship, f"remove{suffix}", remove=True)


def _source_argument(relationship: "ToMany") -> Callable[[Any], Any]:
    return click.argument("which", metavar=key_of(relationship.source))


def _list_command(relationship: "ToMany", command: str) -> click.Command:
    source, target = relationship.source, relationship.target

    @click.command(command)
    @_source_argument(relationship)
    @lists.options(lambda: catalog().target(relationship))
    def list_related(which: str, **options: Any) -> None:
        from adapters.jsonapi.documents import relationship_object
        from application.relationship_queries import related_to
        from application.search import Page, Search

        chosen = lists.ListOptions(**options)
        with open_services(source.name, one_request=chosen.one_page) as services:
            declaration = services.catalog.target(relationship)
            source_id = services.id_of(which)
            related = (related_to(relationship, source_id),)
            query = services.collection_query(
                declaration, chosen.query(declaration.type), within=related
            )

            def page(search: Search) -> Page[Any]:
                return services.relationships.queries.page(
                    relationship, source_id, search, services.principal, resources=True
                )

            writer = services.urls.writer(declaration)
            links = relationship_object(services.writer.url_of(source_id), relationship.name)
            url = links["links"]["related"]
            lists.show(chosen, declaration, query, page, writer, url=url)

    name, a_source = relationship.name, with_article(source.not_found.noun)
    list_related.help = f"""List the {name} of {a_source}, by id unless --sort is given.

        The options are those of roster {target.name} list.

        \b
        roster {source.name} {command} 7
        roster {source.name} {command} 7 --sort -creation_time --limit 5 --json
        """
    return list_related


def _change_command(relationship: "ToMany", name: str, *, remove: bool) -> click.Command:
    source, target = relationship.source, relationship.target
    a_source, a_target = (with_article(each.not_found.noun) for each in (source, target))
    key = key_of(target)

    @click.command(name)
    @_source_argument(relationship)
    @click.argument("others", metavar=f"[{key}]...", nargs=-1)
    @click.option(
        "--file",
        metavar="FILE",
        type=click.Path(allow_dash=True, dir_okay=False),
        help=f"Read the {target.name} from FILE, one on each line. - is standard input.",
    )
    @actor_option
    @lists.as_document
    def change_list(which: str, others: tuple[str, ...], file: str | None, as_json: bool) -> None:
        if file is not None and others:
            raise click.UsageError(f"{key} and --file cannot be combined.")
        if file is None and not others:
            raise click.UsageError(f"Missing argument '{key}...', or --file.")
        with open_services(source.name) as services:
            source_id = services.find(which).id
            changed, unchanged = (
                _change(services, relationship, source_id, others, remove=remove)
                if file is None
                else _change_from_file(services, relationship, source_id, file, remove=remove)
            )
        verb = "removed" if remove else "added"
        if as_json:
            output.meta({verb: changed, "unchanged": unchanged})
        else:
            output.line(f"{changed:,} {verb}, {unchanged:,} unchanged")

    does = f"Remove {target.name} from {a_source}" if remove else f"Add {target.name} to {a_source}"
    change_list.help = f"""{does}: all of them, or none.

        {target.name.capitalize()} that are {"not" if remove else "already"} among its
        {relationship.name} are left unchanged. --file accepts any number of lines, each with the
        {key.lower().replace("_", " ")} of {a_target}. If {a_target} does not exist, nothing is
        changed.

        \b
        roster {source.name} {name} 7 8 9
        roster {source.name} {name} 7 --file {target.name}.txt
        """
    return change_list


def _change(
    services: "Services",
    relationship: "ToMany",
    source_id: int,
    others: tuple[str, ...],
    *,
    remove: bool,
) -> tuple[int, int]:
    """Changes the list. Returns the numbers of changed and of unchanged entities."""
    ids = services.by_type(relationship.target.name).ids_of(others)
    commands = services.relationships.commands(relationship, services.run)
    change = (commands.remove if remove else commands.add)(source_id, ids, services.context)
    changed = len(change.added) + len(change.removed)
    return changed, len(ids) - changed


def _change_from_file(
    services: "Services",
    relationship: "ToMany",
    source_id: int,
    file: str,
    *,
    remove: bool,
) -> tuple[int, int]:
    """Changes the list like `_change`, by the entities that the lines of a file refer to."""
    from adapters.files.reference_lines import read_lines

    unknown = 0

    def report(rejected: "RejectedRecord") -> None:
        nonlocal unknown
        unknown += 1
        if unknown <= _MAX_PRINTED:
            for error in rejected.errors:
                line = f"line {rejected.record.line}: {output.printable(str(error))}"
                click.echo(line, err=True)

    imports = services.relationships.imports(relationship.association)
    with files.open_to_read(file) as opened:
        try:
            return imports.change_list(
                source_id, read_lines(opened), services.context, report, remove=remove
            )
        finally:
            if unknown > _MAX_PRINTED:
                more = counted(unknown - _MAX_PRINTED, "more invalid line")
                click.echo(f"{more}.", err=True)
