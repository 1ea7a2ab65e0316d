"""What happened in a stretch of time, from the marks: runs as ranges, faults and changes as moments."""

from typing import Any

from labkit.dashboards.window import Window
from labkit.home import Home
from labkit.marks import marks

EARLIER_S = 86400.0  # a run that began that long before may still go on


def happened(home: Home, span: Window) -> dict[str, list[dict[str, Any]]]:
    """Return runs that overlap the time (without an end while they go on) and moments inside it; epoch seconds."""
    runs: dict[str, dict[str, Any]] = {}
    moments = []
    for mark in marks(home, span.start - EARLIER_S, span.end + EARLIER_S):
        if mark.kind == "run-start":
            for other in runs.values():  # a run that was killed has no end of its own; loads do not overlap
                other["end"] = other["end"] or mark.time
            runs[mark.run] = {"start": mark.time, "end": None, "text": mark.text, "run": mark.run}
        elif mark.kind == "run-end" and mark.run in runs:
            runs[mark.run]["end"] = mark.time
        elif mark.kind not in {"run-start", "run-end"} and span.start <= mark.time <= span.end:
            moments.append({"time": mark.time, "kind": mark.kind, "text": mark.text})
    shown = [run for run in runs.values() if run["start"] <= span.end and (run["end"] or span.end) >= span.start]
    return {"runs": shown, "moments": moments}
