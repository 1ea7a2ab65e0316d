"""More or fewer workers while the stack runs."""

from collections.abc import Mapping
from dataclasses import replace

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack import catalogue
from labkit.stack.change import change
from labkit.stack.component import Plan
from labkit.stack.entry import Site, claims
from labkit.stack.obtain import obtain_all
from labkit.stack.obtain.program import Program, Say
from labkit.stack.ports import check_free

MOST = 8
WORKER = "worker-"


def scale(home: Home, what: str, count: int, say: Say) -> bool:
    """Run exactly `count` workers and return once they are ready; False when they ran already.

    Raises CannotRun for something else than worker, for a count that is not from 0 to 8, and when no stack is up.
    """
    if what != "worker":
        raise CannotRun(f"lab scale takes worker, not {what!r} (the edge reads its replicas at its start); "
                        "next: lab scale worker 3")  # fmt: skip
    if not 0 <= count <= MOST:
        raise CannotRun(f"lab scale worker {count}: there can be 0 to {MOST}; next: lab scale worker {MOST}")
    programs = obtain_all((), home, say)
    return bool(change(home, lambda plan: _scaled(plan, home, count, programs), say))


def _scaled(plan: Plan, home: Home, count: int, programs: Mapping[str, Program]) -> Plan:
    """Return the plan with so many workers; Prometheus is told of them at once."""
    if not catalogue.queue(plan.profiles):
        raise CannotRun("this stack has no Kafka and so no workers; next: lab down, then lab up")
    workers = tuple(catalogue.worker(number) for number in range(1, count + 1))
    others = tuple(entry for entry in catalogue.entries(plan.edge, plan.profiles) if not entry.name.startswith(WORKER))
    site = Site(home, plan.base, (*others, *workers), programs)
    present = {part.name for part in plan.components}
    new = [worker for worker in workers if worker.name not in present]
    check_free(claims(new, plan.base), plan.base)
    wanted = {worker.name for worker in workers}
    kept = (part for part in plan.components if not part.name.startswith(WORKER) or part.name in wanted)
    site.write_targets()
    return replace(
        plan,
        components=(*kept, *(site.component(worker) for worker in new)),
        urls=catalogue.addresses(site, plan.edge),
    )
