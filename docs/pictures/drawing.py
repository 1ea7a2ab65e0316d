"""A drawing of boxes and arrows as SVG: boxes stand in a grid, arrows go from edge to edge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

COLUMN, ROW, WIDTH, HEIGHT, MARGIN = 210, 120, 160, 60, 20
COLOURS = {
    "load": "#e8f1fb",
    "edge": "#eef6ee",
    "service": "#f2f5f8",
    "watch": "#fdf0e2",
    "store": "#f3ecfa",
    "you": "#fff6d6",
}
LINE, TEXT, FAINT = "#5b6b7b", "#1b2733", "#9fb0c0"


@dataclass(frozen=True)
class Box:
    """A box at a place of the grid (column and row, halves allowed), with a name and a line below it."""

    column: float
    row: float
    name: str
    what: str = ""
    kind: str = "service"


@dataclass(frozen=True)
class Arrow:
    """An arrow between two boxes by their keys; dashed for what only watches."""

    start: str
    end: str
    text: str = ""
    dashed: bool = False


def svg(told: str, boxes: Mapping[str, Box], arrows: Sequence[Arrow]) -> str:
    """Return the drawing; `told` is what it says to somebody who cannot see it."""
    width = MARGIN * 2 + WIDTH + COLUMN * max(box.column for box in boxes.values())
    height = MARGIN * 2 + HEIGHT + ROW * max(box.row for box in boxes.values())
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'font-family="system-ui, sans-serif" role="img" aria-label="{escape(told)}">',
        '<defs><marker id="a" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
        f'orient="auto-start-reverse"><path d="M0 0L10 5L0 10z" fill="{LINE}"/></marker></defs>',
        f'<rect width="{width:g}" height="{height:g}" fill="#fff"/>',
        *(_arrow(boxes[arrow.start], boxes[arrow.end], arrow) for arrow in arrows),
        *(_box(box) for box in boxes.values()),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _corner(box: Box) -> tuple[float, float]:
    return MARGIN + box.column * COLUMN, MARGIN + box.row * ROW


def _box(box: Box) -> str:
    x, y = _corner(box)
    look = f'rx="8" fill="{COLOURS[box.kind]}" stroke="{FAINT}"'
    drawn = [f'<rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" {look}/>']
    bold = f'font-size="15" font-weight="600" fill="{TEXT}"'
    drawn.append(_text(x + WIDTH / 2, y + (27 if box.what else 36), box.name, bold))
    if box.what:
        drawn.append(_text(x + WIDTH / 2, y + 46, box.what, f'font-size="12" fill="{LINE}"'))
    return "".join(drawn)


def _text(x: float, y: float, text: str, look: str, anchor: str = "middle") -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" {look}>{escape(text)}</text>'


def _arrow(start: Box, end: Box, arrow: Arrow) -> str:
    (x1, y1), (x2, y2) = _ends(start, end)
    dash = ' stroke-dasharray="5 4"' if arrow.dashed else ""
    line = (
        f'<path d="M{x1:g} {y1:g}L{x2:g} {y2:g}" fill="none" stroke="{LINE}" stroke-width="1.6" '
        f'marker-end="url(#a)"{dash}/>'
    )
    if not arrow.text:
        return line
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    upright = abs(x1 - x2) < 1
    x, y, anchor = (x + 8, y + 4, "start") if upright else (x, y - 6, "middle")
    words = f'x="{x:g}" y="{y:g}" font-size="12" text-anchor="{anchor}"'
    halo = 'stroke="#fff" stroke-width="4" paint-order="stroke"'
    return f'{line}<text {words} fill="{LINE}" {halo}>{escape(arrow.text)}</text>'


def _ends(start: Box, end: Box) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return where an arrow leaves one box and meets the other: the sides that face each other."""
    (x1, y1), (x2, y2) = _corner(start), _corner(end)
    if abs(x2 - x1) >= WIDTH and abs(y2 - y1) <= ROW:  # side by side
        right = x2 > x1
        return (x1 + WIDTH * right, y1 + HEIGHT / 2), (x2 + WIDTH * (not right) - 2 * (right or -1), y2 + HEIGHT / 2)
    below = y2 > y1
    return (x1 + WIDTH / 2, y1 + HEIGHT * below), (x2 + WIDTH / 2, y2 + HEIGHT * (not below) - 2 * (below or -1))
