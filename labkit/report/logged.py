"""The logs' part of the truth line: sent = counted = logged + counted drops."""

from collections import Counter
from collections.abc import Iterator, Mapping

import msgspec

from labkit.report.drops import Drops, drops
from labkit.report.gaps import NO_ANSWER, Key, by_key
from labkit.report.run_folder import Logs


class LogsLine(msgspec.Struct, frozen=True):
    """What the store of logs has of a run. `problem` says why it was not asked, or did not answer.

    `missing`: requests that the client saw answered and that no replica's record tells of; `exact`: none, or as many
    as were counted as dropped. `edge` and `jobs` are the records of the edge and of the workers.
    """

    problem: str = ""
    store: str = ""
    logged: int | None = None
    missing: int = 0
    edge: int | None = None
    jobs: int | None = None
    drops: Drops = Drops()
    exact: bool = False
    explanations: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        return self.logged is not None


NOT_ASKED = LogsLine(problem="not asked (no store)")


def logs_line(logs: Logs | None, sent: Mapping[Key, int], ended: bool) -> LogsLine:
    """Return the line; `ended`: a replica ended during the run, and took the records of its last moment with it."""
    if logs is None:
        return NOT_ASKED
    lost = drops(logs)
    if logs.problem:
        return LogsLine(problem=f"not known ({logs.problem})", store=logs.store, drops=lost)
    twice = by_key(logs.twice)
    logged = by_key(logs.requests)
    logged.subtract(twice)
    answered = {key: n for key, n in sent.items() if key[2] != NO_ANSWER}
    edges_own = by_key(logs.edge_alone) + by_key(logs.edge_changed)
    # A request that the edge answered itself has no record of a replica, or one with another status.
    off = Counter({key: n - logged[key] - edges_own[key] for key, n in answered.items()})
    for key in logged.keys() - answered.keys():
        off[key] = -logged[key]
    for one in logs.edge_changed:  # the replica's own record of what the edge answered in its place
        off[one.method, one.route, one.replied] += one.n
    missing, more = (+off).total(), (-off).total()
    silent = sum(n for key, n in sent.items() if key[2] == NO_ANSWER)
    return LogsLine(
        store=logs.store,
        logged=logged.total(),
        missing=missing,
        edge=by_key(logs.edge).total(),
        jobs=sum(n for outcome, n in logs.jobs.items() if outcome in ("done", "failed")),
        drops=lost,
        exact=more == 0 and missing <= lost.total,
        explanations=tuple(_explained(off, silent, lost, logs, ended=ended)),
    )


def _explained(off: Counter[Key], silent: int, lost: Drops, logs: Logs, *, ended: bool) -> Iterator[str]:
    """Yield what is known of the differences; `off`: answers without a record by row, negative where there are more."""
    missing, more = +off, -off
    if twice := by_key(logs.twice):
        yield (
            f"{twice.total()} requests have the records of two replicas ({_rows(twice)}): the edge sent them again "
            "after the first one had broken off"
        )
    if lost.total:
        kernel = "" if lost.kernel is None else f", and the kernel counts {lost.kernel} that it had no room for"
        yield f"log records lost on their way: {lost.words()} ({lost.written} sent, {lost.received} received{kernel})"
    if lost.wire is None and missing:
        yield "how many log records the wire lost is not known: what a process that ended had sent is not"
    if missing.total() > lost.total:
        reason = (
            "a replica ended during the run before it had sent the records of its last moment"
            if ended
            else "nothing that was counted explains it; the store lost them, or they came later than it was asked"
        )
        yield f"{missing.total() - lost.total} answers without a log record ({_rows(missing)}): {reason}"
    if more:
        heard = f"as many as {silent} may be of those that the client heard no answer to" if silent else "seen twice"
        yield f"{more.total()} log records more than answers ({_rows(more)}): {heard}"
    if logs.waited_s >= 20:
        yield f"the store was still getting records after {logs.waited_s:.0f} s, when it was asked"
    if missing and lost.wire is not None:
        yield from lost.doubts


def _rows(found: Counter[Key]) -> str:
    named = [f"{n} × {' '.join(key)}" for key, n in found.most_common(3)]
    return ", ".join(named) + (", …" if len(found) > 3 else "")
