"""The topics of the log between api and worker, as data."""

from typing import Final

import msgspec

JOBS: Final = "jobs"
RESULTS: Final = "results"
FEEDBACK: Final = "feedback"
DEAD_LETTERS: Final = "jobs.dlq"


class Topic(msgspec.Struct, frozen=True):
    """One topic: its partitions are the most workers of a group that can share it."""

    name: str
    partitions: int
    retention_hours: int


TOPICS: Final = (
    Topic(JOBS, 3, 24),
    Topic(RESULTS, 3, 24),
    Topic(FEEDBACK, 3, 24 * 7),
    Topic(DEAD_LETTERS, 1, 24 * 7),
)
# The consumer group of the workers.
WORKERS: Final = "workers"
# Headers of every message: whose request it was, and of a dead letter: why it is one and where it stood.
REQUEST_ID: Final = "request-id"
REASON: Final = "dead-letter-reason"
SOURCE: Final = "dead-letter-source"
"""Value "TOPIC/PARTITION/OFFSET"; key and value of a dead letter are those of the message, unchanged."""
