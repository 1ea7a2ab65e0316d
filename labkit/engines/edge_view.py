"""What the edge and Prometheus know of the replicas, asked of them: an engine's change is done when they know it."""

import re
from collections.abc import Mapping

import httpx

STABLE, CANARY = "stable", "canary"
DEADLINE = 3.0
FRESH = 10  # seconds: several scrapes of the service
_SERVER = re.compile(r'traefik_service_server_up\{service="([^"@]+)@[^"]*",url="http://([^":/]+)[^"]*"\} (\S+)')
_TOLD = re.compile(r"^traefik_config_last_reload_success (\S+)$", re.MULTILINE)


class EdgeView:
    """Traefik's metrics, as far as they tell to whom it sends requests."""

    def __init__(self, metrics: str) -> None:
        """`metrics`: their URL."""
        self._metrics = metrics

    def servers(self, service: str) -> frozenset[str]:
        """Return the hosts that get requests for that service; none when the edge does not answer."""
        found = _SERVER.findall(self._text())
        return frozenset(host for name, host, value in found if name == service and float(value) == 1)

    def last_change(self) -> float:
        """Return when it took over a configuration the last time, epoch seconds; 0 when it does not say."""
        told = _TOLD.search(self._text())
        return float(told[1]) if told else 0.0

    def _text(self) -> str:
        try:
            return httpx.get(self._metrics, timeout=DEADLINE, trust_env=False).text
        except httpx.HTTPError:
            return ""


def scraped_hosts(prometheus: str, job: str) -> frozenset[str] | None:
    """Return the hosts of a job's targets of which the last scrape went well; None when Prometheus does not answer."""
    # Fresh samples: those of a Prometheus that was ended and started again are shown for five minutes more.
    fresh = f'up{{job="{job}"}} == 1 and time() - timestamp(up{{job="{job}"}}) < {FRESH}'
    query = {"query": fresh}
    try:
        answer = httpx.get(f"{prometheus}/api/v1/query", params=query, timeout=DEADLINE, trust_env=False).json()
        series: list[Mapping[str, Mapping[str, str]]] = answer["data"]["result"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return None
    return frozenset(one["metric"]["instance"].rpartition(":")[0] for one in series)
