"""Set a group back to the first message that is kept.  python rewind.py billing

Kafka keeps messages whether they were read or not; a group is nothing but a committed offset for each partition.
"""

import argparse
from contextlib import closing

from fleet import BROKERS, TOPIC, stop_if_somebody_reads
from kafka import KafkaAdminClient, OffsetSpec, TopicPartition


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("group")
    group = asked.parse_args().group
    with closing(KafkaAdminClient(bootstrap_servers=BROKERS)) as admin:
        stop_if_somebody_reads(admin, group)
        (topic,) = admin.describe_topics([TOPIC])
        everywhere = [TopicPartition(TOPIC, part["partition_index"]) for part in topic["partitions"]]
        admin.reset_group_offsets(group, dict.fromkeys(everywhere, OffsetSpec.EARLIEST))
    print(f"{group}: set back to the first message in {len(everywhere)} partitions")


if __name__ == "__main__":
    main()
