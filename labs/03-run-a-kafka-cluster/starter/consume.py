"""Read the trucks' positions as a member of a group.  python consume.py --group billing --member billing-1"""

import argparse
import json
import time
from contextlib import closing
from pathlib import Path
from typing import Any, TextIO

from fleet import BROKERS, READ, TOPIC, end_politely, write_line
from kafka import KafkaConsumer
from kafka.errors import CommitFailedError, RebalanceInProgressError, RetriableError


def open_consumer(group: str, member: str) -> KafkaConsumer:
    return KafkaConsumer(
        TOPIC,
        bootstrap_servers=BROKERS,
        group_id=group,
        client_id=member,
        enable_auto_commit=True,  # TODO: the library then says "done" by the clock. Who knows when the work is done?
        auto_offset_reset="latest",  # TODO: where a group begins that has committed nothing: the end, or "earliest"?
        max_poll_records=50,
        session_timeout_ms=6000,
        heartbeat_interval_ms=1000,
        request_timeout_ms=10000,
    )


def work_through(batch: dict[Any, list[Any]], consumer: KafkaConsumer, read: TextIO, seconds: float) -> None:
    """Do what the group is there for, with each message of a batch: here a line in a file (and `seconds` of work).

    If this process ends in the middle of the loop, the next one begins where the last commit was.
    """
    commit(consumer)  # TODO: this says "the whole batch is done". Is it? Move the line to where it is true.
    for records in batch.values():
        for record in records:
            time.sleep(seconds)
            write_line(
                read,
                at=time.time(),
                group=consumer.config["group_id"],
                partition=record.partition,
                offset=record.offset,
                key=None if record.key is None else record.key.decode(),
                seq=json.loads(record.value)["seq"],
            )


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--group", required=True)
    asked.add_argument("--member", required=True, help="a name for this process; its file has it, too")
    asked.add_argument("--work", type=float, default=0.0, help="seconds of work for each message")
    asked.add_argument("--into", type=Path, default=READ, help="the folder of the file")
    arguments = asked.parse_args()
    end_politely()
    arguments.into.mkdir(parents=True, exist_ok=True)
    file = arguments.into / f"{arguments.member}.jsonl"
    with (
        closing(open_consumer(arguments.group, arguments.member)) as consumer,
        file.open("a", encoding="utf-8") as read,
    ):
        while True:
            if batch := poll(consumer):
                work_through(batch, consumer, read, arguments.work)


def poll(consumer: KafkaConsumer) -> dict[Any, list[Any]]:
    """Return a batch: up to 50 messages by their partitions. None come while a broker is away."""
    try:
        batch: dict[Any, list[Any]] = consumer.poll(timeout_ms=500)
    except RetriableError:
        return {}
    return batch


def commit(consumer: KafkaConsumer) -> None:
    """Commit the offsets after the last batch; try again while a broker is away.

    While the group shares out its partitions anew it is refused: then they are read again.
    """
    while True:
        try:
            consumer.commit()
            return
        except RetriableError:
            time.sleep(0.2)
        except (CommitFailedError, RebalanceInProgressError) as error:
            print(f"not committed, to be read again: {type(error).__name__}", flush=True)
            return


if __name__ == "__main__":
    main()
