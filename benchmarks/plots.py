"""Small plots as SVG text: lines over logarithmic or plain axes, and bars from zero."""

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from tables import spelt

WIDTH, HEIGHT = 640, 380
LEFT, RIGHT, TOP, BOTTOM = 78, 24, 44, 52
COLORS = ("#1f6fb2", "#c8500a", "#3a7d34", "#8a4fa3")
INK, GRID = "#24292f", "#d9dee3"


class Axis(NamedTuple):
    """A range of numbers with ticks, and whether distances are ratios.

    Attributes:
        label: with unit.
        low, high: ends.
        ticks: positions and their names.
        log: ratios instead of differences.
    """

    label: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    log: bool = True

    def share(self, value: float) -> float:
        """Return where a value lies, 0 at the low end and 1 at the high one."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


class Series(NamedTuple):
    """A line of points; `dashed` for what is no measurement."""

    name: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False


def log_axis(label: str, values: Sequence[float], name_of=spelt) -> Axis:
    """Return an axis over whole decades that holds all values; long ranges name every second or third decade."""
    low, high = math.floor(math.log10(min(values)) + 1e-9), math.ceil(math.log10(max(values)) - 1e-9)
    high = max(high, low + 1)
    step = 1 + (high - low) // 6
    ticks = tuple((10.0**k, name_of(10.0**k if k < 0 else 10**k)) for k in range(low, high + 1, step))
    return Axis(label, 10.0**low, 10.0**high, ticks)


def plain_axis(label: str, low: float, high: float, step: float) -> Axis:
    count = round((high - low) / step)
    return Axis(label, low, high, tuple((low + k * step, _plain(low + k * step)) for k in range(count + 1)), log=False)


def axis_from_zero(label: str, most: float) -> Axis:
    """Return an axis of three to six round steps that holds `most`."""
    power = 10.0 ** math.floor(math.log10(most))
    step = next(part * power for part in (0.2, 0.5, 1.0, 2.0) if most / (part * power) <= 6)
    return plain_axis(label, 0.0, step * math.ceil(most / step), step)


def _plain(value: float) -> str:
    return spelt(int(value)) if value >= 1000 else f"{value:g}"


def line_chart(title: str, x: Axis, y: Axis, series: Sequence[Series]) -> str:
    """Return an SVG of lines with their names beneath the title."""
    parts = [*_frame(title, x, y)]
    for number, one in enumerate(series):
        color = COLORS[number % len(COLORS)]
        places = [(_x(x, a), _y(y, b)) for a, b in one.points]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
        dash = ' stroke-dasharray="5 4"' if one.dashed else ""
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"{dash}/>')
        if not one.dashed:
            parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{color}"/>' for a, b in places]
        parts.append(_legend(number, one, color, dash))
    return _svg(parts, HEIGHT)


def _legend(number: int, one: Series, color: str, dash: str) -> str:
    at = LEFT + 180 * number
    line = f'<line x1="{at}" y1="34" x2="{at + 22}" y2="34" stroke="{color}" stroke-width="2"{dash}/>'
    return line + _text(at + 28, 38, one.name)


def bar_chart(title: str, x: Axis, bars: Sequence[tuple[str, float, str]]) -> str:
    """Return an SVG of horizontal bars.

    Args:
        title: above.
        x: from zero, so that lengths compare.
        bars: name, length, words behind it.
    """
    left, row = 268, 26
    height = TOP + row * len(bars) + BOTTOM
    inner = WIDTH - left - 120
    parts = [_text(12, 20, title, weight="bold")]
    for value, name in x.ticks:
        at = left + inner * x.share(value)
        parts.append(f'<line x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{height - BOTTOM}" stroke="{GRID}"/>')
        parts.append(_text(at, height - BOTTOM + 18, name, anchor="middle"))
    parts.append(_text(left + inner / 2, height - 12, x.label, anchor="middle"))
    for number, (name, value, words) in enumerate(bars):
        top, length = TOP + row * number + 4, inner * x.share(value)
        color = COLORS[0] if name.startswith("trader") else "#9aa4ae"
        parts.append(f'<rect x="{left}" y="{top}" width="{length:.1f}" height="{row - 8}" fill="{color}"/>')
        parts.append(_text(left - 8, top + 13, name, anchor="end"))
        parts.append(_text(left + length + 6, top + 13, words))
    return _svg(parts, height)


def _frame(title: str, x: Axis, y: Axis) -> list[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = [_text(12, 20, title, weight="bold")]
    for value, name in x.ticks:
        at = _x(x, value)
        parts.append(f'<line x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{bottom}" stroke="{GRID}"/>')
        parts.append(_text(at, bottom + 18, name, anchor="middle"))
    for value, name in y.ticks:
        at = _y(y, value)
        parts.append(f'<line x1="{LEFT}" y1="{at:.1f}" x2="{right}" y2="{at:.1f}" stroke="{GRID}"/>')
        parts.append(_text(LEFT - 8, at + 4, name, anchor="end"))
    parts.append(f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="{INK}"/>')
    parts.append(_text((LEFT + right) / 2, HEIGHT - 12, x.label, anchor="middle"))
    middle = (TOP + bottom) / 2
    turned = f'transform="rotate(-90 16 {middle:.0f})"'
    parts.append(_text(16, middle, y.label, anchor="middle", extra=turned))
    return parts


def _x(axis: Axis, value: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * axis.share(value)


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * axis.share(value)


def _text(x: float, y: float, words: str, anchor: str = "start", weight: str = "normal", extra: str = "") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" fill="{INK}"'
    return f"<text {place} {extra}>{escape(words)}</text>"


def _svg(parts: Sequence[str], height: float) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    style = 'font-family="system-ui, sans-serif" font-size="12"'
    ground = f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>'
    return "\n".join([f"{head} {style}>", ground, *parts, "</svg>", ""])
