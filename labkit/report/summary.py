"""summary.json: what a run showed, under stable keys."""

from typing import Any

import msgspec

from labkit.report.jobs import JobsLine
from labkit.report.latency import Percentiles
from labkit.report.reconcile import Reconciliation
from labkit.report.server_facts import ServerFacts
from labkit.report.verdict import Judged, Outcome, Validity


class Rates(msgspec.Struct, frozen=True):
    """Requests a second. `achieved` is sent on schedule / intended (None in a closed loop); goodput is good answers."""

    offered: float | None
    sent: float
    answered: float
    goodput: float
    achieved: float | None


class Totals(msgspec.Struct, frozen=True):
    """Requests; `no_answer` are those without any status (refused, reset, timed out).

    `follow_ups` are those of `sent` that no schedule intended: questions after a job, feedback after its prediction.
    """

    intended: int | None
    sent: int
    follow_ups: int
    ok: int
    failed: int
    no_answer: int
    failed_ratio: float
    statuses: dict[str, int]


class Latency(msgspec.Struct, frozen=True):
    """`service_time` from the actual send, `response_time` from the intended start (None in a closed loop)."""

    service_time: Percentiles | None
    response_time: Percentiles | None


class Route(msgspec.Struct, frozen=True):
    method: str
    name: str
    sent: int
    ok: int
    failed: int
    statuses: dict[str, int]
    latency: Latency


class ErrorKind(msgspec.Struct, frozen=True):
    method: str
    name: str
    kind: str
    count: int
    example: str


class GeneratorFacts(msgspec.Struct, frozen=True):
    max_cpu_percent: float | None
    saturated: bool
    reasons: tuple[str, ...]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One run, judged. Milliseconds, epoch seconds and requests a second throughout.

    `verdict` is "invalid" (the generator was saturated: the numbers are its own), "breached", "good",
    or "unjudged" (no objective applied). `report` is the file name of the page beside summary.json.
    """

    schema: int = 1
    id: str
    scenario: str
    started: float
    ended: float
    duration_s: float
    mode: str
    seed: int | None
    users: int | None
    processes: int | None
    edge: str
    host: str
    interrupted: bool
    argv: tuple[str, ...]
    versions: dict[str, str]
    verdict: Outcome
    validity: Validity
    objectives: tuple[Judged, ...]
    rates: Rates
    totals: Totals
    latency: Latency
    routes: tuple[Route, ...]
    errors: tuple[ErrorKind, ...]
    generator: GeneratorFacts
    server: ServerFacts
    reconciliation: Reconciliation
    jobs: JobsLine | None
    left_out: str
    folder: str
    report: str = "report.html"

    @property
    def good(self) -> bool:
        return self.verdict == "good"

    @property
    def valid(self) -> bool:
        return self.validity.valid

    @property
    def bad(self) -> bool:
        """True for a run that was judged and did not pass: breached or invalid (exit code 1)."""
        return self.verdict in ("breached", "invalid")

    def to_dict(self) -> dict[str, Any]:
        facts: dict[str, Any] = msgspec.to_builtins(self)
        return facts | {"good": self.good, "valid": self.valid}
