"""A running Traefik: telling it of replicas, and knowing that it has understood."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from labkit.errors import CannotRun
from labkit.stack.edge import write_replicas

KNOWN_WITHIN = 10.0
TICK = 0.05


class Edge:
    """The Traefik of the run folder `run`, whose metrics are at the URL `metrics`."""

    def __init__(self, run: Path, metrics: str) -> None:
        self._run = run
        self._metrics = metrics

    def tell(self, stable: Sequence[str], canary: Sequence[str] = (), weight: int = 0) -> None:
        """Send requests to these URLs and to no other, from the return on.

        Raises CannotRun when Traefik has not taken it up after 10 s.
        """
        reloads = self._seen("traefik_config_reloads_total")
        if write_replicas(self._run, stable, canary, weight):
            self._wait(lambda: self._seen("traefik_config_reloads_total") > reloads, "has not read its file again")

    def wait_up(self, urls: Sequence[str]) -> None:
        """Wait until its health checks have found all of them well. Raises CannotRun."""
        self._wait(
            lambda: all(self._seen("traefik_service_server_up", url=url) for url in urls),
            f"does not find all of {', '.join(urls)} well",
        )

    def _wait(self, so: Callable[[], bool], what: str) -> None:
        begun = time.monotonic()
        while not so():
            if time.monotonic() - begun > KNOWN_WITHIN:
                raise CannotRun(f"the edge {what} within {KNOWN_WITHIN:g} s; next: lab logs traefik")
            time.sleep(TICK)

    def _seen(self, name: str, **labels: str) -> float:
        """Return the value of a metric at this moment, summed up over all other labels; 0 when it is not there."""
        try:
            text = httpx.get(self._metrics, timeout=2, trust_env=False).raise_for_status().text
        except httpx.HTTPError as error:
            raise CannotRun(f"the edge does not answer at {self._metrics} ({error}); next: lab status") from None
        samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
        return sum(one.value for one in samples if one.name == name and labels.items() <= one.labels.items())
