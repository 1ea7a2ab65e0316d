"""More, fewer or other replicas of the service while requests arrive: each step leaves none without an answer.

A replica is told to the edge once it is ready, and taken from it before it is stopped. Whoever interrupts a step
leaves the edge with fewer replicas than there are, never with one that is gone on purpose: `lab scale api N` sets it
right.
"""

import re
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.amended import amended, programs_of, replicas_of, workers_of
from labkit.stack.catalogue import CANARY, MOST, REPLICAS
from labkit.stack.change import present_plan, step
from labkit.stack.component import Plan
from labkit.stack.control import alone
from labkit.stack.edge_reload import Edge
from labkit.stack.obtain.program import Program, Say
from labkit.stack.ports import HOST
from labkit.stack.readiness import unready

SEEN_WITHIN = 30.0  # Prometheus scrapes every few seconds
_RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}").fullmatch


def scale_replicas(home: Home, count: int, say: Say) -> bool:
    """Run exactly `count` replicas, also those that were killed; False when they ran already.

    Raises CannotRun for a count that is not from 1 to 8, without an edge, and when no stack is up.
    """
    if not 1 <= count <= MOST:
        raise CannotRun(f"lab scale api {count}: there can be 1 to {MOST}; next: lab scale api {MOST}")
    with alone(home):
        work = _Work(home, say)
        plan = work.plan
        wanted = {name: work.stable.get(name, plan.release) for name in REPLICAS[:count]}
        if work.stable == wanted and not any(part.held for part in plan.components if part.name in wanted):
            return False
        work.run({**work.stable, **wanted}, start=wanted)
        work.tell(wanted)
        work.run(wanted)
        work.watched()
        return True


def update_replicas(home: Home, release: str, say: Say) -> bool:
    """Replace each replica by one of that release, one after the other; False when all of them were of it.

    One more than wanted runs meanwhile, unless that would be a ninth. Raises CannotRun for no proper name of a release,
    without an edge, when no stack is up, and when a replica of the release does not become ready: the others then go on
    as they are.
    """
    if not _RELEASE(release):
        raise CannotRun(f"a release is letters, digits, '.', '_' and '-', not {release!r}; next: lab release update 2")
    with alone(home):
        return _update(_Work(home, say), release)


def roll_back_replicas(home: Home, say: Say) -> str:
    """Go back to the release before the last update, in the same way, and return it."""
    with alone(home):
        work = _Work(home, say)
        release = work.plan.previous
        if release is None:
            raise CannotRun(f"there was no release before {work.plan.release!r}; next: lab release update 2")
        _update(work, release)
        return release


def weigh_canary(home: Home, weight: int, say: Say) -> bool:
    """Send `weight` percent to the canary, which is started for it and stopped for 0; False when it is so already."""
    if not 0 <= weight <= 100:
        raise CannotRun(f"the canary's weight is 0 to 100 percent, not {weight}; next: lab release canary 10")
    with alone(home):
        work = _Work(home, say)
        if work.plan.weight == weight and (CANARY in replicas_of(work.plan)) == bool(weight):
            return False
        if weight:
            work.run(work.stable, start=(CANARY,), canary=True)
        work.note(weight=weight)
        work.tell(work.stable)
        if not weight:
            work.run(work.stable, canary=False)
        work.watched()
        return True


def _update(work: "_Work", release: str) -> bool:
    old = {name: running for name, running in work.stable.items() if running != release}
    if work.plan.release != release:
        work.note(release=release, previous=work.plan.release)
    if not old:
        return False
    others = [name for name in REPLICAS if name not in work.stable]
    for extra in others[:1]:  # first, so that there are never fewer than before
        work.run({**work.stable, extra: release}, start=(extra,))
        work.tell(work.stable)
    for name in old:
        work.tell([other for other in work.stable if other != name])
        work.run({**work.stable, name: release}, start=(name,))
        work.tell(work.stable)
        work.say(f"{name} is of release {release}")
    for extra in others[:1]:
        left = {name: running for name, running in work.stable.items() if name != extra}
        work.tell(left)
        work.run(left)
    work.watched()
    return True


class _Work:
    """The steps of one command on the running stack. The lock of the folder is held for all of them."""

    def __init__(self, home: Home, say: Say) -> None:
        self.say = say
        self._home = home
        plan = self.plan
        if plan.edge != "traefik":
            raise CannotRun("without an edge the one replica is the service; next: lab down, then lab up")
        self._programs: Mapping[str, Program] = programs_of(plan, home)
        ports = {name: port for part in plan.components for name, port in part.ports.items()}
        self._edge = Edge(home.run, f"http://{HOST}:{ports['edge-metrics']}/metrics")

    @property
    def plan(self) -> Plan:
        return present_plan(self._home)

    @property
    def stable(self) -> dict[str, str]:
        """Every replica but the canary, with its release."""
        return {name: release for name, release in replicas_of(self.plan).items() if name != CANARY}

    def run(self, stable: Mapping[str, str], start: Iterable[str] = (), *, canary: bool | None = None) -> None:
        """Run these replicas and no other, `start` also when somebody killed them; return once they are ready.

        `canary`: whether there is one; None leaves that as it is.
        """
        names = set(start)

        def amend(plan: Plan) -> Plan:
            running = replicas_of(plan)
            there = CANARY in running if canary is None else canary
            wanted = {**stable, CANARY: running.get(CANARY, plan.release)} if there else stable
            after = amended(plan, self._home, self._programs, wanted, workers_of(plan))
            parts = (replace(part, held=False) if part.name in names else part for part in after.components)
            return replace(after, components=tuple(parts))

        step(self._home, amend, self.say)

    def note(self, **facts: int | str) -> None:
        """Keep a fact in the plan: release, previous, weight."""
        step(self._home, lambda plan: replace(plan, **facts), self.say)  # type: ignore[arg-type]  # by name

    def tell(self, names: Collection[str]) -> None:
        """Tell the edge of these replicas and the canary; wait until it finds well those that are not killed."""
        plan = self.plan
        urls = {part.name: f"http://{HOST}:{part.ports[part.name]}" for part in plan.components if part.name in names}
        canary = [f"http://{HOST}:{part.port}" for part in plan.components if part.name == CANARY and plan.weight]
        self._edge.tell(list(urls.values()), canary, plan.weight)
        held = {part.name for part in plan.components if part.held}
        self._edge.wait_up([*(url for name, url in urls.items() if name not in held), *canary])

    def watched(self) -> None:
        """Wait until Prometheus has seen all of them: whoever counts from then on misses nothing."""
        parts = {part.name: part for part in self.plan.components}
        prometheus, begun = parts["prometheus"], time.monotonic()
        while not prometheus.held and any(unready(address) for address in prometheus.probes):
            if time.monotonic() - begun > SEEN_WITHIN:
                raise CannotRun(f"Prometheus has not seen all replicas in {SEEN_WITHIN:g} s; next: lab status")
            time.sleep(0.1)
