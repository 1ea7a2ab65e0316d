"""The figures of the notebooks: both axes named with their units, colours that colour-blind readers tell apart."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from labkit.report import colours, plots


def lines(frame: pd.DataFrame, x: str, y: str, *, step: bool = False, log: bool = False) -> Any:
    """Draw each column over the index; `x` and `y` name the axes with their units."""
    figure = plots.empty(x, y, height=360)
    for n, name in enumerate(frame.columns):
        values = [None if pd.isna(value) else float(value) for value in frame[name]]
        where = [float(at) for at in frame.index]
        plots.line(figure, where, values, str(name), colours.nth(n), dash=colours.nth_dash(n), step=step)
    if log:
        plots.log_axis(figure, [float(value) for value in frame.to_numpy().ravel() if value > 0], y)
    return figure


def bars(frame: pd.DataFrame, x: str, y: str) -> Any:
    """Draw each column as one part of a bar for each row of the index."""
    figure = plots.empty(x, y, height=340)
    for n, name in enumerate(frame.columns):
        figure.add_bar(
            x=[str(row) for row in frame.index],
            y=frame[name].tolist(),
            name=str(name),
            marker={"color": colours.nth(n)},
            showlegend=True,
        )
    figure.update_layout(barmode="stack", hovermode="closest")
    figure.update_xaxes(type="category")
    return figure


def points(frame: pd.DataFrame, x: str, y: str, name: str) -> Any:
    """Draw the first column of a frame over the second as dots; `name` goes to the legend."""
    figure = plots.empty(x, y, height=400)
    across, up = frame.columns[:2]
    figure.add_scatter(
        x=frame[across].tolist(),
        y=frame[up].tolist(),
        name=name,
        mode="markers",
        marker={"color": colours.BLUE, "size": 7, "opacity": 0.7},
        showlegend=True,
    )
    figure.update_layout(hovermode="closest")
    return figure


def with_line(figure: Any, x: Sequence[float], y: Sequence[float], name: str) -> Any:
    """Add a line to a figure; a line of nothing leaves it as it is."""
    if len(x):
        plots.line(figure, list(x), list(y), name, colours.ORANGE, dash="dash")
    return figure


def with_limit(figure: Any, value: float, name: str) -> Any:
    """Add a horizontal limit to a figure."""
    plots.limit(figure, value, name)
    return figure


def spans(frame: pd.DataFrame, x: str) -> Any:
    """Draw rows with `what`, `from_ms` and `took_ms` as bars on one time line, the first one at the top."""
    figure = plots.empty(x, "step", height=120 + 34 * len(frame))
    figure.add_bar(
        orientation="h",
        base=frame["from_ms"].tolist(),
        x=frame["took_ms"].tolist(),
        y=[f"{n}. {what}" for n, what in enumerate(frame["what"], 1)],
        marker={"color": colours.BLUE},
        text=[f"{took:.2f} ms" for took in frame["took_ms"]],
        showlegend=False,
    )
    figure.update_yaxes(autorange="reversed")
    figure.update_layout(hovermode="closest")
    return figure
