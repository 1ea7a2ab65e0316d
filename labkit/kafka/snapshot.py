"""One look at a Kafka: each thing is asked when it is first wanted, and once."""

from collections.abc import Callable
from functools import cached_property
from typing import TypeVar

from kafka import KafkaAdminClient

from labkit.kafka import facts
from labkit.kafka.commits import OFFSETS, commits
from labkit.kafka.connection import ask, reader
from labkit.kafka.stored import Stored, everything

Answer = TypeVar("Answer")


class Snapshot:
    """What a Kafka said about its groups and one topic. Whatever asks raises CannotRun when nobody answers."""

    def __init__(self, servers: str, topic: str) -> None:
        self._servers = servers
        self._name = topic

    @cached_property
    def topics(self) -> dict[str, facts.Topic]:
        """Return every topic by its name, Kafka's own ones too."""
        return {one.name: one for one in self.ask(lambda client: facts.topics(client, internal=True))}

    @property
    def topic(self) -> facts.Topic | None:
        return self.topics.get(self._name)

    @cached_property
    def messages(self) -> list[Stored]:
        """Return every message of the topic, partition by partition in its order; none without a topic."""
        if self.topic is None:
            return []
        with reader(self._servers) as client:
            return everything(client, self.topic)

    @cached_property
    def groups(self) -> dict[str, facts.Group]:
        return {one.name: one for one in self.ask(facts.groups)}

    def lags(self, group: str) -> dict[int, facts.Lag]:
        """Return how far a group is behind in the topic, by partition."""
        rows = self.ask(lambda client: facts.lags(client, group))
        return {row.partition: row for row in rows if row.topic == self._name}

    def commits(self, group: str) -> dict[int, list[int]]:
        """Return what a group has committed in the topic so far, by partition, first to last."""
        if OFFSETS not in self.topics:
            return {}
        with reader(self._servers) as client:
            return commits(client, self.topics[OFFSETS], group, self._name)

    def ask(self, question: Callable[[KafkaAdminClient], Answer]) -> Answer:
        return ask(self._servers, question)
