"""The figures of `report.html` as Plotly's JSON, without their points: lines, panes, axes, words.

A colour is `var(--name)`, a name of `page.css`: the page looks it up, so that light, dark and paper need one figure.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

Figure = dict[str, Any]
BASELINE_STYLES = {
    "buy_and_hold": ("var(--hold)", "solid"),
    "flat": ("var(--flat)", "2px,3px"),
    "random": ("var(--random)", "8px,3px,2px,3px"),
    "sma_crossover": ("var(--sma)", "7px,3px"),
    "momentum": ("var(--momentum)", "3px,3px"),
    "oracle": ("var(--oracle)", "10px,4px"),
}
OTHER_STYLE = ("var(--other)", "5px,2px,1px,2px")
HIDDEN_AT_FIRST = {"flat"}
UPPER, LOWER = "y", "y2"
TOP_PANE, BOTTOM_PANE = (0.37, 1.0), (0.0, 0.27)


class Pane(NamedTuple):
    """One of the two panes of a chart: its title and how the pointer shows a value (a d3 format)."""

    title: str
    hover_format: str
    tick_format: str = ""


def label(words: object) -> str:
    """Return words as Plotly shows them; its texts know some HTML, so what means markup is escaped.

    Example:
        >>> label("<b>R&D</b>")
        '&lt;b&gt;R&amp;D&lt;/b&gt;'
    """
    return html.escape(str(words), quote=False)


def performance_figure(agent: str, num_seeds: int, baselines: Sequence[tuple[str, str]], date_format: str) -> Figure:
    """Return equity above drawdown; the traces wait for their points in the order of `charts.performance_lines`.

    Args:
        agent: name of the agent.
        num_seeds: how many seeds it played.
        baselines: name and label of each.
        date_format: d3 format of a bar's time.
    """
    panes = Pane("Equity (currency)", ",.0f"), Pane("Drawdown", ".1%", "~%")
    traces = [
        trace for axis in (UPPER, LOWER) for trace in (*_seed_traces(axis, num_seeds), *_baselines(axis, baselines),
                                                       _median_trace(axis, agent, num_seeds))
    ]  # fmt: skip
    return _figure(traces, _layout(panes, date_format))


def positions_figure(date_format: str) -> Figure:
    """Return price with trades above exposure; traces to fill: price, exposure, long entries, short entries, exits."""
    panes = Pane("Price", ",.6~g"), Pane("Exposure (fraction of equity at the close)", ".1%", "~%")
    price = go.Scatter(name="close", mode="lines", line={"color": "var(--ink)", "width": 1.1})
    held = {"color": "var(--agent)", "width": 1, "shape": "hv"}
    exposure = go.Scatter(
        name="exposure", mode="lines", line=held, yaxis=LOWER, fill="tozeroy", fillcolor="var(--agent-band)"
    )
    return _figure([price, exposure, *_marks(date_format)], _layout(panes, date_format).update(hoversubplots="axis"))


def _seed_traces(axis: str, num_seeds: int) -> list[go.Scatter]:
    """The band from the worst to the best seed, then a thin line for each; nothing for one seed."""
    if num_seeds == 1:
        return []
    edge = {"mode": "lines", "line": {"width": 0}, "showlegend": False}
    key = {"legendgroup": "seeds", "hoverinfo": "skip", "yaxis": axis}
    seed = {"mode": "lines", "name": f"{num_seeds} seeds", "legendrank": 2, "opacity": 0.55}
    thin = {"color": "var(--agent)", "width": 0.9}
    return [
        go.Scatter(**edge, **key),
        go.Scatter(**edge, **key, fill="tonexty", fillcolor="var(--agent-band)"),
        *(go.Scatter(**seed, **key, line=thin, showlegend=axis == UPPER and row == 0) for row in range(num_seeds)),
    ]


def _baselines(axis: str, baselines: Sequence[tuple[str, str]]) -> list[go.Scatter]:
    traces = []
    for rank, (name, shown) in enumerate(baselines):
        colour, dash = BASELINE_STYLES.get(name, OTHER_STYLE)
        visible = "legendonly" if name in HIDDEN_AT_FIRST else True
        key = {"name": label(shown), "legendgroup": label(name), "legendrank": 3 + rank, "visible": visible}
        line = {"color": colour, "dash": dash, "width": 1.5}
        traces.append(go.Scatter(**key, mode="lines", line=line, yaxis=axis, showlegend=axis == UPPER))
    return traces


def _median_trace(axis: str, agent: str, num_seeds: int) -> go.Scatter:
    name = label(f"{agent} median" if num_seeds > 1 else agent)
    key = {"name": name, "legendgroup": "median", "legendrank": 1, "showlegend": axis == UPPER}
    return go.Scatter(**key, mode="lines", line={"color": "var(--agent)", "width": 2.4}, yaxis=axis)


def _marks(date_format: str) -> list[go.Scatter]:
    """Entries stand off the line, so that an exit at the same price hides none; the legend's keys stay in their row."""
    markers = {
        "long entry": {"symbol": "triangle-up", "color": "var(--agent)"},
        "short entry": {"symbol": "triangle-up", "angle": 180, "color": "var(--hold)"},
        "exit": {"symbol": "circle", "color": "var(--paper)", "size": 5, "line": {"color": "var(--ink)", "width": 0.8}},
    }
    both = {"mode": "markers", "cliponaxis": False, "hovertemplate": f"%{{y:,.6~g}} on %{{x|{date_format}}}"}
    look = {"size": 9, "line": {"color": "var(--paper)", "width": 0.8}}
    drawn, keys = [], []
    for name, marker in markers.items():
        away = {"standoff": 0 if name == "exit" else 7}
        drawn.append(go.Scatter(both, name=name, legendgroup=name, showlegend=False, marker=look | marker | away))
        keys.append(go.Scatter(both, name=name, legendgroup=name, marker=look | marker, x=[None], y=[None]))
    return [*drawn, *keys]


def _figure(traces: Sequence[go.Scatter], layout: go.Layout) -> Figure:
    return {"data": [trace.to_plotly_json() for trace in traces], "layout": layout.to_plotly_json()}


def _layout(panes: tuple[Pane, Pane], date_format: str) -> go.Layout:
    upper, lower = panes
    return go.Layout(
        template=go.layout.Template(),  # plotly's own would bring 7 kB of defaults
        paper_bgcolor="var(--paper)", plot_bgcolor="var(--paper)",
        font={"family": "var(--sans)", "size": 12, "color": "var(--soft)"},
        margin={"l": 52, "r": 10, "t": 4, "b": 30}, hovermode="x unified", hoverdistance=20, dragmode="zoom",
        hoverlabel={"bgcolor": "var(--raised)", "bordercolor": "var(--hair)", "namelength": -1,
                    "font": {"color": "var(--ink)", "size": 12}},
        legend={"orientation": "h", "x": -0.02, "y": 1.06, "yanchor": "bottom", "font": {"color": "var(--ink)"}},
        xaxis=_time_axis(date_format), yaxis=_axis(upper, TOP_PANE), yaxis2=_axis(lower, BOTTOM_PANE),
        annotations=[_title(upper, TOP_PANE), _title(lower, BOTTOM_PANE)],
    )  # fmt: skip


def _time_axis(date_format: str) -> dict[str, Any]:
    spike = {
        "showspikes": True,
        "spikemode": "across",
        "spikedash": "dot",
        "spikethickness": 1,
        "spikesnap": "hovered data",
    }
    return spike | {
        "type": "date", "anchor": LOWER, "hoverformat": date_format, "gridcolor": "var(--faint)", "zeroline": False,
        "spikecolor": "var(--soft)", "ticklabelmode": "instant", "tickangle": 0,
    }  # fmt: skip


def _axis(pane: Pane, domain: tuple[float, float]) -> dict[str, Any]:
    return {
        "domain": domain, "hoverformat": pane.hover_format, "tickformat": pane.tick_format, "exponentformat": "B",
        "gridcolor": "var(--faint)", "zerolinecolor": "var(--hair)", "zerolinewidth": 1, "minexponent": 4,
    }  # fmt: skip


def _title(pane: Pane, domain: tuple[float, float]) -> dict[str, Any]:
    place = {"xref": "paper", "yref": "paper", "x": 0, "y": domain[1], "xanchor": "left", "yanchor": "bottom"}
    return place | {"text": pane.title, "showarrow": False, "font": {"color": "var(--ink)"}, "xshift": -52, "yshift": 3}
