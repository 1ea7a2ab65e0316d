"""Recording in bulk and merging lose nothing."""

from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from labkit.loadgen.histograms import HIGHEST, LOWEST, decoded, empty, encoded, merge, merged, record
from labkit.loadgen.ledger import Ledger
from labkit.loadgen.recorder import Recorder

values = st.lists(st.one_of(st.integers(0, 5_000), st.integers(0, 2 * HIGHEST)), max_size=200)


def one_by_one(numbers: list[int]) -> HdrHistogram:
    histogram = empty()
    for number in numbers:
        histogram.record_value(min(max(number, LOWEST), HIGHEST))
    return histogram


def state(histogram: HdrHistogram) -> tuple[list[int], int, int, int]:
    return list(histogram.counts), histogram.total_count, histogram.get_min_value(), histogram.get_max_value()


@given(values)
def test_bulk_recording_is_what_record_value_does(numbers: list[int]) -> None:
    bulk = empty()
    record(bulk, numbers)
    assert state(bulk) == state(one_by_one(numbers))


@given(st.lists(values, max_size=5))
def test_merged_histograms_are_the_histogram_of_all_values(parts: list[list[int]]) -> None:
    texts = []
    for part in parts:
        histogram = empty()
        record(histogram, part)
        texts.append(encoded(histogram))
    whole = one_by_one([number for part in parts for number in part])
    assert list(merged(texts).counts) == list(whole.counts)


def test_averaged_percentiles_are_not_the_percentile_of_all() -> None:
    """The control of the test above: what merging avoids."""
    fast, slow = [1_000] * 990, [1_000] * 5 + [1_000_000] * 5
    whole = merged([encoded(one_by_one(fast)), encoded(one_by_one(slow))]).get_value_at_percentile(99)
    averaged = sum(one_by_one(part).get_value_at_percentile(99) for part in (fast, slow)) / 2
    assert whole < 1_001
    assert averaged > 500_000


def test_merging_an_empty_histogram_keeps_the_minimum() -> None:
    histogram = one_by_one([500, 700])
    merge(histogram, empty())
    assert histogram.get_min_value() == 500


samples = st.lists(
    st.tuples(
        st.sampled_from([("GET", "/"), ("POST", "/predict")]),
        st.integers(0, 4),
        st.integers(1, 3_000_000),
        st.integers(0, 2_000_000),
        st.sampled_from([200, 422, 503, 0]),
    ),
    max_size=60,
)


@given(st.lists(samples, min_size=1, max_size=3))
def test_a_ledger_of_several_processes_holds_exactly_what_they_recorded(processes: list[list[tuple]]) -> None:  # type: ignore[type-arg]
    """Counts, statuses, errors and both histograms, in all and by second."""
    ledger = Ledger()
    for source, seen in enumerate(processes):
        recorder = Recorder()
        for key, second, service, late, status in seen:
            recorder.started(1000 + second)
            failure = None if status == 200 else (f"status {status}", "example")
            recorder.finished(
                key,
                ended=1000 + second,
                service_time=service / 1e6,
                response_time=(service + late) / 1e6,
                status=status,
                failure=failure,
            )
        for message in recorder.take_seconds(2000, busy=0):
            ledger.add_second(str(source), message)
        ledger.add_entries(recorder.entries())
    everything = [sample for seen in processes for sample in seen]
    assert ledger.sent == len(everything) == sum(second.sent for second in ledger.seconds.values())
    for key, entry in ledger.entries.items():
        mine = [sample for sample in everything if sample[0] == key]
        assert list(entry.service_time.counts) == list(one_by_one([s[2] for s in mine]).counts)
        assert list(entry.response_time.counts) == list(one_by_one([s[2] + s[3] for s in mine]).counts)
        assert entry.failed == sum(count for count, _ in entry.errors.values()) == sum(s[4] != 200 for s in mine)
        written = entry.to_dict(key)
        assert sum(written["statuses"].values()) == written["sent"] == written["ok"] + written["failed"]
        assert list(decoded(written["service_time"]).counts) == list(entry.service_time.counts)
    for t, second in ledger.seconds.items():
        mine = [sample for sample in everything if 1000 + sample[1] == t]
        assert second.service_time is not None
        assert list(second.service_time.counts) == list(one_by_one([s[2] for s in mine]).counts)
