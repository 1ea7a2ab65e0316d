"""The bench judges ratios within rounds, and does not let a broken round speak."""

import pytest

from bench.bars import BARS, verdicts
from bench.rounds import Sample
from bench.wrk import Answers


def sample(contender, number, rate, *, p99_us=1000, cpu_us=10.0, refused=0, broken=0):
    answers = Answers(round(rate * 2), 2.0, p99_us // 2, p99_us, p99_us * 2, refused, broken)
    return Sample(contender, number, answers, cpu_us, 99.0, 1.0, 100_000_000)


def iris(number, ours, naive=1000.0, constant=20_000.0, **changes):
    return [
        sample("constant", number, constant),
        sample("naive-iris", number, naive),
        sample("ours-iris", number, ours, **changes),
    ]


def by_name(samples):
    return {verdict.bar.name: verdict for verdict in verdicts(samples)}


OVER_NAIVE, OVER_CONSTANT, P99, TELEMETRY, SCRAPES, FOREST, JOBS = (
    next(bar.name for bar in BARS if bar.name.startswith(start))
    for start in (
        "iris: requests/s, ours / naive",
        "iris: requests/s, ours / bare",
        "iris: p99",
        "telemetry",
        "scrapes",
        "forest",
        "jobs",
    )
)


def test_the_median_of_the_rounds_decides_not_their_mean_or_their_best():
    judged = by_name([*iris(1, 11_000), *iris(2, 9_000), *iris(3, 90_000)])
    assert judged[OVER_NAIVE].median == 11.0
    assert judged[OVER_NAIVE].held
    assert not by_name([*iris(1, 9_500), *iris(2, 9_000), *iris(3, 90_000)])[OVER_NAIVE].held


@pytest.mark.parametrize(("rate", "held"), [(12_000, True), (11_999, False)])
def test_a_bar_is_held_when_it_is_just_reached(rate, held):
    assert by_name(iris(1, rate))[OVER_CONSTANT].held is held


@pytest.mark.parametrize(("p99_us", "held"), [(3000, True), (3001, False)])
def test_a_latency_is_to_be_at_most_its_limit(p99_us, held):
    assert by_name(iris(1, 15_000, p99_us=p99_us))[P99].held is held


@pytest.mark.parametrize(("cpu_us", "held"), [(23.0, True), (23.1, False)])
def test_telemetry_is_judged_by_processor_time_not_by_rate(cpu_us, held):
    pair = [sample("silent-iris", 1, 30_000, cpu_us=20.0), sample("ours-iris", 1, 10_000, cpu_us=cpu_us)]
    assert by_name(pair)[TELEMETRY].held is held


def test_scrapes_are_judged_by_the_latency_beside_them():
    pair = [sample("ours-iris", 1, 9_000, p99_us=1000), sample("scraped-iris", 1, 9_000, p99_us=1101)]
    assert not by_name(pair)[SCRAPES].held


def test_ratios_are_taken_within_a_round_so_a_slow_minute_of_the_machine_says_nothing():
    slow = iris(2, 1_200, naive=100.0, constant=2_000.0)
    assert by_name([*iris(1, 12_000), *slow])[OVER_NAIVE].ratios == (12.0, 12.0)


@pytest.mark.parametrize("fault", [{"refused": 1}, {"broken": 1}])
def test_a_round_with_a_refused_or_broken_request_does_not_count(fault):
    judged = by_name([*iris(1, 8_000), *iris(2, 8_000), *iris(3, 99_000, **fault)])[OVER_NAIVE]
    assert judged.ratios == (8.0, 8.0)
    assert not judged.held


def test_half_of_the_rounds_are_not_enough():
    judged = by_name([*iris(1, 20_000), *iris(2, 20_000, refused=1)])[OVER_NAIVE]
    assert (judged.median, judged.held) == (None, False)


def test_a_bar_whose_contenders_were_not_measured_is_not_judged():
    assert set(by_name(iris(1, 15_000))) == {OVER_NAIVE, OVER_CONSTANT, P99}
    forest = [sample("naive-forest", 1, 100), sample("ours-forest", 1, 5_000)]
    assert set(by_name(forest)) == {FOREST}


@pytest.mark.parametrize(("ours", "held"), [(500.0, True), (499.0, False)])
def test_our_queue_is_to_answer_five_times_as_many_jobs(ours, held):
    assert by_name([sample("textbook-jobs", 1, 100), sample("ours-jobs", 1, ours)])[JOBS].held is held


def test_processor_time_gives_the_same_ratio_where_rates_are_compared_and_none_for_latencies():
    samples = [sample("naive-forest", 1, 100, cpu_us=7000.0), sample("ours-forest", 1, 1, cpu_us=70.0)]
    assert by_name(samples)[FOREST].by_cpu == 100.0
    assert not by_name(samples)[FOREST].held
    assert by_name(iris(1, 15_000))[P99].by_cpu is None
