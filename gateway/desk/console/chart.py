"""Charts as server-side SVG that print in grey: bars with their numbers written on them, no legend to decode."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from markupsafe import Markup

HEIGHT: Final = 96
STEP: Final = 72


def weekly(rows: Sequence[tuple[str, int, int]], published: str, refused: str, width: str = "long") -> Markup:
    """Return a stacked bar a week: published below, refused above, each with its number; `rows` are (Monday, published, refused).

    `width` is the class that says on which screens it stands: `long` on wide ones, `short` on phones.
    """
    top = max((p + r for _, p, r in rows), default=0) or 1
    across = STEP * len(rows)
    parts = [
        (f'<svg class="chart {escape(width)}" viewBox="0 0 {across} {HEIGHT + 40}" role="img" aria-label="{escape(published)} / {escape(refused)}" '
        'preserveAspectRatio="xMinYMid meet">'),
    ]
    for at, (week, done, stopped) in enumerate(rows):
        x = at * STEP + 16
        low, high = _height(done, top), _height(stopped, top)
        y = HEIGHT + 16
        parts.append(f'<rect class="bar-live" x="{x}" y="{y - low}" width="40" height="{low}"/>')
        parts.append(f'<rect class="bar-stop" x="{x}" y="{y - low - high}" width="40" height="{high}"/>')
        label = f"{done}" + (f" + {stopped}⊘" if stopped else "")
        if done or stopped:
            parts.append(f'<text class="num" x="{x + 20}" y="{y - low - high - 4}" text-anchor="middle">{label}</text>')
        parts.append(f'<text class="axis" x="{x + 20}" y="{y + 16}" text-anchor="middle">{escape(week[5:])}</text>')
    parts.append(f'<line class="base" x1="0" y1="{HEIGHT + 16}" x2="{across}" y2="{HEIGHT + 16}"/></svg>')
    return Markup("".join(parts))  # noqa: S704 -- numbers and escaped words only


def _height(count: int, top: int) -> int:
    return max(2, round(count / top * (HEIGHT - 12))) if count else 0
