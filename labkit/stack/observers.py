"""The components of the catalogue that watch the others, as data: metrics, alerts, logs."""

from labkit.stack.entry import ConfigFile, Entry
from labkit.stack.obtain import elasticsearch

EDGE_LOG = "{logs}/traefik-access.log"

# Small heaps: what is watched here is one machine.
GO_MEMORY = {"GOMEMLIMIT": "64MiB", "GOGC": "50"}

# PromQL, quoted for a URL: the replicas that were scraped since this start (older samples are still in the data
# folder). Whoever counts from then on misses nothing.
SEEN = "count((timestamp(up%7Bjob=%22api%22%7D)%3E{now})and(up%7Bjob=%22api%22%7D==1))"

PROMETHEUS = Entry(
    name="prometheus",
    program="prometheus",
    command=(
        "{program}", "--config.file={run}/prometheus/prometheus.yml", "--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=7d", "--storage.tsdb.retention.size=256MB",
        "--rules.alert.resend-delay=10s",  # alerts of a Prometheus that died end soon: within four of these
        "--web.listen-address={host}:{port[prometheus]}",
        "--web.external-url=http://{host}:{port[prometheus]}",  # what links in alerts begin with
        "--log.level=warn",
    ),
    ports={"prometheus": 90},
    probes=(
        "http://{host}:{port[prometheus]}/-/ready",
        "http://{host}:{port[prometheus]}/api/v1/query?query=" + SEEN + '#"{replicas}"',
    ),
    before=("alertmanager",),
    environment={"GOMEMLIMIT": "256MiB", "GOGC": "50"},
    files=(ConfigFile("monitoring/prometheus/prometheus.yml", "prometheus/prometheus.yml"),),
    copies={"monitoring/prometheus/rules/*.yml": "prometheus/rules"},
    scrape=("prometheus", "prometheus"),
    ready_within=120.0,  # it is ready when the replicas are, which wait for Kafka
)  # fmt: skip

ALERTMANAGER = Entry(
    name="alertmanager",
    program="alertmanager",
    command=(
        "{program}", "--config.file={run}/alertmanager/alertmanager.yml", "--storage.path={data}",
        "--web.listen-address={host}:{port[alertmanager]}",
        "--web.external-url=http://{host}:{port[alertmanager]}",
        "--cluster.listen-address=",  # one of it: no port for others
        "--log.level=warn",
    ),
    ports={"alertmanager": 98},
    probes=("http://{host}:{port[alertmanager]}/-/ready",),
    before=("alerts",),
    environment=GO_MEMORY,
    files=(
        ConfigFile(
            "monitoring/alertmanager/alertmanager.yml",
            "alertmanager/alertmanager.yml",
            {"alerts:9099": "{host}:{port[alerts]}"},
        ),
    ),
    scrape=("alertmanager", "alertmanager"),
)  # fmt: skip

ALERTS = Entry(
    name="alerts",
    program="python",
    command=(
        "{program}", "-m", "labkit.alerts", "--port", "{port[alerts]}", "--folder", "{data}",
        "--watchdog-seconds", "60",
    ),
    ports={"alerts": 88},
    probes=("http://{host}:{port[alerts]}/healthz",),
)  # fmt: skip

ELASTICSEARCH = Entry(
    name="elasticsearch",
    program="elasticsearch",
    command=(
        "{program}",
        *elasticsearch.SMALL,
        *elasticsearch.settings("{port[elasticsearch]}", "{port[elasticsearch-transport]}", "{data}"),
    ),
    ports={"elasticsearch": 99, "elasticsearch-transport": 199},
    probes=("http://{host}:{port[elasticsearch]}/_cluster/health?wait_for_status=yellow&timeout=0s",),
    environment={"MALLOC_ARENA_MAX": "1"},
    ready_within=60.0,
    stop_within=15.0,
)


def collector(edge: str, *, search: bool = False) -> Entry:
    """Return the entry of what receives and keeps logs; it follows the access log of the edge where there is one.

    It writes to Elasticsearch (`search`), else to SQLite files.
    """
    store = {"LAB_ELASTICSEARCH_URL": "{elasticsearch}"} if search else {"LAB_LOGS_DIR": "{shared}/logs"}
    return Entry(
        name="collector",
        program="python",
        command=("{program}", "-m", "app.collector"),
        ports={"collector": 202, "gelf": 201},
        probes=("http://{host}:{port[collector]}/readyz",),
        needs=("elasticsearch",),
        environment={
            "LAB_REPLICA": "collector",
            "LAB_METRICS_PORT": "{port[collector]}",
            "LAB_GELF_PORT": "{port[gelf]}",
            "LAB_FOLLOW_FILE": EDGE_LOG if edge == "traefik" else "",
            **store,
        },
        scrape=("collector", "collector"),
        stop_within=15.0,  # it writes what it has
    )
