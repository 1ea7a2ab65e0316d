"""Jobs from their acceptance through Kafka to the worker, and log records through the collector."""

from grafana.generator.board import Board, row
from grafana.generator.panels import Query, bad_from, fact, graph, heat
from grafana.generator.promql import buckets, grown, observed, or_none, or_zero, quantile, rate, share, so_far, total

WAIT, PUBLISH = "job_wait_seconds", "message_publish_seconds"

BOARD = Board(
    "pipeline",
    "Pipeline",
    "What is accepted now and answered later. Submitted must equal finished over any long time; lag is"
    " what lies between.",
    (
        row(
            "Now",
            fact(
                "Submitted",
                "Jobs accepted a second: Kafka has acknowledged them, so each will be answered once.",
                "cps",
                Query(or_zero(rate("jobs_submitted_total")), "submitted"),
            ),
            fact(
                "Finished",
                "Jobs that workers are done with, a second. Below submitted for long: add a worker (lab scale"
                " worker N).",
                "cps",
                Query(or_zero(rate("jobs_finished_total")), "finished"),
            ),
            fact(
                "Lag",
                "Messages behind the ends of their partitions. Only growing: the workers are too few or stuck.",
                "short",
                Query(or_zero(total("worker:lag:sum")), "messages"),
                steps=bad_from(1000, 100),
            ),
            fact(
                "Wait p99",
                "From acceptance to the worker's hands. The objective of two seconds covers the whole way of a job.",
                "s",
                Query(quantile(0.99, WAIT), "p99"),
                steps=bad_from(2, 1),
            ),
            fact(
                "Dead letters",
                "Messages put aside since the workers started, because no retry can help. Read them: lab kafka tail"
                " jobs.dlq.",
                "short",
                Query(or_zero(so_far("dead_letters_total")), "put aside"),
                steps=bad_from(1),
            ),
            fact(
                "Not published",
                "Messages that Kafka did not acknowledge, in the time shown; their senders got a 503.",
                "short",
                Query(or_zero(grown("messages_published_total", 'outcome="failed"')), "failed"),
                steps=bad_from(1),
            ),
        ),
        row(
            "Jobs",
            graph(
                "Submitted and finished",
                "The two lines must lie on each other; while they are apart, lag grows or is worked off.",
                "cps",
                Query(or_zero(rate("jobs_submitted_total")), "submitted"),
                Query(or_zero(rate("jobs_finished_total")), "finished"),
            ),
            graph(
                "Submitted by model",
                "Which model jobs ask for. The heavy ones decide how many workers are needed.",
                "cps",
                Query(rate("jobs_submitted_total", by="model"), "{{model}}"),
                stacked=True,
            ),
            graph(
                "Finished by outcome",
                "done; failed with a reason that its owner can read; duplicate: delivered again and answered before;"
                " unreadable.",
                "cps",
                Query(or_none(rate("jobs_finished_total", by="model, outcome"), "outcome"), "{{model}} {{outcome}}"),
            ),
        ),
        row(
            "Waiting",
            graph(
                "Wait p50, p95, p99",
                "From acceptance to the worker's hands. Grows with lag: a wait of a second is a second of messages.",
                "s",
                Query(quantile(0.5, WAIT), "p50"),
                Query(quantile(0.95, WAIT), "p95"),
                Query(quantile(0.99, WAIT), "p99"),
                steps=bad_from(2),
            ),
            heat(
                "Wait, distribution",
                "Jobs by their wait, darker is more. A band that climbs is a worker that falls behind.",
                "s",
                Query(buckets(WAIT), "{{le}}"),
            ),
            graph(
                "Lag by partition",
                "Messages behind the end of each partition. One partition alone: one client's jobs, or one worker that"
                " is stuck.",
                "short",
                Query(total("consumer_lag_records", by="topic, partition"), "{{topic}} {{partition}}"),
            ),
        ),
        row(
            "Workers",
            graph(
                "Consumed by topic",
                "Messages taken and committed by the workers. A topic that stops while it is published to: see"
                " Lag by partition.",
                "cps",
                Query(rate("messages_consumed_total", by="topic"), "{{topic}}"),
                stacked=True,
            ),
            graph(
                "Time of a batch",
                "From Kafka to the commit, results stored. The more a batch holds, the longer it takes and the less"
                " each job costs.",
                "s",
                Query(quantile(0.5, "job_processing_seconds"), "p50"),
                Query(quantile(0.99, "job_processing_seconds"), "p99"),
            ),
            graph(
                "Jobs in a batch",
                "Jobs finished over batches handled. Rises when jobs wait: the worker catches up by itself.",
                "short",
                Query(share(rate("jobs_finished_total"), observed("job_processing_seconds")), "jobs"),
            ),
        ),
        row(
            "Kafka",
            graph(
                "Published by topic",
                "Messages handed to Kafka, by fate. Any that are failed: brokers are away, or too few in-sync"
                " replicas.",
                "cps",
                Query(rate("messages_published_total", by="topic, outcome"), "{{topic}} {{outcome}}"),
            ),
            graph(
                "Publish p99 by topic",
                "Until all in-sync replicas have a message. Jumps when a leader is lost; the request waits for it.",
                "s",
                Query(quantile(0.99, PUBLISH, by="topic"), "{{topic}}"),
            ),
            graph(
                "Put back and put aside",
                "Since the workers started: batches put back because something was away, and messages put aside for"
                " good. Zero is normal; a step is an event, a slope a trouble that goes on.",
                "short",
                Query(or_zero(so_far("messages_retried_total")), "put back"),
                Query(
                    or_none(so_far("dead_letters_total", by="topic, reason"), "reason"),
                    "put aside: {{topic}} {{reason}}",
                ),
            ),
        ),
        row(
            "Log records through the collector",
            graph(
                "Received and stored",
                "Whole GELF messages received, and what became of them. Received is stored, dropped, rejected or"
                " still waiting, exactly.",
                "cps",
                Query(or_zero(rate("gelf_received_total")), "received"),
                Query(rate("log_documents_total", by="store, outcome"), "{{store}} {{outcome}}"),
            ),
            graph(
                "Lost or refused",
                "no room in the kernel, no GELF, refused by the store, dropped while it was away. Zero is normal.",
                "cps",
                Query(or_zero(rate("gelf_socket_drops_total")), "no room in the kernel"),
                Query(or_zero(rate("gelf_rejected_total")), "no GELF"),
                Query(or_zero(rate("log_documents_total", 'outcome="rejected"')), "refused by the store"),
                Query(or_zero(rate("log_documents_total", 'outcome="dropped"')), "dropped"),
            ),
            graph(
                "Waiting for the store",
                "Records in the collector's memory. At its limit the newest are dropped and counted.",
                "short",
                Query(or_zero(total("collector_queue_records")), "records"),
            ),
            graph(
                "Time of a write",
                "One bulk write to the store. Slower writes take larger bulks: look at Waiting for the store.",
                "s",
                Query(quantile(0.5, "log_store_write_seconds", by="store"), "{{store}} p50"),
                Query(quantile(0.99, "log_store_write_seconds", by="store"), "{{store}} p99"),
            ),
            graph(
                "Writes tried again",
                "The store was away or busy. Records wait meanwhile; nothing is lost until the queue is full.",
                "ops",
                Query(or_zero(rate("log_store_retries_total")), "tried again"),
            ),
            graph(
                "Size of the store",
                "Bounded: when it is full, the oldest records go. A saw-tooth at the limit is right.",
                "bytes",
                Query(or_zero(total("log_store_bytes", of="max")), "bytes"),
            ),
        ),
    ),
)
