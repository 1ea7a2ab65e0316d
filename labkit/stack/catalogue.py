"""The components of the embedded stack, as data: adding one is adding an entry."""

from typing import Any

from labkit.stack import brokers, observers
from labkit.stack.edge import FOLDER
from labkit.stack.entry import ConfigFile, Entry, Site
from labkit.stack.ports import HOST, LOAD_GENERATOR
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

MOST = 8  # replicas and workers
REPLICAS = tuple(f"api-{number}" for number in range(1, MOST + 1))
CANARY = "api-canary"
CANARY_PORT = 9
DISCOVERY = """  http:
    endpoint: "http://discovery:9100/traefik"
    pollInterval: 500ms
    pollTimeout: 2s
"""

TRAEFIK = Entry(
    name="traefik",
    program="traefik",
    command=("{program}", "--configfile={run}/traefik/traefik.yml"),
    ports={"edge": 80, "edge-metrics": 81},
    # The second probe goes through the edge to a replica: what users will do.
    probes=("http://{host}:{port[edge-metrics]}/ping", "http://{host}:{port[edge]}/readyz"),
    needs=(*REPLICAS, CANARY),
    environment={"LAB_EDGE_SERVICE": "api", "GOMEMLIMIT": "256MiB", "GOGC": "50"},
    files=(
        ConfigFile(
            source="traefik/traefik.yml",
            target="traefik/traefik.yml",
            replace={
                '":8080"': '"{host}:{port[edge]}"',
                '":8082"': '"{host}:{port[edge-metrics]}"',
                'filename: "/etc/traefik/dynamic.yml"': f'directory: "{{run}}/{FOLDER}"',
                DISCOVERY: "",  # `lab` writes the replicas into that folder
                'filePath: ""': f'filePath: "{observers.EDGE_LOG}"',
            },
        ),
    ),
    copies={"traefik/dynamic.yml": FOLDER},
    before=("collector",),
    own_log=observers.EDGE_LOG,
    scrape=("traefik", "edge-metrics"),
)

RELEASE = "dev"

# What api and worker share: queue, store, where logs go, and the models trained while they run.
STREAM = {
    "LAB_GELF_URL": "{gelf}",
    "LAB_KAFKA": "{kafka}",
    "LAB_KAFKA_REPLICATION": "{copies}",
    "LAB_STORE_URL": "{store}",
    "LAB_TRAINED_DIR": "{shared}/models",
    "LAB_ROUTES_FILE": "{shared}/routes.json",
}
QUEUE = ("redis-jobs", "kafka", "kafka-1", "kafka-2", "kafka-3")
DATABASE = "sqlite:///{shared}/feedback/feedback.db"


def api(number: int, release: str = RELEASE) -> Entry:
    """Return the entry of one replica of the service."""
    return _api(f"api-{number}", number, release)


def canary(release: str = RELEASE) -> Entry:
    """Return the entry of the canary: the same service, which answers `forest` with v2."""
    return _api(CANARY, CANARY_PORT, release, split="forest:v2=100")


def _api(name: str, number: int, release: str, split: str = "") -> Entry:
    return Entry(
        name=name,
        program="python",
        command=("{program}", "-m", "app.api"),
        ports={name: number, f"{name}-metrics": 100 + number},
        probes=(f"http://{{host}}:{{port[{name}]}}/readyz",),
        needs=("redis", *QUEUE),
        before=("collector",),
        environment={
            "LAB_API_HOST": "{host}",
            "LAB_API_PORT": f"{{port[{name}]}}",
            "LAB_METRICS_PORT": f"{{port[{name}-metrics]}}",
            "LAB_REDIS_URL": "redis://{host}:{port[redis]}/0",
            "LAB_REPLICA": name,
            "LAB_RELEASE": release,
            "LAB_CANARY": split,
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
        before=("collector",),
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
    front = (api(1),) if edge == "none" else (api(1), api(2), TRAEFIK)
    alerting = (observers.PROMETHEUS, observers.ALERTMANAGER, observers.ALERTS)
    return (REDIS, *queue(profiles), *logs(edge, profiles), *front, *alerting)


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


def logs(edge: str, profiles: tuple[str, ...]) -> tuple[Entry, ...]:
    """Return what receives, keeps and finds logs, of the profiles; nothing for core."""
    if profiles == ("core",):
        return ()
    if "search" in profiles:
        return (observers.ELASTICSEARCH, observers.collector(edge, search=True))
    return (observers.collector(edge),)


def addresses(site: Site, edge: str) -> dict[str, Any]:
    """Return what `lab urls` prints, but for the pids; what the stack does not have yet is None."""
    ports = site.ports
    address = {name: f"{HOST}:{port}" for name, port in ports.items()}
    search = f"http://{address['elasticsearch']}" if "elasticsearch" in ports else None
    segments = f"sqlite:///{site.home.data / 'logs'}" if "collector" in ports else None
    names = [entry.name for entry in site.entries if entry.name in REPLICAS]
    counting = [entry.name for entry in site.entries if entry.name in (*REPLICAS, CANARY)]
    workers = [f"http://{HOST}:{ports[e.name]}" for e in site.entries if e.name.startswith("worker-")]
    return {
        "engine": "process",
        "service": f"http://{HOST}:{ports['edge' if edge == 'traefik' else 'api-1']}",
        "edge": edge,
        "replicas": [f"http://{HOST}:{ports[name]}" for name in names],
        "metrics": [f"http://{HOST}:{ports[name + '-metrics']}/metrics" for name in counting],
        "prometheus": f"http://{address['prometheus']}",
        "alertmanager": f"http://{address['alertmanager']}",
        "alerts": str(site.home.data / "alerts" / "notifications.jsonl"),
        "redis": f"redis://{HOST}:{ports['redis']}/0",
        "redis_jobs": f"redis://{HOST}:{ports['redis-jobs']}/0" if "redis-jobs" in ports else None,
        "kafka": ",".join(site.brokers) or None,
        "workers": workers,
        "worker_metrics": [f"{worker}/metrics" for worker in workers],
        "database": f"sqlite:///{site.home.data / 'feedback' / 'feedback.db'}" if workers else None,
        "logs": search or segments,
        "gelf": f"udp://{address['gelf']}" if "gelf" in ports else None,
        "collector_metrics": f"http://{address['collector']}/metrics" if "collector" in ports else None,
        "elasticsearch": search,
        "locust_metrics": f"http://{HOST}:{site.base + LOAD_GENERATOR}/metrics",
        "grafana": None,
        "api_key_file": str(site.home.secrets / "api-key"),
    }
