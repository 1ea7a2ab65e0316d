"""The latency distribution on HdrHistogram's percentile axis: x is 1/(1-p), so that each nine is as wide as the next.

Source: G. Tene, "How NOT to Measure Latency" and HdrHistogram's own plotter.
"""

from collections.abc import Sequence

import numpy as np

from labkit.report import colours, plots
from labkit.report.latency import Distribution, merged
from labkit.report.plots import Plot
from labkit.report.run_folder import Run
from labkit.report.summary import Summary

POINTS = 240
NINES = ((2, "50 %"), (10, "90 %"), (100, "99 %"), (1e3, "99.9 %"), (1e4, "99.99 %"), (1e5, "99.999 %"),
         (1e6, "99.9999 %"))  # fmt: skip

HOW_TO_READ = "Read it from the right: the value at 99.9 % is what one request in a thousand waits longer than."
OMISSION = (
    "Where the two lines part, requests waited before they could be sent: that is coordinated omission, "
    "and the lower line does not see it."
)

Curve = tuple[list[float], list[float]]


def curve(found: Distribution) -> Curve:
    """Return (1/(1-p), latency in ms) up to the slowest request, evenly spaced on the log axis."""
    nines = np.logspace(0, np.log10(max(found.count, 2)), POINTS)
    values = found.at_each(100 * (1 - 1 / nines))
    return (nines.tolist(), values.tolist()) if values is not None else ([], [])


def distribution(summary: Summary, run: Run) -> Plot | None:
    """Draw service and response time of all requests with the limits that apply to all of them."""
    corrected = merged(entry.response_time for entry in run.entries)
    naive = merged(entry.service_time for entry in run.entries)
    lines = [
        ("response time (from the intended start)", curve(corrected), colours.CORRECTED, "solid"),
        ("service time (from the actual send)", curve(naive), colours.NAIVE, "dash"),
    ]
    limits = [
        (one.limit, one.name)
        for one in summary.objectives
        if one.unit == "ms" and (one.selects == "all requests" or len(run.entries) == 1)
    ]
    return drawn("distribution", "Latency distribution", lines, limits, OMISSION if corrected.count else "")


def job_times(run: Run) -> Plot | None:
    """Draw how long jobs took from end to end, on both clocks; None when the run had none."""
    if run.jobs is None:
        return None
    lines = [
        ("from the intended hand-in", curve(merged([run.jobs.response_time])), colours.CORRECTED, "solid"),
        ("from the actual hand-in", curve(merged([run.jobs.service_time])), colours.NAIVE, "dash"),
    ]
    note = "To the answer as the client saw it: it asks after 20 ms, then in pauses that double up to 0.5 s."
    found = drawn("job-times", "Jobs from end to end", lines, (), note)
    if found is not None:
        found.figure.update_xaxes(title={"text": "percentile of jobs"})
    return found


def drawn(
    key: str,
    title: str,
    lines: Sequence[tuple[str, Curve, str, str]],
    limits: Sequence[tuple[float, str]] = (),
    note: str = "",
) -> Plot | None:
    """Draw several distributions (name, curve, colour, dash) on one percentile axis; None when all are empty."""
    figure = plots.empty("percentile of requests", "latency (ms)", height=400)
    seen: list[float] = []
    widest = 10.0
    for name, (x, y), colour, dash in lines:
        if x:
            shown = [f"{100 - 100 / nines:.6g} %" for nines in x]
            plots.line(figure, x, y, name, colour, dash=dash, hover="%{customdata}: %{y:.4g} ms", extra=shown)
            seen += y
            widest = max(widest, x[-1])
    if not seen:
        return None
    plots.log_axis(figure, [*seen, *(value for value, _ in limits)], "latency (ms)")
    for value, name in limits:
        plots.limit(figure, value, f"limit: {name}", log=True)
    ticks = [(x, text) for x, text in NINES if x <= widest * 1.05]
    figure.update_xaxes(
        type="log", tickmode="array", tickvals=[x for x, _ in ticks], ticktext=[text for _, text in ticks],
        range=[0, float(np.log10(widest * 1.05))], ticklabeloverflow="allow", tickangle=0,
    )  # fmt: skip
    figure.update_layout(hovermode="closest")
    return Plot(key, title, f"{HOW_TO_READ} {note}", figure, wide=True)
