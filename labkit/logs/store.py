"""What a store of log records can be asked, whichever it is."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self

MOST = 10_000
"""Records that one question returns at most."""
REPEATED_MOST = 2000
OTHERS = "(others)"


@dataclass(frozen=True)
class LogRecord:
    """One record; `time` in epoch seconds, `level` as syslog counts, `fields` what has no column of its own."""

    time: float
    host: str
    level: int
    event: str
    message: str
    request_id: str | None = None
    method: str | None = None
    route: str | None = None
    path: str | None = None
    status: int | None = None
    duration_us: int | None = None
    model: str | None = None
    model_version: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)

    def get(self, name: str) -> Any:
        """Return a field by its name in a query, None when the record has none."""
        return self.fields.get(name) if name not in _COLUMNS else getattr(self, name)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as one flat object without what it does not have."""
        columns = {name: value for name, value in asdict(self).items() if value is not None and name != "fields"}
        return {**columns, **{name: value for name, value in self.fields.items() if name not in columns}}


_COLUMNS = frozenset(LogRecord.__dataclass_fields__) - {"fields"}


class LogStore(Protocol):
    """A store of log records. Times are epoch seconds, read to the millisecond: start <= time < end.

    Each method raises WrongQuery for a query that cannot be read and CannotRun for a store that does not answer.
    """

    def search(
        self, query: str, start: float, end: float, limit: int, newest_first: bool = True
    ) -> list[LogRecord]: ...

    def count(self, query: str, start: float, end: float) -> int: ...

    def count_by(self, query: str, start: float, end: float, fields: tuple[str, ...]) -> dict[tuple[str, ...], int]:
        """Return the number of records for each combination of values ("" where a record has none)."""
        ...

    def repeated(self, query: str, start: float, end: float, field: str) -> dict[str, int]:
        """Return the values of a field that several records have, each with their number; REPEATED_MOST at most."""
        ...

    def histogram(
        self, query: str, start: float, end: float, step: float, by: str = "", most: int = 10
    ) -> dict[str, list[tuple[float, int]]]:
        """Return (start of a step, records in it) for every step, zeros too.

        One list under "", or one for each of the `most` frequent values of field `by`, the others under OTHERS.
        """
        ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def milliseconds(moment: float) -> int:
    """Return a moment as whole milliseconds, as both stores keep it; a microsecond too few is a rounding error."""
    return math.floor(round(moment * 1e6) / 1000)


def buckets(
    found: Mapping[tuple[str, int], int], start_ms: int, end_ms: int, step_ms: int, by: str, most: int
) -> dict[str, list[tuple[float, int]]]:
    """Return what `histogram` promises from counts by (group, start of the step in milliseconds)."""
    moments = range(start_ms, max(end_ms, start_ms), step_ms)
    totals: dict[str, int] = {}
    for (group, _), n in found.items():
        totals[group] = totals.get(group, 0) + n
    kept = set(sorted(totals, key=lambda group: (-totals[group], group))[:most]) if by else {""}
    lines = {group: dict.fromkeys(moments, 0) for group in sorted(kept)}
    for (group, moment), n in found.items():
        line = lines.setdefault(group if group in kept else OTHERS, dict.fromkeys(moments, 0))
        line[moment] += n
    return {group: [(moment / 1000, n) for moment, n in line.items()] for group, line in lines.items()}
