"""The service's own view of a run in numbers: per replica, caches, batches, refusals, the edge."""

from collections.abc import Iterable

import msgspec

from labkit.report.prometheus import Series, ServerView
from labkit.report.run_folder import Counters, Scrape

PERCENT, MIB = 100.0, 1 / 2**20


class Replica(msgspec.Struct, frozen=True):
    """One process as Prometheus saw it: peaks of rate and in-flight, CPU in % of one core, resident memory in MiB."""

    name: str
    rate_mean: float | None
    rate_max: float | None
    p50_ms: float | None
    p99_ms: float | None
    in_flight_max: float | None
    cpu_mean_percent: float | None
    cpu_max_percent: float | None
    memory_max_mib: float | None


class CacheTier(msgspec.Struct, frozen=True):
    """One tier; `hit_ratio` is hits / (hits + misses), writes and errors left out."""

    tier: str
    outcomes: dict[str, int]
    hit_ratio: float | None


class Batches(msgspec.Struct, frozen=True):
    """Calls of one model; `mean_size` in rows a call."""

    model: str
    batches: int
    mean_size: float


class ServerFacts(msgspec.Struct, frozen=True):
    """`problem` says why Prometheus gave nothing; shed and log come from the replicas themselves when it did not."""

    available: bool
    problem: str = ""
    p50_ms: float | None = None
    p99_ms: float | None = None
    replicas: tuple[Replica, ...] = ()
    cache: tuple[CacheTier, ...] = ()
    batches: tuple[Batches, ...] = ()
    shed: dict[str, int] = {}
    log_records: dict[str, int] = {}
    edge_statuses: dict[str, int] = {}
    edge_retries: int | None = None
    edge_p99_ms: float | None = None


def server_facts(view: ServerView, counters: Counters | None, started: float, ended: float) -> ServerFacts:
    """Return the numbers of the run's own time (started..ended), not of the margin shown around it."""
    if view.problem:
        return ServerFacts(
            available=False,
            problem=view.problem,
            shed=_counted_directly(counters, "http_requests_shed_total", ("reason",)),
            log_records=_counted_directly(counters, "log_records_total", ("sink", "outcome")),
        )
    within = (started, ended)
    retries = _grown(view, "edge_retries", ())
    return ServerFacts(
        available=True,
        p50_ms=_last(view.whole_run.get("p50", ()), scale=1000),
        p99_ms=_last(view.whole_run.get("p99", ()), scale=1000),
        replicas=tuple(_replica(view, name, within) for name in _instances(view)),
        cache=_cache(view),
        batches=_batches(view),
        shed=_grown(view, "shed", ("reason",)),
        log_records=_counted_directly(counters, "log_records_total", ("sink", "outcome")),
        edge_statuses=_grown(view, "edge", ("code",)),
        edge_retries=next(iter(retries.values()), None),
        edge_p99_ms=_highest(view.over_time.get("edge_p99", ()), within, 1000),
    )


def _instances(view: ServerView) -> list[str]:
    named = ("rate", "in_flight")
    return sorted({s.labels.get("instance", "") for key in named for s in view.over_time.get(key, ())})


def _replica(view: ServerView, instance: str, within: tuple[float, float]) -> Replica:
    def of(key: str) -> list[Series]:
        return [s for s in view.over_time.get(key, ()) if s.labels.get("instance") == instance]

    def whole(key: str) -> list[Series]:
        return [s for s in view.whole_run.get(key, ()) if s.labels.get("instance") == instance]

    return Replica(
        name=instance,
        rate_mean=_mean(of("rate"), within),
        rate_max=_highest(of("rate"), within),
        p50_ms=_last(whole("p50_replica"), scale=1000),
        p99_ms=_last(whole("p99_replica"), scale=1000),
        in_flight_max=_highest(of("in_flight"), within),
        cpu_mean_percent=_mean(of("cpu"), within, PERCENT),
        cpu_max_percent=_highest(of("cpu"), within, PERCENT),
        memory_max_mib=_highest(of("memory"), within, MIB),
    )


def _cache(view: ServerView) -> tuple[CacheTier, ...]:
    tiers: dict[str, dict[str, int]] = {}
    for label, n in _grown(view, "cache", ("tier", "outcome")).items():
        tier, _, outcome = label.partition(" ")
        tiers.setdefault(tier, {})[outcome] = n
    return tuple(CacheTier(tier, found, _hit_ratio(found)) for tier, found in sorted(tiers.items()))


def _hit_ratio(outcomes: dict[str, int]) -> float | None:
    hits, misses = outcomes.get("hit", 0), outcomes.get("miss", 0)
    return hits / (hits + misses) if hits + misses else None


def _batches(view: ServerView) -> tuple[Batches, ...]:
    sizes = _grown(view, "batch_sum", ("model",))
    counts = _grown(view, "batch_count", ("model",))
    return tuple(Batches(m, n, sizes.get(m, 0) / n) for m, n in sorted(counts.items()) if n)


def _grown(view: ServerView, key: str, labels: tuple[str, ...]) -> dict[str, int]:
    """Return by how much each counter grew over the run; one that went backwards (a restart) counts from 0."""
    before, after = (_by_name(side.get(key, ()), labels) for side in (view.before, view.after))
    grown = {n: v - before.get(n, 0.0) if v >= before.get(n, 0.0) else v for n, v in after.items()}
    return {name: round(value) for name, value in sorted(grown.items()) if round(value)}


def _by_name(series: Iterable[Series], labels: tuple[str, ...]) -> dict[str, float]:
    return {" ".join(s.labels.get(k, "") for k in labels): s.points[-1][1] for s in series if s.points}


def _counted_directly(counters: Counters | None, metric: str, labels: tuple[str, ...]) -> dict[str, int]:
    total: dict[str, float] = {}
    if counters is None:
        return {}
    for sign, side in ((1, counters.after), (-1, counters.before)):
        for url in counters.after:
            for sample in side.get(url, Scrape()).samples:
                if sample.name == metric:
                    name = " ".join(sample.labels.get(k, "") for k in labels)
                    total[name] = total.get(name, 0.0) + sign * sample.value
    return {name: round(value) for name, value in sorted(total.items()) if round(value)}


def _values(series: Iterable[Series], within: tuple[float, float]) -> list[float]:
    return [v for one in series for t, v in one.points if within[0] <= t <= within[1]]


def _mean(series: Iterable[Series], within: tuple[float, float], scale: float = 1.0) -> float | None:
    values = _values(series, within)
    return scale * sum(values) / len(values) if values else None


def _highest(series: Iterable[Series], within: tuple[float, float], scale: float = 1.0) -> float | None:
    return max((scale * v for v in _values(series, within)), default=None)


def _last(series: Iterable[Series], scale: float = 1.0) -> float | None:
    return next((scale * one.points[-1][1] for one in series if one.points), None)
