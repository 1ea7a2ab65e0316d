"""A client's view of Kafka: topics, partitions, offsets, groups and messages, as any program could see them."""
