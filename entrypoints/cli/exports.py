"""The command that exports a resource. Files can have any length."""

from collections.abc import Iterator
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, TypeVar

import click

from domain.english import counted
from entrypoints.cli import files
from entrypoints.cli.database_file import reject_database_file
from entrypoints.cli.files import STANDARD
from entrypoints.cli.option_names import command_name
from entrypoints.cli.progress import Progress
from entrypoints.cli.queries import query_of
from entrypoints.cli.services import catalog, connect

if TYPE_CHECKING:
    from adapters.jsonapi.resource import Resource
    from entrypoints.resources import RegisteredResource

T = TypeVar("T")


def spreadsheet_options(command: Any) -> Any:
    """Adds the options of an export that apply to CSV."""
    for option in reversed(
        (
            click.option(
                "--bom",
                is_flag=True,
                help="Begin CSV with a byte order mark, so that Excel recognizes UTF-8.",
            ),
            click.option(
                "--for-spreadsheets",
                is_flag=True,
                help="Put an apostrophe before each cell of CSV that a spreadsheet program would "
                "evaluate as a formula or change. An import removes it.",
            ),
        )
    ):
        command = option(command)
    return command


def check_target(file: str, file_format: str | None, bom: bool, for_spreadsheets: bool) -> str:
    """Returns the format of the file to write.

    Raises UsageError if the options cannot be combined.
    """
    file_format = files.format_of(file, file_format)
    for option, chosen in (("--bom", bom), ("--for-spreadsheets", for_spreadsheets)):
        if chosen and file_format != "csv":
            raise click.UsageError(f"{option} applies only to CSV, but FILE is JSON Lines.")
    reject_database_file(file)
    return file_format


def start_reading(items: Iterator[T]) -> Iterator[T]:
    """Reads the first item now, and yields all.

    If the database fails, an earlier export is therefore not overwritten.
    """
    return chain(list(islice(items, 1)), items)


def export_command(resource: "RegisteredResource") -> click.Command:
    """Returns the command that exports a resource."""
    name = resource.type.name
    command = command_name(name)

    @click.command("export")
    @click.argument("file", default=STANDARD, type=click.Path(allow_dash=True, dir_okay=False))
    @files.format_option
    @click.option(
        "--filter",
        "filters",
        multiple=True,
        metavar="ATTR=VALUE",
        help=f"As for roster {command} list. Can be repeated: all filters must match.",
    )
    @click.option(
        "--sort",
        metavar="ATTR,-ATTR",
        help="Sort by these attributes; prefix with - for descending.  [default: id]",
    )
    @click.option(
        "--fields", metavar="ATTR,ATTR", help="Write the id and these attributes.  [default: all]"
    )
    @spreadsheet_options
    def export_records(
        file: str,
        file_format: str | None,
        filters: tuple[str, ...],
        sort: str | None,
        fields: str | None,
        bom: bool,
        for_spreadsheets: bool,
    ) -> None:
        from adapters.files.columns import with_references
        from adapters.files.formats import FORMATS
        from adapters.files.protection import SpreadsheetProtection
        from adapters.files.writing import WriteOptions, copy_csv
        from application.search import walk

        file_format = check_target(file, file_format, bom, for_spreadsheets)
        with connect(name) as (_, services):
            declaration, exporter = services.declaration, services.exporter
            parameters = {} if fields is None else {f"fields[{name}]": _without_id(fields)}
            query = services.collection_query(declaration, query_of(filters, sort, **parameters))
            protection = SpreadsheetProtection() if for_spreadsheets else None
            written = with_references(resource.declaration, catalog())
            selected = query.selection.fields(declaration.type)
            _require_columns(written, selected or frozenset())
            options = WriteOptions(fields=selected, byte_order_mark=bom, protection=protection)
            references = [
                each for each in resource.references if each.name in options.selected(written)
            ]
            is_complete = not filters and sort is None and protection is None and not references
            page = partial(services.queries.page, principal=services.principal)
            entities = start_reading(walk(page, query.search))
            with (
                files.open_to_write(file) as target,
                Progress("Exporting", result_to=target) as progress,
            ):
                if is_complete and file_format == "csv" and exporter and exporter.available:
                    copy_csv(exporter, declaration, progress.counted(target), options)
                else:
                    entities = progress.watched(entities)
                    if references:
                        keyed = services.relationships.export_references
                        entities = keyed(entities, references, services.principal)
                    files.write(FORMATS[file_format].write(entities, written, options), target)
                if protection:
                    progress.say(protection_message(protection.count))

    export_records.help = f"""Write all {name} to FILE, or to standard output.

        FILE is CSV with a header row, or JSON Lines. It has the ids and all attributes. You can
        import it.

        Text is written unchanged. A spreadsheet program evaluates text that begins with =, +, - or
        @ as a formula. Use --for-spreadsheets for files that you open with such a program.

        \b
        roster {command} export {command}.csv --bom --for-spreadsheets
        roster {command} export --format jsonl | wc -l
        """
    return export_records


def _require_columns(resource: "Resource", names: frozenset[str]) -> None:
    """Raises BadParameter if a file of the resource has no column for one of the names."""
    if lists := sorted(names - resource.attributes.keys()):
        known = ", ".join(("id", *resource.attributes))
        raise click.BadParameter(
            f"A file of {resource.type} has no column for {' and '.join(lists)}. Known: {known}.",
            param_hint="--fields",
        )


def _without_id(fields: str) -> str:
    """Returns the names without `id`, which is always written."""
    return ",".join(each for each in fields.split(",") if each != "id")


def protection_message(count: int) -> str:
    """Returns the message about the cells that SpreadsheetProtection changed."""
    cells, them = counted(count, "cell begins", "cells begin"), "it" if count == 1 else "them"
    purpose = f"so that spreadsheet programs do not change {them}"
    return f"{cells} with an additional apostrophe, {purpose}."
