"""What the running stack takes of memory, beside what it may take."""

from dataclasses import dataclass

from labkit.stack.entry import is_broker
from labkit.stack.status import Status

BROKER, THREE_BROKERS, DEFAULT_STACK = 230e6, 600e6, 1.1e9


@dataclass(frozen=True)
class Measure:
    """Bytes that something takes (`measured` says how they are counted) and the most that it may take."""

    what: str
    measured: str
    size: int
    limit: int

    @property
    def good(self) -> bool:
        return self.size <= self.limit


def measures(stack: Status) -> tuple[Measure, ...]:
    """Return what there is to measure; nothing when the stack is down.

    Brokers are counted by their resident size (RSS); the whole stack by PSS, which counts a page that its processes
    share once.
    """
    brokers = {row.name: row.rss for row in stack.rows if is_broker(row.name) and row.rss}
    found = [Measure(name, "RSS", size, int(BROKER)) for name, size in brokers.items()]
    if len(brokers) == 3:
        found.append(Measure("three brokers", "RSS", sum(brokers.values()), int(THREE_BROKERS)))
    if stack.rows and stack.profiles == ("stream",):
        found.append(Measure("the default stack", "PSS", stack.pss, int(DEFAULT_STACK)))
    return tuple(found)
