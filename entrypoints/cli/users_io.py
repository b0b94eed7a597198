"""roster users import and export: users in files of any length."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, BinaryIO

import click

from entrypoints.cli import files, output
from entrypoints.cli.actor import actor_option
from entrypoints.cli.directory import connected, open_services
from entrypoints.cli.files import STANDARD
from entrypoints.cli.lists import query_of
from entrypoints.cli.progress import Progress

if TYPE_CHECKING:
    from adapters.resources.files import Records
    from application.user_import import ImportOptions, ImportSummary, RejectedRecord


@click.command("import")
@click.argument("file", type=click.Path(allow_dash=True, dir_okay=False))
@files.as_format
@click.option("--update", is_flag=True, help="Change the users whose email is already there.")
@click.option("--skip-errors", is_flag=True, help="Import the good lines although others are bad.")
@click.option(
    "--errors",
    "errors_file",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Keep the bad lines, each with what is wrong, to be mended and imported again.",
)
@click.option("--dry-run", is_flag=True, help="Try everything, keep nothing.")
@actor_option
@click.option("--json", "as_json", is_flag=True, help="The summary as a JSON:API document.")
def import_users(
    file: str,
    form: str | None,
    update: bool,
    skip_errors: bool,
    errors_file: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Create a user for each line of FILE: all of them, or none if any line is bad.

    FILE is CSV with a header row, or JSON Lines; - is standard input. Each bad line is told on
    standard error. Exit status 1 if one was bad, unless they are to be skipped.

    \b
    roster users import people.csv --errors bad.csv
    roster users import people.jsonl --update --skip-errors
    """
    from application.user_import import ImportOptions, ImportRefused

    manner = ImportOptions(update=update, skip_errors=skip_errors, dry_run=dry_run)
    try:
        tally = _imported(file, files.format_of(file, form), manner, errors_file)
    except ImportRefused as refused:
        _sum_up(refused.kept, manner, as_json=as_json)
        raise
    _sum_up(tally, manner, as_json=as_json)


def _imported(
    file: str, form: str, manner: "ImportOptions", errors_file: str | None
) -> "ImportSummary":
    from adapters.resources.files import FORMATS
    from adapters.resources.users import USERS

    required = [name for name, attribute in USERS.settable.items() if attribute.required]
    with files.reading(file) as source, _keeping(errors_file, file) as bad_ones:
        records = FORMATS[form].read(source, USERS, ["email"] if manner.update else required)
        with Progress("Importing", end=_size(source)) as progress, open_services() as directory:
            report = _reporting(records, progress, bad_ones)
            watched = progress.watched(records, source)
            return directory.imports(watched, directory.context, manner, report)


@contextmanager
def _keeping(name: str | None, source: str) -> Iterator[BinaryIO | None]:
    """The file for bad lines, if there is to be one."""
    if name is None:
        yield None
        return
    if source != STANDARD and Path(name).exists() and Path(source).samefile(name):
        raise click.UsageError("--errors would write over the FILE that is read.")
    with files.writing(name) as file:
        yield file


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
    """Tells each fault of a bad record, and keeps the record at once: a full disk must be known
    before the import is committed."""
    if file:
        file.write(records.header())

    def report(bad: "RejectedRecord") -> None:
        for fault in bad.faults:
            progress.say(f"line {bad.record.line}: {output.printable(str(fault))}")
        if file:
            file.write(records.rejected_row(bad))
            file.flush()

    return report


def _sum_up(tally: "ImportSummary", manner: "ImportOptions", *, as_json: bool) -> None:
    from dataclasses import asdict

    import orjson

    if as_json:
        meta = {**asdict(tally), "dry_run": manner.dry_run}
        output.document(orjson.dumps({"jsonapi": {"version": "1.1"}, "meta": meta}))
        return
    counts = ", ".join(f"{count} {name}" for name, count in asdict(tally).items())
    click.echo(f"{counts}; nothing was kept" if manner.dry_run else counts)


@click.command("export")
@click.argument("file", default=STANDARD, type=click.Path(allow_dash=True, dir_okay=False))
@files.as_format
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="ATTR=VALUE",
    help="As for roster users list; all of several must hold.",
)
@click.option("--sort", metavar="ATTR,-ATTR", help="By these; - for descending.  [default: id]")
def export_users(file: str, form: str | None, filters: tuple[str, ...], sort: str | None) -> None:
    """Write all users to FILE, or to standard output: their ids and all their attributes.

    CSV with a header row, or JSON Lines. What is exported can be imported.

    \b
    roster users export people.csv
    roster users export --format jsonl --filter role=admin | wc -l
    """
    from adapters.resources.files import FORMATS, copy_csv
    from adapters.resources.users import USERS
    from application.search import walk

    form = files.format_of(file, form)
    with connected() as (_, directory):
        search = directory.question(USERS, query_of(filters, sort)).search
        whole, copies = not filters and sort is None, directory.copies
        with (
            files.writing(file) as target,
            Progress("Exporting", result_to=target) as progress,
        ):
            if whole and form == "csv" and copies and copies.possible:
                copy_csv(copies, USERS, progress.counted(target))
            else:
                found = walk(directory.reader.page, search)
                files.write(FORMATS[form].write(progress.watched(found), USERS), target)
