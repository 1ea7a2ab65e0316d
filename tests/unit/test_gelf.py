"""GELF datagrams: how they are packed and cut, and what is none."""

import contextlib
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.gelf import CHUNK_SECONDS, MOST_BYTES, Assembly, unpacked
from app.core.log_records import Maker, NotARecord
from tests.collector_process import chunks, encoded, every_packing, message


def reason(call: object, *arguments: object) -> str:
    with pytest.raises(NotARecord) as caught:
        call(*arguments)  # type: ignore[operator]
    return caught.value.reason


@pytest.mark.parametrize("packing", range(4))
def test_every_packing_gives_the_same_record(packing: int) -> None:
    plain = encoded(message(7, _note="ñ" * 400))
    data = every_packing(plain)[packing]
    expected = Maker(0, lambda: 0.0).from_gelf(plain)
    assert Maker(0, lambda: 0.0).from_gelf(unpacked(memoryview(data))) == expected


def test_a_bomb_is_refused_before_it_is_large() -> None:
    bomb = zlib.compress(b" " * (64 << 20), 9)
    assert len(bomb) < 65_507, "it fits into a datagram"
    assert reason(unpacked, bomb) == "too-large"
    assert len(unpacked(zlib.compress(b" " * MOST_BYTES))) == MOST_BYTES, "the control: what is allowed passes"


@pytest.mark.parametrize("data", [b"\x78\x9c", b"\x1f\x8b\x08\x00", zlib.compress(b"{}" * 90)[:-4], b"\x78nonsense"])
def test_what_does_not_unpack_is_unreadable(data: bytes) -> None:
    assert reason(unpacked, data) == "unreadable"


@given(
    st.lists(st.binary(min_size=1, max_size=3000), min_size=1, max_size=4),
    st.integers(1, 700).filter(lambda size: size >= 24),
    st.randoms(use_true_random=False),
    st.integers(0, 9),
)
def test_chunks_in_any_order_and_some_twice_give_each_message_once(messages, size, random, twice) -> None:  # type: ignore[no-untyped-def]
    datagrams = [chunk for number, one in enumerate(messages) for chunk in chunks(one, size, number.to_bytes(8, "big"))]
    datagrams += random.choices(datagrams, k=twice)
    random.shuffle(datagrams)
    assembly = Assembly()
    whole = [found for one in datagrams if (found := assembly.add(one, 0.0)) is not None]
    assert sorted(whole) == sorted(messages)
    assert (len(assembly), assembly.overdue(CHUNK_SECONDS)) == (0, 0)


@given(st.data())
def test_a_message_that_lacks_a_chunk_is_given_up_once(data) -> None:  # type: ignore[no-untyped-def]
    datagrams = chunks(bytes(1000), data.draw(st.integers(8, 500)))
    del datagrams[data.draw(st.integers(0, len(datagrams) - 1))]
    assembly = Assembly()
    assert [assembly.add(one, 1.0) for one in datagrams] == [None] * len(datagrams)
    assert assembly.overdue(1.0 + CHUNK_SECONDS - 0.01) == 0
    assert assembly.overdue(1.0 + CHUNK_SECONDS) == 1
    assert (len(assembly), assembly.overdue(1.0 + CHUNK_SECONDS)) == (0, 0)


def test_the_longest_allowed_message_has_128_chunks() -> None:
    body = bytes(128 * 8180)
    datagrams = chunks(body, 8180)
    assembly = Assembly()
    assert [assembly.add(one, 0.0) for one in datagrams[:-1]] == [None] * 127
    assert assembly.add(datagrams[-1], 0.0) == body
    too_many = b"\x1e\x0f" + b"ident-02" + bytes([0, 129]) + b"x"
    assert reason(Assembly().add, too_many, 0.0) == "unreadable"


@pytest.mark.parametrize(
    "datagram",
    [
        b"\x1e\x0f",
        b"\x1e\x0fident-01\x00\x02",
        b"\x1e\x0fident-01\x02\x02x",
        b"\x1e\x0fident-01\x00\x00x",
        b"\x1exident-01\x00\x01x",
    ],
)
def test_chunks_that_make_no_sense_are_unreadable(datagram: bytes) -> None:
    assembly = Assembly()
    assert reason(assembly.add, datagram, 0.0) == "unreadable"
    assert len(assembly) == 0


def test_chunks_of_a_message_must_agree_on_how_many_there_are() -> None:
    assembly = Assembly()
    assembly.add(b"\x1e\x0fident-01\x00\x03x", 0.0)
    assert reason(assembly.add, b"\x1e\x0fident-01\x01\x04x", 0.0) == "unreadable"


def test_unfinished_messages_are_bounded_in_number_and_in_bytes() -> None:
    by_number = Assembly(most_messages=10)
    for number in range(50):
        by_number.add(b"\x1e\x0f" + number.to_bytes(8, "big") + b"\x00\x02x", 0.0)
    assert (by_number.overdue(0.0), len(by_number)) == (40, 10)
    by_bytes = Assembly(most_bytes=1000)
    for number in range(50):
        by_bytes.add(b"\x1e\x0f" + number.to_bytes(8, "big") + b"\x00\x02" + bytes(100), 0.0)
    assert (by_bytes.overdue(0.0), len(by_bytes)) == (40, 10)


def test_chunks_may_be_too_large_together() -> None:
    assembly = Assembly()
    datagrams = chunks(bytes(MOST_BYTES + 1), 60_000)
    assert [assembly.add(one, 0.0) for one in datagrams[:-1]] == [None] * (len(datagrams) - 1)
    assert reason(assembly.add, datagrams[-1], 0.0) == "too-large"
    assert len(assembly) == 0


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_but_a_refusal(data: bytes) -> None:
    maker = Maker(0, lambda: 0.0)
    for take in (lambda: maker.from_gelf(unpacked(data)), lambda: Assembly().add(data, 0.0)):
        with contextlib.suppress(NotARecord):
            take()
    with contextlib.suppress(NotARecord):
        maker.from_edge(data)


@given(
    st.dictionaries(
        st.sampled_from([*message(), "DownstreamStatus", "Duration", "StartUTC", "msg", "time", "OriginDuration", "x"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
            max_leaves=6,
        ),
    )
)
def test_any_json_object_is_a_record_that_fits_its_columns_or_none(fields) -> None:  # type: ignore[no-untyped-def]
    maker = Maker(0, lambda: 12.0)
    data = json.dumps(fields).encode()
    for make in (maker.from_gelf, maker.from_edge):
        try:
            record = make(data)
        except NotARecord:
            continue
        assert isinstance(record.time, float)
        assert 0 <= record.level <= 7
        assert record.status is None or 0 <= record.status < 1000
        assert record.duration_us is None or 0 <= record.duration_us < 2**63
        texts = (record.host, record.event, record.message, record.request_id, record.path, record.model)
        assert all(text is None or isinstance(text, str) for text in texts)
        assert record.fields is None or isinstance(json.loads(record.fields), dict)
