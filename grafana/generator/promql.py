"""PromQL over metrics that exist: each function raises UnknownName for a metric, kind or label that does not."""

import re

from grafana.generator.names import require

# Requests that nobody would miss: probes of the supervisor and the edge, and scrapes.
LOAD = 'route!~"/metrics|/healthz|/readyz"'
WINDOW = "$__rate_interval"
HISTOGRAM = ("histogram",)


def series(name: str, *where: str, kinds: tuple[str, ...] = ("gauge", "rule"), suffix: str = "") -> str:
    """Return a selector; each `where` is one matcher such as `status=~"5.."`."""
    labels = {re.split("[=!]", matcher)[0] for matcher in where}
    require(name, kinds, labels - {"le"} if suffix == "_bucket" else labels)
    return f"{name}{suffix}" + (f"{{{', '.join(where)}}}" if where else "")


def rate(name: str, *where: str, by: str = "", window: str = WINDOW) -> str:
    """Return how often a counter is raised, a second, summed to the labels `by`."""
    return _sum(name, f"rate({series(name, *where, kinds=('counter',))}[{window}])", by)


def grown(name: str, *where: str, by: str = "", window: str = "$__range") -> str:
    """Return by how much a counter has grown in the time shown."""
    return _sum(name, f"increase({series(name, *where, kinds=('counter',))}[{window}])", by)


def so_far(name: str, *where: str, by: str = "") -> str:
    """Return a counter's value since its processes started.

    For what is rare: a series that appears with its first event has no growth that rate() could see.
    """
    return _sum(name, series(name, *where, kinds=("counter",)), by)


def total(name: str, *where: str, by: str = "", of: str = "sum") -> str:
    """Return a gauge, its series joined to the labels `by` with sum, max, min, avg or count."""
    return _sum(name, series(name, *where), by, of)


def quantile(q: float, name: str, *where: str, by: str = "", window: str = WINDOW) -> str:
    """Return a quantile of what a histogram observed in the window; nothing where it observed nothing."""
    observations = _sum(name, _histogram(name, where, "bucket", window), by, le=True)
    return f"histogram_quantile({q}, {observations}) >= 0"  # of nothing it is no number, and that is not >= 0


def mean(name: str, *where: str, by: str = "", window: str = WINDOW) -> str:
    """Return the mean of what a histogram observed in the window; nothing where it observed nothing."""
    counted = observed(name, *where, by=by, window=window)
    return f"{_sum(name, _histogram(name, where, 'sum', window), by)} / ({counted} > 0)"


def observed(name: str, *where: str, by: str = "", window: str = WINDOW) -> str:
    """Return how often a histogram observed something, a second."""
    return _sum(name, _histogram(name, where, "count", window), by)


def buckets(name: str, *where: str, window: str = WINDOW) -> str:
    """Return the observations of the window by upper bound, as a heat map wants them."""
    increase = _histogram(name, where, "bucket", window).replace("rate(", "increase(", 1)
    return _sum(name, increase, "", le=True)


def below(bound: float, name: str, *where: str, window: str = WINDOW) -> str:
    """Return how many observations of the window were at most `bound`, which must be one of the buckets' bounds."""
    at_most = series(name, f'le="{bound}"', *where, kinds=HISTOGRAM, suffix="_bucket")
    return f"sum(increase({at_most}[{window}]))"


def counted(name: str, *where: str, window: str = WINDOW) -> str:
    """Return how many observations there were in the window."""
    return f"sum(increase({series(name, *where, kinds=HISTOGRAM, suffix='_count')}[{window}]))"


def or_zero(expression: str) -> str:
    """Return 0 where there is no series: nothing of that kind has happened yet."""
    return f"({expression}) or vector(0)"


def or_none(expression: str, label: str) -> str:
    """Return one series at 0, called "none" in that label, where the expression has no series at all."""
    return f'({expression}) or on () label_replace(vector(0), "{label}", "none", "", "")'


def or_zero_each(expression: str, others: str) -> str:
    """Return 0 for each of the others' series that the expression lacks."""
    return f"({expression}) or 0 * ({others})"


def share(part: str, whole: str) -> str:
    """Return part / whole, 0 while there is neither."""
    return or_zero(f"({or_zero(part)}) / ({whole} > 0)")


def share_each(part: str, whole: str) -> str:
    """Return part / whole for each series of the whole, 0 where the part has none."""
    return f"({or_zero_each(part, whole)}) / ({whole} > 0)"


def _histogram(name: str, where: tuple[str, ...], part: str, window: str) -> str:
    return f"rate({series(name, *where, kinds=HISTOGRAM, suffix=f'_{part}')}[{window}])"


def _sum(name: str, expression: str, by: str, of: str = "sum", *, le: bool = False) -> str:
    labels = [label.strip() for label in by.split(",") if label.strip()]
    require(name, ("counter", "gauge", "histogram", "rule"), labels)
    labels = ["le", *labels] if le else labels
    return f"{of} by ({', '.join(labels)}) ({expression})" if labels else f"{of}({expression})"
