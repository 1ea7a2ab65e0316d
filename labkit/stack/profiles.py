"""What a stack may consist of beside the service itself: `lab up --profile NAME`."""

from collections.abc import Sequence

from labkit.errors import CannotRun

DEFAULT = ("stream",)
PROFILES = {
    "core": "without Kafka: no jobs, no feedback",
    "stream": "one Kafka broker and one worker (the default)",
    "cluster": "three Kafka brokers, three copies of everything, one worker",
    "kafka-legacy": "Kafka 3.9 with ZooKeeper, one broker, one worker",
    "search": "logs in Elasticsearch instead of SQLite; goes with any of the others",
}
ADDED = ("search",)  # to the one that says which Kafka there is


def described() -> str:
    return "; ".join(f"{name}: {what}" for name, what in PROFILES.items())


def chosen(names: Sequence[str]) -> tuple[str, ...]:
    """Return the profiles asked for, in a fixed order: which Kafka the stack has, then what is added to it.

    The default Kafka unless one is asked for. Raises CannotRun for an unknown profile and for a second Kafka.
    """
    for name in names:
        if name not in PROFILES:
            raise CannotRun(f"there is no profile {name!r}; there are: {', '.join(PROFILES)}; next: lab up --help")
    wanted = tuple(name for name in dict.fromkeys(names) if name not in ADDED) or DEFAULT
    if len(wanted) > 1:
        raise CannotRun(f"the profiles {' and '.join(wanted)} exclude each other; next: lab up --profile {wanted[0]}")
    return (*wanted, *(name for name in ADDED if name in names))
