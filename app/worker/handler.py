"""What the poll loop asks of the code that sees to one topic."""

from typing import Protocol

from kafka.consumer.fetcher import ConsumerRecord


class Handler(Protocol):
    """Sees to the messages of one topic. Called by the poll loop's thread only."""

    topic: str

    def handle(self, records: list[ConsumerRecord]) -> None:
        """See to all of `records` (at least one, of any partitions, in the order of each): they are committed next.

        Must bear being called with the same records again: after a crash, a rebalance or an error they come back.
        A message that can never be handled is put aside (`DeadLetters.put_aside`) and is no error. Raises Away when
        something that the work needs does not answer: all of `records` come again after a pause.
        """
