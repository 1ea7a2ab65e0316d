"""The brokers of the stack by their numbers."""

from collections.abc import Iterable

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.change import running_record
from labkit.stack.entry import is_broker


def broker(home: Home, number: int) -> str:
    """Return the component's name of a broker: kafka-2 on the cluster, kafka for the only one, which is number 1.

    Raises CannotRun when no stack is up here, and for a number that it does not have.
    """
    names = broker_names(member.name for member in running_record(home).members)
    if number not in names:
        known = ", ".join(map(str, names)) or "none"
        raise CannotRun(f"no broker {number} in this stack; there are: {known}; next: lab status")
    return names[number]


def broker_names(components: Iterable[str]) -> dict[int, str]:
    """Return which of the components are brokers, by number."""
    return {int(name.removeprefix("kafka").removeprefix("-") or 1): name for name in components if is_broker(name)}
