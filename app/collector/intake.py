"""From a message as it came to a record in the backlog, everything counted on the way; used by one thread."""

from collections.abc import Callable
from typing import Final

from app.collector.backlog import Backlog
from app.core.gelf import CHUNK, Assembly, unpacked
from app.core.log_records import LogRecord, Maker, NotARecord
from app.telemetry.catalogue import GELF_REJECTIONS, GELF_TRANSPORTS
from app.telemetry.metrics import Metrics

_UDP, _TCP, _FILE = GELF_TRANSPORTS
_CHUNK: Final = CHUNK[0]
# What a record takes in memory beyond the bytes that it came in, about.
_OVERHEAD: Final = 700

Message = bytes | bytearray | memoryview


class Intake:
    """received = stored + dropped + rejected by the store + waiting; what is no record counts as refused only."""

    def __init__(
        self, backlog: Backlog, maker: Maker, metrics: Metrics, store: str, clock: Callable[[], float]
    ) -> None:
        self._backlog = backlog
        self._maker = maker
        self._clock = clock
        self._assembly = Assembly()
        self._received = {one: metrics.counter("gelf_received_total", one) for one in GELF_TRANSPORTS}
        self._udp_received = self._received[_UDP]
        self._refused = {
            (one, reason): metrics.counter("gelf_rejected_total", one, reason)
            for one in GELF_TRANSPORTS
            for reason in GELF_REJECTIONS
        }
        self._dropped = metrics.counter("log_documents_total", store, "dropped")

    @property
    def full(self) -> bool:
        """Whether the next datagram would be dropped: who can make a sender wait stops reading."""
        return self._backlog.full

    def datagram(self, data: memoryview) -> None:
        """Take one UDP datagram."""
        try:
            whole: Message = data
            if data and data[0] == _CHUNK:
                assembled = self._assembly.add(bytes(data), self._clock())
                if self._assembly.crowded:
                    self.tick()
                if assembled is None:
                    return
                whole = assembled
            plain = unpacked(whole)
            record = self._maker.from_gelf(plain)
            self._udp_received.add()
            if not self._backlog.offer(record, len(plain) + _OVERHEAD):
                self._dropped.add()
        except NotARecord as error:
            self.refuse(_UDP, error.reason)

    def frame(self, data: Message) -> None:
        """Take one message that came by TCP."""
        try:
            self._keep(_TCP, self._maker.from_gelf(data), len(data))
        except NotARecord as error:
            self.refuse(_TCP, error.reason)

    def line(self, data: bytes) -> None:
        """Take one line of the edge's log."""
        try:
            self._keep(_FILE, self._maker.from_edge(data), len(data))
        except NotARecord as error:
            self.refuse(_FILE, error.reason)

    def refuse(self, transport: str, reason: str) -> None:
        self._refused[transport, reason].add()

    def tick(self) -> None:
        """Give up messages whose chunks do not come."""
        if overdue := self._assembly.overdue(self._clock()):
            self._refused[_UDP, "incomplete"].add(overdue)

    def _keep(self, transport: str, record: LogRecord, size: int) -> None:
        """Keep a record of a sender that waits: it was asked for while there was room."""
        self._received[transport].add()
        self._backlog.add(record, size + _OVERHEAD)
