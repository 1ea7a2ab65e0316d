"""Requests of known kinds against the counters of the replicas."""

from collections import Counter

from labkit.check.deployment.asking import IRIS, Asked, encoded, sent
from labkit.check.deployment.counters import API, grown
from labkit.check.deployment.subject import Deployment
from labkit.check.finding import Finding, verdict

# Probes ask all the time, whoever else is there.
PROBES = ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready")
REQUESTS = f"http_requests_total{{{API}}}"
ROWS = f'predictions_total{{{API},model="iris",outcome=~"computed|cached"}}'
ROWS_EACH = 2
BODY = encoded({"data": IRIS * ROWS_EACH})
KINDS: tuple[tuple[int, Asked, tuple[str, str]], ...] = (
    (60, Asked("POST", "/predict", 200, BODY), ("POST", "/predict")),
    (20, Asked("POST", "/models/iris/predict", 200, BODY), ("POST", "/models/{model}/predict")),
    (15, Asked("GET", "/models", 200), ("GET", "/models")),
    (9, Asked("POST", "/predict", 400, b"{"), ("POST", "/predict")),
    (7, Asked("POST", "/predict", 422, b"{}"), ("POST", "/predict")),
    (5, Asked("POST", "/models/oak/predict", 404, BODY), ("POST", "/models/{model}/predict")),
    (4, Asked("GET", "/nowhere", 404), ("GET", "other")),
    (3, Asked("DELETE", "/models", 405), ("OTHER", "other")),
)
"""How many, the request with its status, and the labels method and route under which it is counted."""
Series = tuple[str, ...]


def check_requests_are_counted_exactly(deployment: Deployment) -> Finding:
    """Prometheus counts exactly what was sent, by route and status, when nobody else asks."""
    with deployment.counters() as counters:
        counters.scraped()
        before, rows_before = _counted(counters.by(REQUESTS, "method", "route", "status")), counters.by(ROWS)
        expected: Counter[Series] = Counter()
        rows = 0
        for count, asked, (method, route) in KINDS:
            for _ in range(count):
                status = sent(deployment, asked).status_code  # a wrong one is the affair of another check
                expected[method, route, str(status)] += 1
                rows += ROWS_EACH * (status == 200 and asked.body is BODY)
        counters.scraped()
        rise = grown(before, _counted(counters.by(REQUESTS, "method", "route", "status")))
        rows_rise = sum(grown(rows_before, counters.by(ROWS)).values())
    wrong = _differences(dict(expected), rise)
    if rows_rise != rows:
        wrong.append(f"rows predicted: {rows_rise} counted, {rows} sent")
    total = expected.total()
    seen = f"sent {total:,}, counted {sum(rise.values()):,}, in {len(expected)} kinds"
    if wrong:
        seen += ": " + "; ".join(wrong)
    next_step = "stop whoever else sends requests and check again; the same again: lab logs of a replica"
    return verdict(not wrong, seen, next_step, sent=total, counted=sum(rise.values()), rows=rows_rise, wrong=wrong)


def _counted(values: dict[Series, float]) -> dict[Series, float]:
    return {key: value for key, value in values.items() if key[1] not in PROBES}


def _differences(expected: dict[Series, int], rise: dict[Series, int]) -> list[str]:
    return [
        f"{' '.join(key)}: {rise.get(key, 0)} counted, {expected.get(key, 0)} sent"
        for key in sorted({*expected, *rise})
        if rise.get(key, 0) != expected.get(key, 0)
    ]
