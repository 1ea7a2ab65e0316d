"""What `lab doctor` says of memory."""

from labkit.stack.memory import measures
from labkit.stack.status import Row, Status


def row(name: str, rss: int, pss: int) -> Row:
    return Row(name, "ready", 1, 1, rss, pss, 0.0, 0, None)


def stack(profile: str, *rows: Row) -> Status:
    return Status(True, "up", 18000, "traefik", rows, (profile,))


def test_a_broker_and_the_default_stack_are_held_to_their_limits() -> None:
    seen = stack("stream", row("kafka", 231_000_000, 200_000_000), row("api-1", 500_000_000, 100_000_000))
    broker, whole = measures(seen)
    assert (broker.what, broker.size, broker.good) == ("kafka", 231_000_000, False)
    assert (whole.what, whole.size, whole.good) == ("the default stack", 300_000_000, True)


def test_three_brokers_are_held_to_a_limit_together() -> None:
    brokers = [row(f"kafka-{number}", 205_000_000, 190_000_000) for number in (1, 2, 3)]
    *each, together = measures(stack("cluster", *brokers, row("zookeeper", 1, 1)))
    assert all(measure.good for measure in each)
    assert (together.what, together.size, together.good) == ("three brokers", 615_000_000, False)


def test_a_stack_that_is_down_has_nothing_to_measure() -> None:
    assert measures(Status(False, "down", None, None, ())) == ()
