"""What a run tells at its end besides what passed: counts, tables, and what was lacking.

Where several processes share the tests, each sends its own to the one that writes.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest


@dataclass
class Findings:
    """Of one process, or of all together."""

    lacking: set[str] = field(default_factory=set)
    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How many there were, by who asked whom and by status."""
    tables: dict[str, list[str]] = field(default_factory=dict)

    def row(self, table: str, head: list[str], row: str) -> None:
        self.tables.setdefault(table, [*head]).append(row)

    def lines(self) -> list[str]:
        """What is to be written of the answers."""
        told = []
        for asked in sorted({asked for asked, _ in self.answers}):
            of_it = {
                status: n for (name, status), n in sorted(self.answers.items()) if name == asked
            }
            each = ", ".join(f"{status}: {number}" for status, number in of_it.items())
            told.append(f"{asked}: {sum(of_it.values())} answers ({each})")
        return told

    def sent(self) -> dict[str, Any]:
        """In plain values, as processes send them."""
        answers = [[asked, status, number] for (asked, status), number in self.answers.items()]
        return {"lacking": [*self.lacking], "answers": answers, "tables": self.tables}

    def add(self, sent: dict[str, Any]) -> None:
        self.lacking.update(sent["lacking"])
        for asked, status, number in sent["answers"]:
            self.answers[asked, status] += number
        for table, lines in sent["tables"].items():
            here = self.tables.setdefault(table, [])
            here.extend(line for line in lines if line not in here)


FINDINGS = pytest.StashKey[Findings]()
