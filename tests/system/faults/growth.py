"""The growth of a quantity, from a line through its samples."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import linear_regression


@dataclass
class Series:
    """The samples of a quantity, with their times."""

    seconds: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def add(self, seconds: float, value: float) -> None:
        self.seconds.append(seconds)
        self.values.append(value)

    def since(self, seconds: float) -> "Series":
        """The samples from this time on."""
        first = sum(each < seconds for each in self.seconds)
        return Series(self.seconds[first:], self.values[first:])

    def at(self, seconds: float) -> float:
        """The first sample from this time on, or else the last sample."""
        return (self.since(seconds).values or self.values[-1:])[0]

    @property
    def growth(self) -> float:
        """The growth from the first sample to the last, by linear regression."""
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


HEAD = "| quantity | first | last | least | most | growth by the line |\n| --- |" + " ---: |" * 5
