"""Create the topic `trucks`.  python topic.py [--again]"""

import argparse
import time
from contextlib import closing

from fleet import BROKERS, READ, SENT, TOPIC, own_numbers, stop_if_somebody_reads
from kafka import KafkaAdminClient
from kafka.errors import TopicAlreadyExistsError

PARTITIONS = own_numbers()["PARTITIONS"]
REPLICATION = 3  # one dies, two are left
MIN_INSYNC = "2"  # with 3 nothing could be written while a broker is away, with 1 a message could be in one place


def main() -> None:
    again = argparse.ArgumentParser()
    again.add_argument("--again", action="store_true", help="delete the topic and all that was written about it first")
    with closing(KafkaAdminClient(bootstrap_servers=BROKERS)) as admin:
        if again.parse_args().again and TOPIC in admin.list_topics():
            stop_if_somebody_reads(admin, "dashboard", "billing")
            delete(admin)
        settings = {
            "num_partitions": PARTITIONS,
            "replication_factor": REPLICATION,
            "configs": {"min.insync.replicas": MIN_INSYNC},
        }
        try:
            admin.create_topics({TOPIC: settings}, wait_for_metadata=True)
        except TopicAlreadyExistsError:
            raise SystemExit(f"the topic {TOPIC} is there already; next: python topic.py --again") from None
    print(f"{TOPIC}: {PARTITIONS} partitions, {REPLICATION} copies of each, min.insync.replicas {MIN_INSYNC}")
    print(f"(task.env says: {own_numbers()})")


def delete(admin: KafkaAdminClient) -> None:
    """Delete the topic; what sent.jsonl and read/ say about it goes, too."""
    admin.delete_topics([TOPIC])
    while TOPIC in admin.list_topics():
        time.sleep(0.2)
    for file in [SENT, *READ.glob("*.jsonl")]:
        file.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
