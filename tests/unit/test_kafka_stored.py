"""What is read of a record, and where the leader of a partition changed."""

from types import SimpleNamespace

import pytest

from labkit.kafka.stored import Stored, everything, leader_changes


class FakeReader:
    """Brings records in the order given, as a consumer of several partitions does."""

    def __init__(self, records: list[SimpleNamespace]) -> None:
        self._records = records
        self._at: dict[object, int] = {}

    def assign(self, keys):
        self._at = dict.fromkeys(keys, 0)

    def seek(self, key, offset):
        self._at[key] = offset

    def poll(self, timeout_ms):
        brought = {}
        for key in self._at:
            brought[key] = [
                one for one in self._records if one.partition == key.partition and one.offset >= self._at[key]
            ]
            self._at[key] += len(brought[key])
        return {key: records for key, records in brought.items() if records}

    def position(self, key, timeout_ms):
        return self._at[key]


def record(partition, offset, value=b"{}", key=b"truck-01", epoch=0):
    return SimpleNamespace(
        partition=partition, offset=offset, key=key, value=value, leader_epoch=epoch, timestamp=1000 + offset
    )


def topic(*ends):
    parts = [SimpleNamespace(number=number, begin=0, end=end) for number, end in enumerate(ends)]
    return SimpleNamespace(name="trucks", partitions=parts)


@pytest.mark.parametrize(
    ("value", "facts"),
    [(b'{"seq": 4}', {"seq": 4}), (b"[4]", {}), (b"4", {}), (b"no json", {}), (b"\xff", {}), (b"", {}), (None, {})],
)
def test_a_value_is_read_when_it_is_an_object(value, facts):
    (found,) = everything(FakeReader([record(0, 0, value)]), topic(1))
    assert found == Stored(0, 0, "truck-01", facts, 0, 1.0)


def test_a_message_without_a_key_has_none():
    (found,) = everything(FakeReader([record(0, 0, key=None)]), topic(1))
    assert found.key is None


def test_messages_come_partition_by_partition_in_their_order():
    records = [record(1, 0), record(0, 0), record(1, 1), record(0, 1)]
    found = everything(FakeReader(records), topic(2, 2))
    assert [(one.partition, one.offset) for one in found] == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_a_new_leader_is_seen_within_a_partition_only():
    epochs = [(0, 0, 0), (0, 1, 0), (0, 2, 1), (1, 0, 4), (1, 1, 4), (1, 2, 6)]
    found = [Stored(part, offset, None, {}, epoch, 0.0) for part, offset, epoch in epochs]
    changes = [(one.partition, one.offset, two.offset) for one, two in leader_changes(found)]
    assert changes == [(0, 1, 2), (1, 1, 2)]
