"""The components of the embedded stack, as data: adding one is adding an entry."""

from typing import Any

from labkit.stack.entry import ConfigFile, Entry, Site
from labkit.stack.ports import HOST

REDIS = Entry(
    name="redis",
    program="redis-server",
    command=(
        "{program}", "--bind", "{host}", "--port", "{port[redis]}", "--dir", "{data}",
        "--save", "", "--appendonly", "no",  # a cache: nothing to keep over a restart
        "--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru",
    ),
    ports={"redis": 79},
    probes=("redis://{host}:{port[redis]}",),
)  # fmt: skip

TRAEFIK = Entry(
    name="traefik",
    program="traefik",
    command=("{program}", "--configfile={run}/traefik/traefik.yml"),
    ports={"edge": 80, "edge-metrics": 81},
    # The second probe goes through the edge to a replica: what users will do.
    probes=("http://{host}:{port[edge-metrics]}/ping", "http://{host}:{port[edge]}/readyz"),
    needs=("api-1", "api-2"),
    environment={"LAB_API_URLS": "{api_urls}", "GOMEMLIMIT": "256MiB"},
    files=(
        ConfigFile(
            source="traefik/traefik.yml",
            target="traefik/traefik.yml",
            replace={
                '":8080"': '"{host}:{port[edge]}"',
                '":8082"': '"{host}:{port[edge-metrics]}"',
                '"/etc/traefik/dynamic.yml"': '"{root}/traefik/dynamic.yml"',
            },
        ),
    ),
    scrape=("traefik", "edge-metrics"),
)

# PromQL, quoted for a URL: the replicas that were scraped since this start (older samples are still in the data
# folder). Whoever counts from then on misses nothing.
SEEN = "count((timestamp(up%7Bjob=%22api%22%7D)%3E{now})and(up%7Bjob=%22api%22%7D==1))"

PROMETHEUS = Entry(
    name="prometheus",
    program="prometheus",
    command=(
        "{program}", "--config.file={run}/prometheus/prometheus.yml", "--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=7d", "--storage.tsdb.retention.size=256MB",
        "--web.listen-address={host}:{port[prometheus]}", "--log.level=warn",
    ),
    ports={"prometheus": 90},
    probes=(
        "http://{host}:{port[prometheus]}/-/ready",
        "http://{host}:{port[prometheus]}/api/v1/query?query=" + SEEN + '#"{replicas}"',
    ),
    environment={"GOMEMLIMIT": "256MiB", "GOGC": "50"},
    files=(ConfigFile("monitoring/prometheus/prometheus.yml", "prometheus/prometheus.yml"),),
    scrape=("prometheus", "prometheus"),
)  # fmt: skip


def api(number: int) -> Entry:
    """Return the entry of one replica of the service."""
    name = f"api-{number}"
    return Entry(
        name=name,
        program="python",
        command=("{program}", "-m", "app.api"),
        ports={name: number, f"{name}-metrics": 100 + number},
        probes=(f"http://{{host}}:{{port[{name}]}}/readyz",),
        needs=("redis",),
        environment={
            "LAB_API_HOST": "{host}",
            "LAB_API_PORT": f"{{port[{name}]}}",
            "LAB_METRICS_PORT": f"{{port[{name}-metrics]}}",
            "LAB_REDIS_URL": "redis://{host}:{port[redis]}/0",
            "LAB_REPLICA": name,
        },
        scrape=("api", f"{name}-metrics"),
        ready_within=60.0,
        stop_within=15.0,  # the service itself drains for at most 10 s
    )


def entries(edge: str) -> tuple[Entry, ...]:
    """Return the catalogue: two replicas behind Traefik, one without an edge (`edge` is traefik or none)."""
    if edge == "none":
        return (REDIS, api(1), PROMETHEUS)
    return (REDIS, api(1), api(2), TRAEFIK, PROMETHEUS)


def addresses(site: Site, edge: str) -> dict[str, Any]:
    """Return what `lab urls` prints, but for the pids; what the stack does not have yet is None."""
    ports = site.ports
    names = [entry.name for entry in site.entries if entry.name.startswith("api-")]
    return {
        "engine": "process",
        "service": f"http://{HOST}:{ports['edge' if edge == 'traefik' else 'api-1']}",
        "edge": edge,
        "replicas": [f"http://{HOST}:{ports[name]}" for name in names],
        "metrics": [f"http://{HOST}:{ports[name + '-metrics']}/metrics" for name in names],
        "prometheus": f"http://{HOST}:{ports['prometheus']}",
        "alertmanager": None,
        "redis": f"redis://{HOST}:{ports['redis']}/0",
        "kafka": None,
        "logs": None,
        "gelf": None,
        "api_key_file": str(site.home.secrets / "api-key"),
    }
