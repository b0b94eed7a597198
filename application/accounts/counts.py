"""Counts of results, for metrics."""

from collections import Counter
from collections.abc import Mapping
from threading import Lock


class ResultCounts:
    """Counts results. Several threads may use it. The named results have counts from the start."""

    def __init__(self, *results: str) -> None:
        self._lock = Lock()
        self._counts = Counter(dict.fromkeys(results, 0))

    def add(self, result: str) -> None:
        """Counts a result."""
        with self._lock:
            self._counts[result] += 1

    def read(self) -> Mapping[str, int]:
        """Returns the count of each result."""
        with self._lock:
            return dict(self._counts)
