"""More or fewer workers while the stack runs."""

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack import catalogue
from labkit.stack.amended import amended, programs_of, replicas_of, workers_of
from labkit.stack.catalogue import MOST
from labkit.stack.change import change
from labkit.stack.component import Plan
from labkit.stack.obtain.program import Say


def scale_workers(home: Home, count: int, say: Say) -> bool:
    """Run exactly `count` workers and return once they are ready; False when they ran already.

    Raises CannotRun for a count that is not from 0 to 8, and when no stack is up.
    """
    if not 0 <= count <= MOST:
        raise CannotRun(f"lab scale worker {count}: there can be 0 to {MOST}; next: lab scale worker {MOST}")

    def scaled(plan: Plan) -> Plan:
        if not catalogue.queue(plan.profiles):
            raise CannotRun("this stack has no Kafka and so no workers; next: lab down, then lab up")
        if workers_of(plan) == count:
            return plan
        return amended(plan, home, programs_of(plan, home), replicas_of(plan), count)

    return bool(change(home, scaled, say))
