# SPDX-License-Identifier: Apache-2.0
"""A small writer of SVG: boxes, lines, arrows and text, as tall and wide as what was drawn."""
from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

FONT_SIZE = 13
# A character of a monospaced font of that size, generously.
COLUMN = 8.0
LINE = 18.0
MARGIN = 16.0

_STYLE = """\
text { font: 13px monospace; fill: #1b1f24 }
text.title { font-size: 16px; font-weight: bold }
text.quiet { fill: #5f6b7a }
text.bad { fill: #a3261b }
.box { fill: #eef3fa; stroke: #35557e }
.bytes { fill: #fdf4e0; stroke: #8a6414 }
.end { fill: #e8f5e9; stroke: #2f6b3a }
.refusal { stroke: #a3261b }
.line { fill: none; stroke: #35557e }
"""


def width_of(text: str) -> float:
    """How wide a text is at most."""
    return len(text) * COLUMN


class Picture:
    """What is drawn; (0, 0) is the upper left corner inside the margin."""

    def __init__(self, title: str, description: str) -> None:
        self.title = title
        self.description = description
        self.parts: list[str] = []
        self.width = 0.0
        self.height = 0.0

    def text(self, x: float, y: float, text: str, style: str = "",
             is_centred: bool = False) -> None:
        """`y` is the base line."""
        anchor = ' text-anchor="middle"' if is_centred else ""
        of = f" class={quoteattr(style)}" if style else ""
        self.parts.append(f'<text x="{x:g}" y="{y:g}"{anchor}{of}>{escape(_visible(text))}</text>')
        factor = 16 / FONT_SIZE if style == "title" else 1
        self._grow(x + width_of(text) * factor * (0.5 if is_centred else 1), y + LINE / 3)

    def box(self, x: float, y: float, width: float, height: float, style: str = "box",
            corner: float = 0) -> None:
        self.parts.append(f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" '
                          f'rx="{corner:g}" class="{style}"/>')
        self._grow(x + width, y + height)

    def path(self, points: list[tuple[float, float]], style: str = "line",
             is_arrow: bool = False) -> None:
        """A line through the points, with an arrow's head at the end or without."""
        steps = " ".join(f"{'L' if at else 'M'}{x:g} {y:g}" for at, (x, y) in enumerate(points))
        head = ' marker-end="url(#head)"' if is_arrow else ""
        self.parts.append(f'<path d="{steps}" class="{style}"{head}/>')
        self._grow(max(x for x, _ in points), max(y for _, y in points))

    def _grow(self, x: float, y: float) -> None:
        self.width = max(self.width, x)
        self.height = max(self.height, y)

    def svg(self) -> str:
        """The document."""
        width, height = self.width + 2 * MARGIN, self.height + 2 * MARGIN
        head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
                f'viewBox="{-MARGIN:g} {-MARGIN:g} {width:g} {height:g}" role="img">')
        return "\n".join([
            '<?xml version="1.0" encoding="UTF-8"?>', head,
            f"<title>{escape(_visible(self.title))}</title>",
            f"<desc>{escape(_visible(self.description))}</desc>", f"<style>\n{_STYLE}</style>",
            '<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" '
            'markerHeight="8" orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="#35557e"/></marker>'
            "</defs>",
            f'<rect x="{-MARGIN:g}" y="{-MARGIN:g}" width="{width:g}" height="{height:g}" '
            'fill="#ffffff"/>',
            *self.parts, "</svg>", ""])


def _visible(text: str) -> str:
    """XML has no control characters."""
    return "".join(c if c.isprintable() else " " for c in text)
