"""Reads the records of JSON Lines, and of JSON arrays."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from typing import Any, BinaryIO

from marshmallow import ValidationError

from adapters.files.reading import (
    DEFAULT_READ_OPTIONS,
    Names,
    ReadOptions,
    Records,
    normalize,
    quote,
    secret_names,
)
from adapters.jsonapi.kinds import Email
from adapters.jsonapi.resource import Resource
from adapters.tabular import csv, delimiters, jsonl
from adapters.tabular.remedies import Remedy, SolvableProblem
from adapters.tabular.source import Source, encoder
from application.imports import Record, RejectedRecord
from domain.errors import Invalid, Problem, Violation
from domain.text import strip_invisible


class JsonRecords(Records):
    """The records of a file of JSON Lines, or of one JSON array.

    The constructor raises Invalid if the first line shows that the file is not JSON Lines.
    """

    def __init__(
        self,
        file: BinaryIO,
        resource: Resource,
        _: Collection[str],
        options: ReadOptions = DEFAULT_READ_OPTIONS,
    ) -> None:
        source = Source(file, options.encoding)
        names = Names(resource, options)
        _check_json(source.head, names)
        self._rows = jsonl.read(source, source.offset)
        self._encode = encoder(source.encoding)
        self._names = names
        self._ignore_unknown = options.ignore_unknown
        self._settable = resource.settable.keys()
        secrets = secret_names(resource)
        self._not_repeated = names.ignored | secrets
        mapped = (header for header, name in names.mapped.items() if name in secrets)
        self._secret_names = [*map(normalize, secrets), *mapped]
        ignored = {"id", *resource.attributes, *names.ignored} - resource.settable.keys()
        self._ignored = ignored - names.mapped.keys()
        self._exact_names = frozenset(resource.settable) - names.mapped.keys()
        self._converted = [
            (name, each.field)
            for name, each in resource.settable.items()
            if not each.field.json_is_value
        ]
        self._emails = [
            name for name, each in resource.settable.items() if isinstance(each.field, Email)
        ]

    def __iter__(self) -> Iterator[Record]:
        for row in self._rows:
            if row.content is None:
                source = {} if self._may_have_secret(row.text) else {self._names.text: row.text}
                yield Record(row.line, {}, source, row.problem, row.item)
                continue
            ignored, problem = self._ignored, None
            attributes = {name: value for name, value in row.content.items() if name not in ignored}
            if not self._exact_names.issuperset(attributes):
                attributes, problem = self._rename_members(attributes)
            for name in self._emails:
                if isinstance(value := attributes.get(name), str):
                    attributes[name] = strip_invisible(value)
            for name, kind in self._converted:
                if name in attributes:
                    # An invalid value remains, and the domain rejects it with the reason.
                    with suppress(ValidationError):
                        attributes[name] = kind.deserialize(attributes[name])
            yield Record(row.line, attributes, row.content, problem, row.item)

    def _may_have_secret(self, text: str) -> bool:
        """Returns True if a text that is not JSON contains the name of a secret member."""
        folded = text.casefold()
        return any(name in folded for name in self._secret_names)

    def _rename_members(self, members: Mapping[str, Any]) -> tuple[dict[str, Any], Problem | None]:
        """Returns the members under the names of their attributes, or a problem.

        A member whose name equals that of the attribute takes precedence. Another member for the
        same attribute keeps its name, and is then rejected as unknown.
        """
        attributes = {name: value for name, value in members.items() if name in self._exact_names}
        for name, value in members.items():
            if name in self._exact_names:
                continue
            attribute = self._names.attribute(name)
            if not attribute:
                if not self._ignore_unknown:
                    attributes[name] = value
            elif attribute in self._settable:
                if attribute in attributes and normalize(name) in self._names.mapped:
                    detail = f"has two members for {attribute}: one of them is {quote(name)}"
                    return {}, Problem("repeated_attribute", detail)
                attributes[name if attribute in attributes else attribute] = value
        return attributes, None

    def header(self) -> bytes:
        return b""

    def rejected_row(self, rejected: RejectedRecord) -> bytes:
        source: Any = rejected.record.source
        attributes = {
            name: value
            for name, value in source.items()
            if self._names.attribute(name) not in self._not_repeated
        }
        errors = [str(error) for error in rejected.errors]
        added = {self._names.line: rejected.record.line, self._names.errors: errors}
        (line,) = jsonl.write([added | attributes])
        return self._encode(line.decode("utf-8"))


def _check_json(head: bytes, names: Names) -> None:
    """Raises Invalid if the first line shows that the file is not JSON Lines."""
    line = head.split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    if line == "{":
        detail = "must be a complete object, or the file must be one array of objects"
        raise Invalid([Violation("each line", Problem("malformed_json", detail))])
    if not line.startswith(("{", "[")) and any(
        names.count_known(csv.split_record(line, delimiter)) > 1 for delimiter in delimiters.KNOWN
    ):
        remedy = Remedy("format", "csv")
        problem = SolvableProblem("malformed_json", "seems to be CSV, not JSON", (remedy,))
        raise Invalid([Violation("the file", problem)])
