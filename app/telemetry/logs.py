"""The logs of one process: events and application logs, on stdout always and over GELF when that is configured."""

import logging

from app.telemetry.application_log import ApplicationLog, LineHandler
from app.telemetry.catalogue import LOG_OUTCOMES, LOG_SINKS
from app.telemetry.event_log import EventLog
from app.telemetry.gelf_address import GelfAddress
from app.telemetry.gelf_udp import GelfUdp
from app.telemetry.log_sinks import Fates, GelfSink, LineSink, Sink
from app.telemetry.metrics import Metrics

_STDOUT, _GELF = LOG_SINKS


class Logs:
    """Takes over the root logger until it is closed. Every record meets one fate in each sink, and is counted there.

    Killed (SIGKILL), a process loses what waits: the records of its last 50 ms, more where stdout was behind.
    """

    def __init__(
        self, metrics: Metrics, host: str, level: str, capacity: int, stdout: int, gelf: tuple[str, int] | None
    ) -> None:
        """`host`: whose records these are; `capacity`: records that wait for stdout; `stdout`: a file descriptor;
        `gelf`: host and port of a GELF input (UDP).
        """
        lines = LineSink(stdout, capacity, _fates(metrics, _STDOUT))
        self._sinks: list[Sink] = [lines]
        handlers: list[logging.Handler] = [LineHandler(lines, host)]
        self._address = None if gelf is None else GelfAddress(*gelf)
        if self._address is not None:
            from app.telemetry.gelf_handler import GelfHandler  # graypy, only where it is needed

            fates = _fates(metrics, _GELF)
            self._sinks.append(GelfSink(GelfUdp(self._address), fates))
            handlers.append(GelfHandler(GelfUdp(self._address), host, fates))
        self.events = EventLog(self._sinks)
        self._messages = ApplicationLog(level, handlers, [sink.fates for sink in self._sinks])

    def close(self) -> None:
        """Write what is left, for 2 s at most where stdout is stalled."""
        self._messages.close()
        self.events.close()
        for sink in self._sinks:
            sink.close(2.0)
        if self._address is not None:
            self._address.close()


def _fates(metrics: Metrics, sink: str) -> Fates:
    return Fates(*(metrics.counter("log_records_total", sink, outcome) for outcome in LOG_OUTCOMES))
