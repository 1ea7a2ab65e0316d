"""The memory of recent predictions, bounded in entries and bytes."""

import msgspec
import pytest

from app.api.predict import InferCodec, PlainCodec
from app.core.recent import MOST_BODY_BYTES, Recent
from tests.fake_models import info, text_info

PLAIN, INFER = PlainCodec(8), InferCodec(8)
IRIS = b'{"data": [[1, 2.5, 3, 4]]}'


def name(number):
    return b"%032x" % number


def remembered(recent, numbers, body=IRIS):
    for number in numbers:
        recent.remember(name(number), info(), PLAIN, body, [number])
    return recent


def test_a_prediction_is_found_by_its_request_id_with_its_row_and_version():
    found = remembered(Recent(), [7]).find(name(7).decode())
    assert (found.model, found.version, found.predicted) == ("iris", "v1", 7)
    assert msgspec.json.decode(found.row) == [1, 2.5, 3, 4]


def test_a_text_is_remembered_as_it_was_sent():
    recent = Recent()
    recent.remember(b"a", text_info(), PLAIN, '{"data": ["¡Muy \\"bien\\"! 👍"]}'.encode(), ["Positivo"])
    assert msgspec.json.decode(recent.find("a").row) == '¡Muy "bien"! 👍'


def test_a_row_of_the_open_inference_protocol_is_the_same_row():
    body = b'{"inputs": [{"name": "input", "shape": [1, 4], "datatype": "FP64", "data": [1, 2.5, 3, 4]}]}'
    recent = Recent()
    recent.remember(b"a", info(), INFER, body, [2])
    assert msgspec.json.decode(recent.find("a").row) == [1, 2.5, 3, 4]


def test_nothing_is_decoded_before_somebody_asks():
    class Never:
        name = b"never"

        def decode(self, body, facts):
            raise AssertionError("decoded")

    recent = Recent()
    recent.remember(b"a", info(), Never(), IRIS, [1])
    with pytest.raises(AssertionError, match="decoded"):
        recent.find("a")


def test_several_rows_and_large_bodies_are_not_remembered():
    recent = Recent()
    recent.remember(b"two", info(), PLAIN, b'{"data": [[1,2,3,4],[1,2,3,4]]}', [1, 1])
    recent.remember(b"large", info(), PLAIN, IRIS.ljust(MOST_BODY_BYTES + 1), [1])
    recent.remember(b"fits", info(), PLAIN, IRIS.ljust(MOST_BODY_BYTES), [1])
    assert [recent.find(one) is not None for one in ("two", "large", "fits")] == [False, False, True]
    assert len(recent) == 1


def test_an_unknown_id_is_not_found():
    assert remembered(Recent(), range(3)).find("f" * 32) is None


@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 99, 100, 101, 1000])
def test_the_last_half_of_the_entries_is_always_known_and_never_more_than_all(count):
    recent = remembered(Recent(most_entries=100), range(count))
    assert len(recent) <= 100
    last = range(max(0, count - 50), count)
    assert all(recent.find(name(number).decode()).predicted == number for number in last)
    assert sum(recent.find(name(number).decode()) is not None for number in range(count)) == len(recent)


def test_the_bytes_of_the_bodies_are_bounded():
    body = IRIS.ljust(1000)
    recent = remembered(Recent(most_entries=10_000, most_bytes=100_000), range(5000), body)
    assert 50 <= len(recent) <= 102
    assert recent.find(name(4999).decode()) is not None
    assert recent.find(name(4000).decode()) is None


def test_an_id_that_comes_again_stands_for_the_later_prediction():
    recent = Recent()
    recent.remember(b"again", info(), PLAIN, IRIS, [1])
    recent.remember(b"again", info(version="v2"), PLAIN, IRIS, [2])
    assert (recent.find("again").version, recent.find("again").predicted) == ("v2", 2)
