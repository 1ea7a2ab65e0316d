"""Prometheus's counters as they are: values at a moment, no rate between them."""

import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from labkit.errors import CannotRun
from labkit.prove.prometheus import Prometheus, Refused

POLL = 0.25
API = 'job="api"'
FORGOTTEN = 15  # seconds: no target is scraped as rarely


class Counters:
    """The counters of one Prometheus. Methods raise CannotRun when it does not answer."""

    def __init__(self, url: str, patience: float) -> None:
        self._source = Prometheus(url)
        self._url = url
        self._patience = patience
        self._since = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._source.__exit__(kind, error, trace)

    def by(self, selector: str, *labels: str) -> dict[tuple[str, ...], float]:
        """Return the values that a selector's series have now, added by these labels.

        Only fresh ones, after `scraped` those that it has seen: of a process that is gone Prometheus, when it was ended
        and started again meanwhile, shows values for five minutes more.
        """
        since = self._since or f"time() - {FORGOTTEN}"
        found: dict[tuple[str, ...], float] = {}
        for names, value in self._asked(f"{selector} and (timestamp({selector}) >= {since})"):
            key = tuple(names.get(label, "") for label in labels)
            found[key] = found.get(key, 0.0) + value
        return found

    def up(self) -> tuple[str, ...]:
        """Return the replicas that Prometheus reaches, by the label that tells them apart."""
        return tuple(sorted(replica for (replica,), up in self.by(f"up{{{API}}}", "replica").items() if up))

    def scraped(self, jobs: str = "api") -> None:
        """Wait until every target of `jobs`, such as "api|worker", is up and was scraped twice from now on.

        Then what has happened is in the counters. Twice: the first scrape may have begun while the last request was
        being counted.
        """
        every = f'up{{job=~"{jobs}"}}'
        known = f"(timestamp({every}) > time() - {FORGOTTEN})"
        for _ in range(2):
            ((_, moment),) = self._asked("time()")
            self._passed(
                f"min{known} and (min({every} and {known}) == 1)", moment, f"not all of job {jobs} was scraped"
            )
            self._since = moment

    def _passed(self, query: str, moment: float, otherwise: str) -> None:
        self.until(lambda: any(value > moment for _, value in self._asked(query)), otherwise)

    def _asked(self, query: str) -> list[tuple[dict[str, str], float]]:
        try:
            return self._source.values(query)
        except Refused as error:
            raise CannotRun(f"Prometheus at {self._url} refuses {query}: {error}; next: lab status") from error

    def until(self, met: Callable[[], object], otherwise: str) -> None:
        """Wait until something is so. Raises CannotRun, with `otherwise`, when it is not in time."""
        if not self.wait(met):
            raise CannotRun(f"{otherwise} within {self._patience:g} s (Prometheus at {self._url}); next: lab status")

    def wait(self, met: Callable[[], object]) -> bool:
        """Say whether something is so in time."""
        deadline = time.monotonic() + self._patience
        while not met():
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL)
        return True


def grown(
    before: dict[tuple[str, ...], float], after: dict[tuple[str, ...], float], besides: Iterable[str] = ()
) -> dict[tuple[str, ...], int]:
    """Return by how much the values have grown, without zeros and without those that have one of these labels."""
    left_out = set(besides)
    differences = {key: round(value - before.get(key, 0.0)) for key, value in after.items()}
    return {key: n for key, n in differences.items() if n and not left_out.intersection(key)}
