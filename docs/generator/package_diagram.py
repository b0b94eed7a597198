"""Imports of the code -> docs/packages.svg: the packages and the imports between them."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Final

import grimp

PACKAGES: Final = ("domain", "application", "adapters", "entrypoints", "migrations")
Import = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Box:
    """The box of a package: its center, its size and its purpose."""

    x: int
    y: int
    purpose: str
    width: int = 124
    height: int = 56

    @property
    def top(self) -> int:
        return self.y - self.height // 2

    @property
    def bottom(self) -> int:
        return self.y + self.height // 2

    def edge_towards(self, x: int, y: int) -> tuple[float, float]:
        """The point at which a line from the center of the box to (x, y) crosses its edge."""
        across, down = x - self.x, y - self.y
        share = min(
            self.width / 2 / abs(across) if across else 1,
            self.height / 2 / abs(down) if down else 1,
        )
        return self.x + across * share, self.y + down * share


BOXES: Final = {
    "entrypoints": Box(430, 44, "processes: settings, container, server, command line", 812),
    "migrations": Box(924, 44, "table revisions", 128),
    "api": Box(210, 158, "HTTP routes"),
    "accounts": Box(430, 158, "login and sessions", 140),
    "oauth": Box(600, 158, "OAuth endpoints", 124),
    "resources": Box(436, 234, "declared resources", 140),
    "files": Box(600, 234, "imports and exports", 134),
    "web": Box(130, 322, "Flask middleware"),
    "jsonapi": Box(308, 322, "JSON:API format"),
    "tabular": Box(548, 322, "rows in files"),
    "mail": Box(938, 420, "emails", 80),
    "tokens": Box(692, 322, "signed tokens", 116),
    "passwords": Box(806, 234, "password hashes", 124),
    "memory": Box(816, 322, "in-memory store", 108),
    "sql": Box(928, 322, "SQL stores", 92),
    "strict_json": Box(541, 420, "strict parsing", 110),
    "https_client": Box(660, 420, "key sets", 108),
    "deadline_sockets": Box(800, 420, "time limits", 152),
    "application": Box(513, 530, "use cases and ports", 926),
    "domain": Box(500, 626, "entities, their rules and errors: plain Python", 952),
}
OUTER: Final = ("entrypoints", "migrations")
INNER: Final = ("application", "domain")
_OFFSET: Final = {"application": -14, "domain": 14}  # keeps two arrows downward apart
_MARGIN: Final = {"application": 56, "domain": 38}  # left of all other packages

_FRAME: Final = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000 670" role="img"
  font-family="system-ui, sans-serif" text-anchor="middle">
<title>The packages of Roster and their imports</title>
<style>
svg {{ --paper: #fff; --band: #f2f4f7; --box: #fff; --ink: #1c2430; --dim: #5b6675;
  --line: #9aa5b4; --within: #1f6feb }}
@media (prefers-color-scheme: dark) {{
  svg {{ --paper: #0d1117; --band: #161c25; --box: #222b38; --ink: #e8edf4; --dim: #9ba7b6;
    --line: #566273; --within: #58a6ff }}
}}
.paper {{ fill: var(--paper) }} .band {{ fill: var(--band) }}
.box {{ fill: var(--box); stroke: var(--line) }}
text {{ fill: var(--ink); font-size: 15px; font-weight: 600 }}
.purpose {{ fill: var(--dim); font-size: 11.5px; font-weight: 400 }}
.line {{ stroke: var(--line); stroke-width: 1.3 }} .line-end {{ fill: var(--line) }}
.within {{ stroke: var(--within); stroke-width: 1.8 }} .within-end {{ fill: var(--within) }}
</style>
<defs>
{ends}
</defs>
<rect class="paper" width="1000" height="670" rx="8"/>
<rect class="band" x="64" y="100" width="924" height="372" rx="8"/>
<text x="580" y="126">adapters</text>
{body}
</svg>
"""
_END: Final = (
    '<marker id="{name}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
    'markerUnits="userSpaceOnUse" orient="auto"><path class="{name}-end" d="M0 1 10 5 0 9z"/>'
    "</marker>"
)


def imports() -> list[Import]:
    """The imports between packages, sorted by name."""
    graph = grimp.build_graph(*PACKAGES, exclude_type_checking_imports=True, cache_dir=None)
    found = {
        (_package(module), _package(imported))
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
    }
    return sorted((here, there) for here, there in found if here != there)


def _package(module: str) -> str:
    first, *rest = module.split(".")
    return rest[0] if first == "adapters" and rest else first


def diagram() -> str:
    """Draws the diagram as an SVG, in the light or dark theme of the reader."""
    arrows = (_arrow(here, there) for here, there in imports())
    boxes = (line for name, box in BOXES.items() for line in _draw_box(name, box))
    ends = "\n".join(_END.format(name=name) for name in ("line", "within"))
    return _FRAME.format(ends=ends, body="\n".join([*arrows, *boxes]))


def _draw_box(name: str, box: Box) -> Iterator[str]:
    left = box.x - box.width // 2
    yield (
        f'<rect class="box" x="{left}" y="{box.top}" width="{box.width}" '
        f'height="{box.height}" rx="6"/>'
    )
    yield f'<text x="{box.x}" y="{box.y - 3}">{name}</text>'
    yield f'<text class="purpose" x="{box.x}" y="{box.y + 15}">{escape(box.purpose)}</text>'


def _arrow(here: str, there: str) -> str:
    if here in OUTER or there in INNER:
        return _line("line", here, there, *_straight_down(here, there))
    a, b = BOXES[here], BOXES[there]
    return _line("within", here, there, *a.edge_towards(b.x, b.y), *b.edge_towards(a.x, a.y))


def _straight_down(here: str, there: str) -> tuple[int, int, int, int]:
    """An arrow from layer to layer. It runs behind a box in between."""
    a, b = BOXES[here], BOXES[there]
    if here == "entrypoints" and there in INNER:
        x = _MARGIN[there]
    elif here == "entrypoints":
        x = min(b.x, a.x + a.width // 2 - 6)
    elif there in INNER and here not in INNER:
        x = a.x + _OFFSET[there]
    else:
        x = b.x
    return x, a.bottom, x if there in INNER else b.x, b.top


def _line(kind: str, here: str, there: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return (
        f'<line class="{kind}" x1="{x1:.0f}" y1="{y1:.0f}" x2="{x2:.0f}" y2="{y2:.0f}" '
        f'marker-end="url(#{kind})"><title>{here} imports {there}</title></line>'
    )
