"""Who talks to whom in each lab, as drawings."""

from collections.abc import Mapping

from docs.pictures.drawing import Arrow, Box, svg

DRAWINGS: Mapping[str, str] = {
    "00-one-request": svg(
        "curl asks Traefik, Traefik asks one of two replicas; Prometheus reads the replicas' counters; "
        "Traefik and the replicas send log records to the collector, which stores them",
        {
            "you": Box(0, 1, "curl", "your request", "you"),
            "edge": Box(1, 1, "Traefik", "the edge", "edge"),
            "api1": Box(2, 0.5, "api-1", "a replica"),
            "api2": Box(2, 1.5, "api-2", "a replica"),
            "prometheus": Box(3, 0, "Prometheus", "counters, each second", "watch"),
            "collector": Box(3, 2, "collector", "log records", "watch"),
            "store": Box(4, 2, "log store", "lab search, lab trace", "store"),
            "graph": Box(4, 0, "lab dashboards", "the same as a picture", "watch"),
        },
        [
            Arrow("you", "edge"),
            Arrow("edge", "api1"),
            Arrow("edge", "api2"),
            Arrow("prometheus", "api1", dashed=True),
            Arrow("prometheus", "api2", dashed=True),
            Arrow("api1", "collector", dashed=True),
            Arrow("api2", "collector", dashed=True),
            Arrow("collector", "store"),
            Arrow("graph", "prometheus", dashed=True),
        ],
    ),
    "02-your-edge": svg(
        "Clients ask your Traefik on port 18320; by their host it passes them on: bare and whoami to three replicas "
        "in turns, canary to these or to version 2 by weight",
        {
            "clients": Box(0, 1, "clients", "Host: NAME.localhost", "load"),
            "edge": Box(1.1, 1, "your Traefik", "port 18320", "you"),
            "bare": Box(2.3, 0, "bare", "no protection", "edge"),
            "whoami": Box(2.3, 1, "whoami", "health check, retry", "edge"),
            "canary": Box(2.3, 2, "canary", "WEIGHT percent to v2", "edge"),
            "one": Box(3.6, 0, "whoami-1"),
            "two": Box(3.6, 1, "whoami-2"),
            "three": Box(3.6, 2, "whoami-3"),
            "next": Box(2.3, 3, "whoami-v2"),
        },
        [
            Arrow("clients", "edge"),
            *(Arrow("edge", route) for route in ("bare", "whoami", "canary")),
            *(Arrow(route, end) for route in ("bare", "whoami", "canary") for end in ("one", "two", "three")),
            Arrow("canary", "next", "WEIGHT"),
        ],
    ),
    "03-cluster": svg(
        "Trucks send their positions to a topic; its partitions lie on three brokers; one group of one member and "
        "one group of two members read it",
        {
            "trucks": Box(0, 1, "trucks", "key: the truck's id", "you"),
            "p0": Box(1.2, 0, "broker 1", "leads some, copies all", "store"),
            "p1": Box(1.2, 1, "broker 2", "leads some, copies all", "store"),
            "p2": Box(1.2, 2, "broker 3", "leads some, copies all", "store"),
            "dashboard": Box(2.6, 0, "dashboard", "a group of one: reads all"),
            "billing1": Box(2.6, 1, "billing-1", "reads half of them"),
            "billing2": Box(2.6, 2, "billing-2", "reads the other half"),
        },
        [
            *(Arrow("trucks", broker) for broker in ("p0", "p1", "p2")),
            Arrow("p0", "p1", "copies"),
            Arrow("p1", "p2", "copies"),
            *(Arrow(broker, "dashboard") for broker in ("p0", "p1", "p2")),
            *(Arrow(broker, "billing1") for broker in ("p0", "p1")),
            *(Arrow(broker, "billing2") for broker in ("p1", "p2")),
        ],
    ),
    "05-closed-and-open": svg(
        "Closed: a user asks, waits for the answer, thinks and asks again. Open: a timetable sends each request when "
        "it is due, whether or not the one before was answered",
        {
            "users": Box(0, 0, "closed: a user", "asks", "load"),
            "server": Box(1.3, 0, "server", "answers, or stalls"),
            "think": Box(2.6, 0, "the same user", "thinks, asks again", "load"),
            "waits": Box(3.9, 0, "a stall", "stops the load, too", "watch"),
            "timetable": Box(0, 1.2, "open: a timetable", "12.34 s, 12.35 s …", "load"),
            "server2": Box(1.3, 1.2, "server", "answers, or stalls"),
            "late": Box(2.6, 1.2, "response time", "from when it was due", "load"),
            "seen": Box(3.9, 1.2, "a stall", "is seen by all", "watch"),
        },
        [
            Arrow("users", "server"),
            Arrow("server", "think", "answer"),
            Arrow("think", "waits"),
            Arrow("timetable", "server2"),
            Arrow("server2", "late", "answer"),
            Arrow("late", "seen"),
        ],
    ),
    "06-red": svg(
        "Customers ask the shop on one port; Prometheus reads its metrics on another each second; your queries, "
        "panel and alert read Prometheus",
        {
            "traffic": Box(0, 0.5, "customers", "traffic.py", "load"),
            "shop": Box(1.2, 0.5, "the shop", "red.py: your metrics", "you"),
            "prometheus": Box(2.6, 0.5, "Prometheus", "scrapes each second", "watch"),
            "queries": Box(4, 0, "queries.toml", "rate, errors, p99", "you"),
            "panel": Box(4, 1, "shop.json", "a panel", "you"),
            "alert": Box(2.6, 1.5, "rules.yml", "an alert, and its test", "you"),
        },
        [
            Arrow("traffic", "shop", "port 18360"),
            Arrow("prometheus", "shop", "/metrics, 18361", dashed=True),
            Arrow("queries", "prometheus", dashed=True),
            Arrow("panel", "prometheus", dashed=True),
            Arrow("prometheus", "alert"),
        ],
    ),
    "08-closed-loop": svg(
        "One user in a closed loop sends requests of N texts to the edge, which passes them to one replica with its "
        "model, and sends the next when the answer is there",
        {
            "user": Box(0, 0.5, "measure.py", "one user, N texts", "you"),
            "edge": Box(1.3, 0.5, "Traefik", "the edge", "edge"),
            "api": Box(2.6, 0.5, "api-1", "one replica"),
            "model": Box(3.9, 0.5, "sentiment", "each text costs", "store"),
            "prometheus": Box(2.6, 1.6, "Prometheus", "counts what was done", "watch"),
        },
        [
            Arrow("user", "edge", "request"),
            Arrow("edge", "api"),
            Arrow("api", "model"),
            Arrow("prometheus", "api", dashed=True),
        ],
    ),
    "07-four-services": svg(
        "A request passes your shop, Traefik, the api and, by way of Kafka, the worker; each of them sends records "
        "with the same request id to the collector",
        {
            "shop": Box(0, 0, "your shop", "makes the request id", "you"),
            "edge": Box(1, 0, "Traefik", "the edge", "edge"),
            "api": Box(2, 0, "api", "answers 202"),
            "kafka": Box(3, 0, "Kafka", "the job waits", "store"),
            "worker": Box(4, 0, "worker", "does the work"),
            "collector": Box(2, 1.5, "collector", "GELF, by UDP", "watch"),
            "store": Box(3.2, 1.5, "log store", "lab search, lab trace", "store"),
        },
        [
            Arrow("shop", "edge"),
            Arrow("edge", "api"),
            Arrow("api", "kafka"),
            Arrow("kafka", "worker"),
            *(Arrow(service, "collector", dashed=True) for service in ("shop", "edge", "api", "worker")),
            Arrow("collector", "store"),
        ],
    ),
}
