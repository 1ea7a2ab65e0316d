"""What runs full first: requests, queues, processors, memory, files, caches, log buffers."""

from grafana.generator.board import Board, row
from grafana.generator.panels import Query, bad_below, bad_from, bars, fact, graph
from grafana.generator.promql import grown, or_zero, rate, share, total

LOST = 'outcome=~"dropped|failed"'
PART = "job, replica"
NAME = "{{replica}}"

BOARD = Board(
    "saturation",
    "Saturation",
    "How full everything is. Latency bends where the first of these reaches its end: find that one.",
    (
        row(
            "Now",
            fact(
                "In flight",
                "Requests being answered, all replicas together. Climbs before latency does.",
                "short",
                Query(total("http_requests_in_flight"), "in flight"),
            ),
            fact(
                "Shed",
                "Requests refused a second to protect the others. Any at all means that a limit is reached.",
                "reqps",
                Query(or_zero(rate("http_requests_shed_total")), "shed"),
                steps=bad_from(1, 0.01),
            ),
            fact(
                "Busiest process",
                "Processor cores that the busiest process takes. A Python process cannot take more than one: near 1"
                " it is full, whatever the machine has left.",
                "short",
                Query(f"max({rate('process_cpu_seconds_total', by=PART)})", "cores"),
                steps=bad_from(0.95, 0.8),
                decimals=2,
            ),
            fact(
                "Rows waiting for a model",
                "Rows in the queues of the heavy models. A full queue sheds: see Rows waiting by model.",
                "short",
                Query(total("model_queue_rows"), "rows"),
            ),
            fact(
                "Messages waiting",
                "Messages behind the ends of their partitions. Red: open Pipeline, add a worker.",
                "short",
                Query(or_zero(total("worker:lag:sum")), "lag"),
                steps=bad_from(1000, 100),
            ),
            fact(
                "Log records lost",
                "Dropped by a full buffer or refused by a socket, in the time shown. The service goes on; the logs"
                " have a gap of exactly this size.",
                "short",
                Query(or_zero(grown("log_records_total", LOST)), "lost"),
                steps=bad_from(1),
            ),
        ),
        row(
            "Requests and queues",
            graph(
                "In flight by replica",
                "Climbs before latency does. A level line at the limit means that the rest is shed.",
                "short",
                Query(total("http_requests_in_flight", by="replica"), "{{replica}}"),
            ),
            graph(
                "Shed by reason",
                "in_flight: too many at once; queue: a heavy model's queue is full; draining: the replica is stopping.",
                "reqps",
                Query(rate("http_requests_shed_total", by="reason"), "{{reason}}"),
                stacked=True,
            ),
            graph(
                "Rows waiting by model",
                "Where rows wait before the model takes them in a batch. A queue that does not empty again is longer"
                " than the model can work off.",
                "short",
                Query(total("model_queue_rows", by="model, version"), "{{model}} {{version}}"),
            ),
        ),
        row(
            "Processors and memory",
            graph(
                "Processor by process",
                "Cores taken by each process. At the dashed line a single-threaded process is full.",
                "short",
                Query(rate("process_cpu_seconds_total", by=PART), NAME),
                steps=bad_from(1),
            ),
            graph(
                "Memory by process",
                "Resident memory. A line that climbs through load and rest alike is a leak.",
                "bytes",
                Query(total("process_resident_memory_bytes", by=PART), NAME),
            ),
            graph(
                "Open files by process",
                "Share of the file descriptors that a process may have; connections are files. Near 1 new connections"
                " fail.",
                "percentunit",
                Query(f"{total('process_open_fds', by=PART)} / {total('process_max_fds', by=PART)}", NAME),
            ),
        ),
        row(
            "Caches",
            graph(
                "Hit rate by tier",
                "Share of the look-ups that find an answer. Low is no fault: rows that differ cannot be found.",
                "percentunit",
                *(
                    Query(
                        share(
                            rate("cache_requests_total", f'tier="{tier}"', 'outcome="hit"'),
                            rate("cache_requests_total", f'tier="{tier}"', 'outcome=~"hit|miss"'),
                        ),
                        tier,
                    )
                    for tier in ("process", "redis")
                ),
                most=1,
            ),
            graph(
                "Look-ups by tier and outcome",
                "error: Redis did not answer in time; skipped: the circuit is open and nobody asks. Both make answers"
                " slower, never wrong.",
                "ops",
                Query(rate("cache_requests_total", by="tier, outcome"), "{{tier}} {{outcome}}"),
            ),
            graph(
                "Redis errors",
                "Look-ups that failed or were skipped because Redis is away or slow. More than none for minutes: look"
                " at Redis; the service does without.",
                "ops",
                Query(
                    or_zero(rate("cache_requests_total", 'tier="redis"', 'outcome=~"error|skipped"')),
                    "failed or skipped",
                ),
                steps=bad_from(1),
            ),
        ),
        row(
            "Logs",
            graph(
                "Records by sink",
                "What became of each log record: written is handed on, dropped is a full buffer, failed a socket that"
                " refused.",
                "cps",
                Query(rate("log_records_total", by="sink, outcome"), "{{sink}} {{outcome}}"),
            ),
            graph(
                "Records lost by process",
                "Records dropped or refused a second. Anything but zero: the sink is slower than the records come.",
                "cps",
                Query(rate("log_records_total", LOST, by=PART), NAME),
                steps=bad_from(1),
            ),
            graph(
                "Collector: waiting and lost",
                "Records that wait for the store, and those that had no room in the kernel or in the collector.",
                "short",
                Query(or_zero(total("collector_queue_records")), "waiting"),
                Query(or_zero(rate("gelf_socket_drops_total")), "no room in the kernel, a second"),
                Query(or_zero(rate("log_documents_total", 'outcome="dropped"')), "no room in the collector, a second"),
            ),
        ),
        row(
            "Measuring itself",
            bars(
                "Targets up",
                "Share of each job's targets that answered the last scrape. The load generator comes and goes: it is"
                " left out.",
                "percentunit",
                Query(total("up", 'job!="locust"', by="job", of="avg"), "{{job}}"),
                steps=bad_below(1, 0.5),
            ),
            graph(
                "Time of a scrape",
                "How long a target takes to hand out its metrics. It shares the processor with requests: tens of"
                " milliseconds are too many.",
                "s",
                Query(total("scrape_duration_seconds", by=PART, of="max"), NAME),
            ),
            graph(
                "Series kept",
                "Time series in Prometheus' memory. Must level out: growth with every request is a label with open"
                " values.",
                "short",
                Query(total("prometheus_tsdb_head_series"), "series"),
            ),
        ),
    ),
)
