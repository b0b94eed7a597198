"""The commands of an association, such as `roster memberships`: import and export its pairs."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from domain.english import with_article
from entrypoints.cli import exports, files, imports
from entrypoints.cli.files import STANDARD
from entrypoints.cli.option_names import command_name
from entrypoints.cli.progress import Progress
from entrypoints.cli.services import catalog, open_pairs

if TYPE_CHECKING:
    from adapters.jsonapi.resource import Resource
    from application.relationships import Association
    from entrypoints.cli.imports import RunImport


def association_commands(association: "Association") -> click.Group:
    """Returns the command group of an association."""
    group = click.Group(
        command_name(association.name),
        help=f"Import and export {association.name}.",
    )
    group.add_command(_import_command(association))
    group.add_command(_export_command(association))
    return group


def _columns_of(association: "Association") -> str:
    """Returns the columns and their contents: "group (its name) and user (its email)"."""
    columns = association.columns.items()
    return " and ".join(f"{name} (its {each.reference})" for name, each in columns)


def _declaration(association: "Association") -> "Resource":
    from adapters.files.columns import of_pairs

    return of_pairs(association, catalog())


@contextmanager
def _imports(association: "Association") -> "Iterator[RunImport]":
    with open_pairs(association, one_request=True) as services:
        yield partial(services.imports, context=services.context)


def _import_command(association: "Association") -> click.Command:
    name, columns = association.name, tuple(association.columns)
    command = command_name(name)

    @click.command("import")
    @imports.source_options
    @imports.outcome_options
    def import_pairs(
        file: str,
        file_format: str | None,
        skip_errors: bool,
        errors_file: str | None,
        dry_run: bool,
        as_json: bool,
        **read_options: Any,
    ) -> None:
        from application.imports import ImportOptions

        source = imports.open_source(
            file, file_format, _declaration(association), columns, **read_options
        )
        options = ImportOptions(skip_errors=skip_errors, dry_run=dry_run)
        imports.run_import(source, _imports(association), options, errors_file, as_json=as_json)

    a_pair = with_article(association.singular)
    import_pairs.help = f"""Add {a_pair} for each record of FILE: all, or none.

        FILE is CSV with a header row, JSON Lines, or one JSON array; - is standard input. It has
        the columns {_columns_of(association)}. {name.capitalize()} that exist are left unchanged.

        \b
        roster {command} import {command}.csv --errors rejected.csv
        roster {command} import {command}.csv --column {columns[1]}="My {columns[1]}"
        roster {command} import {command}.jsonl --skip-errors
        """
    return import_pairs


def _export_command(association: "Association") -> click.Command:
    name, columns = association.name, tuple(association.columns)
    command = command_name(name)

    @click.command("export")
    @click.argument("file", default=STANDARD, type=click.Path(allow_dash=True, dir_okay=False))
    @files.format_option
    @exports.spreadsheet_options
    def export_pairs(file: str, file_format: str | None, bom: bool, for_spreadsheets: bool) -> None:
        from adapters.files.pairs import WRITERS
        from adapters.files.protection import SpreadsheetProtection

        file_format = exports.check_target(file, file_format, bom, for_spreadsheets)
        keys = [each.reference for each in (association.source, association.target)]
        with open_pairs(association, one_request=False) as services:
            pairs = exports.start_reading(services.exports(services.context.principal))
            protection = SpreadsheetProtection() if for_spreadsheets else None
            with (
                files.open_to_write(file) as target,
                Progress("Exporting", result_to=target) as progress,
            ):
                values = (
                    tuple(str(getattr(entity, key)) for entity, key in zip(pair, keys, strict=True))
                    for pair in progress.watched(pairs)
                )
                write = WRITERS[file_format]
                parts = write(values, columns, byte_order_mark=bom, protection=protection)
                files.write(parts, target)
                if protection:
                    progress.say(exports.protection_message(protection.count))

    export_pairs.help = f"""Write all {name} to FILE, or to standard output.

        FILE is CSV with a header row, or JSON Lines. It has the columns {_columns_of(association)},
        in the order of the ids of the {association.source.name}. You can import it.

        \b
        roster {command} export {command}.csv
        roster {command} export --format jsonl | wc -l
        """
    return export_pairs
