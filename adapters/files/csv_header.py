"""The header row of a CSV file: which attribute each column has."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

from adapters.files.reading import (
    MAX_NAME_LENGTH,
    Names,
    ReadOptions,
    normalize,
    quote,
)
from adapters.jsonapi.resource import Resource
from adapters.tabular import csv, delimiters
from adapters.tabular.lines import NotUtf8, Row
from adapters.tabular.remedies import Remedy, SolvableProblem
from domain.errors import Invalid, Problem, Violation

_MISSING: Final = Problem("missing", "must be a column")
_MAX_LISTED_COLUMNS: Final = 100


class UnknownColumns(Invalid):
    """The header row has unknown columns, and possibly other errors.

    `columns` are the headers of the unknown columns. `missing` are the required attributes without
    a column. `others` are the other errors.
    """

    def __init__(
        self,
        columns: Sequence[str],
        resource: Resource,
        missing: Sequence[str],
        others: Iterable[Violation],
    ) -> None:
        example = Remedy("column", _example_mapping(columns, [*resource.settable], missing))
        names = ", ".join(map(quote, columns[:_MAX_LISTED_COLUMNS]))
        more = (
            f" and {len(columns) - _MAX_LISTED_COLUMNS:,} more"
            if len(columns) > _MAX_LISTED_COLUMNS
            else ""
        )
        known = [*resource.settable]
        ignored = ["id", *(name for name in resource.attributes if name not in known)]
        detail = (
            f"has unknown columns: {names}{more}. Known columns: {', '.join(known)}; ignored: "
            f"{', '.join(ignored)}"
        )
        problem = SolvableProblem("unknown_attribute", detail, (example, Remedy("ignore_unknown")))
        super().__init__([Violation("the header row", problem), *others])
        self.columns = columns
        self.missing = missing


def _example_mapping(columns: Sequence[str], known: Sequence[str], missing: Sequence[str]) -> str:
    """Returns a probable mapping of a column, or no text."""
    from difflib import get_close_matches

    for column in columns[:_MAX_LISTED_COLUMNS]:
        normal = normalize(column)[:MAX_NAME_LENGTH]
        words = normal.replace("-", "").replace("_", " ").split()
        for name in missing or known:
            if name in words or get_close_matches(normal, [name]):
                return f"{name}={quote(column)}"
    return ""


class CsvHeader:
    """The header row of a CSV file, which begins with `line`.

    The constructor raises Invalid if there is no header row.
    """

    def __init__(self, row: Row[csv.Cells] | None, names: Names, line: str, delimiter: str) -> None:
        if row is None or row.content is None:
            raise Invalid([Violation("the first line", _missing_header(row))])
        if line.lstrip().startswith(("{", "[{")):
            detail = "must be a header row. The file seems to be JSON"
            problem = SolvableProblem("no_header", detail, (Remedy("format", "jsonl"),))
            raise Invalid([Violation("the first line", problem)])
        self.cells = row.content
        self._names = names
        self._line = line
        self._delimiter = delimiter

    def check(
        self, resource: Resource, required: Collection[str], options: ReadOptions
    ) -> list[str]:
        """Returns the attribute or other known name of each column. Empty for unknown columns.

        Raises Invalid if a column is unknown, repeated or missing, or if the delimiter is wrong.
        """
        columns = [self._names.attribute(cell) for cell in self.cells]
        unknown = [
            cell
            for cell, name in zip(self.cells, columns, strict=True)
            if not name and normalize(cell)
        ]
        if unknown:
            self._check_delimiter()
        headers = set(map(normalize, self.cells))
        missing = [name for name in required if name not in columns and name not in options.columns]
        violations = [
            *(Violation(name, _MISSING) for name in missing),
            *(
                Violation(quote(header), Problem("missing", f"must be a column, for {name}"))
                for name, header in options.columns.items()
                if normalize(header) not in headers
            ),
            *(Violation(*each) for each in self._repeated_columns(columns)),
        ]
        if unknown and not options.ignore_unknown:
            raise UnknownColumns(unknown, resource, missing, violations)
        if violations:
            raise Invalid(violations)
        return columns

    def _check_delimiter(self) -> None:
        """Raises Invalid if more columns are known with another delimiter."""
        other = delimiters.better_delimiter(self._line, self._delimiter, self._names.count_known)
        if other is not None:
            detail = (
                f"has more known columns if its delimiter is {quote(other)} instead of "
                f"{quote(self._delimiter)}"
            )
            problem = SolvableProblem("wrong_delimiter", detail, (Remedy("delimiter", other),))
            raise Invalid([Violation("the header row", problem)])

    def _repeated_columns(self, columns: Sequence[str | None]) -> Iterator[tuple[str, Problem]]:
        """Yields each name that several columns have, with its problem."""
        headers_by_name: dict[str, list[str]] = {}
        for header, name in zip(self.cells, columns, strict=True):
            if name:
                headers_by_name.setdefault(name, []).append(header)
        for name in sorted(headers_by_name):
            headers = list(dict.fromkeys(headers_by_name[name]))
            if len(headers_by_name[name]) > 1:
                detail = "is the name of two columns"
                if len(headers) > 1:
                    detail = f"is two columns: {quote(headers[0])} and {quote(headers[1])}"
                yield name, Problem("repeated_attribute", detail)


def _missing_header(row: Row[csv.Cells] | None) -> Problem:
    """Returns the reason why there is no header row."""
    if row and isinstance(row.problem, NotUtf8):
        detail = f"must be a header row, but it {row.problem.detail}"
        return SolvableProblem("no_header", detail, row.problem.remedies)
    detail = "must be a header row in UTF-8"
    if row is None:
        detail += ". The file is empty"
    elif row.problem:
        detail += f", and {row.problem.detail}"
    return Problem("no_header", detail)
