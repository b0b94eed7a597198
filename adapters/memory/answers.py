"""Kept answers in a dict."""

from collections.abc import MutableMapping
from dataclasses import dataclass, replace
from datetime import datetime

from application.ports import KEPT_FOR, Answer, Answers, KeyReused


@dataclass(frozen=True, slots=True)
class Kept:
    """The answer to a request of that digest; none while its unit is open."""

    digest: str
    at: datetime
    answer: Answer | None = None


class MemoryAnswers(Answers):
    """The answers of a unit of work that is open. Units take turns, so no key is ever in use."""

    def __init__(self, rows: MutableMapping[str, Kept]) -> None:
        self._rows = rows

    def reserve(self, key: str, digest: str, *, at: datetime) -> Answer | None:
        for old in [each for each, kept in self._rows.items() if kept.at <= at - KEPT_FOR]:
            del self._rows[old]
        kept = self._rows.setdefault(key, Kept(digest, at))
        if kept.digest != digest:
            raise KeyReused
        return kept.answer

    def keep(self, key: str, answer: Answer) -> None:
        self._rows[key] = replace(self._rows[key], answer=answer)
