"""The history of a group's commits, as Kafka writes it into __consumer_offsets."""

import struct
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.kafka.commits import Commit, before_set_back, commit, history

NAMES = st.text(min_size=1, max_size=40)
OFFSETS = st.integers(0, 2**63 - 1)


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack(">h", len(data)) + data


def key(group: str, topic: str, partition: int, version: int = 1) -> bytes:
    return struct.pack(">h", version) + text(group) + text(topic) + struct.pack(">i", partition)


def value(offset: int) -> bytes:
    return struct.pack(">hqi", 4, offset, -1) + text("") + struct.pack(">q", 0)


@given(NAMES, NAMES, st.integers(0, 2**31 - 1), OFFSETS)
def test_a_commit_is_read_as_it_was_written(group, topic, partition, offset):
    record = SimpleNamespace(key=key(group, topic, partition), value=value(offset))
    assert commit(record) == Commit(group, topic, partition, offset)


def test_a_commit_that_was_taken_back_has_no_offset():
    assert commit(SimpleNamespace(key=key("billing", "trucks", 3), value=None)) == Commit("billing", "trucks", 3, None)


def test_what_a_group_consists_of_is_no_commit():
    assert commit(SimpleNamespace(key=struct.pack(">h", 2) + text("billing"), value=b"")) is None


def test_the_history_keeps_the_order_and_begins_anew_with_the_topic():
    found = [(0, 5), (1, 2), (0, None), (0, 1), (0, 9), (0, 0)]
    assert history(Commit("billing", "trucks", part, offset) for part, offset in found) == {0: [1, 9, 0], 1: [2]}


@pytest.mark.parametrize(
    ("offsets", "before"), [([], 0), ([0, 0, 3, 7], 0), ([0, 7, 0, 9], 7), ([5, 0, 9, 0], 9), ([7, 3, 9], 0)]
)
def test_a_group_that_was_set_back_had_come_so_far(offsets, before):
    assert before_set_back(offsets) == before
