"""Log records in Elasticsearch: how many, of what kind, which failed, which were slow, and what they say."""

from grafana.generator.board import Board, Text, row
from grafana.generator.records import Asked, last, over_time, records_table

FOUND = "${query:raw}"
REQUESTS = f"({FOUND}) AND event:request"
COLUMNS = ("timestamp", "host", "method", "route", "status", "duration_us", "model", "request_id")

BOARD = Board(
    "logs",
    "Logs",
    "Records of api, workers and edge. Write a query above (status:>=500 AND model:forest, or words of a message):"
    " every panel follows it. A request_id leads through edge, api and worker: lab trace ID.",
    (
        row(
            "How many",
            over_time(
                "Records by event",
                "request: the api's answers; job and feedback: the worker's; edge: Traefik's; message: what the"
                " programs say. A kind that stops means that a sink or a process has.",
                Asked(FOUND, by="event"),
            ),
            over_time(
                "Records by level",
                "3 is an error, 4 a warning, 6 information (syslog's numbers). Errors in steps have one cause.",
                Asked(FOUND, by="level"),
            ),
            over_time(
                "Records by host",
                "Who writes. A replica that is missing is down, or its records are lost: see Saturation, Logs.",
                Asked(FOUND, by="host"),
            ),
        ),
        row(
            "What went wrong",
            over_time(
                "Status 400 and above, by route",
                "Requests that were refused or failed. 5xx are ours, 4xx the client's.",
                Asked(f"{REQUESTS} AND status:>=400", by="route"),
                width=12,
            ),
            over_time(
                "Answers by status",
                "The same count as in Service, from the logs: both agree unless records were lost.",
                Asked(REQUESTS, by="status"),
                width=12,
            ),
        ),
        row(
            "Which",
            records_table(
                "Slow requests",
                "Requests that took 10 ms or more, of the newest 500 the slowest first (duration in microseconds)."
                " Take a request_id to lab trace.",
                Asked(f"{REQUESTS} AND duration_us:>=10000"),
                COLUMNS,
                sorted_by="duration_us",
            ),
            last(
                "Records",
                "The newest records that the query finds; open one for all its fields, its request_id among them.",
                Asked(FOUND),
            ),
        ),
    ),
    (Text("query", "Query", "*"),),
    shows="15m",
)
