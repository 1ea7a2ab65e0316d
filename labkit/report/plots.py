"""The pieces that every plot of the report is made of: axes with units, lines, limits."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from labkit.report import colours

SECONDS = "time since start (s)"
# Log axes are labelled at these values: plain numbers, no powers of ten.
LOG_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500,
             1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)  # fmt: skip


@dataclass(frozen=True)
class Plot:
    """One figure with its place on the page: `key` is its id, `wide` takes the whole width."""

    key: str
    title: str
    note: str
    figure: Any
    wide: bool = False

    @property
    def json(self) -> str:
        """The figure for a script element: `<` escaped, so that no label can close the element."""
        text: str = self.figure.to_json()
        return text.replace("<", "\\u003c")


def empty(x: str, y: str, *, height: int = 300) -> Any:
    """Return a figure with both axes named (with their units) and nothing drawn yet."""
    figure = go.Figure()
    axis = {
        "showgrid": True,
        "zeroline": False,
        "automargin": True,
        "fixedrange": False,
        "title": {"standoff": 8},
        "gridcolor": "rgba(128,128,128,0.22)",
        "linecolor": "rgba(128,128,128,0.5)",
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": "rgba(128,128,128,0.5)",
    }
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 8, "r": 18, "t": 8, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif", "size": 12},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left"},
        hovermode="x unified",
        hoverlabel={"font": {"size": 12}},
        xaxis=axis | {"title": {"text": x, "standoff": 8}},
        yaxis=axis | {"title": {"text": y, "standoff": 8}, "rangemode": "tozero"},
        dragmode="zoom",
    )
    return figure


def line(
    figure: Any,
    x: Sequence[float],
    y: Sequence[float | None],
    name: str,
    colour: str,
    *,
    dash: str = "solid",
    step: bool = False,
    fill: bool = False,
    hover: str | None = None,
    extra: Sequence[Any] | None = None,
) -> None:
    """Draw one series; None is a gap in the line. `hover` is a template that may use `extra` as customdata."""
    style: dict[str, Any] = {"color": colour, "width": 2, "dash": dash, "shape": "hv" if step else "linear"}
    figure.add_trace(
        go.Scatter(
            x=list(x), y=list(y), name=name, mode="lines", line=style, connectgaps=False, hovertemplate=hover,
            customdata=extra, fill="tozeroy" if fill else "none", fillcolor=_pale(colour) if fill else None,
            showlegend=True,
        )
    )  # fmt: skip


def _pale(colour: str) -> str:
    red, green, blue = (int(colour[n : n + 2], 16) for n in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.2)"


def limit(figure: Any, value: float, text: str, *, log: bool = False, colour: str = colours.LIMIT) -> None:
    """Draw a horizontal limit with its name above the line, at the left."""
    figure.add_hline(y=value, line={"color": colour, "width": 1.5, "dash": "6px,4px"})
    figure.add_annotation(
        x=0, xref="paper", xanchor="left", y=math.log10(value) if log else value, yanchor="bottom", text=text,
        showarrow=False, font={"color": colour, "size": 11},
    )  # fmt: skip


def log_axis(figure: Any, values: Sequence[float], unit: str) -> None:
    """Make y logarithmic over all positive `values`, labelled with plain numbers."""
    positive = [v for v in values if v > 0]
    if not positive:
        return
    low, high = min(positive) / 1.25, max(positive) * 1.35
    ticks = [t for t in LOG_TICKS if low <= t <= high]
    if len(ticks) > 9:
        ticks = [t for t in ticks if f"{t:.0e}".startswith("1")]
    figure.update_yaxes(
        type="log", range=[math.log10(low), math.log10(high)], tickmode="array", tickvals=ticks,
        ticktext=[f"{t:,.6g}".replace(",", " ") for t in ticks], rangemode="normal",
        title={"text": f"{unit}, log scale"},
    )  # fmt: skip


def time_axis(figure: Any, duration: float) -> None:
    """Give x the run's own time, the same for every plot over time."""
    figure.update_xaxes(range=[-2, duration + 2])
