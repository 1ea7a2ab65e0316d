"""What a stack may consist of beside the service itself: `lab up --profile NAME`."""

from collections.abc import Sequence

from labkit.errors import CannotRun

DEFAULT = ("stream",)
PROFILES = {
    "core": "without Kafka: no jobs, no feedback",
    "stream": "one Kafka broker and one worker (the default)",
    "cluster": "three Kafka brokers, three copies of everything, one worker",
    "kafka-legacy": "Kafka 3.9 with ZooKeeper, one broker, one worker",
}


def described() -> str:
    return "; ".join(f"{name}: {what}" for name, what in PROFILES.items())


def chosen(names: Sequence[str]) -> tuple[str, ...]:
    """Return the profiles asked for, the default when none is; raises CannotRun for an unknown or a second one.

    All that there are now say which Kafka the stack has: they exclude each other.
    """
    for name in names:
        if name not in PROFILES:
            raise CannotRun(f"there is no profile {name!r}; there are: {', '.join(PROFILES)}; next: lab up --help")
    wanted = tuple(dict.fromkeys(names)) or DEFAULT
    if len(wanted) > 1:
        raise CannotRun(f"the profiles {' and '.join(wanted)} exclude each other; next: lab up --profile {wanted[0]}")
    return wanted
