"""The summary at the end of a test run: counts, tables, and missing programs.

If several processes run the tests, each sends its findings to the process that prints them.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest


@dataclass
class Findings:
    """The findings of one process, or of all processes."""

    lacking: set[str] = field(default_factory=set)
    responses: Counter[tuple[str, str]] = field(default_factory=Counter)
    """The number of responses by a label for their requests, and by status."""
    tables: dict[str, list[str]] = field(default_factory=dict)

    def row(self, table: str, header: list[str], row: str) -> None:
        self.tables.setdefault(table, [*header]).append(row)

    def lines(self) -> list[str]:
        """The lines of the summary about responses."""
        lines = []
        for name in sorted({name for name, _ in self.responses}):
            counts = {
                status: number
                for (other, status), number in sorted(self.responses.items())
                if other == name
            }
            listed = ", ".join(f"{status}: {number}" for status, number in counts.items())
            lines.append(f"{name}: {sum(counts.values())} responses ({listed})")
        return lines

    def to_plain(self) -> dict[str, Any]:
        """The findings in plain values, which can be sent to another process."""
        responses = [[name, status, number] for (name, status), number in self.responses.items()]
        return {"lacking": [*self.lacking], "responses": responses, "tables": self.tables}

    def add(self, sent: dict[str, Any]) -> None:
        self.lacking.update(sent["lacking"])
        for name, status, number in sent["responses"]:
            self.responses[name, status] += number
        for table, lines in sent["tables"].items():
            known = self.tables.setdefault(table, [])
            known.extend(line for line in lines if line not in known)


FINDINGS = pytest.StashKey[Findings]()
