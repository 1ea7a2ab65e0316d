"""Every metric of our services, as data: what is not listed here cannot be emitted."""

from enum import StrEnum
from typing import Final

import msgspec

# Seconds. The same list serves Traefik, the service and the load generator, so that their curves can be compared.
LATENCY_BUCKETS: Final = (
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
)
# Inference starts at microseconds, where a request never is.
INFERENCE_BUCKETS: Final = (0.000005, 0.00001, 0.000025, 0.00005, 0.0001, 0.00025, *LATENCY_BUCKETS)
BATCH_BUCKETS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)
# A job may wait for a worker for minutes.
WAIT_BUCKETS: Final = (*LATENCY_BUCKETS, 30.0, 60.0, 120.0, 300.0)
SCORE_BUCKETS: Final = (0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95, 1.0)


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Metric(msgspec.Struct, frozen=True):
    """One metric: its full name, kind, help, label names and, for a histogram, its upper bounds."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


CATALOGUE: Final = (
    Metric("service_info", Kind.GAUGE, "1, with the release that runs.", ("release",)),
    Metric("http_requests_total", Kind.COUNTER, "Requests answered.", ("method", "route", "status")),
    Metric(
        "http_request_duration_seconds",
        Kind.HISTOGRAM,
        "Service time, from the request's head to the answer.",
        ("method", "route"),
        LATENCY_BUCKETS,
    ),
    Metric("http_requests_in_flight", Kind.GAUGE, "Requests being answered at this moment."),
    Metric("http_requests_shed_total", Kind.COUNTER, "Requests refused to protect the others.", ("reason",)),
    Metric("predictions_total", Kind.COUNTER, "Rows predicted, by outcome.", ("model", "version", "outcome")),
    Metric("prediction_labels_total", Kind.COUNTER, "Rows predicted, by label.", ("model", "version", "label")),
    Metric("prediction_score", Kind.HISTOGRAM, "Scores answered, 0 to 1.", ("model",), SCORE_BUCKETS),
    Metric(
        "model_inference_seconds",
        Kind.HISTOGRAM,
        "Time of one call of a model (one batch).",
        ("model", "version"),
        INFERENCE_BUCKETS,
    ),
    Metric("model_batch_size", Kind.HISTOGRAM, "Rows in one call of a model.", ("model",), BATCH_BUCKETS),
    Metric("model_queue_rows", Kind.GAUGE, "Rows that wait for a heavy model.", ("model", "version")),
    Metric("cache_requests_total", Kind.COUNTER, "Look-ups and writes, by tier.", ("tier", "outcome")),
    Metric("model_traffic_share", Kind.GAUGE, "Share of the requests that a version gets.", ("model", "version")),
    Metric("jobs_submitted_total", Kind.COUNTER, "Jobs accepted: Kafka has acknowledged them.", ("model",)),
    Metric("jobs_finished_total", Kind.COUNTER, "Jobs that a worker is done with.", ("model", "outcome")),
    Metric("job_wait_seconds", Kind.HISTOGRAM, "From acceptance to the worker's hands.", (), WAIT_BUCKETS),
    Metric("job_processing_seconds", Kind.HISTOGRAM, "One batch, from Kafka to its commit.", (), LATENCY_BUCKETS),
    Metric("messages_published_total", Kind.COUNTER, "Messages handed to Kafka.", ("topic", "outcome")),
    Metric(
        "message_publish_seconds",
        Kind.HISTOGRAM,
        "Until all in-sync replicas have a message.",
        ("topic",),
        LATENCY_BUCKETS,
    ),
    Metric("messages_consumed_total", Kind.COUNTER, "Messages taken and committed.", ("topic",)),
    Metric("messages_retried_total", Kind.COUNTER, "Batches put back because something was away.", ("topic",)),
    Metric("dead_letters_total", Kind.COUNTER, "Messages that cannot be handled, put aside.", ("topic", "reason")),
    Metric("consumer_lag_records", Kind.GAUGE, "Messages behind the end of a partition.", ("topic", "partition")),
    Metric("feedback_total", Kind.COUNTER, "Feedback stored, by what it says of the prediction.", ("model", "verdict")),
    Metric("log_records_total", Kind.COUNTER, "Log records by sink and fate.", ("sink", "outcome")),
    Metric("gelf_received_total", Kind.COUNTER, "Whole GELF messages received.", ("transport",)),
    Metric("gelf_rejected_total", Kind.COUNTER, "Messages received that are no GELF.", ("transport", "reason")),
    Metric("gelf_socket_drops_total", Kind.COUNTER, "Datagrams that the kernel had no room for."),
    Metric("log_documents_total", Kind.COUNTER, "Log records by store and fate.", ("store", "outcome")),
    Metric("log_store_retries_total", Kind.COUNTER, "Writes to the store tried again.", ("store",)),
    Metric("log_store_write_seconds", Kind.HISTOGRAM, "One bulk write to the store.", ("store",), LATENCY_BUCKETS),
    Metric("log_store_bytes", Kind.GAUGE, "Size of the store of logs.", ("store",)),
    Metric("collector_queue_records", Kind.GAUGE, "Log records that wait for the store."),
)

BY_NAME: Final = {metric.name: metric for metric in CATALOGUE}

# The closed sets of label values that the service chooses itself (models, versions and labels come from the artefacts).
SHED_REASONS: Final = ("in_flight", "queue", "draining")
PREDICTION_OUTCOMES: Final = ("computed", "cached", "invalid", "shed", "failed")
CACHE_TIERS: Final = ("process", "redis")
CACHE_OUTCOMES: Final = ("hit", "miss", "stored", "skipped", "error")
LOG_SINKS: Final = ("stdout", "gelf")
LOG_OUTCOMES: Final = ("written", "dropped", "failed")
GELF_TRANSPORTS: Final = ("udp", "tcp", "file")
GELF_REJECTIONS: Final = ("unreadable", "not-gelf", "too-large", "incomplete")
LOG_STORES: Final = ("sqlite", "elasticsearch")
# "dropped": no room while the store was away; "rejected": the store will never take it.
DOCUMENT_OUTCOMES: Final = ("stored", "dropped", "rejected")
# "duplicate": delivered again, answered before; the first answer stands.
JOB_OUTCOMES: Final = ("done", "failed", "duplicate", "unreadable")
PUBLISH_OUTCOMES: Final = ("acknowledged", "failed")
DEAD_LETTER_REASONS: Final = ("unreadable", "unknown-model", "wrong-shape", "unusable-input", "failed")
FEEDBACK_VERDICTS: Final = ("agree", "disagree")
