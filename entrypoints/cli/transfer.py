"""The commands that import and export a resource: files of any length."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, BinaryIO

import click

from entrypoints.cli import files, output
from entrypoints.cli.actor import actor_option
from entrypoints.cli.files import STANDARD
from entrypoints.cli.lists import query_of
from entrypoints.cli.progress import Progress
from entrypoints.cli.services import connect, open_services
from entrypoints.settings import Settings

if TYPE_CHECKING:
    from adapters.resources.files import ReadOptions, Records
    from application.record_import import ImportOptions, ImportSummary, RejectedRecord
    from entrypoints.resources import RegisteredResource


def import_command(resource: "RegisteredResource") -> click.Command:
    """The command that imports a resource."""
    name, noun = resource.type.name, resource.type.not_found.noun
    key = _key_of(resource)

    @click.command("import")
    @click.argument("file", type=click.Path(allow_dash=True, dir_okay=False))
    @files.as_format
    @click.option(
        "--encoding",
        metavar="NAME",
        callback=_encoding,
        help="The encoding of FILE, such as windows-1252.  [default: UTF-8, or UTF-16 with a byte "
        "order mark]",
    )
    @click.option(
        "--delimiter",
        metavar="CHARACTER",
        callback=_delimiter,
        help="The character between the cells of CSV, or the word tab.  [default: a comma, "
        "semicolon or tab, as the header row has]",
    )
    @click.option(
        "--column",
        "columns",
        metavar="ATTR=HEADER",
        multiple=True,
        help="Read the attribute from the column, or the member of JSON objects, with this header. "
        "Can be repeated.",
    )
    @click.option(
        "--ignore-unknown", is_flag=True, help="Skip columns and members that are not attributes."
    )
    @click.option("--update", is_flag=True, help=f"Change the {name} whose {key} exists already.")
    @click.option(
        "--update-only",
        is_flag=True,
        help=f"As --update, and reject records whose {key} does not exist: create no {noun}.",
    )
    @click.option(
        "--skip-errors", is_flag=True, help="Import the valid records although others are rejected."
    )
    @click.option(
        "--errors",
        "errors_file",
        metavar="FILE",
        type=click.Path(dir_okay=False),
        help="Write the rejected records to FILE, each with its errors. Correct them, then import "
        "FILE.",
    )
    @click.option("--dry-run", is_flag=True, help="Validate everything and store nothing.")
    @actor_option
    @click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON:API.")
    def import_records(
        file: str,
        form: str | None,
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
        from adapters.resources.files import ReadOptions
        from application.record_import import ImportOptions, ImportRefused

        if (update or update_only) and not resource.type.unique:
            raise click.UsageError(f"--update needs a unique attribute, and {name} have none.")
        form = files.format_of(file, form, reading=True)
        if delimiter is not None and form != "csv":
            raise click.UsageError("--delimiter is for CSV, and FILE is JSON Lines.")
        options = ImportOptions(
            update=update, update_only=update_only, skip_errors=skip_errors, dry_run=dry_run
        )
        reading = ReadOptions(
            encoding=encoding,
            delimiter=delimiter,
            columns=_columns(columns, resource),
            ignore_unknown=ignore_unknown,
        )
        try:
            summary = _import(resource, file, form, reading, options, errors_file)
        except ImportRefused as refused:
            _print_summary(refused.summary, options, as_json=as_json)
            raise
        _print_summary(summary, options, as_json=as_json)

    import_records.help = f"""Create a {noun} for each record of FILE: all of them, or none.

        FILE is CSV with a header row, JSON Lines, or one JSON array; - is standard input. Headers
        are the names of attributes, in any case and order. Save the file of a spreadsheet program
        as CSV.

        The first {_LISTED} rejected records go to standard error, then the numbers of errors by
        attribute and code; --errors keeps all rejected records. The exit status is 1 if a record
        is rejected, unless --skip-errors is given.

        \b
        roster {name} import {name}.csv --errors rejected.csv
        roster {name} import {name}.csv --column {key}="My {key}" --ignore-unknown
        roster {name} import {name}.jsonl --skip-errors
        """
    return import_records


_LISTED = 20
"""How many rejected records are printed."""


def _key_of(resource: "RegisteredResource") -> str:
    """The attribute by which an import finds what it changes."""
    return next((unique.attribute for unique in resource.type.unique), "key")


def _encoding(_: click.Context, __: click.Parameter, name: str | None) -> str | None:
    from adapters.tabular.source import known_encoding

    if name is not None and not known_encoding(name):
        raise click.BadParameter(
            f"'{output.printable(name)}' is not a known encoding. Encodings are utf-8, utf-16, "
            "windows-1252, latin-1, and the others of Python."
        )
    return name


def _delimiter(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    from adapters.tabular.delimiters import NAMES, usable

    if text is None:
        return None
    delimiter = NAMES.get(text.lower(), text)
    if not usable(delimiter):
        raise click.BadParameter(
            "must be one character other than a quote or a line end, or the word tab."
        )
    return delimiter


def _columns(mappings: tuple[str, ...], resource: "RegisteredResource") -> dict[str, str]:
    """The headers by attribute. Raises BadParameter for what cannot be mapped."""
    from difflib import get_close_matches

    from domain.text import strip_invisible

    settable = resource.declaration.settable
    headers: dict[str, str] = {}
    for mapping in mappings:
        name, _, header = mapping.partition("=")
        shown = output.printable(name)
        if not strip_invisible(header):
            raise _no_column(f"'{output.printable(mapping)}' is not ATTR=HEADER.")
        if name not in settable:
            near = get_close_matches(name[:100].lower(), settable, 1)
            hint = f" Did you mean {near[0]}?" if near else ""
            known = ", ".join(settable)
            raise _no_column(f"'{shown}' is not an attribute to import.{hint} Known: {known}.")
        if name in headers:
            raise _no_column(f"{shown} is mapped to two columns.")
        if strip_invisible(header).casefold() in (
            strip_invisible(other).casefold() for other in headers.values()
        ):
            raise _no_column(f"'{output.printable(header)}' is mapped to two attributes.")
        headers[name] = header
    return headers


def _no_column(message: str) -> click.BadParameter:
    return click.BadParameter(message, param_hint="--column")


def _import(
    resource: "RegisteredResource",
    file: str,
    form: str,
    reading: "ReadOptions",
    options: "ImportOptions",
    errors_file: str | None,
) -> "ImportSummary":
    from adapters.resources.files import FORMATS

    rules, declaration = resource.type.rules, resource.declaration
    keys = [unique.attribute for unique in resource.type.unique[:1]]
    required = keys if options.update or options.update_only else rules.required
    with files.reading(file) as source, _rejected_file(errors_file, file) as rejected:
        records = FORMATS[form].read(source, declaration, required, reading)
        with (
            Progress("Importing", end=_size(source)) as progress,
            open_services(resource.type.name) as services,
        ):
            report = _Report(records, progress, rejected)
            watched = progress.watched(records, source)
            try:
                return services.imports(watched, services.context, options, report)
            finally:
                report.summarise()


@contextmanager
def _rejected_file(name: str | None, source: str) -> Iterator[BinaryIO | None]:
    """The file for rejected records, if there is to be one."""
    if name is None:
        yield None
        return
    _refuse_database(name)
    if source != STANDARD and Path(name).exists() and Path(source).samefile(name):
        raise click.UsageError("--errors would write over the FILE that is read.")
    with files.writing(name) as file:
        yield file


def _refuse_database(name: str) -> None:
    """Raises UsageError if the file is one of the database itself: it would be overwritten."""
    settings = Settings.of(os.environ)
    if name == STANDARD or not settings.embedded:
        return
    from adapters.sql.private_files import is_part_of_database

    if is_part_of_database(name, settings.database_url):
        raise click.UsageError(
            f"{output.printable(name)} is a file of the database. Choose another name."
        )


def _size(file: BinaryIO) -> int | None:
    """How many bytes it has, where it is a file and not a pipe."""
    try:
        status = os.fstat(file.fileno())
    except OSError:
        return None
    return status.st_size if S_ISREG(status.st_mode) else None


class _Report:
    """Prints the errors of the first rejected records, and writes all of them to a file.

    Each record is written at once: a full disk must be noticed before the import is committed.
    """

    def __init__(self, records: "Records", progress: Progress, file: BinaryIO | None) -> None:
        from application.record_import import ErrorCounts

        self._records = records
        self._progress = progress
        self._file = file
        self._counts = ErrorCounts()
        self._undecoded = False
        if file:
            file.write(records.header())

    def __call__(self, rejected: "RejectedRecord") -> None:
        self._counts.add(rejected)
        if self._counts.records <= _LISTED:
            self._print(rejected)
        if self._file:
            self._file.write(self._records.rejected_row(rejected))
            self._file.flush()

    def _print(self, rejected: "RejectedRecord") -> None:
        from adapters.tabular.lines import NotUtf8

        record, faults = rejected.record, [*map(str, rejected.faults)]
        if isinstance(problem := record.problem, NotUtf8):
            if self._undecoded:  # the cause and the remedy were printed before
                faults = [f"{problem.code}: {problem.brief}"]
            self._undecoded = True
        item = f" (item {record.item:,})" if record.item else ""
        for fault in faults:
            self._progress.say(f"line {record.line}: {output.printable(fault)}{item}")

    def summarise(self) -> None:
        """Print the numbers of errors, unless all were printed."""
        if (more := self._counts.records - _LISTED) <= 0:
            return
        rest = f"{more:,} more invalid record{'s' * (more > 1)}."
        hint = "" if self._file else " --errors FILE keeps all of them."
        self._progress.say(f"{rest}{hint} All errors by attribute and code:")
        for kind, count in self._counts.by_kind():
            self._progress.say(f"{count:>9,}  {output.printable(kind)}")


def _print_summary(summary: "ImportSummary", options: "ImportOptions", *, as_json: bool) -> None:
    from dataclasses import asdict

    import orjson

    if as_json:
        meta = {**asdict(summary), "dry_run": options.dry_run}
        output.document(orjson.dumps({"jsonapi": {"version": "1.1"}, "meta": meta}))
        return
    counts = ", ".join(f"{count} {name}" for name, count in asdict(summary).items())
    click.echo(f"{counts}; nothing was kept" if options.dry_run else counts)


def export_command(resource: "RegisteredResource") -> click.Command:
    """The command that exports a resource."""
    name = resource.type.name

    @click.command("export")
    @click.argument("file", default=STANDARD, type=click.Path(allow_dash=True, dir_okay=False))
    @files.as_format
    @click.option(
        "--filter",
        "filters",
        multiple=True,
        metavar="ATTR=VALUE",
        help=f"As for roster {name} list. Can be repeated: all filters must match.",
    )
    @click.option(
        "--sort",
        metavar="ATTR,-ATTR",
        help="Sort by these attributes; prefix with - for descending.  [default: id]",
    )
    @click.option(
        "--fields", metavar="ATTR,ATTR", help="Write the id and these attributes.  [default: all]"
    )
    @click.option(
        "--bom",
        is_flag=True,
        help="Begin CSV with a byte order mark, by which Excel recognises UTF-8.",
    )
    @click.option(
        "--for-spreadsheets",
        is_flag=True,
        help="Put an apostrophe in front of each cell of CSV that a spreadsheet program would "
        "evaluate as a formula, or change. An import removes it.",
    )
    def export_records(
        file: str,
        form: str | None,
        filters: tuple[str, ...],
        sort: str | None,
        fields: str | None,
        bom: bool,
        for_spreadsheets: bool,
    ) -> None:
        from adapters.resources.files import (
            FORMATS,
            SpreadsheetProtection,
            WriteOptions,
            copy_csv,
        )
        from application.search import walk

        form = files.format_of(file, form)
        for option, chosen in (("--bom", bom), ("--for-spreadsheets", for_spreadsheets)):
            if chosen and form != "csv":
                raise click.UsageError(f"{option} is for CSV, and FILE is JSON Lines.")
        _refuse_database(file)
        with connect(name) as (_, services):
            declaration, exporter = services.declaration, services.exporter
            more = {} if fields is None else {f"fields[{name}]": fields}
            query = services.collection_query(declaration, query_of(filters, sort, **more))
            protection = SpreadsheetProtection() if for_spreadsheets else None
            options = WriteOptions(
                fields=query.shown.fields(declaration.type),
                byte_order_mark=bom,
                protection=protection,
            )
            whole = not filters and sort is None and protection is None
            with (
                files.writing(file) as target,
                Progress("Exporting", result_to=target) as progress,
            ):
                if whole and form == "csv" and exporter and exporter.available:
                    services.queries.authorize(services.principal)
                    copy_csv(exporter, declaration, progress.counted(target), options)
                else:
                    page = partial(services.queries.page, principal=services.principal)
                    found = progress.watched(walk(page, query.search))
                    files.write(FORMATS[form].write(found, declaration, options), target)
                if protection:
                    progress.say(_protected(protection.count))

    export_records.help = f"""Write all {name} to FILE, or to standard output.

        FILE is CSV with a header row, or JSON Lines. It has the ids and all attributes, and can be
        imported.

        Texts are written unchanged. A spreadsheet program evaluates those that begin with =, +, -
        or @ as formulas: use --for-spreadsheets for files that are opened with one.

        \b
        roster {name} export {name}.csv --bom --for-spreadsheets
        roster {name} export --format jsonl | wc -l
        """
    return export_records


def _protected(count: int) -> str:
    cells = "1 cell begins" if count == 1 else f"{count:,} cells begin"
    return f"{cells} with an additional apostrophe, so that spreadsheet programs do not change it."
