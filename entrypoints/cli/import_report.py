"""The report of an import: the rejected records, and the summary."""

from typing import TYPE_CHECKING, BinaryIO, Final

from domain.english import counted
from entrypoints.cli import files, output
from entrypoints.cli.progress import Progress

if TYPE_CHECKING:
    from adapters.files.reading import Records
    from application.imports import ImportOptions, ImportSummary, RejectedRecord

MAX_PRINTED: Final = 20
"""The number of rejected records that are printed."""


class Report:
    """Prints the errors of the first rejected records, and writes all of them to a file.

    Each record is written immediately, so that a full disk is noticed before the commit.
    """

    def __init__(self, records: "Records", progress: Progress, file: BinaryIO | None) -> None:
        from application.imports import ErrorCounts

        self._records = records
        self._progress = progress
        self._file = file
        self._counts = ErrorCounts()
        self._has_printed_encoding = False
        self._has_started_file = False

    def start_file(self) -> None:
        """Replaces the content of the file with the header, unless a record did so before.

        An import that ends before it reads a record leaves the file unchanged.
        """
        if self._file and not self._has_started_file:
            files.empty(self._file)
            self._file.write(self._records.header())
        self._has_started_file = True

    def __call__(self, rejected: "RejectedRecord") -> None:
        self._counts.add(rejected)
        if self._counts.records <= MAX_PRINTED:
            self._print(rejected)
        self.start_file()
        if self._file:
            self._file.write(self._records.rejected_row(rejected))
            self._file.flush()

    def _print(self, rejected: "RejectedRecord") -> None:
        from adapters.tabular.lines import NotUtf8
        from entrypoints.cli.remedies import remedies_of

        record, errors = rejected.record, [*map(str, rejected.errors)]
        if isinstance(problem := record.problem, NotUtf8):
            errors = [f"{problem.code}: {problem.detail}.{remedies_of(problem)}"]
            if self._has_printed_encoding:  # the cause and the remedy were printed before
                errors = [f"{problem.code}: {problem.brief}"]
            self._has_printed_encoding = True
        item = f" (item {record.item:,})" if record.item else ""
        for error in errors:
            self._progress.say(f"line {record.line}: {output.printable(error)}{item}")

    def print_totals(self) -> None:
        """Prints the numbers of errors if not all rejected records were printed."""
        if (more := self._counts.records - MAX_PRINTED) <= 0:
            return
        rest = f"{counted(more, 'more invalid record')}."
        hint = "" if self._file else " Use --errors FILE to get all of them."
        self._progress.say(f"{rest}{hint} All errors by attribute and code:")
        for kind, count in self._counts.by_kind():
            self._progress.say(f"{count:>9,}  {output.printable(kind)}")


def print_summary(summary: "ImportSummary", options: "ImportOptions", *, as_json: bool) -> None:
    """Prints the numbers of records by result, as a line or as a document."""
    from dataclasses import asdict

    import orjson

    if as_json:
        meta = {**asdict(summary), "dry_run": options.dry_run}
        output.document(orjson.dumps({"jsonapi": {"version": "1.1"}, "meta": meta}))
        return
    counts = ", ".join(f"{count} {name}" for name, count in asdict(summary).items())
    output.line(f"{counts}; nothing was stored" if options.dry_run else counts)
