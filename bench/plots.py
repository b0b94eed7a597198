"""Draws the plots of a result file next to it. Needs matplotlib, but not Roster."""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot

mpl.rcParams["svg.hashsalt"] = "roster"  # otherwise each run would give the shapes other names


def draw(curves: dict[str, Any], path: Path, *, over: str, of: str, logarithmic: bool) -> None:
    """Draws a small plot for each scenario, with a line for each server."""
    figure, plots = pyplot.subplots(1, len(curves), figsize=(3.2 * len(curves), 3), squeeze=False)
    for plot, (scenario, servers) in zip(plots[0], curves.items(), strict=True):
        for name, points in servers.items():
            plot.plot([int(x) for x in points], list(points.values()), marker="o", label=name)
        plot.set(title=scenario, xlabel=over, ylim=(0, None))
        if logarithmic:
            plot.set(xscale="log", yscale="log", ylim=(100, None))
        else:
            plot.set_xticks([int(x) for x in points])
    plots[0][0].set_ylabel(of)
    plots[0][0].legend()
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main(results: Path) -> None:
    measured = json.loads(results.read_text())
    growth, scaling = results.with_name("growth.svg"), results.with_name("workers.svg")
    draw(measured["growth"], growth, over="rows", of="CPU µs a request", logarithmic=True)
    draw(measured["scaling"], scaling, over="workers", of="requests a second", logarithmic=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
