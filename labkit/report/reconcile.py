"""The truth line: every request that the generator sent, found again in the replicas' own counters."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from labkit.report.gaps import NO_ANSWER, Account, Gap, Key
from labkit.report.logged import NOT_ASKED, LogsLine, logs_line
from labkit.report.prometheus import Series, ServerView
from labkit.report.queries import PROBES
from labkit.report.run_folder import Counters, Entry, Logs, Run, Scrape


class Row(msgspec.Struct, frozen=True):
    """One (method, route, status); `difference` = sent - counted; `prometheus` and `logged` None when not asked.

    `explained`: how much of the difference the log records account for.
    """

    method: str
    route: str
    status: str
    sent: int
    counted: int
    prometheus: int | None
    difference: int
    logged: int | None = None
    explained: int = 0


class Reconciliation(msgspec.Struct, frozen=True):
    """Sent against counted against logged. `unmatched` adds up |sent - counted| over the rows: 0 is agreement.

    `exact`: that, and every answer has its log record, or a drop that was counted. `unexplained`: what is left of
    `unmatched` after all that the log records tell; None without them.

    `elsewhere` are requests that replicas counted on routes which this run never asked for: other clients.
    """

    available: bool
    sent: int = 0
    counted: int = 0
    prometheus: int | None = None
    difference: int = 0
    unmatched: int = 0
    exact: bool = False
    rows: tuple[Row, ...] = ()
    elsewhere: dict[str, int] = {}
    explanations: tuple[str, ...] = ()
    logs: LogsLine = NOT_ASKED
    unexplained: int | None = None


def reconciliation(run: Run, server: ServerView) -> Reconciliation:
    """Return the comparison per (method, route, status); not available when no replica was scraped."""
    sent = sent_by_key(run.entries)
    if run.counters is None or not run.counters.after:
        why = "no replica's counters were read; give their metrics URLs (LAB_METRICS_URLS) to compare"
        logs = logs_line(run.logs, sent, ended=False)
        return Reconciliation(available=False, sent=sum(sent.values()), explanations=(why,), logs=logs)
    counted, troubles = counted_by_replicas(run.counters)
    seen = counted_by_prometheus(run.counters, server)
    ended = ended_replicas(run.counters)
    logs = logs_line(run.logs, sent, ended=bool(ended))
    account = _account(run.logs, run.counters, server, ended, sent) if run.logs and logs.known else None
    logged = account.logged if account else Counter[Key]()
    asked = {key[:2] for key in sent}
    keys = sorted({key for key in {*sent, *counted, *logged} if key[:2] in asked})
    rows, texts = [], []
    for key in keys:
        difference, known = sent[key] - counted[key], 0
        if account and difference:
            known, found = account.explained(Gap(key, sent[key], counted[key]))
            texts += found
        rows.append(Row(*key, sent[key], counted[key], None if seen is None else seen[key], difference,
                        logged[key] if account else None, known))  # fmt: skip
    elsewhere: Counter[str] = Counter()
    for (method, route, _), n in counted.items():
        if (method, route) not in asked and n:
            elsewhere[f"{method} {route}"] += n
    unmatched = sum(abs(row.difference) for row in rows)
    if unmatched and not account:
        texts = explanations(rows, counted, elsewhere, run, server)
    return Reconciliation(
        available=True,
        sent=sum(row.sent for row in rows),
        counted=sum(row.counted for row in rows),
        prometheus=None if seen is None else sum(row.prometheus or 0 for row in rows),
        difference=sum(row.difference for row in rows),
        unmatched=unmatched,
        exact=unmatched == 0 and (logs.exact or not logs.known),
        rows=tuple(rows),
        elsewhere=dict(elsewhere),
        explanations=(*troubles, *logs.explanations, *texts),
        logs=logs,
        unexplained=sum(abs(row.difference) - row.explained for row in rows) if account else None,
    )


def ended_replicas(counters: Counters) -> list[str]:
    """Return the replicas that ended during the run, by their metrics URL: restarted, gone, or not to be read."""
    gone = counters.before.keys() - counters.after.keys()
    ended = {url for url, now in counters.after.items() if now.error or _restarted(counters.before.get(url), now)}
    return sorted(gone | ended)


def _account(
    logs: Logs, counters: Counters, server: ServerView, ended: Sequence[str], sent: Mapping[Key, int]
) -> Account:
    """Return what the log records know, beside what Prometheus had last seen of replicas that ended."""
    seen: Counter[Key] = Counter()
    instances = {url.split("//", 1)[-1].split("/", 1)[0] for url in ended}
    for one in server.whole_run.get("requests_peak", ()):
        key = _key(one.labels)
        if key and one.points and one.labels.get("instance") in instances:
            seen[key] += round(one.points[-1][1])
    for url in ended:
        seen.subtract(_requests(counters.before.get(url, Scrape())))
    silent = {key[:2]: n for key, n in sent.items() if key[2] == NO_ANSWER}
    return Account(logs, ended, {key: n for key, n in seen.items() if n > 0}, silent)


def sent_by_key(entries: Iterable[Entry]) -> Counter[Key]:
    """Return how many requests the generator sent, by what came back."""
    sent: Counter[Key] = Counter()
    for entry in entries:
        for status, n in entry.statuses.items():
            sent[entry.method, entry.name, status] += n
        sent[entry.method, entry.name, NO_ANSWER] += entry.sent - sum(entry.statuses.values())
    return Counter({key: n for key, n in sent.items() if n})


def counted_by_replicas(counters: Counters) -> tuple[Counter[Key], list[str]]:
    """Return after - before over all replicas, and what makes that difference doubtful."""
    counted: Counter[Key] = Counter()
    troubles = []
    for url, after in counters.after.items():
        before = counters.before.get(url, Scrape())
        now, then = _requests(after), _requests(before)
        if after.error or not after.samples:
            lost = sum(then.values())
            troubles.append(
                f"{url} could not be read after the run ({after.error or 'no samples'}): "
                f"what it counted in the run is unknown (it stood at {lost} before)"
            )
            continue
        if before.error:
            troubles.append(f"{url} could not be read before the run ({before.error}): counted from its start on")
        if _restarted(before, after):
            troubles.append(f"{url} restarted during the run: what it counted before the restart is lost")
            then = Counter()
        counted.update(now)
        counted.subtract(then)
    gone = sorted(counters.before.keys() - counters.after.keys())
    troubles += [f"{url} was there before the run and not after it: what it counted is unknown" for url in gone]
    return Counter({key: n for key, n in counted.items() if n}), troubles


def counted_by_prometheus(counters: Counters, server: ServerView) -> Counter[Key] | None:
    """Return Prometheus's value after the run minus each replica's own value before it; None when not known."""
    series = server.after.get("requests", ())
    if not series:
        return None
    targets = {url.split("//", 1)[-1].split("/", 1)[0] for url in counters.after}
    instances = {one.labels.get("instance", "") for one in series}
    chosen = min(targets, instances)
    seen: Counter[Key] = Counter()
    for one in series:
        key = _key(one.labels)
        if one.labels.get("instance", "") in chosen and key and one.points:
            seen[key] += round(one.points[-1][1])
    for url, before in counters.before.items():
        if url in counters.after and not _restarted(before, counters.after[url]):
            seen.subtract(_requests(before))
    return seen


def explanations(
    rows: Sequence[Row], counted: Mapping[Key, int], elsewhere: Mapping[str, int], run: Run, server: ServerView
) -> list[str]:
    """Return every known reason for a difference that the run's data supports, with its numbers."""
    found = []
    silent = sum(row.sent for row in rows if row.status == NO_ANSWER)
    if silent:
        found.append(
            f"{silent} requests got no answer at the client (status 0): a replica may have counted them "
            "under the status that it tried to send, or never have seen them"
        )
    found += _answered_by_edge(rows, counted, run, server)
    found += [
        f"{-row.difference} {row.method} {row.route} with status {row.status} that this generator "
        "did not send or whose answer it did not see: other traffic on that route, or a retry"
        for row in rows
        if row.difference < 0
    ]
    unknown = [row for row in rows if row.sent and not sum(r.counted for r in rows if r.route == row.route)]
    if unknown and elsewhere:
        names = ", ".join(sorted({row.route for row in unknown}))
        others = ", ".join(f"{n} × {name}" for name, n in elsewhere.items())
        found.append(f"no replica counted anything for {names}; counted under other names: {others}")
    return found


def _answered_by_edge(rows: Sequence[Row], counted: Mapping[Key, int], run: Run, server: ServerView) -> Iterator[str]:
    """Yield the refusals that no replica counted: an edge gives those itself (rate limit, no healthy replica)."""
    edge = _counted_at_edge(server)
    refused = {row.status for row in rows if row.difference > 0 and row.status.startswith(("4", "5"))}
    for status in sorted(refused):
        missing = sum(row.difference for row in rows if row.status == status)
        if edge is None and missing > 0 and run.facts.edge == "traefik":
            yield (
                f"{missing} answers with status {status} that no replica counted: the edge may have given them "
                "itself (rate limit, no healthy replica); its counters are not in this run"
            )
        elif edge is not None:
            own = edge[status] - sum(n for (_, _, one), n in counted.items() if one == status)
            if own > 0:
                yield (
                    f"the edge sent {edge[status]} answers with status {status}, {own} more than the replicas "
                    "counted: it answered those itself"
                )


def _counted_at_edge(server: ServerView) -> Counter[str] | None:
    after = _by_label(server.after.get("edge", ()), "code")
    if not after:
        return None
    after.subtract(_by_label(server.before.get("edge", ()), "code"))
    return after


def _by_label(series: Iterable[Series], label: str) -> Counter[str]:
    return Counter({one.labels.get(label, ""): round(one.points[-1][1]) for one in series if one.points})


def _requests(scrape: Scrape) -> Counter[Key]:
    counted: Counter[Key] = Counter()
    for sample in scrape.samples:
        key = _key(sample.labels) if sample.name == "http_requests_total" else None
        if key:
            counted[key] += round(sample.value)
    return counted


def _key(labels: Mapping[str, str]) -> Key | None:
    route = labels.get("route", "")
    return None if route in PROBES else (labels.get("method", ""), route, labels.get("status", ""))


def _restarted(before: Scrape | None, after: Scrape) -> bool:
    """Return whether the process is another one than before, or a counter went backwards."""
    if before is None:
        return False
    starts = [{s.value for s in scrape.samples if s.name == "process_start_time_seconds"} for scrape in (before, after)]
    if all(starts) and starts[0] != starts[1]:
        return True
    now = _requests(after)
    return any(now[key] < n for key, n in _requests(before).items())
