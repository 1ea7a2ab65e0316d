"""The components of the embedded stack, as data: adding one is adding an entry."""

from typing import Any

from labkit.stack import brokers
from labkit.stack.entry import ConfigFile, Entry, Site
from labkit.stack.ports import HOST
from labkit.stack.profiles import DEFAULT

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

REDIS_JOBS = Entry(
    name="redis-jobs",
    program="redis-server",
    command=(
        "{program}", "--bind", "{host}", "--port", "{port[redis-jobs]}", "--dir", "{data}",
        "--save", "", "--appendonly", "yes", "--appendfsync", "everysec",  # jobs outlive a restart
        "--maxmemory", "256mb", "--maxmemory-policy", "noeviction",  # full: refuse, never forget
    ),
    ports={"redis-jobs": 78},
    probes=("redis://{host}:{port[redis-jobs]}",),
)  # fmt: skip

TRAEFIK = Entry(
    name="traefik",
    program="traefik",
    command=("{program}", "--configfile={run}/traefik/traefik.yml"),
    ports={"edge": 80, "edge-metrics": 81},
    # The second probe goes through the edge to a replica: what users will do.
    probes=("http://{host}:{port[edge-metrics]}/ping", "http://{host}:{port[edge]}/readyz"),
    needs=("api-1", "api-2"),
    environment={"LAB_API_URLS": "{api_urls}", "GOMEMLIMIT": "256MiB", "GOGC": "50"},
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
    ready_within=120.0,  # it is ready when the replicas are, which wait for Kafka
)  # fmt: skip


# What api and worker share: queue, store, and the models trained while they run.
STREAM = {
    "LAB_KAFKA": "{kafka}",
    "LAB_KAFKA_REPLICATION": "{copies}",
    "LAB_STORE_URL": "{store}",
    "LAB_TRAINED_DIR": "{shared}/models",
    "LAB_ROUTES_FILE": "{shared}/routes.json",
}
QUEUE = ("redis-jobs", "kafka", "kafka-1", "kafka-2", "kafka-3")
DATABASE = "sqlite:///{shared}/feedback/feedback.db"


def api(number: int) -> Entry:
    """Return the entry of one replica of the service."""
    name = f"api-{number}"
    return Entry(
        name=name,
        program="python",
        command=("{program}", "-m", "app.api"),
        ports={name: number, f"{name}-metrics": 100 + number},
        probes=(f"http://{{host}}:{{port[{name}]}}/readyz",),
        needs=("redis", *QUEUE),
        environment={
            "LAB_API_HOST": "{host}",
            "LAB_API_PORT": f"{{port[{name}]}}",
            "LAB_METRICS_PORT": f"{{port[{name}-metrics]}}",
            "LAB_REDIS_URL": "redis://{host}:{port[redis]}/0",
            "LAB_REPLICA": name,
            "LAB_API_KEYS_FILE": "{secrets}/api-keys.json",
            **STREAM,
        },
        scrape=("api", f"{name}-metrics"),
        ready_within=60.0,
        stop_within=15.0,  # the service itself drains for at most 10 s
    )


def worker(number: int) -> Entry:
    """Return the entry of one worker; its port has metrics and health."""
    name = f"worker-{number}"
    return Entry(
        name=name,
        program="python",
        command=("{program}", "-m", "app.worker"),
        ports={name: 120 + number},
        probes=(f"http://{{host}}:{{port[{name}]}}/readyz",),
        needs=QUEUE,
        environment={
            "LAB_METRICS_PORT": f"{{port[{name}]}}",
            "LAB_REPLICA": name,
            "LAB_DATABASE_URL": DATABASE,
            **STREAM,
        },
        scrape=("worker", name),
        ready_within=60.0,
        stop_within=15.0,  # it finishes the batch in hand
    )


def entries(edge: str, profiles: tuple[str, ...] = DEFAULT) -> tuple[Entry, ...]:
    """Return the catalogue: two replicas behind Traefik, one without an edge (`edge` is traefik or none)."""
    if edge == "none":
        return (REDIS, *queue(profiles), api(1), PROMETHEUS)
    return (REDIS, *queue(profiles), api(1), api(2), TRAEFIK, PROMETHEUS)


def queue(profiles: tuple[str, ...]) -> tuple[Entry, ...]:
    """Return what jobs and feedback go through, of the profiles; nothing for core."""
    if "core" in profiles:
        return ()
    if "cluster" in profiles:
        kafka = brokers.cluster()
    elif "kafka-legacy" in profiles:
        kafka = brokers.legacy()
    else:
        kafka = (brokers.single(),)
    return (REDIS_JOBS, *kafka, worker(1))


def addresses(site: Site, edge: str) -> dict[str, Any]:
    """Return what `lab urls` prints, but for the pids; what the stack does not have yet is None."""
    ports = site.ports
    names = [entry.name for entry in site.entries if entry.name.startswith("api-")]
    workers = [f"http://{HOST}:{ports[e.name]}" for e in site.entries if e.name.startswith("worker-")]
    return {
        "engine": "process",
        "service": f"http://{HOST}:{ports['edge' if edge == 'traefik' else 'api-1']}",
        "edge": edge,
        "replicas": [f"http://{HOST}:{ports[name]}" for name in names],
        "metrics": [f"http://{HOST}:{ports[name + '-metrics']}/metrics" for name in names],
        "prometheus": f"http://{HOST}:{ports['prometheus']}",
        "alertmanager": None,
        "redis": f"redis://{HOST}:{ports['redis']}/0",
        "redis_jobs": f"redis://{HOST}:{ports['redis-jobs']}/0" if "redis-jobs" in ports else None,
        "kafka": ",".join(site.brokers) or None,
        "workers": workers,
        "worker_metrics": [f"{worker}/metrics" for worker in workers],
        "database": f"sqlite:///{site.home.data / 'feedback' / 'feedback.db'}" if workers else None,
        "logs": None,
        "gelf": None,
        "api_key_file": str(site.home.secrets / "api-key"),
    }
