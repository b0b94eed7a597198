"""The commands that import and export a resource: files of any length."""

import os
from collections.abc import Callable, Iterator
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
    from adapters.resources.files import Records
    from application.record_import import ImportOptions, ImportSummary, RejectedRecord
    from entrypoints.resources import RegisteredResource


def import_command(resource: "RegisteredResource") -> click.Command:
    """The command that imports a resource."""
    name, noun = resource.type.name, resource.type.not_found.noun

    @click.command("import")
    @click.argument("file", type=click.Path(allow_dash=True, dir_okay=False))
    @files.as_format
    @click.option("--update", is_flag=True, help=_update_help(resource))
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
        update: bool,
        skip_errors: bool,
        errors_file: str | None,
        dry_run: bool,
        as_json: bool,
    ) -> None:
        from application.record_import import ImportOptions, ImportRefused

        if update and not resource.type.unique:
            raise click.UsageError(f"--update needs a unique attribute, and {name} have none.")
        options = ImportOptions(update=update, skip_errors=skip_errors, dry_run=dry_run)
        try:
            summary = _import(resource, file, files.format_of(file, form), options, errors_file)
        except ImportRefused as refused:
            _print_summary(refused.summary, options, as_json=as_json)
            raise
        _print_summary(summary, options, as_json=as_json)

    import_records.help = f"""Create a {noun} for each record of FILE: all of them, or none.

        FILE is CSV with a header row, or JSON Lines; - is standard input. Errors go to standard
        error, one line each. The exit status is 1 if a record is rejected, unless --skip-errors is
        given.

        \b
        roster {name} import {name}.csv --errors rejected.csv
        roster {name} import {name}.jsonl --skip-errors
        """
    return import_records


def _update_help(resource: "RegisteredResource") -> str:
    keys = [unique.attribute for unique in resource.type.unique[:1]]
    return f"Change the {resource.type.name} whose {''.join(keys) or 'key'} exists already."


def _import(
    resource: "RegisteredResource",
    file: str,
    form: str,
    options: "ImportOptions",
    errors_file: str | None,
) -> "ImportSummary":
    from adapters.resources.files import FORMATS

    rules, declaration = resource.type.rules, resource.declaration
    keys = [unique.attribute for unique in resource.type.unique[:1]]
    required = keys if options.update else rules.required
    with files.reading(file) as source, _rejected_file(errors_file, file) as rejected:
        records = FORMATS[form].read(source, declaration, required)
        with (
            Progress("Importing", end=_size(source)) as progress,
            open_services(resource.type.name) as services,
        ):
            report = _reporting(records, progress, rejected)
            watched = progress.watched(records, source)
            return services.imports(watched, services.context, options, report)


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


def _reporting(
    records: "Records", progress: Progress, file: BinaryIO | None
) -> "Callable[[RejectedRecord], None]":
    """Print each error of a rejected record, and write the record at once: a full disk must be
    noticed before the import is committed."""
    if file:
        file.write(records.header())

    def report(bad: "RejectedRecord") -> None:
        for fault in bad.faults:
            progress.say(f"line {bad.record.line}: {output.printable(str(fault))}")
        if file:
            file.write(records.rejected_row(bad))
            file.flush()

    return report


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
    def export_records(
        file: str, form: str | None, filters: tuple[str, ...], sort: str | None
    ) -> None:
        from adapters.resources.files import FORMATS, copy_csv
        from application.search import walk

        form = files.format_of(file, form)
        _refuse_database(file)
        with connect(name) as (_, services):
            declaration, exporter = services.declaration, services.exporter
            search = services.collection_query(declaration, query_of(filters, sort)).search
            whole = not filters and sort is None
            with (
                files.writing(file) as target,
                Progress("Exporting", result_to=target) as progress,
            ):
                if whole and form == "csv" and exporter and exporter.available:
                    services.queries.authorize(services.principal)
                    copy_csv(exporter, declaration, progress.counted(target))
                else:
                    page = partial(services.queries.page, principal=services.principal)
                    found = progress.watched(walk(page, search))
                    files.write(FORMATS[form].write(found, declaration), target)

    export_records.help = f"""Write all {name} to FILE, or to standard output.

        CSV with a header row, or JSON Lines: the ids and all attributes. An export can be imported.

        \b
        roster {name} export {name}.csv
        roster {name} export --format jsonl | wc -l
        """
    return export_records
