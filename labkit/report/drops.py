"""What was lost of the log records between those who write them and the store, each place by its own counters."""

from collections import Counter

import msgspec

from labkit.report.growth import grown
from labkit.report.run_folder import Logs

GELF = {"sink": "gelf"}


class Drops(msgspec.Struct, frozen=True):
    """Log records of all kinds that did not reach the store during the run; None where that cannot be known.

    `full`: no room in a sender's buffer; `refused`: its socket refused; `wire`: sent and not received, at the least,
    `kernel` of them by the receiving kernel's own count; `dropped` and `rejected` by the collector; `waiting` in it.
    """

    written: int | None = None
    received: int | None = None
    full: int = 0
    refused: int = 0
    wire: int | None = None
    kernel: int | None = None
    dropped: int = 0
    rejected: int = 0
    waiting: int = 0
    doubts: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        return self.full + self.refused + (self.wire or 0) + self.dropped + self.rejected + self.waiting

    def words(self) -> str:
        """Return where records were lost: 12 on the wire, 3 buffer full."""
        named = (
            ("buffer full", self.full),
            ("socket refused", self.refused),
            ("on the wire", self.wire or 0),
            ("no room at the collector", self.dropped),
            ("rejected", self.rejected),
            ("waiting at the collector", self.waiting),
        )
        return ", ".join(f"{n} {name}" for name, n in named if n) or "none"


def drops(logs: Logs) -> Drops:
    """Return the losses of a run from the counters before and after it."""
    before, after = logs.before, logs.after
    sent, doubts = grown(before.senders, after.senders, "log_records_total", "outcome", **GELF)
    taken, more = grown(before.collector, after.collector, "gelf_received_total", "transport")
    kernel, _ = grown(before.collector, after.collector, "gelf_socket_drops_total", "")
    refused, _ = grown(before.collector, after.collector, "gelf_rejected_total", "reason")
    stored, _ = grown(before.collector, after.collector, "log_documents_total", "outcome")
    written = None if sent is None else sent["written"]
    received = None if taken is None else taken["udp"]
    # Of a process that ended nobody knows what it had sent, or received.
    known = written is not None and received is not None and not doubts and not more
    doubts = [*doubts, *more]
    wire = None
    if known and written is not None and received is not None:
        # The senders are read once more after the collector: what they sent in between it cannot have had.
        wire = max(0, written - after.moving - received)
        most = written + before.moving - received
        if most > wire:
            doubts.append(f"up to {most} may be lost on the wire: {before.moving + after.moving} log records were "
                          "sent while the counters were read")  # fmt: skip
    fate = stored or Counter[str]()
    return Drops(
        written=written,
        received=received,
        full=sent["dropped"] if sent else 0,
        refused=sent["failed"] if sent else 0,
        wire=wire,
        kernel=None if kernel is None else kernel.total(),
        dropped=fate["dropped"],
        rejected=fate["rejected"] + (refused.total() if refused else 0),
        waiting=logs.waiting,
        doubts=tuple(doubts),
    )
