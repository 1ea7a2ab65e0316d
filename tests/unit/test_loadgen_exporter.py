"""The numbers for Prometheus: buckets by its rule, sums over processes, text that its own parser reads."""

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from labkit.loadgen.buckets import LATENCY_BUCKETS, Buckets
from labkit.loadgen.exporter import Totals, exposition
from labkit.loadgen.recorder import Recorder

KEY = ("POST", '/a"b\\c\n')
MICROS = st.integers(0, 20_000_000) | st.sampled_from([round(bound * 1_000_000) for bound in LATENCY_BUCKETS])


@settings(deadline=None)
@given(st.lists(st.lists(MICROS)))
def test_buckets_count_what_is_at_most_their_bound(batches: list[list[int]]) -> None:
    buckets, merged = Buckets(), Buckets()
    for batch in batches:
        buckets.add(batch)
        one = Buckets()
        one.add(batch)
        merged.merge(one.message())
    values = [value for batch in batches for value in batch]
    for n, bound in enumerate(LATENCY_BUCKETS, 1):
        assert sum(buckets.counts[:n]) == sum(value <= round(bound * 1_000_000) for value in values)
    assert (buckets.total, buckets.sum_us) == (len(values), sum(values))
    assert merged == buckets


def recorded(*times: float, failure: tuple[str, str] | None = None) -> Recorder:
    recorder = Recorder()
    for seconds in times:
        recorder.finished(
            KEY,
            ended=1.0,
            service_time=seconds,
            response_time=2 * seconds,
            status=200,
            failure=failure,
        )
    list(recorder.flush())
    return recorder


def text(totals: Totals, offered: float | None = 12.5) -> dict[str, list[tuple[dict[str, str], float]]]:
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families("".join(exposition(7, offered, totals.sums()))):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_processes_are_added_and_a_report_that_comes_again_is_not() -> None:
    totals = Totals()
    totals.take("a", recorded(0.001, 0.002).counts())
    totals.take("a", recorded(0.001, 0.002, 0.3).counts())
    totals.take("b", recorded(0.004, failure=("refused", "status 503")).counts())
    found = text(totals)
    of = {"method": KEY[0], "route": KEY[1]}
    assert found["locust_requests_total"] == [({**of, "status": "200"}, 4)]
    assert found["locust_failures_total"] == [({**of, "reason": "refused"}, 1)]
    assert found["locust_service_seconds_count"] == [(of, 4)]
    assert found["locust_service_seconds_sum"] == [(of, 0.307)]
    assert found["locust_response_seconds_sum"] == [(of, 0.614)]
    assert ({**of, "le": "0.001"}, 1) in found["locust_service_seconds_bucket"]
    assert ({**of, "le": "0.0025"}, 2) in found["locust_service_seconds_bucket"]
    assert ({**of, "le": "+Inf"}, 4) in found["locust_service_seconds_bucket"]
    assert (found["locust_users"], found["locust_offered_requests_per_second"]) == ([({}, 7)], [({}, 12.5)])


def test_a_closed_loop_offers_nothing() -> None:
    assert "locust_offered_requests_per_second" not in text(Totals(), None)
