"""What the leading process tells all others: the whole schedule as plain values, and what each ticket runs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from labkit.errors import CannotRun
from labkit.loadgen.scenario import Arrivals, Mode
from labkit.loadgen.shapes import Segment, Shape
from labkit.loadgen.tickets import Tickets, tickets


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One run. `segments` are (seconds, first rate, last rate); empty in a closed loop."""

    mode: Mode
    users: int
    seed: int
    grace: float
    arrivals: Arrivals = "poisson"
    mix: dict[str, float] = {}
    segments: tuple[tuple[float, float, float], ...] = ()
    left_out: str = ""
    """Which users take no part, and why."""
    exported: bool = False
    """Whether the leader has an exporter, for which each process reports its counts every second."""
    request_ids: str = ""
    """What every request id of the run begins with: so its log records are found again."""

    @property
    def shape(self) -> Shape:
        return Shape(tuple(Segment(*part) for part in self.segments))

    def share(self, weights: Sequence[float], *, index: int = 0, of: int = 1) -> Tickets:
        return tickets(self.shape, self.arrivals, self.seed, weights, index=index, of=of)

    def message(self) -> dict[str, Any]:
        facts: dict[str, Any] = msgspec.to_builtins(self)
        return facts


def plan_from(message: Mapping[str, Any]) -> Plan:
    return msgspec.convert(message, Plan)


@dataclass(frozen=True)
class Action:
    """What one ticket runs: a task of a user class."""

    user_class: type[Any]
    task: Callable[[Any], None]
    weight: float


def actions(user_classes: Sequence[type[Any]], mix: Mapping[str, float]) -> list[Action]:
    """Return the tasks that tickets may run, in the same order in every process.

    `mix` gives a class ("PageUser": its tasks by their own weights) or one method ("PredictUser.forest") a weight;
    without it each class counts by its own `weight`. Raises CannotRun that lists the known names.
    """
    by_name = {cls.__name__: cls for cls in sorted(user_classes, key=lambda cls: cls.__name__)}
    weights = dict(mix) or {name: float(cls.weight) for name, cls in by_name.items()}
    found: list[Action] = []
    for name in sorted(weights):
        class_name, _, method = name.partition(".")
        cls = by_name.get(class_name)
        if cls is None:
            raise CannotRun(f"mix: no user class {class_name!r}; loaded are: {', '.join(by_name) or 'none'}")
        if method:
            task = getattr(cls, method, None)
            if not callable(task):
                raise CannotRun(f"mix: {class_name} has no task {method!r}; it has: {', '.join(task_names(cls))}")
            found.append(Action(cls, task, weights[name]))
        else:
            found.extend(class_actions(cls, weights[name]))
    return [action for action in found if action.weight > 0]


def class_actions(cls: type[Any], weight: float) -> list[Action]:
    """Return a class's tasks, its weight divided among them. Raises CannotRun for nested TaskSets."""
    counts: dict[Any, int] = {}
    for task in cls.tasks:
        counts[task] = counts.get(task, 0) + 1
    if not counts or any(isinstance(task, type) for task in counts):
        raise CannotRun(f"{cls.__name__} cannot be scheduled: give it @task methods, not nested TaskSets")
    return [Action(cls, task, weight * count / len(cls.tasks)) for task, count in counts.items()]


def task_names(cls: type[Any]) -> list[str]:
    return sorted({task.__name__ for task in cls.tasks})
