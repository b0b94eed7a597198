"""Whether something grows, told by a line through what was seen of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import linear_regression


@dataclass
class Series:
    """A quantity as it was seen, and when."""

    seconds: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def add(self, seconds: float, value: float) -> None:
        self.seconds.append(seconds)
        self.values.append(value)

    def since(self, seconds: float) -> "Series":
        """What was seen from then on."""
        first = sum(each < seconds for each in self.seconds)
        return Series(self.seconds[first:], self.values[first:])

    def at(self, seconds: float) -> float:
        """As it was seen first from then on, or else last."""
        return (self.since(seconds).values or self.values[-1:])[0]

    @property
    def growth(self) -> float:
        """From the first look to the last by the line that fits best (least squares)."""
        if len(self.seconds) < 2:
            return 0.0
        return linear_regression(self.seconds, self.values).slope * self._span()

    def _span(self) -> float:
        return self.seconds[-1] - self.seconds[0]

    def row(self, name: str) -> str:
        """A line of a table."""
        cells: Sequence[float] = (
            self.values[0],
            self.values[-1],
            min(self.values),
            max(self.values),
            self.growth,
        )
        return f"| {name} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |"


HEAD = "| seen | first | last | least | most | growth by the line |\n| --- |" + " ---: |" * 5
