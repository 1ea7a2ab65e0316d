"""The leading process of a run: it starts all stations at one moment, adds up their reports and writes the files."""

import logging
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

import gevent
import numpy as np
from gevent.event import Event
from hdrh.histogram import HdrHistogram

from labkit.loadgen.clock import now
from labkit.loadgen.exporter import Totals
from labkit.loadgen.histograms import decoded, empty, merge
from labkit.loadgen.ledger import Ledger, write_json
from labkit.loadgen.plan import Plan
from labkit.loadgen.saturation import CpuReading, TicketCounts, cpu_windows, reasons
from labkit.loadgen.station import COUNTS, FINAL, PULSE, SECOND
from labkit.loadgen.tickets import offered_by_second

LEAD = 0.5
"""Seconds between telling the stations and the first second of the schedule, at least."""
FINAL_WAIT = 5.0
"""Seconds beyond the grace in which a station's final report must arrive; without it the run is not valid."""

LOCAL = "local"
"""The name of the station in the leading process itself."""

logger = logging.getLogger(__name__)


class Conductor:
    """Leads one run of one or more stations and writes `requests.json`, `timeline.jsonl` and `generator.json`.

    `folder` None: nothing is written, the result is only logged.
    """

    def __init__(self, plan: Plan, folder: Path | None) -> None:
        self.plan = plan
        self.folder = folder
        self.complete = Event()
        self.started = math.floor(now())
        self.interrupted = False
        offered = None
        if plan.mode == "scheduled":
            starts = plan.share([1.0]).starts
            offered = offered_by_second(starts, max(1, math.ceil(plan.shape.duration)))
        self.ledger = Ledger(offered)
        self.totals = Totals()
        self._expected: set[str] = set()
        self._tickets = TicketCounts()
        self._lateness = empty()
        self._woke_late = empty()
        self._cpu: list[CpuReading] = []
        self._ended = 0.0
        self._finals: set[str] = set()
        self._all_final = Event()
        self._lines: TextIO | None = None
        self._pulse: gevent.Greenlet | None = None

    def begin(self, stations: Iterable[str], tell: Callable[[str, dict[str, Any]], None]) -> None:
        """Tell each station its share and the moment of the start; in a closed loop the start is now."""
        names = list(stations)
        self._expected = set(names)
        if self.plan.mode == "scheduled":
            self.started = math.ceil(now() + LEAD)
            for index, name in enumerate(names):
                message = {"plan": self.plan.message(), "started": self.started, "index": index, "of": len(names)}
                tell(name, message)
        if self.folder is not None:
            self._lines = (self.folder / "timeline.jsonl").open("w", encoding="utf-8")
        self._pulse = gevent.spawn(self._beat)

    def receive(self, kind: str, source: str, message: dict[str, Any]) -> None:
        """Take in a report of a station."""
        if self.complete.is_set():
            return
        if kind == SECOND:
            self.ledger.add_second(source, message)
        elif kind == PULSE:
            self._cpu.append(CpuReading(source=source, **message))
        elif kind == COUNTS:
            self.totals.take(source, message["entries"])
        elif kind == FINAL and source not in self._finals:
            self.ledger.add_entries(message["entries"])
            self._tickets.add(TicketCounts(**message["tickets"]))
            merge(self._lateness, decoded(message["lateness"]))
            merge(self._woke_late, decoded(message["woke_late"]))
            self._cpu.append(CpuReading(source=source, **message["cpu"]))
            self._ended = max(self._ended, message["ended"])
            self._finals.add(source)
            if self._finals >= self._expected:
                self._all_final.set()

    @property
    def offered(self) -> float | None:
        """What the schedule offers at this moment, requests/s; None in a closed loop."""
        if self.plan.mode == "closed":
            return None
        under_way = self._expected and not self.complete.is_set()
        return self.plan.shape.rate(now() - self.started) if under_way else 0.0

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until every station has sent its final report; False when one has not in time."""
        return bool(self._all_final.wait(seconds))

    def _beat(self) -> None:
        written = self.started
        while True:
            gevent.sleep(1.2 - now() % 1)
            self._cpu.append(CpuReading(t=now(), source=LOCAL, pid=os.getpid(), cpu_seconds=time.process_time()))
            # Two seconds late, so that every station has reported; `write` puts in the exact lines at the end.
            until = int(now()) - 2
            if self._lines is not None and until > written:
                self._lines.writelines(line + "\n" for line in self.ledger.lines(self.started, written, until))
                self._lines.flush()
                written = until

    def write(self) -> None:
        """Write the files of the run, whatever has arrived; once."""
        if self.complete.is_set():
            return
        if self._pulse is not None:
            self._pulse.kill()
        if self._lines is not None:
            self._lines.close()
        facts = self._generator()
        if self.folder is not None:
            self.ledger.write(self.folder, self.started, self._ended, interrupted=self.interrupted)
            write_json(self.folder / "generator.json", facts)
        for line in summary_lines(self.ledger, facts):
            logger.info(line)
        self.complete.set()

    def _generator(self) -> dict[str, Any]:
        scheduled = self.plan.mode == "scheduled"
        readings = [reading for reading in self._cpu if reading.t >= self.started]
        windows = cpu_windows(readings)
        woke_late = self._woke_late.get_value_at_percentile(99) / 1e6
        found = reasons(windows, self._tickets if scheduled else None, self.plan.users, woke_late)
        if missing := self._expected - self._finals:
            found.append(f"{len(missing)} of {len(self._expected)} generator processes sent no final report")
        return {
            "started": self.started,
            "ended": max(self._ended, self.started),
            "interrupted": self.interrupted,
            "processes": len(self._expected),
            "cpu": windows,
            "max_cpu_percent": max((window["percent"] for window in windows), default=0.0),
            "intended": self._tickets.intended if scheduled else None,
            "sent": self._tickets.sent if scheduled else self.ledger.sent,
            "on_schedule": self._tickets.on_schedule if scheduled else None,
            "unsent": self._tickets.unsent if scheduled else None,
            "waited_for_a_user": self._tickets.waited if scheduled else None,
            "achieved": self._tickets.achieved if scheduled else None,
            "lateness_us": percentiles(self._lateness) if scheduled else None,
            "woke_late_us": percentiles(self._woke_late) if scheduled else None,
            "left_out": self.plan.left_out,
            "request_ids": self.plan.request_ids,
            "saturated": bool(found),
            "reasons": found,
        }


def percentiles(histogram: HdrHistogram) -> dict[str, int]:
    """Return p50, p90, p99, p99.9 and max in microseconds."""
    found = {f"p{p:g}": int(histogram.get_value_at_percentile(p)) for p in (50, 90, 99, 99.9)}
    return found | {"max": int(histogram.get_max_value())}


def summary_lines(ledger: Ledger, generator: Mapping[str, Any]) -> list[str]:
    """Return what happened, one line for each request, latencies in ms: for those who run locust by itself."""
    found = [f"{'request':44} {'sent':>8} {'failed':>7}  service p50/p99 ms   response p50/p99 ms"]
    for (method, name), entry in sorted(ledger.entries.items()):
        times = []
        for histogram in (entry.service_time, entry.response_time):
            both = [np.nan, np.nan]
            if histogram.total_count:
                both = [histogram.get_value_at_percentile(p) / 1000 for p in (50, 99)]
            times.append(f"{both[0]:9.2f} {both[1]:9.2f}")
        found.append(f"{method + ' ' + name:44} {entry.sent:8} {entry.failed:7} {times[0]} {times[1]}")
    if generator["intended"] is not None:
        found.append(f"intended {generator['intended']}, sent {generator['sent']}, never sent {generator['unsent']}")
    if generator["left_out"]:
        found.append(f"left out: {generator['left_out']}")
    return found + [f"not valid: {reason}" for reason in generator["reasons"]]
