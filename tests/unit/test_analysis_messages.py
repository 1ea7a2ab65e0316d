"""What Kafka's answers say: keys, partitions, order, lag."""

from labkit.kafka.facts import Lag
from notebooks.analysis import messages, trucks
from notebooks.source.kafka import Record, Stored


def records(positions: list[trucks.Message], partition_of: dict[bytes, int]) -> list[Record]:
    """Return the messages as a consumer reads them: partition by partition."""
    found = [Record("t", partition_of[key], offset, 0, key, value) for offset, (key, value) in enumerate(positions)]
    return sorted(found, key=lambda one: one.partition)


POSITIONS = trucks.positions(trucks=3, each=4)
PLACES = {b"truck-1": 0, b"truck-2": 2, b"truck-3": 2}


def sent():
    return messages.placed(POSITIONS, [Stored("t", PLACES[key], n) for n, (key, _) in enumerate(POSITIONS)])


def test_the_same_seed_drives_the_same_way_and_trucks_take_turns():
    assert trucks.positions(trucks=3, each=4) == POSITIONS != trucks.positions(trucks=3, each=4, seed=8)
    assert [key for key, _ in POSITIONS[:4]] == [b"truck-1", b"truck-2", b"truck-3", b"truck-1"]


def test_an_empty_partition_is_a_row_of_zeros():
    table = messages.by_partition(sent(), 3)
    assert table.loc[1].sum() == 0
    assert table.loc[2].to_dict() == {"truck-1": 0, "truck-2": 4, "truck-3": 4}


def test_each_key_is_in_one_partition_unless_it_is_in_two():
    frame = sent()
    assert messages.partitions_of_keys(frame).tolist() == [1, 1, 1]
    frame.loc[0, "partition"] = 1
    assert messages.partitions_of_keys(frame)["truck-1"] == 2


def test_order_holds_within_keys_and_not_over_partitions():
    read = messages.read(records(POSITIONS, PLACES))
    assert messages.order_kept(read).all()
    assert not messages.order_kept_by_all(read)


def test_two_messages_of_a_key_that_changed_places_are_seen():
    swapped = [POSITIONS[3], *POSITIONS[1:3], POSITIONS[0], *POSITIONS[4:]]
    assert messages.order_kept(messages.read(records(swapped, PLACES))).to_dict()["truck-1"] is False


def lag(committed: int | None, end: int, partition: int = 0) -> Lag:
    return Lag("g", "t", partition, None, committed, 0, end)


def test_lag_counts_from_the_beginning_while_nothing_was_committed():
    table = messages.lag_table([lag(8, 8, 2), lag(None, 4)])
    assert table.to_dict("index") == {
        0: {"committed": 0, "left": 4, "end": 4},
        2: {"committed": 8, "left": 0, "end": 8},
    }


def test_the_answer_tells_what_moved_the_lag():
    lags = [messages.lag_table([lag(n, 12)]) for n in (None, 5, 12)]
    said = messages.answer(sent(), messages.read(records(POSITIONS, PLACES)), lags)
    assert "each key lies in 1 partition.\n" in said
    assert "lag went 12 → 7 → 0 messages: reading alone did not move it, committing did" in said
    assert "the first one did not take messages from it" in said


def test_the_answer_does_not_claim_what_was_not_seen():
    lags = [messages.lag_table([lag(n, 12)]) for n in (5, 5, 12)]
    said = messages.answer(sent(), messages.read(records(POSITIONS[:6], PLACES)), lags)
    assert "reading alone did not" not in said
    assert "missed messages" in said


def test_shares_are_one_row_a_reader():
    assert messages.share_table([[2], [0, 1]])["reads partitions"].to_dict() == {"reader 1": "2", "reader 2": "0, 1"}
