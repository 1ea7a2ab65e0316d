"""The plan of a running stack with other replicas or workers."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from labkit.home import Home
from labkit.stack import catalogue
from labkit.stack.catalogue import CANARY, RELEASE, REPLICAS
from labkit.stack.component import Component, Plan
from labkit.stack.entry import Entry, Site, claims, needed_programs
from labkit.stack.obtain import obtain_all
from labkit.stack.obtain.program import Program
from labkit.stack.ports import check_free

WORKER = "worker-"


def replicas_of(plan: Plan) -> dict[str, str]:
    """Return the release of each replica of a plan, the canary's as well."""
    parts = (part for part in plan.components if part.name in (*REPLICAS, CANARY))
    return {part.name: part.environment.get("LAB_RELEASE", RELEASE) for part in parts}


def workers_of(plan: Plan) -> int:
    """Return how many workers a plan has."""
    return sum(part.name.startswith(WORKER) for part in plan.components)


def programs_of(plan: Plan, home: Home) -> Mapping[str, Program]:
    """Return the programs that a plan's components run; they are all there, since it runs."""
    return obtain_all(needed_programs(catalogue.entries(plan.edge, plan.profiles)), home, lambda _text: None)


def amended(plan: Plan, home: Home, programs: Mapping[str, Program], replicas: Mapping[str, str], workers: int) -> Plan:
    """Return the plan with these replicas, a release each, and so many workers; Prometheus is told of them at once.

    What somebody killed stays so. Raises CannotRun when a port is taken.
    """
    apis = tuple(_replica(name, replicas[name]) for name in (*REPLICAS, CANARY) if name in replicas)
    entries = (*_others(plan), *apis, *map(catalogue.worker, range(1, workers + 1)))
    site = Site(home, plan.base, entries, programs)
    present = {part.name: part for part in plan.components}
    check_free(claims([entry for entry in entries if entry.name not in present], plan.base), plan.base)
    site.write_targets()
    parts = tuple(_part(site.component(entry), present.get(entry.name)) for entry in entries)
    return replace(plan, components=parts, urls=catalogue.addresses(site, plan.edge))


def _others(plan: Plan) -> Iterable[Entry]:
    for entry in catalogue.entries(plan.edge, plan.profiles):
        if not entry.name.startswith(WORKER) and entry.name not in REPLICAS:
            yield entry


def _replica(name: str, release: str) -> Entry:
    return catalogue.canary(release) if name == CANARY else catalogue.api(REPLICAS.index(name) + 1, release)


def _part(fresh: Component, old: Component | None) -> Component:
    """Return what is to run; what runs already stays what it is but for a release, the order and what it is asked."""
    if old is None:
        return fresh
    if old.name in (*REPLICAS, CANARY):
        environment = {**old.environment, "LAB_RELEASE": fresh.environment["LAB_RELEASE"]}
        old = replace(old, environment=environment)
    return replace(old, needs=fresh.needs, before=fresh.before, probes=fresh.probes)
