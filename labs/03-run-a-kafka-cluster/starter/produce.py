"""Let every truck report where it is.  python produce.py --rounds 30 --every 0.1"""

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import closing
from math import cos, sin
from typing import Any, TextIO

from fleet import BROKERS, SENT, TOPIC, end_after_this_round, lines_of, truck_names, write_line
from kafka import KafkaProducer
from kafka.errors import KafkaError


def open_producer() -> KafkaProducer:
    return KafkaProducer(
        bootstrap_servers=BROKERS,
        client_id="gps",
        acks=1,  # TODO: 1 is "the leader has it". If the leader dies a moment later, who else has it?
        request_timeout_ms=5000,
        delivery_timeout_ms=30000,
        max_block_ms=30000,
    )


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--rounds", type=int, default=30, help="how often each truck reports")
    asked.add_argument("--every", type=float, default=0.1, help="seconds from one round to the next")
    arguments = asked.parse_args()
    ending = end_after_this_round()
    acknowledged = refused = 0
    with closing(open_producer()) as producer, SENT.open("a", encoding="utf-8") as sent:
        for positions in rounds(arguments.rounds):
            if ending.is_set():
                break
            good = report(producer, positions, sent)
            acknowledged, refused = acknowledged + good, refused + len(positions) - good
            time.sleep(arguments.every)
    print(f"sent {acknowledged + refused}: acknowledged {acknowledged}, refused {refused}")


def report(producer: KafkaProducer, positions: list[dict[str, Any]], sent: TextIO) -> int:
    """Send one position of each truck, wait for every answer, note it; return how many were acknowledged."""
    waiting = []
    for one in positions:
        answer = producer.send(
            TOPIC,
            value=json.dumps(one).encode(),
            key=None,  # TODO: without a key a message goes anywhere. What must stay in order? (bytes: text.encode())
        )
        waiting.append((one, answer))
    acknowledged = 0
    for one, answer in waiting:
        try:
            place = answer.get(timeout=40)
            write_line(sent, truck=one["truck"], seq=one["seq"], partition=place.partition, offset=place.offset)
            acknowledged += 1
        except KafkaError as error:
            write_line(sent, truck=one["truck"], seq=one["seq"], error=type(error).__name__)
    return acknowledged


def rounds(count: int) -> Iterator[list[dict[str, Any]]]:
    """Yield a position of every truck, `count` times; `seq` counts the reports of a truck, over all runs.

    Each truck drives a circle around the port of Montevideo.
    """
    first = max((one["seq"] for one in lines_of(SENT)), default=0) + 1
    for seq in range(first, first + count):
        yield [
            {
                "truck": truck,
                "seq": seq,
                "lat": round(-34.9 + sin(angle) / 10, 5),
                "lon": round(-56.2 + cos(angle) / 10, 5),
            }
            for number, truck in enumerate(truck_names())
            for angle in [number + seq / 50]
        ]


if __name__ == "__main__":
    main()
