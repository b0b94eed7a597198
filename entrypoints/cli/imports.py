"""The command that imports a resource, and what all imports share. Files can have any length."""

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from domain.english import with_article
from entrypoints.cli import files, output
from entrypoints.cli.actor import actor_option
from entrypoints.cli.database_file import reject_database_file
from entrypoints.cli.import_report import MAX_PRINTED, Report, print_summary
from entrypoints.cli.option_names import command_name
from entrypoints.cli.progress import Progress
from entrypoints.cli.services import catalog, open_services

if TYPE_CHECKING:
    from adapters.files.reading import ReadOptions
    from adapters.jsonapi.resource import Resource
    from application.imports import ImportOptions, ImportSummary
    from entrypoints.resources import RegisteredResource

    RunImport = Callable[..., ImportSummary]
    """Imports records, with the arguments `options` and `report`."""


def source_options(command: Any) -> Any:
    """Adds the argument FILE of an import, and the options that describe its format."""
    for option in reversed(
        (
            click.argument("file", type=click.Path(allow_dash=True, dir_okay=False)),
            files.format_option,
            click.option(
                "--encoding",
                metavar="NAME",
                callback=_check_encoding,
                help="The encoding of FILE, such as windows-1252.  [default: from its byte order "
                "mark; UTF-8 without one]",
            ),
            click.option(
                "--delimiter",
                metavar="CHARACTER",
                callback=_parse_delimiter,
                help="The delimiter of CSV: a character, or the word tab.  [default: the comma, "
                "semicolon or tab of the header row]",
            ),
            click.option(
                "--column",
                "columns",
                metavar="ATTR=HEADER",
                multiple=True,
                help="Read the attribute from the column, or the JSON member, with this name. "
                "Can be repeated.",
            ),
            click.option(
                "--ignore-unknown",
                is_flag=True,
                help="Skip columns and members that are not attributes.",
            ),
        )
    ):
        command = option(command)
    return command


def outcome_options(command: Any) -> Any:
    """Adds the options of an import about its outcome."""
    for option in reversed(
        (
            click.option(
                "--skip-errors",
                is_flag=True,
                help="Import the valid records even if others are invalid.",
            ),
            click.option(
                "--errors",
                "errors_file",
                metavar="FILE",
                type=click.Path(dir_okay=False),
                help="Write the invalid records to FILE, each with its errors. Correct them, then "
                "import FILE.",
            ),
            click.option("--dry-run", is_flag=True, help="Validate everything and store nothing."),
            actor_option,
            click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON:API."),
        )
    ):
        command = option(command)
    return command


def import_command(resource: "RegisteredResource") -> click.Command:
    """Returns the command that imports a resource."""
    name, noun = resource.type.name, resource.type.not_found.noun
    command = command_name(name)
    key = _key_attribute(resource)

    @click.command("import")
    @source_options
    @click.option(
        "--update",
        is_flag=True,
        help=f"Change the {name} whose {key} exists, instead of rejecting these records.",
    )
    @click.option(
        "--update-only",
        is_flag=True,
        help=f"Like --update, but create no {noun}: reject records whose {key} does not exist.",
    )
    @outcome_options
    def import_records(
        file: str,
        file_format: str | None,
        encoding: str | None,
        delimiter: str | None,
        columns: tuple[str, ...],
        ignore_unknown: bool,
        update: bool,
        update_only: bool,
        skip_errors: bool,
        errors_file: str | None,
        dry_run: bool,
        as_json: bool,
    ) -> None:
        from application.imports import ImportOptions

        if (update or update_only) and not resource.type.unique:
            raise click.UsageError(f"--update requires a unique attribute. The {name} have none.")
        options = ImportOptions(
            update=update, update_only=update_only, skip_errors=skip_errors, dry_run=dry_run
        )
        keys = [unique.attribute for unique in resource.type.unique[:1]]
        required = keys if update or update_only else resource.type.rules.required
        opened = open_source(
            file,
            file_format,
            file_declaration(resource),
            required,
            encoding=encoding,
            delimiter=delimiter,
            columns=columns,
            ignore_unknown=ignore_unknown,
        )
        run_import(opened, _imports(resource), options, errors_file, as_json=as_json)

    a_noun = with_article(noun)
    import_records.help = f"""Create {a_noun} for each record of FILE: all of them, or none.

        FILE is CSV with a header row, JSON Lines, or one JSON array; - is standard input. Headers
        are the names of attributes, in any case and order. Save the file of a spreadsheet program
        as CSV.

        The errors of the first {MAX_PRINTED} invalid records are printed on standard error. If
        there are more, the numbers of errors by attribute and code follow. --errors writes all
        invalid records to a file. The exit status is 1 if a record is invalid, unless --skip-errors
        is set.

        \b
        roster {command} import {command}.csv --errors rejected.csv
        roster {command} import {command}.csv --column {key}="My {key}" --ignore-unknown
        roster {command} import {command}.jsonl --skip-errors
        """
    return import_records


def _key_attribute(resource: "RegisteredResource") -> str:
    """Returns the attribute by which an import finds the resources to change."""
    return next((unique.attribute for unique in resource.type.unique), "key")


def _check_encoding(_: click.Context, __: click.Parameter, name: str | None) -> str | None:
    from adapters.tabular.source import is_known_encoding

    if name is not None and not is_known_encoding(name):
        raise click.BadParameter(
            f"'{output.printable(name)}' is not a known encoding. Encodings are utf-8, utf-16, "
            "windows-1252, latin-1, and the others of Python."
        )
    return name


def _parse_delimiter(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    from adapters.tabular.delimiters import NAMES, is_delimiter

    if text is None:
        return None
    delimiter = NAMES.get(text.lower(), text)
    if not is_delimiter(delimiter):
        raise click.BadParameter(
            "must be the word tab, or one character that is not a quote or a line end."
        )
    return delimiter


def _parse_columns(mappings: tuple[str, ...], declaration: "Resource") -> dict[str, str]:
    """Returns the headers by attribute. Raises BadParameter if a mapping is invalid."""
    from difflib import get_close_matches

    from domain.text import strip_invisible

    settable = declaration.settable
    headers: dict[str, str] = {}
    for mapping in mappings:
        name, _, header = mapping.partition("=")
        shown = output.printable(name)
        if not strip_invisible(header):
            raise _bad_column(f"'{output.printable(mapping)}' is not ATTR=HEADER.")
        if name not in settable:
            near = get_close_matches(name[:100].lower(), settable, 1)
            hint = f" Did you mean {near[0]}?" if near else ""
            known = ", ".join(settable)
            raise _bad_column(f"'{shown}' is not an attribute to import.{hint} Known: {known}.")
        if name in headers:
            raise _bad_column(f"{shown} is mapped to two columns.")
        if strip_invisible(header).casefold() in (
            strip_invisible(other).casefold() for other in headers.values()
        ):
            raise _bad_column(f"'{output.printable(header)}' is mapped to two attributes.")
        headers[name] = header
    return headers


def _bad_column(message: str) -> click.BadParameter:
    return click.BadParameter(message, param_hint="--column")


def file_declaration(resource: "RegisteredResource") -> "Resource":
    """Returns the declaration of the resource in files.

    Its references are attributes. Its extra column is a secret attribute.
    """
    from adapters.files.columns import with_references, with_secret

    declaration = with_references(resource.declaration, catalog())
    return with_secret(declaration, resource.extra.name) if resource.extra else declaration


@contextmanager
def _imports(resource: "RegisteredResource") -> "Iterator[RunImport]":
    with open_services(resource.type.name) as services:
        yield partial(services.imports, context=services.context)


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file to import, and how to read it. `required` are the attributes it must have."""

    file: str
    file_format: str
    declaration: "Resource"
    required: "Collection[str]"
    options: "ReadOptions"


def open_source(
    file: str,
    file_format: str | None,
    declaration: "Resource",
    required: "Collection[str]",
    *,
    encoding: str | None,
    delimiter: str | None,
    columns: tuple[str, ...],
    ignore_unknown: bool,
) -> FileSource:
    """Returns the file that the options of `source_options` describe.

    Raises UsageError if the options cannot be combined.
    """
    from adapters.files.reading import ReadOptions

    file_format = files.format_of(file, file_format, reading=True)
    if delimiter is not None and file_format != "csv":
        raise click.UsageError("--delimiter applies only to CSV, but FILE is JSON Lines.")
    options = ReadOptions(
        encoding=encoding,
        delimiter=delimiter,
        columns=_parse_columns(columns, declaration),
        ignore_unknown=ignore_unknown,
    )
    return FileSource(file, file_format, declaration, required, options)


def run_import(
    source: FileSource,
    imports: "AbstractContextManager[RunImport]",
    options: "ImportOptions",
    errors_file: str | None,
    *,
    as_json: bool,
) -> None:
    """Imports the file, and prints the summary. Raises ImportRefused after the summary."""
    from application.imports import ImportRefused

    try:
        _import(source, imports, options, errors_file, as_json=as_json)
    except ImportRefused as refused:
        print_summary(refused.summary, options, as_json=as_json)
        raise


def _import(
    source: FileSource,
    imports: "AbstractContextManager[RunImport]",
    options: "ImportOptions",
    errors_file: str | None,
    *,
    as_json: bool,
) -> None:
    from adapters.files.formats import FORMATS

    with (
        files.open_to_read(source.file) as file,
        _rejected_file(errors_file, file) as rejected,
    ):
        records = FORMATS[source.file_format].read(
            file, source.declaration, source.required, source.options
        )
        with imports as run:
            with Progress("Importing", end=_file_size(file)) as progress:
                report = Report(records, progress, rejected)
                watched = progress.watched(records, file)
                try:
                    summary = run(watched, options=options, report=report)
                    report.start_file()
                finally:
                    report.print_totals()
            # The import is committed, and closing the database may take long on SQLite.
            print_summary(summary, options, as_json=as_json)


@contextmanager
def _rejected_file(name: str | None, source: BinaryIO) -> Iterator[BinaryIO | None]:
    """Opens the file for rejected records, if one is named. Raises UsageError, FileFailed.

    An earlier file keeps its content until the report starts the file.
    """
    if name is None:
        yield None
        return
    reject_database_file(name)
    if _is_open_as(source, name):
        raise click.UsageError(
            "--errors would overwrite FILE, which is imported. Choose another name."
        )
    with files.open_to_write(name, truncate=False) as file:
        yield file


def _is_open_as(file: BinaryIO, name: str) -> bool:
    """Returns True if the name refers to the open file, which may be standard input."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), Path(name).stat())
    except OSError:  # there is no such file
        return False


def _file_size(file: BinaryIO) -> int | None:
    """Returns the size of a regular file in bytes, or None for a pipe."""
    try:
        status = os.fstat(file.fileno())
    except OSError:
        return None
    return status.st_size if S_ISREG(status.st_mode) else None
