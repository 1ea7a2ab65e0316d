"""Each replica's own counters, read straight from it before the first and after the last request."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

KEPT = frozenset(
    (
        "http_requests_total",
        "http_requests_shed_total",
        "http_requests_in_flight",
        "log_records_total",
        "process_start_time_seconds",
        "jobs_submitted_total",
        "jobs_finished_total",
        "messages_retried_total",
        "dead_letters_total",
        "gelf_received_total",
        "gelf_rejected_total",
        "gelf_socket_drops_total",
        "log_documents_total",
        "collector_queue_records",
    )
)
IN_FLIGHT = "http_requests_in_flight"
# Probes go on after the run: they must not keep the counters from looking stable.
PROBES = frozenset(("/healthz", "/readyz"))
TIMEOUT = 5.0
SETTLE_EVERY = 0.25


@dataclass(frozen=True)
class Scrape:
    """The kept samples of one replica at one moment, epoch seconds; `error` says why there are none."""

    t: float
    samples: tuple[dict[str, Any], ...] = ()
    error: str | None = None

    @property
    def in_flight(self) -> float:
        return sum(float(sample["value"]) for sample in self.samples if sample["name"] == IN_FLIGHT)

    def counts(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """Return the request counters without those of probes, for comparison with a later scrape."""
        return {
            (sample["name"], tuple(sorted(sample["labels"].items()))): sample["value"]
            for sample in self.samples
            if sample["name"] == "http_requests_total" and sample["labels"].get("route") not in PROBES
        }

    def to_dict(self) -> dict[str, Any]:
        if self.error is not None:
            return {"t": self.t, "samples": [], "error": self.error}
        return {"t": self.t, "samples": list(self.samples)}


def parsed(text: str) -> tuple[dict[str, Any], ...]:
    """Return the kept samples of a Prometheus text exposition."""
    return tuple(
        {"name": sample.name, "labels": sample.labels, "value": sample.value}
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name in KEPT
    )


def scrape(client: httpx.Client, url: str) -> Scrape:
    """Read one replica; a failure is a Scrape with the error, since the run itself is worth keeping."""
    t = time.time()
    try:
        answer = client.get(url)
        answer.raise_for_status()
        return Scrape(t, parsed(answer.text))
    except (httpx.HTTPError, ValueError) as error:
        return Scrape(t, error=f"{type(error).__name__}: {error}")


def scrape_all(urls: Iterable[str]) -> dict[str, Scrape]:
    with httpx.Client(timeout=TIMEOUT, trust_env=False) as client:
        return {url: scrape(client, url) for url in urls}


def settled(
    read: Callable[[], dict[str, Scrape]],
    *,
    within: float = 10.0,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Scrape]:
    """Scrape by `read` until nothing is in flight and two readings agree, at most `within` seconds; return the last."""
    deadline = time.monotonic() + within
    before = read()
    while True:
        sleep(SETTLE_EVERY)
        after = read()
        quiet = all(
            one.error is not None or (one.in_flight == 0 and url in before and before[url].counts() == one.counts())
            for url, one in after.items()
        )
        if quiet or time.monotonic() >= deadline:
            return after
        before = after


def to_dict(scrapes: dict[str, Scrape]) -> dict[str, Any]:
    return {url: one.to_dict() for url, one in scrapes.items()}
