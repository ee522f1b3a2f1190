"""Small pieces of HTML; the only place where text becomes markup, and it is escaped here."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, NewType

from trader.report.words import NO_VALUE, Spread, show

Html = NewType("Html", str)  # escaped already
PERCENT = "\u00a0%"
SIGNED = {"total_return", "gross_return", "net_pnl", "cagr", "log_growth", "sharpe", "sortino", "calmar", "alpha"}


def text(value: object) -> Html:
    """Return a value as escaped text, quotes included.

    Example:
        >>> text('<b title="x">')
        '&lt;b title=&quot;x&quot;&gt;'
    """
    return Html(html.escape(str(value), quote=True))


def join(parts: Iterable[Html], between: str = "") -> Html:
    """Return pieces of HTML one after the other."""
    return Html(between.join(parts))


def wrap(tag: str, content: Html, css: str = "") -> Html:
    """Return `<tag class="css">content</tag>`."""
    opening = f'{tag} class="{css}"' if css else tag
    return Html(f"<{opening}>{content}</{tag}>")


def typeset(words: str) -> str:
    r"""Return text with true minus signs before numbers and percent signs that stay on their line.

    Example:
        >>> typeset("buy-and-hold -4.2 %")
        'buy-and-hold −4.2\xa0%'
    """
    return re.sub(r"(?<!\w)-(?=\d)", "−", words).replace(" %", "\u00a0%")


def number(key: str, value: float | None) -> Html:
    """Return a metric's number, marked as gain or loss where its sign means one; true minus signs."""
    shown = text(typeset(show(key, value)))
    if value is None or key not in SIGNED or not any(digit in shown for digit in "123456789"):
        return shown
    return wrap("span", shown, "gain" if value > 0 else "loss")


def spread_range(key: str, own: Spread) -> Html:
    """Return `[least … greatest]` over seeds, or nothing for one seed."""
    if own.low is None or own.high is None or own.num_seeds == 1:
        return Html("")
    low, high = (typeset(show(key, value)) for value in (own.low, own.high))
    return wrap("span", text(f"[{low.removesuffix(PERCENT)} … {high}]"), "range")


def median_and_range(key: str, own: Spread) -> Html:
    """Return the median and, small behind it, the range over seeds."""
    return join([number(key, own.median), spread_range(key, own)], " ")


def table(label: str, head: Sequence[Html], rows: Iterable[Sequence[Html]], css: str = "") -> Html:
    """Return a table that scrolls sideways by itself; the first column names the row."""
    top = join(Html(f'<th scope="col">{cell}</th>') for cell in head)
    body = join(wrap("tr", _row(row)) for row in rows)
    shown = f'<table class="{css}"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'
    return Html(f'<div class="scroll" role="region" tabindex="0" aria-label="{text(label)}">{shown}</div>')


def _row(cells: Sequence[Html]) -> Html:
    return join([Html(f'<th scope="row">{cells[0]}</th>'), *(wrap("td", cell) for cell in cells[1:])])


def facts(pairs: Iterable[tuple[str, Html]], css: str = "facts") -> Html:
    """Return a list of names and values."""
    items = join(Html(f"<div><dt>{text(name)}</dt><dd>{value}</dd></div>") for name, value in pairs)
    return wrap("dl", items, css)


def json_for_script(values: Any) -> Html:
    r"""Return JSON that cannot end the script element it stands in.

    Example:
        >>> json_for_script({"name": "</script>"})
        '{"name":"\\u003c/script\\u003e"}'
    """
    compact = json.dumps(values, allow_nan=False, separators=(",", ":"), ensure_ascii=True)
    return Html(compact.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def or_dash(value: object) -> Html:
    """Return escaped text, or a dash for nothing."""
    return text(value) if value not in (None, "") else text(NO_VALUE)
