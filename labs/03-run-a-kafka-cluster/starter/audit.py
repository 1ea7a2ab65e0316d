"""Hold what was acknowledged (sent.jsonl) against what Kafka has stored.  python audit.py"""

import json
from collections import defaultdict
from contextlib import closing

from fleet import BROKERS, SENT, TOPIC, lines_of
from kafka import KafkaConsumer, TopicPartition


def main() -> None:
    stored = everything()
    sent = lines_of(SENT)
    acknowledged = {(one["partition"], one["offset"]): (one["truck"], one["seq"]) for one in sent if "offset" in one}
    lost = [place for place, what in acknowledged.items() if stored.get(place) != what]
    partitions, backwards, last = defaultdict(set), 0, {}
    for (partition, _), (truck, seq) in sorted(stored.items()):
        partitions[truck].add(partition)
        backwards += seq <= last.get((truck, partition), 0)
        last[truck, partition] = seq
    scattered = sum(len(places) > 1 for places in partitions.values())
    print(f"sent {len(sent)}, acknowledged {len(acknowledged)}, stored {len(stored)}")
    print(f"acknowledged and lost: {len(lost)}")
    print(f"trucks in more than one partition: {scattered} of {len(partitions)}; steps backwards: {backwards}")


def everything() -> dict[tuple[int, int], tuple[str, int]]:
    """Return truck and sequence number of every stored message, by partition and offset."""
    found = {}
    with closing(KafkaConsumer(bootstrap_servers=BROKERS, group_id=None)) as consumer:
        places = [TopicPartition(TOPIC, number) for number in consumer.partitions_for_topic(TOPIC) or ()]
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        ends = consumer.end_offsets(places)
        while any(consumer.position(place) < ends[place] for place in places):
            for records in consumer.poll(timeout_ms=500).values():
                for record in records:
                    value = json.loads(record.value)
                    found[record.partition, record.offset] = (value["truck"], value["seq"])
    return found


if __name__ == "__main__":
    main()
